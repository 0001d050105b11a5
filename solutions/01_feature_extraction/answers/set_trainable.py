"""Wrong and right answers to 01.set_trainable."""

# %% wrong counts_tensors
# says: You counted tensors
def set_trainable(module, flag):
    switched = 0
    for p in module.parameters():
        if p.requires_grad != flag:
            p.requires_grad = flag
            switched += 1
    module.train(flag)
    return switched


# %% wrong counts_nothing
# says: after the switch
def set_trainable(module, flag):
    for p in module.parameters():
        p.requires_grad = flag
    module.train(flag)
    return sum(p.numel() for p in module.parameters() if p.requires_grad != flag)


# %% wrong counts_unchanged
# says: in that state already
def set_trainable(module, flag):
    switched = 0
    for p in module.parameters():
        p.requires_grad_(flag)
        switched += p.numel()
    module.train(flag)
    return switched


# %% wrong counts_twice
# says: once for every module
def set_trainable(module, flag):
    switched = 0
    for m in module.modules():
        for p in m.parameters():
            if p.requires_grad != flag:
                switched += p.numel()
    for p in module.parameters():
        p.requires_grad = flag
    module.train(flag)
    return switched


# %% wrong still_trainable (attribute of the module)
def set_trainable(module, flag):
    switched = sum(p.numel() for p in module.parameters() if p.requires_grad != flag)
    module.requires_grad = flag
    module.train(flag)
    return switched


# %% wrong still_trainable (comparison instead of assignment)
def set_trainable(module, flag):
    switched = 0
    for p in module.parameters():
        if p.requires_grad != flag:
            p.requires_grad == flag
            switched += p.numel()
    return switched


# %% wrong still_trainable (weights without biases)
def set_trainable(module, flag):
    switched = 0
    for name, p in module.named_parameters():
        if "weight" in name and p.requires_grad != flag:
            p.requires_grad = flag
            switched += p.numel()
    module.train(flag)
    return switched


# %% wrong still_trainable (own parameters only)
def set_trainable(module, flag):
    switched = 0
    for p in module.parameters(recurse=False):
        if p.requires_grad != flag:
            p.requires_grad = flag
            switched += p.numel()
    module.train(flag)
    return switched


# %% wrong still_trainable (on .data)
def set_trainable(module, flag):
    switched = 0
    for p in module.parameters():
        if p.requires_grad != flag:
            p.data.requires_grad = flag
            switched += p.numel()
    return switched


# %% wrong returns_none
# says: return
def set_trainable(module, flag):
    for p in module.parameters():
        p.requires_grad = flag
    module.train(flag)


# %% wrong dropout_active
# says: does not reach dropout
def set_trainable(module, flag):
    switched = 0
    for p in module.parameters():
        if p.requires_grad != flag:
            p.requires_grad = flag
            switched += p.numel()
    return switched


# %% wrong wakes_up (eval once)
# says: Every training loop
def set_trainable(module: nn.Module, flag: bool) -> int:
    switched = 0
    for p in module.parameters():
        if p.requires_grad != flag:
            p.requires_grad_(flag)
            switched += p.numel()
    if flag:
        module.train()
    else:
        module.eval()
    return switched


# %% wrong batchnorm_moves
# says: running mean
def set_trainable(module, flag):
    switched = sum(p.numel() for p in module.parameters() if p.requires_grad != flag)
    module.requires_grad_(flag)
    for m in module.modules():
        if isinstance(m, nn.Dropout):
            if not flag:
                m.old_p, m.p = m.p, 0.0
            else:
                m.p = getattr(m, "old_p", m.p)
    return switched


# %% wrong partly_awake (knobs instead of the mode)
def set_trainable(module, flag):
    switched = sum(p.numel() for p in module.parameters() if p.requires_grad != flag)
    module.requires_grad_(flag)
    for m in module.modules():
        if isinstance(m, nn.Dropout):
            m.p = 0.5 if flag else 0.0
        if isinstance(m, nn.BatchNorm1d):
            m.momentum = 0.1 if flag else 0.0
    return switched


# %% wrong partly_awake (only dropout and normalization)
def set_trainable(module, flag):
    switched = sum(p.numel() for p in module.parameters() if p.requires_grad != flag)
    module.requires_grad_(flag)
    for m in module.modules():
        if isinstance(m, (nn.Dropout, nn.BatchNorm1d, nn.BatchNorm2d)):
            m.__dict__.pop("train", None)
            m.train(flag)
            if not flag:
                m.train = lambda mode=True, m=m: m
    return switched


