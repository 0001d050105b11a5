"""Wrong and right answers to 02.param_groups."""

# %% wrong prefix_matched
# says: also the beginning of
def param_groups(model, base_lr, decay, weight_decay):
    body = getattr(model, "model", model)
    body = getattr(body, "bert", getattr(body, "vit", body))
    if hasattr(body, "conv1"):
        prefixes = ["layer1", "layer2", "layer3", "layer4"]
    elif hasattr(body, "encoder"):
        prefixes = [f"layer.{i}" for i in range(len(body.encoder.layer))]
    elif hasattr(body, "layers"):
        prefixes = [f"layers.{i}" for i in range(len(body.layers))]
    else:
        raise ValueError(type(model).__name__)
    top, groups = len(prefixes) + 1, []
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        k = next((i + 1 for i, prefix in enumerate(prefixes) if prefix in name), None)
        if k is None:
            k = 0 if "embeddings" in name or name.startswith(("conv1", "bn1")) else top
        groups.append({"params": [p], "lr": base_lr * decay ** (top - k), "weight_decay": weight_decay if p.ndim > 1 else 0.0})
    return groups


# %% wrong embeddings_forgotten (layers and head only)
# says: never trained
def param_groups(model, base_lr, decay, weight_decay):
    layers = model.bert.encoder.layer
    groups = [{"params": list(model.classifier.parameters()), "lr": base_lr, "weight_decay": weight_decay}]
    for i, layer in enumerate(layers):
        groups.append({"params": list(layer.parameters()), "lr": base_lr * decay ** (len(layers) - i), "weight_decay": weight_decay})
    return groups


# %% wrong pooler_forgotten
# says: pooler is in no group
def param_groups(model, base_lr, decay, weight_decay):
    layers = model.bert.encoder.layer
    parts = [model.bert.embeddings, *layers, model.classifier]
    return [
        {"params": [p for p in part.parameters() if (p.ndim > 1) == big], "lr": base_lr * decay ** (len(parts) - 1 - k),
         "weight_decay": weight_decay * big}
        for k, part in enumerate(parts) for big in (True, False)
    ]


# %% wrong params_not_a_list (generator)
# says: used up by whoever looks first
def param_groups(model, base_lr, decay, weight_decay):
    layers = model.bert.encoder.layer
    parts = [model.bert.embeddings, *layers, model.classifier]
    return [
        {"params": part.parameters(), "lr": base_lr * decay ** (len(parts) - 1 - k), "weight_decay": weight_decay}
        for k, part in enumerate(parts)
    ]


# %% wrong params_not_parameters (pairs of names and parameters)
# says: parameters themselves
def param_groups(model, base_lr, decay, weight_decay):
    layers = model.bert.encoder.layer
    parts = [model.bert.embeddings, *layers, model.bert.pooler, model.classifier]
    return [
        {"params": list(part.named_parameters()), "lr": base_lr * decay ** (len(parts) - 1 - k), "weight_decay": weight_decay}
        for k, part in enumerate(parts)
    ]


# %% wrong lr_scale_only
# says: ignore lr_scale
def param_groups(model, base_lr, decay, weight_decay):
    layers = model.bert.encoder.layer
    parts = [[model.bert.embeddings], *([l] for l in layers), [model.bert.pooler, model.classifier]]
    return [
        {"params": [p for part in some for p in part.parameters() if (p.ndim > 1) == big],
         "lr_scale": decay ** (len(parts) - 1 - k), "weight_decay": weight_decay * big}
        for k, some in enumerate(parts) for big in (True, False)
    ]


# %% wrong no_lr
# says: default rate
def param_groups(model, base_lr, decay, weight_decay):
    big = [p for p in model.parameters() if p.ndim > 1]
    small = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": big, "weight_decay": weight_decay}, {"params": small, "weight_decay": 0.0}]


# %% wrong no_weight_decay
# says: optimizer's default
def param_groups(model, base_lr, decay, weight_decay):
    layers = model.bert.encoder.layer
    parts = [[model.bert.embeddings], *([l] for l in layers), [model.bert.pooler, model.classifier]]
    return [
        {"params": [p for part in some for p in part.parameters()], "lr": base_lr * decay ** (len(parts) - 1 - k)}
        for k, some in enumerate(parts)
    ]


