"""Wrong and right answers to 05.inject_lora."""

# %% wrong nothing_found (re.match)
# says: `re.search`, not `re.match`
#-        if isinstance(module, nn.Linear) and re.search(pattern, name) and not name.startswith(inside)
#+        if isinstance(module, nn.Linear) and re.match(pattern, name) and not name.startswith(inside)


# %% wrong nothing_found (the pattern as a piece of the name)
#-        if isinstance(module, nn.Linear) and re.search(pattern, name) and not name.startswith(inside)
#+        if isinstance(module, nn.Linear) and pattern in name and not name.startswith(inside)


# %% wrong nothing_replaced (the loop's variable)
# says: loop's variable
def inject_lora(model, pattern, r, alpha, layer=None):
    layer = LoRALinear if layer is None else layer
    names = []
    model.requires_grad_(False)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and re.search(pattern, name):
            module = layer(module, r, alpha)
            names.append(name)
    if not names:
        raise ValueError("no match")
    return names


# %% wrong dotted_attribute
# says: layer's parent
def inject_lora(model, pattern, r, alpha, layer=None):
    layer = LoRALinear if layer is None else layer
    found = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear) and re.search(pattern, n)]
    if not found:
        raise ValueError("no match")
    model.requires_grad_(False)
    for name, module in found:
        setattr(model, name, layer(module, r, alpha))
    return [name for name, _ in found]


# %% wrong not_linear
# says: only nn.Linear
def inject_lora(model, pattern, r, alpha, layer=None):
    layer = LoRALinear if layer is None else layer
    found = [(n, m) for n, m in model.named_modules() if re.search(pattern, n) or n.endswith("LayerNorm")]
    if not found:
        raise ValueError("no match")
    model.requires_grad_(False)
    for name, module in found:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, layer(module, r, alpha))
    return [name for name, _ in found]


# %% wrong not_linear (the type is not looked at)
#-        if isinstance(module, nn.Linear) and re.search(pattern, name) and not name.startswith(inside)
#+        if re.search(pattern, name) and not name.startswith(inside)


# %% wrong nested
# says: A cell run twice does that
def inject_lora(model, pattern, r, alpha, layer=None):
    layer = LoRALinear if layer is None else layer
    found = {n: m for n, m in model.named_modules(remove_duplicate=False) if isinstance(m, nn.Linear) and re.search(pattern, n)}
    if not found:
        raise ValueError("no match")
    model.requires_grad_(False)
    for name, module in found.items():
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, layer(module, r, alpha))
    for module in model.modules():
        if isinstance(module, layer):
            module.A.requires_grad_(True)
            module.B.requires_grad_(True)
    return list(found)


# %% wrong nested (two in one go)
# says: wrapped in another one
#-    wrapped = {linear: layer(linear, r, alpha) for linear in found.values()}
#+    wrapped = {linear: layer(linear, r, alpha) for linear in found.values()}
#+    for lora in wrapped.values():
#+        inner = lora.base
#+        lora.base = layer(inner, r, alpha)


# %% wrong too_many
# says: its name does not match
#-        if isinstance(module, nn.Linear) and re.search(pattern, name) and not name.startswith(inside)
#+        if isinstance(module, nn.Linear) and not name.startswith(inside)


# %% wrong too_few (returns in the loop)
# says: of 4 places
#-        setattr(model.get_submodule(parent), child, wrapped[linear])
#+        setattr(model.get_submodule(parent), child, wrapped[linear])
#+        break


# %% wrong wrong_base
#-    wrapped = {linear: layer(linear, r, alpha) for linear in found.values()}
#+    wrapped = {linear: layer(copy.deepcopy(linear), r, alpha) for linear in found.values()}


# %% wrong wrong_base (a new layer)
# says: another layer
#-    wrapped = {linear: layer(linear, r, alpha) for linear in found.values()}
#+    wrapped = {linear: layer(nn.Linear(linear.in_features, linear.out_features), r, alpha) for linear in found.values()}


# %% wrong arguments
# says: in this order
#-    wrapped = {linear: layer(linear, r, alpha) for linear in found.values()}
#+    wrapped = {linear: layer(linear, alpha, r) for linear in found.values()}


# %% wrong arguments (fixed rank)
#-    wrapped = {linear: layer(linear, r, alpha) for linear in found.values()}
#+    wrapped = {linear: layer(linear, 8, 16) for linear in found.values()}


# %% wrong all_frozen
# says: A and B with it
#-            module.A.requires_grad_(True)
#-            module.B.requires_grad_(True)
#+            pass
#+    model.requires_grad_(False)