# %% wrong not_awake (never undone)
def set_trainable(module, flag):
    switched = 0
    for p in module.parameters():
        if p.requires_grad != flag:
            switched += p.numel()
            p.requires_grad = flag
    if not flag:
        module.eval()
        for m in module.modules():
            m.train = lambda mode=True, m=m: m
    else:
        module.train()
    return switched


# %% wrong not_awake (undone without waking up)
def set_trainable(module, flag):
    switched = 0
    for p in module.parameters():
        if p.requires_grad != flag:
            switched += p.numel()
            p.requires_grad = flag
    for m in module.modules():
        m.__dict__.pop("train", None)
    if not flag:
        module.eval()

        def frozen(self, mode=True):
            self.training = False
            for child in self.children():
                child.train(mode)
            return self

        for m in module.modules():
            m.train = types.MethodType(frozen, m)
    return switched


# %% wrong not_awake (call not handed on by the outermost module)
def set_trainable(module, flag):
    switched = sum(p.numel() for p in module.parameters() if p.requires_grad != flag)
    module.requires_grad_(flag)
    for m in module.modules():
        m.__dict__.pop("train", None)
    module.train(flag)
    if not flag:
        module.train = lambda mode=True: module
        model_children = list(module.children())
        for child in model_children:
            child.eval()
    else:
        module.training = False
    return switched


# %% wrong ignores_eval (call not handed on)
# says: handed on
def set_trainable(module, flag):
    switched = 0
    for p in module.parameters():
        if p.requires_grad != flag:
            switched += p.numel()
            p.requires_grad = flag
    for m in module.modules():
        m.__dict__.pop("train", None)
    module.train(flag)
    if not flag:
        for m in module.modules():
            m.train = lambda mode=True, m=m: m
    return switched


# %% wrong ignores_eval (always awake once unfrozen)
# says: still replaced
def set_trainable(module, flag):
    switched = sum(p.numel() for p in module.parameters() if p.requires_grad != flag)
    module.requires_grad_(flag)

    def fixed(self, mode=True):
        self.training = flag
        for child in self.children():
            child.train(flag)
        return self

    for m in module.modules():
        m.train = types.MethodType(fixed, m)
    module.train()
    return switched


# %% wrong raises_AttributeError (generic: typo in the attribute)
# says: set_trainable
def set_trainable(module, flag):
    switched = 0
    for p in module.parameters():
        if p.require_grad != flag:
            switched += p.numel()
            p.requires_grad = flag
    return switched


# %% right partial, counted first
def set_trainable(module, flag):
    from functools import partial

    count = sum(p.numel() for p in module.parameters() if p.requires_grad is not flag)
    module.requires_grad_(flag)

    def stay(m, mode=True):
        m.training = False
        for child in m.children():
            child.train(mode)
        return m

    for m in module.modules():
        if "train" in vars(m):
            del m.train
        m.training = flag
    if not flag:
        for m in module.modules():
            m.train = partial(stay, m)
    return count


# %% right one method with a flag on the module
def set_trainable(module: nn.Module, flag: bool) -> int:
    def train(self, mode=True):
        self.training = mode and not self.frozen
        for child in self.children():
            child.train(mode)
        return self

    changed = [p for p in module.parameters() if p.requires_grad != flag]
    for p in changed:
        p.requires_grad = flag
    for m in module.modules():
        m.frozen = not flag
        m.train = types.MethodType(train, m)
    module.train()
    return sum(p.numel() for p in changed)


# %% right subclass made on the fly
def set_trainable(module, flag):
    n = 0
    for p in module.parameters():
        if p.requires_grad != flag:
            n += math.prod(p.shape)
            p.requires_grad = flag
    for m in module.modules():
        kind = type(m)
        if flag and kind.__name__ == "Frozen":
            m.__class__ = kind.__bases__[0]
        if not flag and kind.__name__ != "Frozen":

            def train(self, mode=True):
                self.training = False
                for child in self.children():
                    child.train(mode)
                return self

            m.__class__ = type("Frozen", (kind,), {"train": train})
    module.train(flag)
    return n
