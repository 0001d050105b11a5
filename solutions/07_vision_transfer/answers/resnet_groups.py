"""Wrong and right answers to 07.resnet_groups."""

# %% wrong returns_none
#-    return groups

# %% wrong not_a_dict
def resnet_groups(model):
    return [[*model.conv1.parameters(), *model.bn1.parameters()], *(list(getattr(model, f"layer{i}").parameters()) for i in range(1, 5)),
            list(model.fc.parameters())]

# %% wrong other_keys (names of the children)
def resnet_groups(model):
    return {name: list(child.parameters()) for name, child in model.named_children()}

# %% wrong other_keys (fc)
def resnet_groups(model):
    groups = {"stem": [*model.conv1.parameters(), *model.bn1.parameters()]}
    for name in ("layer1", "layer2", "layer3", "layer4", "fc"):
        groups[name] = list(getattr(model, name).parameters())
    return groups

# %% wrong other_keys (an empty head left out)
# says: even if a group is empty
#-    return groups
#+    return {name: group for name, group in groups.items() if group}

# %% wrong order
# says: from bottom to top
def resnet_groups(model):
    groups = {"head": list(model.fc.parameters())}
    for name in ("layer4", "layer3", "layer2", "layer1"):
        groups[name] = list(getattr(model, name).parameters())
    groups["stem"] = [*model.conv1.parameters(), *model.bn1.parameters()]
    return groups

# %% wrong not_lists (generators)
# says: read once, it is empty
def resnet_groups(model):
    stages = {f"layer{i}": getattr(model, f"layer{i}").parameters() for i in range(1, 5)}
    return {"stem": nn.ModuleList([model.conv1, model.bn1]).parameters(), **stages, "head": model.fc.parameters()}

# %% wrong not_lists (modules)
def resnet_groups(model):
    stages = {f"layer{i}": getattr(model, f"layer{i}") for i in range(1, 5)}
    return {"stem": nn.ModuleList([model.conv1, model.bn1]), **stages, "head": model.fc}

# %% wrong not_parameters (names)
#-        groups[group_of[part]].append(parameter)
#+        groups[group_of[part]].append(name)

# %% wrong not_parameters (pairs)
# says: tuple
#-        groups[group_of[part]].append(parameter)
#+        groups[group_of[part]].append((name, parameter))

# %% wrong not_parameters (modules in lists)
def resnet_groups(model):
    stages = {f"layer{i}": list(getattr(model, f"layer{i}")) for i in range(1, 5)}
    return {"stem": [model.conv1, model.bn1], **stages, "head": [model.fc]}

# %% wrong not_parameters (data)
# says: Tensor
#-        groups[group_of[part]].append(parameter)
#+        groups[group_of[part]].append(parameter.data)

# %% wrong substring
# says: a conv1 and a bn1 of their own
def resnet_groups(model):
    groups = {name: [] for name in ("stem", "layer1", "layer2", "layer3", "layer4", "head")}
    for name, p in model.named_parameters():
        if "conv1" in name or "bn1" in name:
            groups["stem"].append(p)
        elif "fc" in name:
            groups["head"].append(p)
        else:
            groups[name[:6]].append(p)
    return groups

# %% wrong copied
def resnet_groups(model):
    model = copy.deepcopy(model)
    stages = {f"layer{i}": list(getattr(model, f"layer{i}").parameters()) for i in range(1, 5)}
    return {"stem": [*model.conv1.parameters(), *model.bn1.parameters()], **stages, "head": list(model.fc.parameters())}

# %% wrong twice (cumulative)
def resnet_groups(model):
    groups, so_far = {}, []
    parts = {"stem": [model.conv1, model.bn1], **{f"layer{i}": [getattr(model, f"layer{i}")] for i in range(1, 5)}, "head": [model.fc]}
    for name, modules in parts.items():
        so_far = so_far + [p for m in modules for p in m.parameters()]
        groups[name] = so_far
    return groups

# %% wrong norm_missing
# says: conv1 *and* bn1
def resnet_groups(model):
    stages = {f"layer{i}": list(getattr(model, f"layer{i}").parameters()) for i in range(1, 5)}
    return {"stem": list(model.conv1.parameters()), **stages, "head": list(model.fc.parameters())}

# %% wrong stem_missing
# says: forget them
def resnet_groups(model):
    groups = {name: [] for name in ("stem", "layer1", "layer2", "layer3", "layer4", "head")}
    for name, p in model.named_parameters():
        for key in groups:
            if name.startswith(key):
                groups[key].append(p)
    groups["head"] = list(model.fc.parameters())
    return groups

# %% wrong head_missing (by position)
# says: avgpool
def resnet_groups(model):
    stem, stages, head = list(model.children())[:4], list(model.children())[4:8], list(model.children())[-2]
    groups = {"stem": [p for m in stem for p in m.parameters()]}
    for i, stage in enumerate(stages):
        groups[f"layer{i + 1}"] = list(stage.parameters())
    groups["head"] = list(head.parameters())
    return groups

# %% wrong head_missing (weight only)
def resnet_groups(model):
    stages = {f"layer{i}": list(getattr(model, f"layer{i}").parameters()) for i in range(1, 5)}
    return {"stem": [*model.conv1.parameters(), *model.bn1.parameters()], **stages, "head": [model.fc.weight]}

