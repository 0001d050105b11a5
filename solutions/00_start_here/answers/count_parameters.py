"""Wrong and right answers to 00.count_parameters."""

# %% wrong swapped
# says: wrong order
def count_parameters(model):
    total = sum(p.numel() for p in model.parameters())
    return total, sum(p.numel() for p in model.parameters() if p.requires_grad)


# %% wrong tied_twice
# says: two names
def count_parameters(model):
    named = list(model.named_parameters(remove_duplicate=False))
    return sum(p.numel() for _, p in named if p.requires_grad), sum(p.numel() for _, p in named)


# %% wrong tied_twice (module by module)
def count_parameters(model):
    trainable = total = 0
    for module in model.modules():
        for p in module.parameters(recurse=False):
            total += p.numel()
            trainable += p.numel() * p.requires_grad
    return trainable, total


# %% wrong counts_tensors
# says: tensors
def count_parameters(model):
    params = list(model.parameters())
    return len([p for p in params if p.requires_grad]), len(params)


# %% wrong buffers_counted
# says: buffers
def count_parameters(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return trainable, sum(p.numel() for p in model.parameters()) + sum(b.numel() for b in model.buffers())


# %% wrong state_dict_counted
# says: state_dict
def count_parameters(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return trainable, sum(t.numel() for t in model.state_dict().values())


# %% wrong state_dict_has_no_flag
# says: without requires_grad
def count_parameters(model):
    tensors = model.state_dict().values()
    return sum(t.numel() for t in tensors if t.requires_grad), sum(t.numel() for t in tensors)


# %% wrong tied_buffers_counted
# says: Two things
def count_parameters(model):
    tensors = model.state_dict(keep_vars=True).values()
    return sum(t.numel() for t in tensors if t.requires_grad), sum(t.numel() for t in tensors)


# %% wrong counts_modules_twice
# says: every module that contains it
def count_parameters(model):
    trainable = total = 0
    for module in model.modules():
        for p in module.parameters():
            total += p.numel()
            if p.requires_grad:
                trainable += p.numel()
    return trainable, total


# %% wrong frozen_for_trainable
# says: frozen part
def count_parameters(model):
    return sum(p.numel() for p in model.parameters() if not p.requires_grad), sum(p.numel() for p in model.parameters())


# %% wrong flag_ignored
# says: tells them apart
def count_parameters(model):
    n = sum(p.numel() for p in model.parameters())
    return n, n


# %% wrong asks_for_gradients
# says: backward
def count_parameters(model):
    params = list(model.parameters())
    return sum(p.numel() for p in params if p.grad is not None), sum(p.numel() for p in params)


# %% wrong frozen_left_out
# says: part of the model too
def count_parameters(model):
    n = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return n, n


# %% wrong bias_left_out
# says: biases
def count_parameters(model):
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    return sum(p.numel() for p in weights if p.requires_grad), sum(p.numel() for p in weights)


# %% wrong not_a_pair
# says: two numbers
def count_parameters(model):
    return sum(p.numel() for p in model.parameters())


# %% wrong returns_none (no return)
def count_parameters(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)


# %% wrong different (a spent generator)
# says: is off
def count_parameters(model):
    params = model.parameters()
    return sum(p.numel() for p in params if p.requires_grad), sum(p.numel() for p in params)


# %% wrong different (sums of shapes)
def count_parameters(model):
    sizes = [(sum(p.shape), p.requires_grad) for p in model.parameters()]
    return sum(n for n, flag in sizes if flag), sum(n for n, _ in sizes)


# %% wrong model_changed
# says: was to count
def count_parameters(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    model.requires_grad_(True)
    return trainable, sum(p.numel() for p in model.parameters())


# %% wrong told_apart_by_address
# says: address
def count_parameters(model):
    seen, trainable, total = set(), 0, 0
    for module in model.modules():
        for p in module.parameters(recurse=False):
            if p.data_ptr() in seen:
                continue
            seen.add(p.data_ptr())
            total += p.numel()
            trainable += p.numel() * p.requires_grad
    return trainable, total


# %% wrong same_shape_merged
# says: same tensor
def count_parameters(model):
    seen, trainable, total = [], 0, 0
    for p in model.parameters():
        if any(p.shape == q.shape and torch.equal(p, q) for q in seen):
            continue
        seen.append(p)
        total += p.numel()
        trainable += p.numel() * p.requires_grad
    return trainable, total


# %% wrong not_ints
# says: ints
def count_parameters(model):
    total = torch.tensor([p.numel() for p in model.parameters()]).sum()
    return torch.tensor([p.numel() for p in model.parameters() if p.requires_grad]).sum(), total


# %% right one loop
def count_parameters(model):
    trainable, total = 0, 0
    for parameter in model.parameters():
        total += parameter.numel()
        if parameter.requires_grad:
            trainable += parameter.numel()
    return trainable, total


# %% right identities
def count_parameters(model):
    unique = {id(p): p for _, p in model.named_parameters(remove_duplicate=False)}.values()
    return sum(p.numel() for p in unique if p.requires_grad), sum(p.numel() for p in unique)


# %% right set of parameters, product of shapes, a list
def count_parameters(model):
    unique = {p for module in model.modules() for p in module.parameters(recurse=False)}
    size = lambda p: math.prod(p.shape)
    return [sum(map(size, (p for p in unique if p.requires_grad))), sum(map(size, unique))]


# %% right frozen subtracted
def count_parameters(model):
    total = sum(p.nelement() for p in model.parameters())
    return total - sum(p.nelement() for p in model.parameters() if not p.requires_grad), total
