"""Wrong and right answers to 03.three_stages."""

# %% wrong second_stage_idle
# says: avgpool
def three_stages(model):
    stages = []
    for n in (1, 2, 4):
        model.requires_grad_(False)
        for child in list(model.children())[-n:]:
            child.requires_grad_(True)
        stages.append([name for name, p in model.named_parameters() if p.requires_grad])
    return stages


# %% wrong one_stage_behind
# says: a stage late
def three_stages(model):
    stages = []
    for n in (1, 2, 3):
        model.requires_grad_(False)
        for child in list(model.children())[-n:]:
            child.requires_grad_(True)
        stages.append([name for name, p in model.named_parameters() if p.requires_grad])
    return stages


# %% wrong never_frozen
# says: was never frozen
def three_stages(model):
    stages = []
    for part in (model.fc, model.layer4, model.layer3):
        part.requires_grad_(True)
        stages.append([name for name, p in model.named_parameters() if p.requires_grad])
    return stages


# %% wrong never_frozen (attribute of the module)
def three_stages(model):
    stages = []
    model.requires_grad = False
    for part in (model.fc, model.layer4, model.layer3):
        part.requires_grad = True
        stages.append([name for name, p in model.named_parameters() if p.requires_grad])
    return stages


# %% wrong not_cumulative
# says: Stages add up
def three_stages(model):
    stages = []
    for part in (model.fc, model.layer4, model.layer3):
        model.requires_grad_(False)
        part.requires_grad_(True)
        stages.append([name for name, p in model.named_parameters() if p.requires_grad])
    return stages


# %% wrong only_with_head
def three_stages(model):
    stages = []
    for part in (model.fc, model.layer4, model.layer3):
        model.requires_grad_(False)
        part.requires_grad_(True)
        model.fc.requires_grad_(True)
        stages.append([name for name, p in model.named_parameters() if p.requires_grad])
    return stages


# %% wrong bottom_up
def three_stages(model):
    stages, names = [], ["conv1", "bn1", "layer1", "layer2"]
    for n in (2, 3, 4):
        for name, p in model.named_parameters():
            p.requires_grad = name.split(".")[0] in names[:n]
        stages.append([name for name, p in model.named_parameters() if p.requires_grad])
    return stages


# %% wrong newly_only
#-    model.requires_grad_(False)
#-    for parts in ([model.fc], [model.layer4], [model.layer3]):
#+    for parts in ([model.fc], [model.layer4], [model.layer4, model.layer3]):
#+        model.requires_grad_(False)


# %% wrong names_of_children
# says: names of parts
def three_stages(model):
    model.requires_grad_(False)
    for part in (model.fc, model.layer4, model.layer3):
        part.requires_grad_(True)
    return [["fc"], ["layer4", "fc"], ["layer3", "layer4", "fc"]]


# %% wrong last_state
# says: one and the same list
def three_stages(model):
    stages, names = [], []
    model.requires_grad_(False)
    for part in (model.fc, model.layer4, model.layer3):
        part.requires_grad_(True)
        names[:] = [name for name, p in model.named_parameters() if p.requires_grad]
        stages.append(names)
    return stages


# %% wrong norms_forgotten (norms left frozen)
def three_stages(model):
    stages = []
    model.requires_grad_(False)
    for part in ("fc", "layer4", "layer3"):
        for name, p in model.named_parameters():
            if name.startswith(part) and (p.ndim > 1 or part == "fc"):
                p.requires_grad = True
        stages.append([name for name, p in model.named_parameters() if p.requires_grad])
    return stages


# %% wrong all_the_rest
def three_stages(model):
    stages = []
    for part in (("fc",), ("layer4", "fc"), ("",)):
        for name, p in model.named_parameters():
            p.requires_grad = name.startswith(part)
        stages.append([name for name, p in model.named_parameters() if p.requires_grad])
    return stages


# %% wrong returns_none
def three_stages(model):
    model.requires_grad_(False)
    for part in (model.fc, model.layer4, model.layer3):
        part.requires_grad_(True)
        print([name for name, p in model.named_parameters() if p.requires_grad])


# %% wrong not_three
def three_stages(model):
    model.requires_grad_(False)
    for part in (model.fc, model.layer4, model.layer3):
        part.requires_grad_(True)
    return [name for name, p in model.named_parameters() if p.requires_grad]