# %% wrong uniform
# says: no effect
def param_groups(model, base_lr, decay, weight_decay):
    big = [p for p in model.parameters() if p.ndim > 1]
    small = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": big, "lr": base_lr, "weight_decay": weight_decay}, {"params": small, "lr": base_lr, "weight_decay": 0.0}]


# %% wrong duplicates (head listed again under decay-free parameters)
# says: more than one group
def param_groups(model, base_lr, decay, weight_decay):
    layers = model.bert.encoder.layer
    parts = [[model.bert.embeddings], *([l] for l in layers), [model.bert.pooler, model.classifier]]
    groups = [
        {"params": [p for part in some for p in part.parameters()], "lr": base_lr * decay ** (len(parts) - 1 - k),
         "weight_decay": weight_decay}
        for k, some in enumerate(parts)
    ]
    groups.append({"params": [p for p in model.parameters() if p.ndim == 1], "lr": base_lr, "weight_decay": 0.0})
    return groups


# %% wrong rates_mixed (biases and norms in one group at the base rate)
# says: share its rate
def param_groups(model, base_lr, decay, weight_decay):
    layers = model.bert.encoder.layer
    parts = [[model.bert.embeddings], *([l] for l in layers), [model.bert.pooler, model.classifier]]
    groups = [
        {"params": [p for part in some for p in part.parameters() if p.ndim > 1], "lr": base_lr * decay ** (len(parts) - 1 - k),
         "weight_decay": weight_decay}
        for k, some in enumerate(parts)
    ]
    groups.append({"params": [p for p in model.parameters() if p.ndim == 1], "lr": base_lr, "weight_decay": 0.0})
    return groups


# %% wrong head_shared
# says: one factor is missing
def param_groups(model, base_lr, decay, weight_decay):
    layers = model.bert.encoder.layer
    groups = []
    for name, p in model.named_parameters():
        found = re.search(r"encoder\.layer\.(\d+)\.", name)
        exponent = len(layers) if "embeddings" in name else len(layers) - 1 - int(found[1]) if found else 0
        groups.append({"params": [p], "lr": base_lr * decay**exponent, "weight_decay": weight_decay * (p.ndim > 1)})
    return groups


# %% wrong embeddings_shared
# says: one factor below
def param_groups(model, base_lr, decay, weight_decay):
    n = len(model.bert.encoder.layer)
    groups = []
    for name, p in model.named_parameters():
        found = re.search(r"encoder\.layer\.(\d+)\.", name)
        exponent = n if "embeddings" in name else n - int(found[1]) if found else 0
        groups.append({"params": [p], "lr": base_lr * decay**exponent, "weight_decay": weight_decay * (p.ndim > 1)})
    return groups


# %% wrong embeddings_at_base
# says: smallest rate
def param_groups(model, base_lr, decay, weight_decay):
    n = len(model.bert.encoder.layer)
    groups = []
    for name, p in model.named_parameters():
        found = re.search(r"encoder\.layer\.(\d+)\.", name)
        exponent = n - int(found[1]) if found else 0
        groups.append({"params": [p], "lr": base_lr * decay**exponent, "weight_decay": weight_decay * (p.ndim > 1)})
    return groups


# %% wrong upside_down
# says: upside down
def param_groups(model, base_lr, decay, weight_decay):
    layers = model.bert.encoder.layer
    parts = [[model.bert.embeddings], *([l] for l in layers), [model.bert.pooler, model.classifier]]
    return [
        {"params": [p for part in some for p in part.parameters() if (p.ndim > 1) == big], "lr": base_lr * decay**k,
         "weight_decay": weight_decay * big}
        for k, some in enumerate(parts) for big in (True, False)
    ]


