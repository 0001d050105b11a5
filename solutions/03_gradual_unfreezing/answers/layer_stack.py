"""Wrong and right answers to 03.layer_stack."""

# %% wrong embeddings_missing
# says: no schedule could freeze them
def layer_stack(model):
    body = getattr(model, "bert", model)
    if hasattr(body, "encoder"):
        return list(body.encoder.layer)
    return [nn.ModuleList([model.conv1, model.bn1]), model.layer1, model.layer2, model.layer3, model.layer4]


# %% wrong top_down
# says: the bottom comes first
def layer_stack(model):
    if hasattr(model, "bert"):
        return list(model.bert.encoder.layer)[::-1] + [model.bert.embeddings]
    return [model.layer4, model.layer3, model.layer2, model.layer1, nn.Sequential(model.conv1, model.bn1)]


# %% wrong head_included (pooler)
# says: always train
def layer_stack(model):
    if hasattr(model, "bert"):
        return [model.bert.embeddings, *model.bert.encoder.layer, model.bert.pooler]
    return [nn.ModuleList([model.conv1, model.bn1]), model.layer1, model.layer2, model.layer3, model.layer4]


# %% wrong head_included (all children)
def layer_stack(model):
    return list(model.children())


# %% wrong layers_not_split
# says: one by one
def layer_stack(model):
    if hasattr(model, "bert"):
        return [model.bert.embeddings, model.bert.encoder]
    return [nn.ModuleList([model.conv1, model.bn1]), model.layer1, model.layer2, model.layer3, model.layer4]


# %% wrong stem_missing
# says: never be frozen
def layer_stack(model):
    if hasattr(model, "bert"):
        return [model.bert.embeddings, *model.bert.encoder.layer]
    return [model.layer1, model.layer2, model.layer3, model.layer4]


# %% wrong norm_missing (conv1 alone)
# says: bn1 is in no group
def layer_stack(model):
    if hasattr(model, "bert"):
        return [model.bert.embeddings, *model.bert.encoder.layer]
    return [model.conv1, model.layer1, model.layer2, model.layer3, model.layer4]


# %% wrong norm_missing (parameters only)
# says: the module bn1 itself
def layer_stack(model):
    if hasattr(model, "bert"):
        return [model.bert.embeddings, *model.bert.encoder.layer]
    stem = nn.ParameterList([*model.conv1.parameters(), *model.bn1.parameters()])
    return [stem, model.layer1, model.layer2, model.layer3, model.layer4]


# %% wrong stem_split
# says: two groups
def layer_stack(model):
    if hasattr(model, "bert"):
        return [model.bert.embeddings, *model.bert.encoder.layer]
    return [model.conv1, model.bn1, model.layer1, model.layer2, model.layer3, model.layer4]


# %% wrong copied
# says: Freezing a copy
def layer_stack(model):
    model = copy.deepcopy(model)
    if hasattr(model, "bert"):
        return [model.bert.embeddings, *model.bert.encoder.layer]
    return [nn.ModuleList([model.conv1, model.bn1]), model.layer1, model.layer2, model.layer3, model.layer4]


# %% wrong model_changed
# says: checkpoints no longer fit
def layer_stack(model):
    if hasattr(model, "bert"):
        return [model.bert.embeddings, *model.bert.encoder.layer]
    model.stem = nn.Sequential(model.conv1, model.bn1)
    return [model.stem, model.layer1, model.layer2, model.layer3, model.layer4]


# %% wrong not_a_list
# says: ModuleList
def layer_stack(model):
    if hasattr(model, "bert"):
        return nn.ModuleList([model.bert.embeddings, *model.bert.encoder.layer])
    return nn.ModuleList([nn.ModuleList([model.conv1, model.bn1]), model.layer1, model.layer2, model.layer3, model.layer4])


# %% wrong not_modules (names)
def layer_stack(model):
    return ["embeddings", *(f"layer.{i}" for i in range(3))]


# %% wrong not_modules (a list for the stem)
# says: one module of two
def layer_stack(model):
    if hasattr(model, "bert"):
        return [model.bert.embeddings, *model.bert.encoder.layer]
    return [[model.conv1, model.bn1], model.layer1, model.layer2, model.layer3, model.layer4]


# %% wrong returns_none
def layer_stack(model):
    if hasattr(model, "bert"):
        stack = [model.bert.embeddings, *model.bert.encoder.layer]


# %% wrong overlap
def layer_stack(model):
    if hasattr(model, "bert"):
        return [model.bert, *model.bert.encoder.layer][:1] and [
            nn.ModuleList([model.bert.embeddings, model.bert.encoder.layer[0]]), *model.bert.encoder.layer]
    return [nn.ModuleList([model.conv1, model.bn1]), model.layer1, model.layer2, model.layer3, model.layer4]


