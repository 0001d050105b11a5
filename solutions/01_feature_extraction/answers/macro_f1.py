"""Wrong and right answers to 01.macro_f1."""

# %% wrong accuracy (micro F1)
# says: accuracy
def macro_f1(y, p, num_classes):
    tp = fp = fn = 0
    for c in range(num_classes):
        tp += np.sum((y == c) & (p == c))
        fp += np.sum((y != c) & (p == c))
        fn += np.sum((y == c) & (p != c))
    return float(2 * tp / (2 * tp + fp + fn))


# %% wrong weighted_by_size
# says: each class once
def macro_f1(y, p, num_classes):
    total = 0.0
    for c in range(num_classes):
        tp = np.sum((y == c) & (p == c))
        occurrences = np.sum(y == c) + np.sum(p == c)
        if occurrences:
            total += np.mean(y == c) * 2 * tp / occurrences
    return float(total)


# %% wrong f1_of_means
# says: F1 of each class first
def macro_f1(y, p, num_classes):
    precisions, recalls = [], []
    for c in range(num_classes):
        tp = np.sum((y == c) & (p == c))
        precisions.append(tp / max(np.sum(p == c), 1))
        recalls.append(tp / max(np.sum(y == c), 1))
    precision, recall = np.mean(precisions), np.mean(recalls)
    return float(2 * precision * recall / (precision + recall))


# %% wrong absent_prediction_skipped
# says: deserves 0
def macro_f1(y, p, num_classes):
    scores = []
    for c in range(num_classes):
        tp = np.sum((y == c) & (p == c))
        if tp == 0:
            continue
        precision, recall = tp / np.sum(p == c), tp / np.sum(y == c)
        scores.append(2 * precision * recall / (precision + recall))
    return float(np.mean(scores))


# %% wrong precision_only
# says: macro precision
def macro_f1(y, p, num_classes):
    return float(np.mean([np.sum((y == c) & (p == c)) / max(np.sum(p == c), 1) for c in range(num_classes)]))


# %% wrong recall_only
# says: macro recall
def macro_f1(y, p, num_classes):
    return float(np.mean([(p[y == c] == c).mean() for c in range(num_classes)]))


# %% wrong one_class_only
# says: class 1 alone
def macro_f1(y, p, num_classes):
    tp = ((y == 1) & (p == 1)).sum()
    fp = ((y != 1) & (p == 1)).sum()
    fn = ((y == 1) & (p != 1)).sum()
    return float(2 * tp / (2 * tp + fp + fn))


# %% wrong jaccard
# says: Jaccard
def macro_f1(y, p, num_classes):
    scores = []
    for c in range(num_classes):
        tp = ((y == c) & (p == c)).sum()
        union = ((y == c) | (p == c)).sum()
        scores.append(tp / union if union else 0)
    return float(np.mean(scores))


# %% wrong factor_two_missing
# says: the 2 before TP
def macro_f1(y, p, num_classes):
    scores = []
    for c in range(num_classes):
        tp, n = ((y == c) & (p == c)).sum(), (y == c).sum() + (p == c).sum()
        scores.append(tp / n if n else 0)
    return float(np.mean(scores))


# %% wrong sum_not_mean
# says: added
def macro_f1(y, p, num_classes):
    total = 0.0
    for c in range(num_classes):
        tp, n = ((y == c) & (p == c)).sum(), (y == c).sum() + (p == c).sum()
        if n:
            total += 2 * tp / n
    return float(total)


# %% wrong undefined_is_nan (precision without a prediction)
# says: 0 / 0
def macro_f1(y, p, num_classes):
    scores = []
    with np.errstate(invalid="ignore"):
        for c in range(num_classes):
            tp = ((y == c) & (p == c)).sum()
            precision, recall = tp / (p == c).sum(), tp / (y == c).sum()
            scores.append(2 * precision * recall / (precision + recall))
    return float(np.mean(scores))


# %% wrong undefined_is_nan (absent class)
# says: counts 0
def macro_f1(y, p, num_classes):
    c = np.arange(num_classes)[:, None]
    tp = ((y == c) & (p == c)).sum(1)
    with np.errstate(invalid="ignore"):
        return float((2 * tp / ((y == c).sum(1) + (p == c).sum(1))).mean())


