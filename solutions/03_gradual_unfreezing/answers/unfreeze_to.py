"""Wrong and right answers to 03.unfreeze_to."""

# %% wrong nothing_frozen (attribute of the module)
# says: add an attribute
def unfreeze_to(model, k, stack):
    for group in stack[: len(stack) - k]:
        group.requires_grad = False
        group.eval()


# %% wrong bottom_first
# says: the top is unfrozen first
def unfreeze_to(model, k, stack):
    for group in stack:
        group.requires_grad_(False)
    for group in stack[:k]:
        group.requires_grad_(True)


# %% wrong head_frozen
# says: It always trains
def unfreeze_to(model, k, stack):
    model.requires_grad_(False)
    for group in stack[len(stack) - k :]:
        group.requires_grad_(True)


# %% wrong inverted
# says: the other way round
def unfreeze_to(model, k, stack):
    for i, group in enumerate(stack):
        group.requires_grad_(i < len(stack) - k)


# %% wrong everything_frozen
def unfreeze_to(model, k, stack):
    model.requires_grad_(False)
    for group in stack[len(stack) - k :]:
        group.requires_grad = True


# %% wrong one_too_many
# says: one group more
def unfreeze_to(model, k, stack):
    for i, group in enumerate(stack):
        group.requires_grad_(i >= len(stack) - k - 1)


# %% wrong one_too_few
# says: one group fewer
def unfreeze_to(model, k, stack):
    for i, group in enumerate(stack):
        group.requires_grad_(i > len(stack) - k)


# %% wrong last_child_only
# says: Count k in `stack`
def unfreeze_to(model, k, stack):
    model.requires_grad_(False)
    for part in list(model.children())[-k:]:
        part.requires_grad_(True)


# %% wrong weights_only
# says: both parameters
def unfreeze_to(model, k, stack):
    for i, group in enumerate(stack):
        for name, p in group.named_parameters():
            if name.endswith("weight"):
                p.requires_grad = i >= len(stack) - k


# %% wrong minus_zero
# says: the whole list
def unfreeze_to(model, k, stack):
    for group in stack:
        group.requires_grad_(False)
    for group in stack[-k:]:
        group.requires_grad_(True)


# %% wrong never_refrozen (only adds)
# says: still trainable
def unfreeze_to(model, k, stack):
    if all(p.requires_grad for p in model.parameters()):
        for group in stack:
            group.requires_grad_(False)
    for group in stack[len(stack) - k :]:
        group.requires_grad_(True)


# %% wrong never_unfrozen (only freezes)
# says: never unfreezes
def unfreeze_to(model, k, stack):
    for group in stack[: len(stack) - k]:
        group.requires_grad_(False)
        group.eval()


# %% wrong embeddings_never
def unfreeze_to(model, k, stack):
    for i, group in enumerate(stack):
        group.requires_grad_(i > 0 and i >= len(stack) - k)


# %% wrong dropout_active (flags only)
# says: calls model.train()
def unfreeze_to(model, k, stack):
    for i, group in enumerate(stack):
        group.requires_grad_(i >= len(stack) - k)


# %% wrong dropout_active (eval once)
def unfreeze_to(model, k, stack):
    for i, group in enumerate(stack):
        group.requires_grad_(i >= len(stack) - k)
        group.train(i >= len(stack) - k)


# %% wrong batchnorm_moves (dropout switched off by hand)
# says: does not stop statistics
def unfreeze_to(model, k, stack):
    for i, group in enumerate(stack):
        group.requires_grad_(i >= len(stack) - k)
        for m in group.modules():
            if isinstance(m, nn.Dropout):
                m.p = 0.0 if i < len(stack) - k else 0.5


# %% wrong wakes_up (train of the group replaced, which a ModuleList never hears of)
# says: ModuleList
def unfreeze_to(model, k, stack):
    if not 0 <= k <= len(stack):
        raise ValueError(k)
    model.requires_grad_(True)
    for group in stack:
        group.__dict__.pop("train", None)
    model.train()
    for group in stack[: len(stack) - k]:
        group.requires_grad_(False)
        group.eval()
        group.train = lambda mode=True, group=group: group