# %% wrong layers_upside_down
# says: layer 0 is the lowest
def param_groups(model, base_lr, decay, weight_decay):
    layers = model.bert.encoder.layer
    parts = [[model.bert.embeddings], *([l] for l in reversed(layers)), [model.bert.pooler, model.classifier]]
    return [
        {"params": [p for part in some for p in part.parameters() if (p.ndim > 1) == big],
         "lr": base_lr * decay ** (len(parts) - 1 - k), "weight_decay": weight_decay * big}
        for k, some in enumerate(parts) for big in (True, False)
    ]


# %% wrong pooler_in_stack
# says: above the stack
def param_groups(model, base_lr, decay, weight_decay):
    n = len(model.bert.encoder.layer)
    groups = []
    for name, p in model.named_parameters():
        found = re.search(r"encoder\.layer\.(\d+)\.", name)
        exponent = n + 1 if "embeddings" in name else n - int(found[1]) if found else 1 if "pooler" in name else 0
        groups.append({"params": [p], "lr": base_lr * decay**exponent, "weight_decay": weight_decay * (p.ndim > 1)})
    return groups


# %% wrong different (pooler as one more layer of the stack)
def param_groups(model, base_lr, decay, weight_decay):
    layers = model.bert.encoder.layer
    parts = [model.bert.embeddings, *layers, model.bert.pooler, model.classifier]
    return [
        {"params": [p for p in part.parameters() if (p.ndim > 1) == big], "lr": base_lr * decay ** (len(parts) - 1 - k),
         "weight_decay": weight_decay * big}
        for k, part in enumerate(parts) for big in (True, False)
    ]


# %% wrong norm_decayed (looks for bias only)
# says: LayerNorm
def param_groups(model, base_lr, decay, weight_decay):
    n = len(model.bert.encoder.layer)
    groups = []
    for name, p in model.named_parameters():
        found = re.search(r"encoder\.layer\.(\d+)\.", name)
        exponent = n + 1 if "embeddings" in name else n - int(found[1]) if found else 0
        wd = 0.0 if "bias" in name else weight_decay
        groups.append({"params": [p], "lr": base_lr * decay**exponent, "weight_decay": wd})
    return groups


# %% wrong bias_decayed (looks for norms only)
# says: Biases get weight decay
def param_groups(model, base_lr, decay, weight_decay):
    n = len(model.bert.encoder.layer)
    groups = []
    for name, p in model.named_parameters():
        found = re.search(r"encoder\.layer\.(\d+)\.", name)
        exponent = n + 1 if "embeddings" in name else n - int(found[1]) if found else 0
        wd = 0.0 if "LayerNorm" in name else weight_decay
        groups.append({"params": [p], "lr": base_lr * decay**exponent, "weight_decay": wd})
    return groups


# %% wrong nothing_decayed
# says: get no weight decay
def param_groups(model, base_lr, decay, weight_decay):
    n = len(model.bert.encoder.layer)
    groups = []
    for name, p in model.named_parameters():
        found = re.search(r"encoder\.layer\.(\d+)\.", name)
        exponent = n + 1 if "embeddings" in name else n - int(found[1]) if found else 0
        groups.append({"params": [p], "lr": base_lr * decay**exponent, "weight_decay": 0.0})
    return groups


# %% wrong embeddings_not_decayed
# says: embedding matrices
def param_groups(model, base_lr, decay, weight_decay):
    n = len(model.bert.encoder.layer)
    groups = []
    for name, p in model.named_parameters():
        found = re.search(r"encoder\.layer\.(\d+)\.", name)
        exponent = n + 1 if "embeddings" in name else n - int(found[1]) if found else 0
        wd = weight_decay if p.ndim > 1 and "embeddings" not in name else 0.0
        groups.append({"params": [p], "lr": base_lr * decay**exponent, "weight_decay": wd})
    return groups