# %% wrong shortcuts_missing
# says: downsample
def resnet_groups(model):
    stages = {}
    for i in range(1, 5):
        stages[f"layer{i}"] = [p for block in getattr(model, f"layer{i}") for part in (block.conv1, block.bn1, block.conv2, block.bn2)
                               for p in part.parameters()]
    return {"stem": [*model.conv1.parameters(), *model.bn1.parameters()], **stages, "head": list(model.fc.parameters())}

# %% wrong norms_missing
#-        groups[group_of[part]].append(parameter)
#+        if part in ("bn1", "fc") or parameter.ndim > 1:
#+            groups[group_of[part]].append(parameter)

# %% wrong wrong_groups (weights of norms only)
#-        groups[group_of[part]].append(parameter)
#+        if not name.endswith("conv2.weight"):
#+            groups[group_of[part]].append(parameter)

# %% wrong wrong_groups (third convolutions of a bottleneck forgotten)
# says: parameter tensors
def resnet_groups(model):
    parts = {"stem": [model.conv1, model.bn1], "head": [model.fc]}
    for i in range(1, 5):
        parts[f"layer{i}"] = [part for block in getattr(model, f"layer{i}") for part in (block.conv1, block.bn1, block.conv2, block.bn2,
                              block.downsample or nn.Identity())]
    order = ["stem", "layer1", "layer2", "layer3", "layer4", "head"]
    return {name: [p for part in parts[name] for p in part.parameters()] for name in order}

# %% wrong frozen_left_out
# says: where it belongs
#-        groups[group_of[part]].append(parameter)
#+        if parameter.requires_grad:
#+            groups[group_of[part]].append(parameter)

# %% wrong flags_changed
#-    return groups
#+    for parameter in model.parameters():
#+        parameter.requires_grad_(True)
#+    return groups

# %% wrong leftover_ignored
# says: no optimizer will ever see it
def resnet_groups(model):
    stages = {f"layer{i}": list(getattr(model, f"layer{i}").parameters()) for i in range(1, 5)}
    return {"stem": [*model.conv1.parameters(), *model.bn1.parameters()], **stages, "head": list(model.fc.parameters())}

# %% wrong leftover_ignored (a KeyError)
# says: Yours raised KeyError
#-        if part not in group_of:
#-            raise ValueError(f"{name} belongs to no group of a ResNet")

# %% wrong leftover_ignored (goes to the head)
#-        if part not in group_of:
#-            raise ValueError(f"{name} belongs to no group of a ResNet")
#-        groups[group_of[part]].append(parameter)
#+        groups[group_of.get(part, "head")].append(parameter)

# %% wrong leftover_not_named
#-            raise ValueError(f"{name} belongs to no group of a ResNet")
#+            raise ValueError("a parameter belongs to no group")

# %% wrong leftover_ignored (by the beginning of a name)
# says: fc_aux
#-        if part not in group_of:
#+        part = next((known for known in group_of if name.startswith(known)), None)
#+        if part is None:

# %% wrong compared_by_value
# says: use a set
def resnet_groups(model):
    stages = {f"layer{i}": list(getattr(model, f"layer{i}").parameters()) for i in range(1, 5)}
    groups = {"stem": [*model.conv1.parameters(), *model.bn1.parameters()], **stages, "head": list(model.fc.parameters())}
    everything = [p for group in groups.values() for p in group]
    for name, p in model.named_parameters():
        if p not in everything:
            raise ValueError(name)
    return groups

# %% right by attribute
def resnet_groups(model):
    parts = {"stem": nn.ModuleList([model.conv1, model.bn1])}
    parts |= {name: getattr(model, name) for name in ("layer1", "layer2", "layer3", "layer4")}
    parts["head"] = model.fc
    groups = {name: list(part.parameters()) for name, part in parts.items()}
    known = {p for group in groups.values() for p in group}
    for name, p in model.named_parameters():
        if p not in known:
            raise ValueError(f"not grouped: {name}")
    return groups

# %% right with a regular expression
def resnet_groups(model: ResNet) -> dict[str, list[nn.Parameter]]:
    import re

    patterns = {"stem": r"(conv1|bn1)\.", **{f"layer{i}": rf"layer{i}\." for i in range(1, 5)}, "head": r"fc\."}
    named = dict(model.named_parameters())
    groups = {key: [p for name, p in named.items() if re.match(pattern, name)] for key, pattern in patterns.items()}
    if sum(len(g) for g in groups.values()) != len(named):
        lost = [name for name in named if not any(re.match(pattern, name) for pattern in patterns.values())]
        raise ValueError(f"{lost} would be lost")
    return groups

# %% right match
def resnet_groups(model):
    groups = dict(stem=[], layer1=[], layer2=[], layer3=[], layer4=[], head=[])
    for name, p in model.named_parameters():
        match name.split(".")[0]:
            case "conv1" | "bn1":
                groups["stem"].append(p)
            case "fc":
                groups["head"].append(p)
            case stage if stage in groups and stage.startswith("layer"):
                groups[stage] += [p]
            case _:
                raise ValueError("no group for " + name)
    return groups