# %% wrong wakes_up (norms of one kind only)
def unfreeze_to(model, k, stack):
    if not 0 <= k <= len(stack):
        raise ValueError(k)
    model.requires_grad_(True)
    for m in model.modules():
        m.__dict__.pop("train", None)
    model.train()
    for group in stack[: len(stack) - k]:
        group.requires_grad_(False)
        group.eval()
        for m in group.modules():
            if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d, nn.Dropout)):
                m.train = lambda mode=True, m=m: m


# %% wrong not_in_eval (only at the next model.train())
def unfreeze_to(model, k, stack):
    if not 0 <= k <= len(stack):
        raise ValueError(k)
    model.requires_grad_(True)
    for m in model.modules():
        m.__dict__.pop("train", None)
    for group in stack[: len(stack) - k]:
        group.requires_grad_(False)
        for m in group.modules():

            def train(mode=True, m=m):
                m.training = False
                for child in m.children():
                    child.train(mode)
                return m

            m.train = train


# %% wrong not_awake (never put back)
# says: does not follow model.train()
def unfreeze_to(model, k, stack):
    if not 0 <= k <= len(stack):
        raise ValueError(k)
    model.requires_grad_(True)
    for group in stack[: len(stack) - k]:
        group.requires_grad_(False)
        for m in group.modules():
            m.training = False
            m.train = lambda mode=True, m=m: m


# %% wrong not_awake (everything in eval mode)
def unfreeze_to(model, k, stack):
    if not 0 <= k <= len(stack):
        raise ValueError(k)
    model.requires_grad_(True)
    for group in stack[: len(stack) - k]:
        group.requires_grad_(False)
    model.eval()
    for m in model.modules():
        m.train = lambda mode=True, m=m: m


# %% wrong ignores_eval (modes are nailed down)
# says: hand the call on
def unfreeze_to(model, k, stack):
    if not 0 <= k <= len(stack):
        raise ValueError(k)
    model.requires_grad_(True)
    for group in stack[: len(stack) - k]:
        group.requires_grad_(False)
    frozen = {id(m) for group in stack[: len(stack) - k] for m in group.modules()}
    for m in model.modules():
        m.training = id(m) not in frozen
    model.train = lambda mode=True: model


# %% wrong batchnorm_moves (norm switched to batch statistics)
def unfreeze_to(model, k, stack):
    for i, group in enumerate(stack):
        group.requires_grad_(i >= len(stack) - k)
        for m in group.modules():
            if isinstance(m, nn.Dropout):
                m.__dict__.pop("train", None)
                m.train(i >= len(stack) - k)
                if i < len(stack) - k:
                    m.train = lambda mode=True, m=m: m
            if isinstance(m, nn.BatchNorm1d):
                m.momentum = 0.1


# %% wrong tied_trainable (head unfrozen last)
# says: shares
def unfreeze_to(model, k, stack):
    if not 0 <= k <= len(stack):
        raise ValueError(k)
    for m in model.modules():
        m.__dict__.pop("train", None)
    model.train()
    inside = {id(m) for group in stack for m in group.modules()}
    for group in stack:
        group.requires_grad_(True)
    for group in stack[: len(stack) - k]:
        group.requires_grad_(False)
        for m in group.modules():
            m.training = False
            m.train = lambda mode=True, m=m: m
    for m in model.modules():
        if id(m) not in inside:
            for p in m.parameters(recurse=False):
                p.requires_grad = True


# %% wrong bad_k_accepted
# says: makes no sense
def unfreeze_to(model, k, stack):
    for m in model.modules():
        m.__dict__.pop("train", None)
    model.train()
    model.requires_grad_(True)
    for i, group in enumerate(stack):
        if i < len(stack) - k:
            group.requires_grad_(False)
            for m in group.modules():
                m.training = False
                m.train = lambda mode=True, m=m: m


# %% wrong bad_k_accepted (assert)
# says: AssertionError
def unfreeze_to(model, k, stack):
    assert 0 <= k <= len(stack)
    for m in model.modules():
        m.__dict__.pop("train", None)
    model.train()
    model.requires_grad_(True)
    for i, group in enumerate(stack):
        if i < len(stack) - k:
            group.requires_grad_(False)
            for m in group.modules():
                m.training = False
                m.train = lambda mode=True, m=m: m