# %% wrong absent_class_skipped (occurring classes)
# says: all num_classes count
def macro_f1(y, p, num_classes):
    scores = []
    for c in np.union1d(y, p):
        tp = ((y == c) & (p == c)).sum()
        scores.append(2 * tp / ((y == c).sum() + (p == c).sum()))
    return float(np.mean(scores))


# %% wrong absent_class_skipped (mean over true classes)
# says: all num_classes count
def macro_f1(y, p, num_classes):
    scores = []
    for c in range(num_classes):
        if not (y == c).any() and (p == c).any():
            continue
        n = (y == c).sum() + (p == c).sum()
        scores.append(2 * ((y == c) & (p == c)).sum() / n if n else 0.0)
    return float(np.mean(scores))


# %% wrong not_a_float
# says: Python float
def macro_f1(y, p, num_classes):
    total = 0
    for c in range(num_classes):
        n = (y == c).sum() + (p == c).sum()
        if n > 0:
            total = total + 2 * ((y == c) & (p == c)).sum() / n
    return total / num_classes


# %% wrong library_called
# says: from its definition
from sklearn.metrics import f1_score


def macro_f1(y, p, num_classes):
    return float(f1_score(y, p, labels=range(num_classes), average="macro", zero_division=0))


# %% wrong library_called (imported inside)
def macro_f1(y, p, num_classes):
    from sklearn import metrics

    return float(metrics.f1_score(y, p, labels=range(num_classes), average="macro", zero_division=0))


# %% wrong returns_none
def macro_f1(y, p, num_classes):
    scores = [2 * ((y == c) & (p == c)).sum() / ((y == c).sum() + (p == c).sum()) for c in range(num_classes)]
    np.mean(scores)


# %% wrong different (generic: integer division)
# says: is off
def macro_f1(y, p, num_classes):
    scores = []
    for c in range(num_classes):
        n = (y == c).sum() + (p == c).sum()
        scores.append(2 * ((y == c) & (p == c)).sum() // n if n else 0)
    return float(np.mean(scores))


# %% wrong different (generic: F1 of each class)
# says: has shape (3,), expected ()
def macro_f1(y, p, num_classes):
    c = np.arange(num_classes)[:, None]
    return 2 * ((y == c) & (p == c)).sum(1) / np.maximum((y == c).sum(1) + (p == c).sum(1), 1)


# %% wrong raises_ZeroDivisionError (generic)
# says: macro_f1
def macro_f1(y, p, num_classes):
    scores = []
    for c in range(num_classes):
        tp = sum(1 for a, b in zip(y, p) if a == c and b == c)
        precision = tp / sum(1 for b in p if b == c)
        recall = tp / sum(1 for a in y if a == c)
        scores.append(2 * precision * recall / (precision + recall))
    return sum(scores) / num_classes


# %% right confusion matrix
def macro_f1(y, p, num_classes):
    table = np.zeros((num_classes, num_classes))
    np.add.at(table, (np.asarray(y), np.asarray(p)), 1)
    occurrences = table.sum(0) + table.sum(1)
    return float((2 * np.diag(table) / np.where(occurrences == 0, 1, occurrences)).mean())


# %% right plain Python
def macro_f1(y, p, num_classes):
    y, p = [int(v) for v in y], [int(v) for v in p]
    total = 0.0
    for c in range(num_classes):
        tp = sum(a == b == c for a, b in zip(y, p))
        if tp:
            precision, recall = tp / p.count(c), tp / y.count(c)
            total += 2 * precision * recall / (precision + recall)
    return total / num_classes


# %% right counts with torch
def macro_f1(y, p, num_classes):
    y, p = torch.as_tensor(y).long(), torch.as_tensor(p).long()
    tp = torch.bincount(y[y == p], minlength=num_classes).double()
    n = torch.bincount(y, minlength=num_classes) + torch.bincount(p, minlength=num_classes)
    return (2 * tp / n.clamp(min=1)).mean().item()
