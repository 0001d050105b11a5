"""Wrong and right answers to 07.freeze_backbone."""

# %% wrong nothing_frozen
# says: does nothing
def freeze_backbone(model):
    for child in model.children():
        if child is not model.fc:
            child.requires_grad = False

# %% wrong nothing_frozen (eval only)
def freeze_backbone(model):
    model.eval()
    model.fc.train()

# %% wrong nothing_frozen (unfreezes last)
def freeze_backbone(model):
    for name, p in model.named_parameters():
        p.requires_grad = "fc" in name
    model.requires_grad_(True)

# %% wrong norms_train
def freeze_backbone(model):
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.requires_grad_(False)

# %% wrong norms_train (by dimension)
def freeze_backbone(model):
    for name, p in model.named_parameters():
        if p.ndim > 1 and not name.startswith("fc"):
            p.requires_grad = False
    for m in model.layer1[0:1]:
        m.requires_grad_(False)

# %% wrong partly_frozen (stages only)
# says: the stem too
def freeze_backbone(model):
    for name in ("layer1", "layer2", "layer3", "layer4"):
        if hasattr(model, name):
            getattr(model, name).requires_grad_(False)

# %% wrong head_frozen
# says: nothing is left
#-    model.get_submodule(path).requires_grad_(True)

# %% wrong head_frozen (came frozen)
# says: may come so
#-    model.requires_grad_(False)
#-    for parameter in model.parameters():
#-        parameter.grad = None
#-    model.get_submodule(path).requires_grad_(True)
#+    for name, parameter in model.named_parameters():
#+        if not name.startswith(path + "."):
#+            parameter.requires_grad = False
#+            parameter.grad = None

# %% wrong batchnorm_moves
# says: requires_grad does not concern them
def freeze_backbone(model):
    for name, p in model.named_parameters():
        p.requires_grad = name.startswith("fc.")
        p.grad = None

# %% wrong batchnorm_moves (norms woken up again)
#-    model.train = types.MethodType(train, model)
#-    model.train()
#+    for module in model.modules():
#+        module.training = True

# %% wrong wakes_up
# says: first model.train()
def freeze_backbone(model):
    for name, p in model.named_parameters():
        p.requires_grad = name.startswith("fc.")
        p.grad = None
    model.eval()
    model.fc.train()

# %% wrong wakes_up (attribute of the model only)
def freeze_backbone(model):
    for name, p in model.named_parameters():
        p.requires_grad = name.startswith("fc.")
        p.grad = None
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.training = False

# %% wrong counts_batches (momentum)
# says: not a momentum of 0
def freeze_backbone(model):
    for name, p in model.named_parameters():
        p.requires_grad = name.startswith("fc.")
        p.grad = None
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = 0.0
    model.eval()

# %% wrong batch_statistics (not tracked)
# says: statistics of the batch
def freeze_backbone(model):
    for name, p in model.named_parameters():
        p.requires_grad = name.startswith("fc.")
        p.grad = None
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.track_running_stats = False
        if isinstance(m, nn.Dropout):
            m.p = 0.0

# %% wrong model_changed (statistics removed)
def freeze_backbone(model):
    model.requires_grad_(False)
    model.fc.requires_grad_(True)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean = m.running_var = m.num_batches_tracked = None