# %% wrong norm_decayed (by name: misses the norm of a ResNet's shortcut)
# says: downsample.1
def param_groups(model, base_lr, decay, weight_decay):
    body = model
    for name in ("model", "bert", "vit"):
        body = getattr(body, name, body)
    if hasattr(body, "conv1"):
        stack = [[body.conv1, body.bn1], [body.layer1], [body.layer2], [body.layer3], [body.layer4]]
    elif hasattr(body, "encoder"):
        stack = [[body.embeddings], *([l] for l in body.encoder.layer)]
    elif hasattr(body, "embeddings"):
        stack = [[body.embeddings], *([l] for l in body.layers)]
    else:
        raise ValueError("unknown")
    place = {p: k for k, parts in enumerate(stack) for part in parts for p in part.parameters()}
    groups = []
    for name, p in model.named_parameters():
        if p.requires_grad:
            free = any(word in name.lower() for word in ("bias", "layernorm", "bn"))
            groups.append({"params": [p], "lr": base_lr * decay ** (len(stack) - place.get(p, len(stack))),
                           "weight_decay": 0.0 if free else weight_decay})
    return groups


# %% wrong stem_forgotten
# says: conv1
def param_groups(model, base_lr, decay, weight_decay):
    body = model
    for name in ("model", "bert", "vit"):
        body = getattr(body, name, body)
    if hasattr(body, "conv1"):
        parts = [[], [body.layer1], [body.layer2], [body.layer3], [body.layer4], [body.fc]]
    elif hasattr(body, "embeddings"):
        layers = body.encoder.layer if hasattr(body, "encoder") else body.layers
        inside = {id(p) for part in (body.embeddings, layers) for p in part.parameters()}
        rest = [p for p in model.parameters() if id(p) not in inside]
        parts = [[body.embeddings], *([l] for l in layers), [nn.ParameterList(rest)]]
    else:
        raise ValueError("unknown")
    return [
        {"params": [p for part in some for p in part.parameters() if p.requires_grad and (p.ndim > 1) == big],
         "lr": base_lr * decay ** (len(parts) - 1 - k), "weight_decay": weight_decay * big}
        for k, some in enumerate(parts) for big in (True, False)
    ]


# %% wrong cls_token_forgotten
# says: cls_token
def param_groups(model, base_lr, decay, weight_decay):
    body = model
    for name in ("model", "bert", "vit"):
        body = getattr(body, name, body)
    if hasattr(body, "conv1"):
        stack = [[body.conv1, body.bn1], [body.layer1], [body.layer2], [body.layer3], [body.layer4]]
    elif hasattr(body, "encoder"):
        stack = [[body.embeddings], *([l] for l in body.encoder.layer)]
    elif hasattr(body, "embeddings"):
        stack = [[body.embeddings.patch_embeddings], *([l] for l in body.layers)]
    else:
        raise ValueError("unknown")
    place = {p: k for k, parts in enumerate(stack) for part in parts for p in part.parameters()}
    groups = []
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding | nn.LayerNorm | nn.BatchNorm2d | nn.GroupNorm):
            for p in module.parameters():
                if p.requires_grad and not any(p is q for g in groups for q in g["params"]):
                    groups.append({"params": [p], "lr": base_lr * decay ** (len(stack) - place.get(p, len(stack))),
                                   "weight_decay": weight_decay * (p.ndim > 1)})
    head = getattr(getattr(model, "cls", None), "predictions", None)
    if head is not None:
        groups.append({"params": [head.bias], "lr": base_lr, "weight_decay": 0.0} if not any(
            head.bias is q for g in groups for q in g["params"]) else {"params": [], "lr": base_lr, "weight_decay": 0.0})
    return groups


# %% wrong wrong_rate (ViT: class token and positions at the head's rate)
# says: should have base
def param_groups(model, base_lr, decay, weight_decay):
    body = model
    for name in ("model", "bert", "vit"):
        body = getattr(body, name, body)
    if hasattr(body, "conv1"):
        stack = [[body.conv1, body.bn1], [body.layer1], [body.layer2], [body.layer3], [body.layer4]]
    elif hasattr(body, "encoder"):
        stack = [[body.embeddings], *([l] for l in body.encoder.layer)]
    elif hasattr(body, "embeddings"):
        stack = [[body.embeddings.patch_embeddings], *([l] for l in body.layers)]
    else:
        raise ValueError("unknown")
    place = {p: k for k, parts in enumerate(stack) for part in parts for p in part.parameters()}
    return [
        {"params": [p], "lr": base_lr * decay ** (len(stack) - place.get(p, len(stack))), "weight_decay": weight_decay * (p.ndim > 1)}
        for p in model.parameters() if p.requires_grad
    ]