# %% wrong wrong_groups (blocks instead of stages)
def layer_stack(model):
    if hasattr(model, "bert"):
        return [model.bert.embeddings, *model.bert.encoder.layer]
    return [nn.ModuleList([model.conv1, model.bn1]), model.layer1, nn.ModuleList([model.layer2, model.layer3]), model.layer4]


# %% wrong wrong_groups (every block a group)
def layer_stack(model):
    body = model
    for name in ("model", "bert", "distilbert", "vit"):
        body = getattr(body, name, body)
    if hasattr(body, "encoder"):
        return [body.embeddings, *body.encoder.layer]
    if hasattr(body, "transformer"):
        return [body.embeddings, *body.transformer.layer]
    if hasattr(body, "layers"):
        return [body.embeddings, *body.layers]
    if hasattr(body, "layer4"):
        blocks = [block for stage in (body.layer1, body.layer2, body.layer3, body.layer4) for block in stage]
        return [nn.ModuleList([body.conv1, body.bn1]), *blocks]
    raise ValueError(type(model).__name__)


# %% wrong architecture_missing (bare models forgotten)
# says: BertModel
def layer_stack(model):
    if hasattr(model, "bert"):
        return [model.bert.embeddings, *model.bert.encoder.layer]
    if hasattr(model, "distilbert"):
        return [model.distilbert.embeddings, *model.distilbert.transformer.layer]
    if hasattr(model, "vit"):
        return [model.vit.embeddings, *model.vit.layers]
    if hasattr(model, "layer4"):
        return [nn.ModuleList([model.conv1, model.bn1]), model.layer1, model.layer2, model.layer3, model.layer4]
    raise ValueError(f"unknown {type(model).__name__}")


# %% wrong architecture_missing (ViT as it was before transformers 5)
# says: ViT
def layer_stack(model):
    body = model
    for name in ("model", "bert", "distilbert", "vit"):
        body = getattr(body, name, body)
    if hasattr(body, "layer4"):
        return [nn.ModuleList([body.conv1, body.bn1]), body.layer1, body.layer2, body.layer3, body.layer4]
    if hasattr(body, "transformer"):
        return [body.embeddings, *body.transformer.layer]
    if hasattr(body, "encoder") and hasattr(body.encoder, "layer"):
        return [body.embeddings, *body.encoder.layer]
    raise ValueError(f"unknown {type(model).__name__}")


# %% wrong architecture_missing (exact class of the ResNet)
# says: SmallResNet
def layer_stack(model):
    body = model
    for name in ("model", "bert", "distilbert", "vit"):
        body = getattr(body, name, body)
    if type(body) is ResNet:
        return [nn.ModuleList([body.conv1, body.bn1]), body.layer1, body.layer2, body.layer3, body.layer4]
    for layers in ("encoder.layer", "transformer.layer", "layers"):
        try:
            return [body.embeddings, *body.get_submodule(layers)]
        except AttributeError:
            pass
    raise ValueError(f"unknown {type(model).__name__}")


# %% wrong head_included (last norm of the ViT)
# says: last norm
def layer_stack(model):
    body = model
    for name in ("model", "bert", "distilbert", "vit"):
        body = getattr(body, name, body)
    if hasattr(body, "layer4"):
        return [nn.ModuleList([body.conv1, body.bn1]), body.layer1, body.layer2, body.layer3, body.layer4]
    if hasattr(body, "layers"):
        return [body.embeddings, *body.layers, body.layernorm]
    if hasattr(body, "transformer"):
        return [body.embeddings, *body.transformer.layer]
    if hasattr(body, "encoder"):
        return [body.embeddings, *body.encoder.layer]
    raise ValueError(f"unknown {type(model).__name__}")


# %% wrong unknown_accepted (empty list)
# says: none of the four
def layer_stack(model):
    body = model
    for name in ("model", "bert", "distilbert", "vit"):
        body = getattr(body, name, body)
    if hasattr(body, "layer4"):
        return [nn.ModuleList([body.conv1, body.bn1]), body.layer1, body.layer2, body.layer3, body.layer4]
    for layers in ("encoder.layer", "transformer.layer", "layers"):
        try:
            return [body.embeddings, *body.get_submodule(layers)]
        except AttributeError:
            pass
    return []