# %% wrong rest_trains
# says: Everything else is frozen
#-    model.requires_grad_(False)
#+    for linear in found.values():
#+        linear.requires_grad_(False)


# %% wrong base_trains
# says: inside the LoRA layers
#-            module.A.requires_grad_(True)
#-            module.B.requires_grad_(True)
#+            module.requires_grad_(True)


# %% wrong head_trains
# says: switched on by the caller
#-    return list(found)
#+    for name, p in model.named_parameters():
#+        if name.startswith("classifier"):
#+            p.requires_grad = True
#+    return list(found)


# %% wrong factors_frozen
#-            module.A.requires_grad_(True)
#-            module.B.requires_grad_(True)
#+            module.B.requires_grad_(True)
#+            module.A.requires_grad_(False)


# %% wrong factors_frozen (weights of one kind only)
#-    for module in model.modules():
#-        if isinstance(module, layer):
#-            module.A.requires_grad_(True)
#-            module.B.requires_grad_(True)
#+    for name, p in model.named_parameters():
#+        p.requires_grad = name.endswith(".A")


# %% wrong returns_none
#-    return list(found)


# %% wrong not_a_list
# says: yours is a int
#-    return list(found)
#+    return len(found)


# %% wrong not_names
#-    return list(found)
#+    return list(found.values())


# %% wrong wrong_names (last part)
# says: full names
#-    return list(found)
#+    return [name.rpartition(".")[2] for name in found]


# %% wrong wrong_names (names of the factors)
#-    return list(found)
#+    return [name for name, p in model.named_parameters() if p.requires_grad]


# %% wrong model_changed
#-    return list(found)
#+    model.lora_layers = nn.ModuleList(wrapped.values())
#+    return list(found)


# %% wrong no_match_accepted
# says: silently
#-    if not found:
#-        raise ValueError(f"no linear layer has a name that matches {pattern!r}")


# %% wrong no_match_accepted (a warning)
#-        raise ValueError(f"no linear layer has a name that matches {pattern!r}")
#+        print("nothing matches", pattern)


# %% wrong no_match_accepted (another error)
# says: Yours raised KeyError
#-        raise ValueError(f"no linear layer has a name that matches {pattern!r}")
#+        raise KeyError(pattern)


# %% wrong frozen_before_error
# says: Look first
#-    modules = list(model.named_modules(remove_duplicate=False))
#+    model.requires_grad_(False)
#+    modules = list(model.named_modules(remove_duplicate=False))


# %% wrong full_name
# says: whole dotted name
#-        if isinstance(module, nn.Linear) and re.search(pattern, name) and not name.startswith(inside)
#+        if isinstance(module, nn.Linear) and re.search(pattern.split("*")[-1], name.split(".")[-1])


# %% wrong earlier_frozen
# says: those of the first call included
#-    for module in model.modules():
#-        if isinstance(module, layer):
#-            module.A.requires_grad_(True)
#-            module.B.requires_grad_(True)
#+    for module in wrapped.values():
#+        module.A.requires_grad_(True)
#+        module.B.requires_grad_(True)


# %% wrong second_call
#-    if not found:
#+    if inside or not found:


# %% wrong factors_frozen (the state of before)
# says: came frozen
#-            module.A.requires_grad_(True)
#-            module.B.requires_grad_(True)
#+            module.A.requires_grad_(flag)
#+            module.B.requires_grad_(flag)
#-    model.requires_grad_(False)
#+    flag = next(model.parameters()).requires_grad or bool(inside)
#+    model.requires_grad_(False)


# %% wrong containers (names with a dot only)
# says: the model itself
#-        setattr(model.get_submodule(parent), child, wrapped[linear])
#+        if parent:
#+            setattr(model.get_submodule(parent), child, wrapped[linear])


# %% wrong shared_missed
# says: one of them only
#-    modules = list(model.named_modules(remove_duplicate=False))
#+    modules = list(model.named_modules())


# %% wrong shared_split
# says: no longer is
#-    wrapped = {linear: layer(linear, r, alpha) for linear in found.values()}
#+
#-        setattr(model.get_submodule(parent), child, wrapped[linear])
#+        setattr(model.get_submodule(parent), child, layer(linear, r, alpha))


# %% wrong endless
# says: Collect first
def inject_lora(model, pattern, r, alpha, layer=None):
    layer = LoRALinear if layer is None else layer
    names = []
    model.requires_grad_(False)
    for prefix, parent in model.named_modules():
        for child, module in parent.named_children():
            name = f"{prefix}.{child}" if prefix else child
            if isinstance(module, nn.Linear) and re.search(pattern, name):
                setattr(parent, child, layer(module, r, alpha))
                names.append(name)
    if not names:
        raise ValueError(pattern)
    return names