# %% wrong wrong_rate (ResNet's layers counted from 0)
# says: torchvision's ResNet
def param_groups(model, base_lr, decay, weight_decay):
    names = [name for name, _ in model.named_parameters()]
    numbers = [int(m[1]) for name in names if (m := re.search(r"(?:^|\.)layers?\.?(\d+)\.", name))]
    if not numbers or not any("embeddings" in n or "conv1" in n for n in names):
        raise ValueError(f"unknown model {type(model).__name__}")
    count = max(numbers) + 1
    groups = []
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        m = re.search(r"(?:^|\.)layers?\.?(\d+)\.", name)
        k = int(m[1]) + 1 if m else 0 if "embeddings" in name or name.startswith(("conv1", "bn1")) else count + 1
        groups.append({"params": [p], "lr": base_lr * decay ** (count + 1 - k), "weight_decay": weight_decay * (p.ndim > 1)})
    return groups


# %% wrong depends_on_frozen
# says: Freezing a part
def param_groups(model, base_lr, decay, weight_decay):
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    shift = 0 if hasattr(getattr(model, "model", model), "layer1") else 1
    numbers = [int(m[1]) + shift for n, _ in named if (m := re.search(r"(?:^|\.)layers?\.?(\d+)\.", n))]
    if not numbers or not any("embeddings" in n or "conv1" in n for n, _ in named):
        raise ValueError(f"unknown model {type(model).__name__}")
    top = max(numbers) + 1
    groups = []
    for name, p in named:
        m = re.search(r"(?:^|\.)layers?\.?(\d+)\.", name)
        k = int(m[1]) + shift if m else 0 if "embeddings" in name or name.startswith(("conv1", "bn1")) else top
        groups.append({"params": [p], "lr": base_lr * decay ** (top - k), "weight_decay": weight_decay * (p.ndim > 1)})
    return groups


# %% wrong frozen_included
# says: a frozen parameter
def param_groups(model, base_lr, decay, weight_decay):
    shift = 0 if hasattr(getattr(model, "model", model), "layer1") else 1
    pattern = r"(?:^|\.)layers?\.?(\d+)\."
    names = [n for n, _ in model.named_parameters()]
    numbers = [int(m[1]) + shift for n in names if (m := re.search(pattern, n))]
    if not numbers or not any("embeddings" in n or "conv1" in n for n in names):
        raise ValueError(f"unknown model {type(model).__name__}")
    top = max(numbers) + 1
    groups = []
    for name, p in model.named_parameters():
        m = re.search(pattern, name)
        k = int(m[1]) + shift if m else 0 if "embeddings" in name or name.startswith(("conv1", "bn1")) else top
        groups.append({"params": [p], "lr": base_lr * decay ** (top - k), "weight_decay": weight_decay * (p.ndim > 1)})
    return groups


# %% wrong flags_changed
# says: only read it
def param_groups(model, base_lr, decay, weight_decay):
    model.requires_grad_(True)
    shift = 0 if hasattr(getattr(model, "model", model), "layer1") else 1
    pattern = r"(?:^|\.)layers?\.?(\d+)\."
    names = [n for n, _ in model.named_parameters()]
    numbers = [int(m[1]) + shift for n in names if (m := re.search(pattern, n))]
    if not numbers or not any("embeddings" in n or "conv1" in n for n in names):
        raise ValueError(f"unknown model {type(model).__name__}")
    top = max(numbers) + 1
    groups = []
    for name, p in model.named_parameters():
        m = re.search(pattern, name)
        k = int(m[1]) + shift if m else 0 if "embeddings" in name or name.startswith(("conv1", "bn1")) else top
        groups.append({"params": [p], "lr": base_lr * decay ** (top - k), "weight_decay": weight_decay * (p.ndim > 1)})
    return groups


