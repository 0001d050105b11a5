"""Wrong and right answers to 02.layer_lrs."""

# %% wrong head_shared (exponent L − l)
# says: one factor is missing
def layer_lrs(num_layers, base_lr, decay):
    return [base_lr * decay ** (num_layers - l) for l in range(num_layers + 1)] + [base_lr]


# %% wrong head_shared (cumulative, the base twice)
# says: one factor is missing
def layer_lrs(num_layers, base_lr, decay):
    lrs, lr = [base_lr], base_lr
    for _ in range(num_layers + 1):
        lrs.append(lr)
        lr *= decay
    return lrs[::-1]


# %% wrong embeddings_shared
# says: position of their own
def layer_lrs(num_layers, base_lr, decay):
    layers = [base_lr * decay ** (num_layers - i) for i in range(num_layers)]
    return [layers[0], *layers, base_lr]


# %% wrong reversed
# says: upside down
def layer_lrs(num_layers, base_lr, decay):
    return [base_lr * decay**k for k in range(num_layers + 2)]


# %% wrong grows_downwards (negative exponent)
# says: exponent negative
def layer_lrs(num_layers, base_lr, decay):
    return [base_lr * decay ** (k - num_layers - 1) for k in range(num_layers + 2)]


# %% wrong grows_downwards (divides, as with 2.6)
def layer_lrs(num_layers, base_lr, decay):
    return [base_lr / decay ** (num_layers + 1 - k) for k in range(num_layers + 2)]


# %% wrong starts_at_embeddings
# says: the head's rate
def layer_lrs(num_layers, base_lr, decay):
    return [base_lr / decay**k for k in range(num_layers + 2)]


# %% wrong layers_only
# says: L + 2 rates
def layer_lrs(num_layers, base_lr, decay):
    return [base_lr * decay ** (num_layers - i) for i in range(num_layers)]


# %% wrong no_embeddings
# says: embeddings are missing
def layer_lrs(num_layers, base_lr, decay):
    return [base_lr * decay ** (num_layers - i) for i in range(num_layers + 1)]


# %% wrong no_head
# says: head is missing
def layer_lrs(num_layers, base_lr, decay):
    return [base_lr * decay ** (num_layers + 1 - i) for i in range(num_layers + 1)]


# %% wrong two_short
# says: the last one is the head's
def layer_lrs(num_layers, base_lr, decay):
    return [base_lr * decay ** (num_layers - 1 - i) for i in range(num_layers)]


# %% wrong head_decayed
# says: exponent 0
def layer_lrs(num_layers, base_lr, decay):
    return [base_lr * decay ** (num_layers + 2 - k) for k in range(num_layers + 2)]


# %% wrong base_forgotten
# says: factors alone
def layer_lrs(num_layers, base_lr, decay):
    return [decay ** (num_layers + 1 - k) for k in range(num_layers + 2)]


# %% wrong base_in_power
# says: Only the decay
def layer_lrs(num_layers, base_lr, decay):
    return [(base_lr * decay) ** (num_layers + 1 - k) for k in range(num_layers + 2)]


# %% wrong product_not_power
# says: a power
def layer_lrs(num_layers, base_lr, decay):
    return [base_lr * decay * (num_layers + 1 - k) for k in range(num_layers + 2)]


# %% wrong rounded (integers)
# says: integers
def layer_lrs(num_layers, base_lr, decay):
    return [int(base_lr * decay ** (num_layers + 1 - k)) for k in range(num_layers + 2)]


# %% wrong different (rounded to four digits: zero at 2e-5)
def layer_lrs(num_layers, base_lr, decay):
    return [round(base_lr * decay ** (num_layers + 1 - k), 4) for k in range(num_layers + 2)]


# %% wrong not_a_list (array)
# says: Return a list
def layer_lrs(num_layers, base_lr, decay):
    return base_lr * decay ** np.arange(num_layers + 1, -1, -1, dtype=float)


# %% wrong different (numbers of BERT only)
def layer_lrs(num_layers, base_lr, decay):
    return [base_lr * decay ** (13 - k) for k in range(14)]


# %% wrong returns_none
def layer_lrs(num_layers, base_lr, decay):
    print([base_lr * decay ** (num_layers + 1 - k) for k in range(num_layers + 2)])


# %% right cumulative from the head
def layer_lrs(num_layers, base_lr, decay):
    lrs = [base_lr]
    for _ in range(num_layers + 1):
        lrs.insert(0, lrs[0] * decay)
    return lrs


# %% right geomspace
def layer_lrs(num_layers, base_lr, decay):
    return np.geomspace(base_lr * decay ** (num_layers + 1), base_lr, num_layers + 2).tolist()


# %% right powers by cumprod
def layer_lrs(num_layers, base_lr, decay):
    powers = torch.cumprod(torch.tensor([1.0] + [decay] * (num_layers + 1), dtype=torch.float64), 0)
    return (base_lr * powers.flip(0)).tolist()


# %% right head, layers, embeddings by name
def layer_lrs(num_layers, base_lr, decay):
    def rate(position):
        return base_lr * math.exp(math.log(decay) * (num_layers + 1 - position))

    return [rate(0)] + [rate(l) for l in range(1, num_layers + 1)] + [base_lr]