# %% wrong model_changed (replaced by a wrapper)
def freeze_backbone(model):
    class Frozen(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner.requires_grad_(False).eval()

        def train(self, mode=True):
            return self

        def forward(self, x):
            return self.inner(x)

    for name, child in list(model.named_children()):
        if name != "fc":
            setattr(model, name, Frozen(child))

# %% wrong stale_gradients
# says: Remove the gradients
#-    for parameter in model.parameters():
#-        parameter.grad = None

# %% wrong stale_gradients (set to zero)
# says: went on with momentum
#-        parameter.grad = None
#+        if parameter.grad is not None:
#+            parameter.grad.zero_()

# %% wrong dropout_active (BatchNorm only)
# says: its dropout is active
def freeze_backbone(model):
    path = next(p for p in ("fc", "classifier", "model.fc", "model.classifier") if p in dict(model.named_modules()))

    def stay(self, mode=True):
        self.training = False
        return self

    for p in model.parameters():
        p.requires_grad, p.grad = False, None
    model.get_submodule(path).requires_grad_(True)
    head = set(model.get_submodule(path).modules())
    for m in model.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m not in head:
            m.training = False
            m.train = types.MethodType(stay, m)

# %% wrong head_not_found (fc only)
# says: model.classifier
#-    paths = [path for path in ("fc", "classifier", "model.fc", "model.classifier")
#-             if path in dict(model.named_modules())]
#+    paths = ["fc"] if hasattr(model, "fc") else []

# %% wrong head_not_found (no wrapper)
#-    paths = [path for path in ("fc", "classifier", "model.fc", "model.classifier")
#-             if path in dict(model.named_modules())]
#+    paths = [path for path in ("fc", "classifier") if hasattr(model, path)]

# %% wrong no_head_accepted
#-    if not paths:
#-        raise ValueError(f"{type(model).__name__} has no head called fc or classifier")
#-    path = paths[0]
#+    path = (paths or [list(dict(model.named_modules()))[-1]])[0]

# %% wrong no_head_accepted (another error)
# says: AttributeError
def freeze_backbone(model):
    inner = model.model if hasattr(model, "model") else model
    name = "fc" if hasattr(inner, "fc") else "classifier"
    getattr(inner, name)
    path = name if inner is model else f"model.{name}"

    def train(self, mode=True):
        nn.Module.train(self, False)
        self.get_submodule(path).train(mode)
        return self

    for p in model.parameters():
        p.requires_grad, p.grad = False, None
    model.get_submodule(path).requires_grad_(True)
    model.train = types.MethodType(train, model)
    model.train()

# %% wrong partly_frozen (by a part of a name)
def freeze_backbone(model):
    for name, p in model.named_parameters():
        if "conv" in name or "bn" in name or "downsample" in name:
            p.requires_grad = False

# %% wrong partly_frozen (children only)
# says: scale
#-    model.requires_grad_(False)
#+    for child in model.children():
#+        child.requires_grad_(False)
#+    if hasattr(model, "scale"):
#+        model.scale.requires_grad_(True)

# %% wrong head_asleep
# says: its dropout and BatchNorm should train
#-        self.get_submodule(path).train(mode)

# %% wrong head_asleep (the head's own flag only)
# says: or a part of it
#-        self.get_submodule(path).train(mode)
#+        self.get_submodule(path).training = mode

# %% wrong ignores_eval
#-        self.get_submodule(path).train(mode)
#+        self.get_submodule(path).train()

# %% wrong ignores_eval (train does nothing any more)
#-    model.train = types.MethodType(train, model)
#-    model.train()
#+    nn.Module.train(model, False)
#+    model.get_submodule(path).train()
#+    model.train = types.MethodType(lambda self, mode=True: self, model)

# %% wrong copy_switches_original
# says: looking it up
#-    model.train = types.MethodType(train, model)
#-    model.train()
#+    original = model
#+
#+    def both(self, mode=True):
#+        nn.Module.train(self, False)
#+        for m in original.get_submodule(path).modules():
#+            m.training = mode
#+        self.get_submodule(path).train(mode)
#+        return self
#+
#+    model.train = types.MethodType(both, model)
#+    model.train()

# %% wrong copy_switches_original (a closure over the head)
# says: deep copy
#-    def train(self, mode=True):
#-        nn.Module.train(self, False)
#-        self.get_submodule(path).train(mode)
#-        return self
#+    head = model.get_submodule(path)
#+
#+    def train(self, mode=True):
#+        nn.Module.train(self, False)
#+        head.train(mode)
#+        return self

# %% wrong copy_switches_original (a closure over the model)
# says: deep copy
#-    def train(self, mode=True):
#-        nn.Module.train(self, False)
#-        self.get_submodule(path).train(mode)
#-        return self
#+    def train(mode=True):
#+        nn.Module.train(model, False)
#+        model.get_submodule(path).train(mode)
#+        return model
#-    model.train = types.MethodType(train, model)
#+    for m in model.modules():
#+        m.training = True
#+    model.train = train

# %% wrong head_still
# says: did not move the head
#-    model.get_submodule(path).requires_grad_(True)
#+    model.get_submodule(path).requires_grad_(True)
#+    for name, parameter in list(model.get_submodule(path).named_parameters(recurse=False)):
#+        setattr(model.get_submodule(path), name, nn.Parameter(parameter.detach().clone()))

# %% wrong wakes_up (methods of children replaced, the model's own parts of children forgotten)
# says: something else than in eval mode
def freeze_backbone(model):
    path = next(p for p in ("fc", "classifier", "model.fc", "model.classifier") if p in dict(model.named_modules()))
    for p in model.parameters():
        p.requires_grad, p.grad = False, None
    model.get_submodule(path).requires_grad_(True)

    def train(self, mode=True):
        nn.Module.train(self, mode)
        for child in self.children():
            if isinstance(child, nn.BatchNorm2d | nn.Dropout):
                child.eval()
        if hasattr(self, "layer1") and isinstance(self.layer1[-1], nn.Flatten):
            self.layer1.eval()
        return self

    model.train = types.MethodType(train, model)
    model.train()

# %% wrong wakes_up (the dropout of attention)
# says: inside of attention
#-        nn.Module.train(self, False)
#-        self.get_submodule(path).train(mode)
#-        return self
#+        nn.Module.train(self, mode)
#+        for name, m in self.named_modules():
#+            if isinstance(m, nn.BatchNorm2d | nn.Dropout) and not name.startswith(path):
#+                m.eval()
#+        return self

# %% wrong partly_frozen (a wrapper's own norm)
#-    model.requires_grad_(False)
#+    getattr(model, "model", model).requires_grad_(False)

# %% wrong calls_itself
# says: without end
def freeze_backbone(model):
    for name, p in model.named_parameters():
        p.requires_grad = name.startswith("fc.")
        p.grad = None

    def train(mode=True):
        model.train(mode)
        for name, child in model.named_children():
            if name != "fc":
                child.eval()
        return model

    model.train = train

# %% wrong returns_no_model
# says: would lose it
#-        return self

# %% wrong class_changed
# says: Give this one model
#-    model.train = types.MethodType(train, model)
#+    type(model).train = train

# %% wrong copy_switches_original (the bound method kept)
#-    def train(self, mode=True):
#-        nn.Module.train(self, False)
#-        self.get_submodule(path).train(mode)
#-        return self
#+    original = model.train
#+
#+    def train(self, mode=True):
#+        original(False)
#+        self.get_submodule(path).train(mode)
#+        return self

# %% right hooks
def freeze_backbone(model):
    owner = model if hasattr(model, "fc") or hasattr(model, "classifier") else getattr(model, "model", None)
    head = getattr(owner, "fc", getattr(owner, "classifier", None))
    if head is None:
        raise ValueError("no head")
    for p in model.parameters():
        p.requires_grad, p.grad = False, None
    head.requires_grad_(True)

    def sleep(module, args):
        module.training = False

    for module in set(model.modules()) - set(head.modules()):
        module.training = False
        module.register_forward_pre_hook(sleep)

# %% right a train that does nothing on each part of the backbone
def freeze_backbone(model):
    paths = [path for path in ("fc", "classifier", "model.fc", "model.classifier") if path in dict(model.named_modules())]
    if not paths:
        raise ValueError("no head")
    path = paths[0]
    model.requires_grad_(False)
    model.get_submodule(path).requires_grad_(True)
    model.zero_grad()
    for name, module in model.named_modules():
        if name and not f"{name}.".startswith(path + ".") and not path.startswith(name + "."):
            module.eval()
            module.train = lambda mode=True: None

# %% right module by module
def freeze_backbone(model):
    modules = dict(model.named_modules())
    path = next((p for p in ("fc", "classifier", "model.fc", "model.classifier") if p in modules), None)
    if path is None:
        raise ValueError("no head")

    def asleep(self, mode=True):
        self.training = False
        for child in self.children():
            child.train(mode)
        return self

    for name, module in modules.items():
        if name == path or name.startswith(path + "."):
            module.training = True
        else:
            module.training = False
            module.train = types.MethodType(asleep, module)
    for name, p in model.named_parameters():
        p.requires_grad = name.startswith(path + ".")
        if not p.requires_grad:
            p.grad = None

# %% right a subclass on the fly
def freeze_backbone(model):
    inner = model.model if isinstance(getattr(model, "model", None), nn.Module) else model
    owner, prefix = (inner, "model.") if inner is not model else (model, "")
    name = "fc" if hasattr(owner, "fc") else "classifier" if hasattr(owner, "classifier") else None
    if name is None:
        raise ValueError(f"{type(model)} has neither fc nor classifier")
    where = prefix + name

    class Frozen(type(model)):
        def train(self, mode=True):
            super().train(False)
            self.get_submodule(where).train(mode)
            self.training = mode
            return self

    Frozen.__name__ = type(model).__name__
    model.__class__ = Frozen
    model.zero_grad(set_to_none=True)
    for p in model.parameters():
        p.requires_grad_(False)
    for p in model.get_submodule(where).parameters():
        p.requires_grad_(True)
    model.train()

# %% right the original train, then the backbone back to sleep
def freeze_backbone(model):
    def find(m):
        for name in ("fc", "classifier"):
            if name in m._modules:
                return m._modules[name]
        return find(m.model) if hasattr(m, "model") else None

    if find(model) is None:
        raise ValueError("no fc, no classifier")

    def train(self, mode=True):
        type(self).train(self, mode)
        awake = {id(m) for m in find(self).modules()} | {id(self)}
        for m in self.modules():
            if id(m) not in awake:
                m.training = False
        return self

    for p in model.parameters():
        p.requires_grad = False
        p.grad = None
    for p in find(model).parameters():
        p.requires_grad = True
    model.train = types.MethodType(train, model)
    model.train(True)