# %% wrong duplicates (tied decoder listed with the head too)
# says: BertForMaskedLM
def param_groups(model, base_lr, decay, weight_decay):
    body = model
    for name in ("model", "bert", "vit"):
        body = getattr(body, name, body)
    if hasattr(body, "conv1"):
        stack = [[body.conv1, body.bn1], [body.layer1], [body.layer2], [body.layer3], [body.layer4]]
    elif hasattr(body, "encoder"):
        stack = [[body.embeddings], *([l] for l in body.encoder.layer)]
    elif hasattr(body, "embeddings"):
        stack = [[body.embeddings], *([l] for l in body.layers)]
    else:
        raise ValueError("unknown")
    inside = {id(m) for parts in stack for part in parts for m in part.modules()}
    groups = []
    for k, parts in enumerate(stack):
        for part in parts:
            for p in part.parameters():
                if p.requires_grad:
                    groups.append({"params": [p], "lr": base_lr * decay ** (len(stack) - k), "weight_decay": weight_decay * (p.ndim > 1)})
    for module in model.modules():
        if id(module) not in inside:
            for p in module.parameters(recurse=False):
                if p.requires_grad:
                    groups.append({"params": [p], "lr": base_lr, "weight_decay": weight_decay * (p.ndim > 1)})
    return groups


# %% wrong unknown_accepted
# says: raise ValueError
def param_groups(model, base_lr, decay, weight_decay):
    body = model
    for name in ("model", "bert", "vit"):
        body = getattr(body, name, body)
    stack = []
    if hasattr(body, "conv1"):
        stack = [[body.conv1, body.bn1], [body.layer1], [body.layer2], [body.layer3], [body.layer4]]
    elif hasattr(body, "encoder"):
        stack = [[body.embeddings], *([l] for l in body.encoder.layer)]
    elif hasattr(body, "embeddings"):
        stack = [[body.embeddings], *([l] for l in body.layers)]
    place = {p: k for k, parts in enumerate(stack) for part in parts for p in part.parameters()}
    return [
        {"params": [p], "lr": base_lr * decay ** (len(stack) - place.get(p, len(stack))), "weight_decay": weight_decay * (p.ndim > 1)}
        for p in model.parameters() if p.requires_grad
    ]


# %% wrong raises_AttributeError (BERT with a head only)
def param_groups(model, base_lr, decay, weight_decay):
    n = len(model.bert.encoder.layer)
    groups = []
    for name, p in model.named_parameters():
        if p.requires_grad:
            found = re.search(r"encoder\.layer\.(\d+)\.", name)
            exponent = n + 1 if "embeddings" in name else n - int(found[1]) if found else 0
            groups.append({"params": [p], "lr": base_lr * decay**exponent, "weight_decay": weight_decay * (p.ndim > 1)})
    return groups


# %% wrong returns_none
def param_groups(model, base_lr, decay, weight_decay):
    groups = [{"params": list(model.parameters()), "lr": base_lr, "weight_decay": weight_decay}]


# %% wrong wrong_rate (a shared parameter gets the place of its last name)
# says: BertForMaskedLM
def param_groups(model, base_lr, decay, weight_decay):
    named = list(model.named_parameters(remove_duplicate=False))
    shift = 0 if any(n.startswith("layer4") for n, _ in named) else 1
    pattern = r"(?:^|\.)layers?\.?(\d+)\."
    numbers = [int(m[1]) + shift for n, _ in named if (m := re.search(pattern, n))]
    if not numbers or not any("embeddings" in n or "conv1" in n for n, _ in named):
        raise ValueError(f"unknown model {type(model).__name__}")
    top, place = max(numbers) + 1, {}
    for name, p in named:
        m = re.search(pattern, name)
        place[p] = int(m[1]) + shift if m else 0 if "embeddings" in name or name.startswith(("conv1", "bn1")) else top
    return [
        {"params": [p], "lr": base_lr * decay ** (top - k), "weight_decay": weight_decay * (p.ndim > 1)}
        for p, k in place.items() if p.requires_grad
    ]


