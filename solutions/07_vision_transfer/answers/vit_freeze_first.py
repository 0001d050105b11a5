"""Wrong and right answers to 07.vit_freeze_first."""

# %% wrong nothing_frozen
# says: adds an attribute
#-        part.requires_grad_(False)
#+        part.requires_grad = False

# %% wrong embeddings_train
# says: underneath frozen blocks
#-    for part in [body.embeddings, *body.layers[:n]] if n else []:
#+    for part in body.layers[:n]:

# %% wrong tokens_train
# says: parameters of the embeddings module itself
#-    for part in [body.embeddings, *body.layers[:n]] if n else []:
#+    for part in [body.embeddings.patch_embeddings, *body.layers[:n]] if n else []:

# %% wrong tokens_train (linear and convolutional layers only)
def vit_freeze_first(model, n):
    for part in [model.vit.embeddings, *model.vit.layers[:n]]:
        for module in part.modules():
            if isinstance(module, nn.Linear | nn.Conv2d | nn.LayerNorm):
                for p in module.parameters():
                    p.requires_grad = False
    return sum(p.numel() for p in model.parameters() if p.requires_grad)

# %% wrong prefix_matched
# says: up to the dot
def vit_freeze_first(model, n):
    for name, p in model.named_parameters():
        p.requires_grad = not ("embeddings" in name or any(f"layers.{i}" in name for i in range(n)))
    return sum(p.numel() for p in model.parameters() if p.requires_grad)

# %% wrong last_frozen
# says: are the first
#-    for part in [body.embeddings, *body.layers[:n]] if n else []:
#+    for part in [body.embeddings, *body.layers[-n:]] if n else []:

# %% wrong last_frozen_embeddings_train
def vit_freeze_first(model, n):
    for layer in model.vit.layers[-n:]:
        layer.requires_grad_(False)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)

# %% wrong one_too_many
#-    for part in [body.embeddings, *body.layers[:n]] if n else []:
#+    for part in [body.embeddings, *body.layers[: n + 1]] if n else []:

# %% wrong one_too_few
# says: on top of the n blocks
#-    for part in [body.embeddings, *body.layers[:n]] if n else []:
#+    for part in [body.embeddings, *body.layers][:n]:

# %% wrong one_block_only
#-    for part in [body.embeddings, *body.layers[:n]] if n else []:
#+    for part in [body.embeddings, body.layers[n]] if n else []:

# %% wrong norm_frozen
#-    for part in [body.embeddings, *body.layers[:n]] if n else []:
#+    for part in [body.embeddings, body.layernorm, *body.layers[:n]] if n else []:

# %% wrong head_only
# says: linear probe
def vit_freeze_first(model, n):
    model.requires_grad_(False)
    model.classifier.requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)

# %% wrong head_frozen
#-        part.requires_grad_(False)
#+        part.requires_grad_(False)
#+    if hasattr(model, "classifier"):
#+        model.classifier.requires_grad_(False)

# %% wrong head_frozen (never switched on)
# says: came frozen
#-    model.requires_grad_(True)
#+    body.requires_grad_(True)

# %% wrong inverted
# says: The other way round
def vit_freeze_first(model, n):
    model.requires_grad_(False)
    for part in [model.vit.embeddings, *model.vit.layers[:n]]:
        part.requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)

# %% wrong returns_none
#-    return sum(p.numel() for p in model.parameters() if p.requires_grad)

# %% wrong counts_tensors
# says: p.numel()
#-    return sum(p.numel() for p in model.parameters() if p.requires_grad)
#+    return sum(1 for p in model.parameters() if p.requires_grad)

# %% wrong counts_frozen
#-    return sum(p.numel() for p in model.parameters() if p.requires_grad)
#+    return sum(p.numel() for p in model.parameters() if not p.requires_grad)

# %% wrong counts_all
#-    return sum(p.numel() for p in model.parameters() if p.requires_grad)
#+    return sum(p.numel() for p in model.parameters())

# %% wrong head_not_counted
#-    return sum(p.numel() for p in model.parameters() if p.requires_grad)
#+    return sum(p.numel() for p in body.parameters() if p.requires_grad)

# %% wrong never_unfrozen
# says: sets the whole state
#-    model.requires_grad_(True)

# %% wrong zero_freezes_embeddings
#-    for part in [body.embeddings, *body.layers[:n]] if n else []:
#+    for part in [body.embeddings, *body.layers[:n]]:

# %% wrong zero_freezes_all
# says: no end
#-    for part in [body.embeddings, *body.layers[:n]] if n else []:
#+    for part in [body.embeddings, *body.layers[: n or None]]:

# %% wrong architecture_missing (classifiers only)
# says: ViTModel
#-    body = getattr(model, "model", model)
#-    body = getattr(body, "vit", body)
#+    body = getattr(model, "model", model).vit