# %% wrong unknown_accepted (another error)
# says: AttributeError
def layer_stack(model):
    body = model
    for name in ("model", "bert", "distilbert", "vit"):
        body = getattr(body, name, body)
    if hasattr(body, "layer4"):
        return [nn.ModuleList([body.conv1, body.bn1]), body.layer1, body.layer2, body.layer3, body.layer4]
    if hasattr(body, "encoder"):
        return [body.embeddings, *body.encoder.layer]
    if hasattr(body, "transformer"):
        return [body.embeddings, *body.transformer.layer]
    return [body.embeddings, *body.layers]


# %% wrong class_not_named
def layer_stack(model):
    body = model
    for name in ("model", "bert", "distilbert", "vit"):
        body = getattr(body, name, body)
    if hasattr(body, "layer4"):
        return [nn.ModuleList([body.conv1, body.bn1]), body.layer1, body.layer2, body.layer3, body.layer4]
    for layers in ("encoder.layer", "transformer.layer", "layers"):
        try:
            return [body.embeddings, *body.get_submodule(layers)]
        except AttributeError:
            pass
    raise ValueError("unknown architecture")


# %% wrong class_not_named (the class inside the wrapper)
# says: Wrapper
def layer_stack(model):
    for name in ("model", "bert", "distilbert", "vit"):
        model = getattr(model, name, model)
    if hasattr(model, "layer4"):
        return [nn.ModuleList([model.conv1, model.bn1]), model.layer1, model.layer2, model.layer3, model.layer4]
    for layers in ("encoder.layer", "transformer.layer", "layers"):
        try:
            return [model.embeddings, *model.get_submodule(layers)]
        except AttributeError:
            pass
    raise ValueError(f"unknown architecture {type(model).__name__}")


# %% wrong model_frozen
def layer_stack(model):
    body = model
    for name in ("model", "bert", "distilbert", "vit"):
        body = getattr(body, name, body)
    model.requires_grad_(False)
    if hasattr(body, "layer4"):
        return [nn.ModuleList([body.conv1, body.bn1]), body.layer1, body.layer2, body.layer3, body.layer4]
    for layers in ("encoder.layer", "transformer.layer", "layers"):
        try:
            return [body.embeddings, *body.get_submodule(layers)]
        except AttributeError:
            pass
    raise ValueError(f"unknown {type(model).__name__}")


# %% wrong raises_AttributeError (one architecture only)
def layer_stack(model):
    return [model.bert.embeddings, *model.bert.encoder.layer]


# %% right by class
def layer_stack(model):
    from transformers import DistilBertPreTrainedModel, ViTPreTrainedModel
    from transformers.models.bert.modeling_bert import BertPreTrainedModel

    body = getattr(model, "model", model)
    if isinstance(body, BertPreTrainedModel):
        body = getattr(body, "bert", body)
        return [body.embeddings] + list(body.encoder.layer)
    if isinstance(body, DistilBertPreTrainedModel):
        body = getattr(body, "distilbert", body)
        return [body.embeddings] + list(body.transformer.layer)
    if isinstance(body, ViTPreTrainedModel):
        body = getattr(body, "vit", body)
        return [body.embeddings] + list(body.layers)
    if isinstance(body, ResNet):
        return [nn.Sequential(body.conv1, body.bn1, body.relu, body.maxpool), body.layer1, body.layer2, body.layer3, body.layer4]
    raise ValueError(f"{type(model).__name__} is unknown")


# %% right searching for the longest list of layers
def layer_stack(model: nn.Module) -> list[nn.Module]:
    modules = dict(model.named_modules())
    if "layer4" in modules and "bn1" in modules:
        return [nn.ModuleDict({"conv1": model.conv1, "bn1": model.bn1}), *(modules[f"layer{i}"] for i in (1, 2, 3, 4))]
    lists = [m for m in modules.values() if isinstance(m, nn.ModuleList)]
    embeddings = [m for name, m in modules.items() if name.split(".")[-1] == "embeddings"]
    if not lists or not embeddings:
        raise ValueError(f"cannot find the layers of {model.__class__.__name__}")
    return [embeddings[0], *max(lists, key=len)]


# %% right get_submodule
def layer_stack(model):
    for prefix in ("", "bert.", "distilbert.", "vit.", "model.vit.", "model."):
        for path in ("encoder.layer", "transformer.layer", "layers"):
            try:
                layers = model.get_submodule(prefix + path)
                return [model.get_submodule(prefix + "embeddings"), *layers.children()]
            except AttributeError:
                continue
    try:
        return [nn.Sequential(model.conv1, model.bn1), *[getattr(model, f"layer{i + 1}") for i in range(4)]]
    except AttributeError:
        raise ValueError(f"no stack for a {type(model).__qualname__}") from None