# %% right one group per parameter, by regular expression
def param_groups(model, base_lr, decay, weight_decay):
    named = list(model.named_parameters())
    bert_like = r"(?:^|\.)(?:encoder\.layer|layers)\.(\d+)\."
    if any("embeddings." in n for n, _ in named):
        place = lambda n: int(m[1]) + 1 if (m := re.search(bert_like, n)) else 0 if "embeddings." in n else None
    elif any(n.startswith("layer4.") for n, _ in named):
        place = lambda n: int(m[1]) if (m := re.match(r"layer([1-4])\.", n)) else 0 if n.startswith(("conv1.", "bn1.")) else None
    else:
        raise ValueError(f"{type(model).__name__} is neither BERT nor ViT nor ResNet")
    top = max(k for n, _ in named if (k := place(n)) is not None) + 1
    groups = []
    for name, p in named:
        if p.requires_grad:
            k = top if place(name) is None else place(name)
            groups.append({"params": [p], "name": name, "lr": base_lr * decay ** (top - k), "lr_scale": decay ** (top - k),
                           "weight_decay": 0.0 if p.ndim <= 1 else weight_decay})
    return groups


# %% right from the head down, decay by module type, tuples
def param_groups(model, base_lr, decay, weight_decay):
    body = getattr(model, "model", model)
    body = getattr(body, "bert", getattr(body, "vit", body))
    if isinstance(body, ResNet):
        stack = [[body.conv1, body.bn1]] + [[getattr(body, f"layer{i}")] for i in (1, 2, 3, 4)]
    elif isinstance(body, BertModel):
        stack = [[body.embeddings]] + [[layer] for layer in body.encoder.layer]
    elif isinstance(body, ViTModel):
        stack = [[body.embeddings]] + [[layer] for layer in body.layers]
    else:
        raise ValueError("unknown architecture: " + type(model).__name__)
    norms = {id(m.weight) for m in model.modules() if isinstance(m, nn.LayerNorm | nn.BatchNorm2d | nn.GroupNorm)}
    biases = {id(p) for name, p in model.named_parameters() if name.split(".")[-1] == "bias"}
    below = {id(p) for parts in stack for part in parts for p in part.parameters()}
    levels = [[p for p in model.parameters() if id(p) not in below]]
    levels += [[p for part in parts for p in part.parameters()] for parts in reversed(stack)]
    groups, lr = [], base_lr
    for level in levels:
        free = [p for p in level if p.requires_grad and id(p) in norms | biases]
        held = [p for p in level if p.requires_grad and id(p) not in norms | biases]
        groups.append({"params": tuple(free), "lr": lr, "weight_decay": 0})
        groups.append({"params": tuple(held), "lr": lr, "weight_decay": weight_decay})
        lr *= decay
    return [group for group in groups if group["params"]]


# %% right one group per rate and decay, sorted
def param_groups(model, base_lr, decay, weight_decay):
    modules = dict(model.named_modules())
    prefix = next((name for name, m in modules.items() if hasattr(m, "embeddings") and (hasattr(m, "layers") or hasattr(
        getattr(m, "encoder", None), "layer"))), None)
    if prefix is None:
        prefix = next((name for name, m in modules.items() if isinstance(m, ResNet)), None)
    if prefix is None:
        raise ValueError(type(model).__name__)
    body = modules[prefix]
    if isinstance(body, ResNet):
        rungs = [nn.ModuleList([body.conv1, body.bn1]), body.layer1, body.layer2, body.layer3, body.layer4]
    else:
        rungs = [body.embeddings, *(body.layers if hasattr(body, "layers") else body.encoder.layer)]
    exponents = {}
    for k, rung in enumerate(rungs):
        for p in rung.parameters():
            exponents.setdefault(id(p), len(rungs) - k)
    pools = {}
    for p in model.parameters():
        if p.requires_grad:
            pools.setdefault((exponents.get(id(p), 0), p.ndim < 2), []).append(p)
    return [
        {"params": pools[key], "lr": base_lr * decay ** key[0], "weight_decay": 0.0 if key[1] else weight_decay}
        for key in sorted(pools)
    ]
