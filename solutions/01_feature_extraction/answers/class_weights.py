"""Wrong and right answers to 01.class_weights."""

# %% wrong not_divided_by_classes
# says: left out C
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return len(y) / counts


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong inverse_count
# says: 1/n_c
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return 1.0 / counts


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong frequency
# says: frequencies
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return counts / len(y)


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong normalized_to_one
# says: sum 1 over *classes*
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return (1 / counts) / (1 / counts).sum()


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong integer_division
# says: cuts off
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return len(y) // (num_classes * counts)


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong per_sample
# says: for each sample
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return (len(y) / (num_classes * counts))[y]


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong returns_none
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    weights = len(y) / (num_classes * counts)


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong empty_class (infinite weight)
# says: infinite
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    return len(y) / (num_classes * counts)


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong empty_class (class at the end overlooked)
# says: labels [0, 1]
def class_weights(y, num_classes):
    counts = torch.bincount(y)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return len(y) / (num_classes * counts)


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong empty_class (weight 0)
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    weights = len(y) / (num_classes * counts)
    weights[counts == 0] = 0
    return weights


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong empty_class (counts clamped)
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    return len(y) / (num_classes * counts.clamp(min=1))


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong empty_class (assert)
# says: AssertionError
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    assert counts.min() > 0, "a class has no sample"
    return len(y) / (num_classes * counts)


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong empty_class (division by zero)
# says: ZeroDivisionError
def class_weights(y, num_classes):
    labels = y.tolist()
    return torch.tensor([len(labels) / (num_classes * labels.count(c)) for c in range(num_classes)])


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong wrong_type (numpy)
# says: float32 tensor
def class_weights(y, num_classes):
    counts = np.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return len(y) / (num_classes * counts)


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong wrong_type (double)
# says: float32 tensor
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return len(y) / (num_classes * counts.double())


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits, y, reduction="none")).mean()


# %% wrong divided_by_weights (torch's way)
# says: weights would cancel
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return len(y) / (num_classes * counts.float())


def weighted_cross_entropy(logits, y, w):
    return F.cross_entropy(logits, y, weight=w)


# %% wrong divided_by_weights (by hand)
# says: weights would cancel
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return len(y) / (num_classes * counts.float())


def weighted_cross_entropy(logits, y, w):
    losses = F.cross_entropy(logits, y, reduction="none")
    return (w[y] * losses).sum() / w[y].sum()


# %% wrong sum_not_mean
# says: mean was asked
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return len(y) / (num_classes * counts.float())


def weighted_cross_entropy(logits, y, w):
    return F.cross_entropy(logits, y, weight=w, reduction="sum")


# %% wrong softmax_twice
# says: applies it itself
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return len(y) / (num_classes * counts.float())


def weighted_cross_entropy(logits, y, w):
    return (w[y] * F.cross_entropy(logits.softmax(1), y, reduction="none")).mean()


# %% wrong unweighted
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return len(y) / (num_classes * counts.float())


def weighted_cross_entropy(logits, y, w):
    return F.cross_entropy(logits, y)


# %% wrong no_gradient (item)
# says: Return the tensor
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return len(y) / (num_classes * counts.float())


def weighted_cross_entropy(logits, y, w):
    losses = F.cross_entropy(logits, y, reduction="none")
    return sum(w[label].item() * loss.item() for label, loss in zip(y, losses)) / len(y)


# %% wrong different (generic: loss of each sample)
# says: has shape (3,), expected ()
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return len(y) / (num_classes * counts.float())


def weighted_cross_entropy(logits, y, w):
    return w[y] * F.cross_entropy(logits, y, reduction="none")


# %% wrong not_normalized
# says: log_softmax
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return len(y) / (num_classes * counts.float())


def weighted_cross_entropy(logits, y, w):
    return F.nll_loss(logits, y, weight=w, reduction="sum") / len(y)


# %% wrong not_defined (generic: second function missing)
def class_weights(y, num_classes):
    counts = torch.bincount(y, minlength=num_classes)
    if (counts == 0).any():
        raise ValueError("a class has no sample")
    return len(y) / (num_classes * counts.float())


# %% right counted in a loop, one-hot
def class_weights(y, num_classes):
    counts = [int((y == c).sum()) for c in range(num_classes)]
    if 0 in counts:
        raise ValueError(f"no samples of class {counts.index(0)}")
    return torch.tensor([len(y) / (num_classes * n) for n in counts])


def weighted_cross_entropy(logits, y, w):
    chosen = F.one_hot(y, logits.shape[1]) * w
    return -(chosen * logits.log_softmax(-1)).sum() / logits.shape[0]


# %% right CrossEntropyLoss with the sum
def class_weights(y, num_classes):
    classes, counts = torch.unique(y, return_counts=True)
    if len(classes) != num_classes:
        raise ValueError("a class has no sample")
    return y.numel() / (num_classes * counts)


def weighted_cross_entropy(logits, y, w):
    return nn.CrossEntropyLoss(weight=w, reduction="sum")(logits, y) / len(y)


# %% right mean share and nll_loss
def class_weights(y, num_classes):
    share = F.one_hot(y, num_classes).float().mean(0)
    if not share.all():
        raise ValueError("a class has no sample")
    return 1 / (num_classes * share)


def weighted_cross_entropy(logits, y, w):
    each = F.nll_loss(F.log_softmax(logits, dim=1), y, reduction="none")
    return torch.mean(each * w.gather(0, y))