# %% wrong architecture_missing (no wrapper)
# says: TransformersVision
#-    body = getattr(model, "model", model)
#-    body = getattr(body, "vit", body)
#+    body = getattr(model, "vit", model)

# %% wrong architecture_missing (as before transformers 5)
#-    for part in [body.embeddings, *body.layers[:n]] if n else []:
#+    layers = body.layers if hasattr(model, "vit") else body.encoder.layer
#+    for part in [body.embeddings, *layers[:n]] if n else []:

# %% wrong wrong_names (the number of blocks assumed)
#-    for part in [body.embeddings, *body.layers[:n]] if n else []:
#+    for part in [body.embeddings, *body.layers[: n if n < 3 else 2]] if n else []:

# %% wrong weights_changed
#-    return sum(p.numel() for p in model.parameters() if p.requires_grad)
#+    for m in model.modules():
#+        if isinstance(m, nn.Linear) and m.weight.requires_grad:
#+            nn.init.normal_(m.weight)
#+    return sum(p.numel() for p in model.parameters() if p.requires_grad)

# %% wrong bad_n_accepted
# says: A slice takes it
#-    if not 0 <= n <= len(body.layers):
#-        raise ValueError(f"n is {n}, but there are {len(body.layers)} blocks")

# %% wrong bad_n_accepted (upper end only)
#-    if not 0 <= n <= len(body.layers):
#+    if n > len(body.layers):

# %% wrong bad_n_accepted (IndexError)
# says: IndexError
def vit_freeze_first(model, n):
    body = model.model.vit if hasattr(model, "model") else getattr(model, "vit", model)
    if n < 0:
        raise ValueError(n)
    model.requires_grad_(True)
    if n:
        body.embeddings.requires_grad_(False)
    for i in range(n):
        body.layers[i].requires_grad_(False)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)

# %% wrong nothing_frozen (eval only)
# says: eval() does not freeze
#-        part.requires_grad_(False)
#+        part.eval()

# %% wrong other_names (as before transformers 5)
# says: encoder.layer
def vit_freeze_first(model, n):
    model.vit.embeddings.requires_grad_(False)
    for layer in model.vit.encoder.layer[:n]:
        layer.requires_grad_(False)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)

# %% wrong other_names (no encoder)
# says: the encoder is model.vit
def vit_freeze_first(model, n):
    model.requires_grad_(True)
    for part in [model.embeddings, *model.layers[:n]] if n else []:
        part.requires_grad_(False)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)

# %% wrong blocks_train (names as before transformers 5)
# says: layers.0
def vit_freeze_first(model, n):
    for name, p in model.named_parameters():
        p.requires_grad = not (n and ("embeddings" in name or any(f"encoder.layer.{i}." in name for i in range(n))))
    return sum(p.numel() for p in model.parameters() if p.requires_grad)

# %% wrong all_blocks_refused
# says: n = 3
#-    if not 0 <= n <= len(body.layers):
#+    if n not in range(len(body.layers)):

# %% right by names
def vit_freeze_first(model, n):
    names = [name for name, _ in model.named_parameters()]
    depth = 1 + max(int(name.split("layers.")[1].split(".")[0]) for name in names if "layers." in name)
    if n < 0 or n > depth:
        raise ValueError(f"{n} of {depth}")
    count = 0
    for name, p in model.named_parameters():
        pieces = name.split(".")
        low = "embeddings" in pieces and n > 0
        if "layers" in pieces:
            low = int(pieces[pieces.index("layers") + 1]) < n
        p.requires_grad = not low
        count += 0 if low else p.numel()
    return count

# %% right looking for the modules
def vit_freeze_first(model: nn.Module, n: int) -> int:
    body = next(m for m in model.modules() if hasattr(m, "embeddings") and hasattr(m, "layers"))
    blocks = list(body.layers)
    if n not in range(len(blocks) + 1):
        raise ValueError("n")
    for p in model.parameters():
        p.requires_grad = True
    if n > 0:
        for p in body.embeddings.parameters():
            p.requires_grad = False
        for block in blocks[:n]:
            for p in block.parameters():
                p.requires_grad = False
    return int(sum(np.prod(p.shape) for p in model.parameters() if p.requires_grad))

# %% right unwrapping in a loop
def vit_freeze_first(model, n):
    vit = model
    while not isinstance(vit, ViTModel):
        vit = vit.vit if hasattr(vit, "vit") else vit.model
    if n < 0 or len(vit.layers) < n:
        raise ValueError("there are not that many blocks")
    frozen = set()
    if n:
        frozen.update(map(id, vit.embeddings.parameters()))
    for block in vit.layers[:n]:
        frozen.update(map(id, block.parameters()))
    for p in model.parameters():
        p.requires_grad_(id(p) not in frozen)
    return sum(p.numel() for p in model.parameters() if id(p) not in frozen)