# %% wrong layer_ignored
# says: the argument `layer`
#-    layer = LoRALinear if layer is None else layer
#+    class MyLoRA(nn.Module):
#+        def __init__(self, base, r, alpha):
#+            super().__init__()
#+            self.base = base
#+            self.A, self.B = nn.Parameter(torch.randn(r, base.in_features)), nn.Parameter(torch.zeros(base.out_features, r))
#+
#+    layer = MyLoRA


# %% wrong nothing_replaced (in a copy)
# says: nor does work on a copy
#-    model.requires_grad_(False)
#+    model = copy.deepcopy(model).requires_grad_(False)


# %% wrong full_name (the last part only)
# says: choose layers by number
#-        if isinstance(module, nn.Linear) and re.search(pattern, name) and not name.startswith(inside)
#+        if isinstance(module, nn.Linear) and re.search(pattern, name.split(".")[-1]) and not name.startswith(inside)


# %% wrong full_name (split at the bars)
#-        if isinstance(module, nn.Linear) and re.search(pattern, name) and not name.startswith(inside)
#+        if isinstance(module, nn.Linear) and name.endswith(tuple(pattern.split("|"))) and not name.startswith(inside)


# %% wrong containers (rsplit)
# says: not enough values to unpack
#-        parent, _, child = name.rpartition(".")
#+        parent, child = name.rsplit(".", 1)


# %% wrong skipped_by_name
# says: its parent's type
#-        if isinstance(module, nn.Linear) and re.search(pattern, name) and not name.startswith(inside)
#+        if isinstance(module, nn.Linear) and re.search(pattern, name) and not name.endswith("base")


# %% wrong rest_trains (letters in names)
# says: letters in names
#-    for module in model.modules():
#-        if isinstance(module, layer):
#-            module.A.requires_grad_(True)
#-            module.B.requires_grad_(True)
#+    for name, p in model.named_parameters():
#+        p.requires_grad = "A" in name or "B" in name


# %% right over parents
def inject_lora(model, pattern, r, alpha, layer=None):
    layer = LoRALinear if layer is None else layer
    places, made = [], {}
    for prefix, parent in model.named_modules(remove_duplicate=False):
        if isinstance(parent, layer):
            continue
        for child, module in parent._modules.items():
            name = f"{prefix}.{child}" if prefix else child
            if isinstance(module, nn.Linear) and re.search(pattern, name):
                places.append((name, parent, child, module))
    if not places:
        raise ValueError(pattern)
    for name, parent, child, module in places:
        if id(module) not in made:
            made[id(module)] = layer(module, r, alpha)
        setattr(parent, child, made[id(module)])
    for name, p in model.named_parameters():
        p.requires_grad = False
    for module in model.modules():
        if isinstance(module, layer):
            module.A.requires_grad = module.B.requires_grad = True
    return [name for name, *_ in places]


# %% right recursion
def inject_lora(model, pattern, r, alpha, layer=None):
    layer = LoRALinear if layer is None else layer
    names, loras = [], {}

    def descend(parent, prefix):
        for child, module in list(parent._modules.items()):
            name = prefix + child
            if isinstance(module, layer):
                continue
            if isinstance(module, nn.Linear):
                if re.compile(pattern).search(name):
                    names.append((parent, child, name, module))
            elif module is not None:
                descend(module, name + ".")

    descend(model, "")
    if not names:
        raise ValueError("nothing to replace")
    for p in model.parameters():
        p.requires_grad_(False)
    for parent, child, _, module in names:
        if module not in loras:
            loras[module] = layer(module, r, alpha)
        parent._modules[child] = loras[module]
    for module in model.modules():
        if isinstance(module, layer):
            for factor in ("A", "B"):
                getattr(module, factor).requires_grad_()
    return [name for _, _, name, _ in names]


# %% right set_submodule
#-        parent, _, child = name.rpartition(".")
#-        setattr(model.get_submodule(parent), child, wrapped[linear])
#+        model.set_submodule(name, wrapped[linear])


# %% right factors by name
#-    for module in model.modules():
#-        if isinstance(module, layer):
#-            module.A.requires_grad_(True)
#-            module.B.requires_grad_(True)
#-    return list(found)
#+    loras = [module for module in model.modules() if isinstance(module, layer)]
#+    factors = {id(p) for module in loras for p in (module.A, module.B)}
#+    for p in model.parameters():
#+        p.requires_grad = id(p) in factors
#+    return sorted(found)