# %% wrong input_changed (pop)
# says: needs it whole
def unfreeze_to(model, k, stack):
    model.requires_grad_(True)
    while len(stack) > k:
        stack.pop(0).requires_grad_(False)


# %% wrong not_in_eval (a group outside the model keeps its replaced train)
def unfreeze_to(model, k, stack):
    if not 0 <= k <= len(stack):
        raise ValueError(k)
    for m in model.modules():
        m.__dict__.pop("train", None)
    model.train()
    model.requires_grad_(True)
    for group in stack[: len(stack) - k]:
        group.requires_grad_(False)
        group.eval()
        for m in group.modules():
            m.train = lambda mode=True, m=m: m


# %% wrong model_changed (stack hung into the model)
def unfreeze_to(model, k, stack):
    if not 0 <= k <= len(stack):
        raise ValueError(k)
    if not isinstance(model, nn.Sequential):
        model.stack = nn.ModuleList(stack)
    for m in model.modules():
        m.__dict__.pop("train", None)
    model.train()
    model.requires_grad_(True)
    for group in stack[: len(stack) - k]:
        group.requires_grad_(False)
        for m in group.modules():
            m.training = False
            m.train = lambda mode=True, m=m: m


# %% wrong head_frozen (children of the model only)
# says: itself
def unfreeze_to(model, k, stack):
    if not 0 <= k <= len(stack):
        raise ValueError(k)
    for m in model.modules():
        m.__dict__.pop("train", None)
    model.train()
    for child in model.children():
        child.requires_grad_(True)
    for group in stack[: len(stack) - k]:
        group.requires_grad_(False)
        for m in group.modules():
            m.training = False
            m.train = lambda mode=True, m=m: m


# %% wrong not_awake (modes of the groups never reset)
def unfreeze_to(model, k, stack):
    if not 0 <= k <= len(stack):
        raise ValueError(k)
    model.requires_grad_(True)
    for i, group in enumerate(stack):
        frozen = i < len(stack) - k
        group.requires_grad_(not frozen)
        for m in group.modules():
            if frozen:
                m.training = False
                m.train = lambda mode=True, m=m: m


# %% right a flag on each module
def unfreeze_to(model: nn.Module, k: int, stack: list[nn.Module]) -> None:
    if k < 0 or k > len(stack):
        raise ValueError("k")
    frozen = [m for group in stack[: len(stack) - k] for m in group.modules()]
    fixed = {id(p) for m in frozen for p in m.parameters()}
    for p in model.parameters():
        p.requires_grad = id(p) not in fixed

    def train(self, mode=True):
        self.training = bool(mode) and not self.is_frozen
        for child in self.children():
            child.train(mode)
        return self

    ids = {id(m) for m in frozen}
    for m in model.modules():
        m.is_frozen = id(m) in ids
        m.train = types.MethodType(train, m)
    model.train()


# %% right train of the whole model replaced
def unfreeze_to(model, k, stack):
    if k not in range(len(stack) + 1):
        raise ValueError(f"no {k}")
    lower = stack[: len(stack) - k]

    def train(mode=True):
        type(model).train(model, mode)
        for group in lower:
            for m in group.modules():
                m.training = False
        return model

    for p in model.parameters():
        p.requires_grad_(True)
    for group in lower:
        for p in group.parameters():
            p.requires_grad_(False)
    model.train = train
    model.train()


# %% right keeps the mode it came in
def unfreeze_to(model, k, stack):
    n = len(stack)
    if not (0 <= k <= n):
        raise ValueError(f"k = {k} with {n} groups")
    for m in nn.ModuleList([model, *stack]).modules():
        if "train" in m.__dict__:
            del m.__dict__["train"]
    for m in model.modules():
        m.training = model.training
    model.requires_grad_()
    for group in reversed(stack[: n - k]):
        group.eval()
        for p in group.parameters():
            p.requires_grad = False
        for m in group.modules():
            m.train = lambda mode=True, m=m: m