# %% wrong not_lists (names in one string)
def three_stages(model):
    stages = []
    model.requires_grad_(False)
    for part in (model.fc, model.layer4, model.layer3):
        part.requires_grad_(True)
        stages.append(", ".join(name for name, p in model.named_parameters() if p.requires_grad))
    return stages


# %% wrong wrong_names (names within the parts)
# says: model.named_parameters()
def three_stages(model):
    model.requires_grad_(False)
    names, stages = [], []
    for part in (model.fc, model.layer4, model.layer3):
        part.requires_grad_(True)
        names = names + [name for name, _ in part.named_parameters()]
        stages.append(names)
    return stages


# %% wrong names_only
# says: Switch the parameters
def three_stages(model):
    parts = (("fc.",), ("layer4.", "fc."), ("layer3.", "layer4.", "fc."))
    return [[name for name, _ in model.named_parameters() if name.startswith(part)] for part in parts]


# %% wrong names_only (frozen again at the end)
def three_stages(model):
    stages = []
    model.requires_grad_(False)
    for part in (model.fc, model.layer4, model.layer3):
        part.requires_grad_(True)
        stages.append([name for name, p in model.named_parameters() if p.requires_grad])
    model.requires_grad_(False)
    return stages


# %% wrong stages (by place among the children)
# says: by their names
def three_stages(model):
    stages = []
    for n in (1, 3, 4):
        model.requires_grad_(False)
        children = list(model.children())
        for child in children[7:8] if n > 1 else []:
            child.requires_grad_(True)
        for child in children[6:7] if n > 3 else []:
            child.requires_grad_(True)
        model.fc.requires_grad_(True)
        if n == 3 and type(model) is not ResNet:
            children[-2].requires_grad_(True)
        stages.append([name for name, p in model.named_parameters() if p.requires_grad])
    return stages


# %% wrong stage_1 (slices of the children that have parameters)
def three_stages(model):
    stages = []
    children = [child for child in model.children() if list(child.parameters())]
    for n in (1, 2, 3):
        model.requires_grad_(False)
        for child in children[-n:]:
            child.requires_grad_(True)
        stages.append([name for name, p in model.named_parameters() if p.requires_grad])
    return stages


# %% wrong stage_1 (a part of the name)
def three_stages(model):
    stages = []
    for parts in (("fc",), ("layer4", "fc"), ("layer3", "layer4", "fc")):
        for name, p in model.named_parameters():
            p.requires_grad = any(part in name for part in parts)
        stages.append([name for name, p in model.named_parameters() if p.requires_grad])
    return stages


# %% wrong never_unfrozen
# says: unfrozen by name
def three_stages(model):
    stages = []
    for frozen in (("conv1", "bn1", "layer1", "layer2", "layer3", "layer4"), ("conv1", "bn1", "layer1", "layer2", "layer3"),
                   ("conv1", "bn1", "layer1", "layer2")):
        names = []
        for name, p in model.named_parameters():
            if name.split(".")[0] not in frozen and (p.requires_grad or name.startswith("fc")):
                names.append(name)
        stages.append(names)
    for name, p in model.named_parameters():
        p.requires_grad = name in stages[2]
    return stages


# %% right prefixes
def three_stages(model):
    stages = []
    for wanted in ({"fc"}, {"fc", "layer4"}, {"fc", "layer4", "layer3"}):
        for name, p in model.named_parameters():
            p.requires_grad = name.split(".")[0] in wanted
        stages.append([name for name, p in model.named_parameters() if p.requires_grad])
    return stages


# %% right anew in each stage
def three_stages(model: nn.Module) -> list[list[str]]:
    result = []
    for stage in range(1, 4):
        for p in model.parameters():
            p.requires_grad = False
        for part in ["fc", "layer4", "layer3"][:stage]:
            for p in getattr(model, part).parameters():
                p.requires_grad = True
        result.append(sorted(name for name, p in model.named_parameters() if p.requires_grad))
    return result


# %% right identities, tuples
def three_stages(model):
    parts, stages = [model.fc, model.layer4, model.layer3], []
    for i in (1, 2, 3):
        on = {id(p) for part in parts[:i] for p in part.parameters()}
        names = []
        for name, p in model.named_parameters():
            p.requires_grad_(id(p) in on)
            if id(p) in on:
                names.append(name)
        stages.append(tuple(names))
    return stages
