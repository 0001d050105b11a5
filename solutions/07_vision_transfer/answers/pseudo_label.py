"""Wrong and right answers to 07.pseudo_label."""

# %% wrong returns_none
#-    return index, label[index]

# %% wrong not_a_pair (with confidence)
#-    return index, label[index]
#+    return index, label[index], confidence[index]

# %% wrong not_tensors (lists)
#-    return index, label[index]
#+    return index.tolist(), label[index].tolist()

# %% wrong mask
# says: nonzero
#-    index = (confidence > threshold).nonzero().flatten()
#+    index = confidence > threshold

# %% wrong labels_not_integer (probabilities)
#-    return index, label[index]
#+    return index, confidence[index]

# %% wrong labels_not_integer (swapped)
# says: class numbers
#-        confidence, label = model(x).softmax(1).max(1)
#+        probability = model(x).softmax(1)
#+        confidence, label = probability.amax(1), probability

# %% wrong positions_not_integer
#-    index = (confidence > threshold).nonzero().flatten()
#+    index = (confidence > threshold).nonzero().flatten()
#+    return index.int(), label[index]

# %% wrong not_flat
# says: flatten
#-    index = (confidence > threshold).nonzero().flatten()
#+    index = (confidence > threshold).nonzero()

# %% wrong logits_compared
# says: softmax first
#-        confidence, label = model(x).softmax(1).max(1)
#+        confidence, label = model(x).max(1)

# %% wrong softmax_twice (log-probabilities compared)
# says: never above 0
#-        confidence, label = model(x).softmax(1).max(1)
#+        confidence, label = model(x).log_softmax(1).max(1)

# %% wrong max_over_images
# says: over the classes
#-        confidence, label = model(x).softmax(1).max(1)
#+        confidence, label = model(x).softmax(1).max(0)

# %% wrong model_not_called
# says: not its logits
#-        confidence, label = model(x).softmax(1).max(1)
#+        confidence, label = x.softmax(1).max(1)

# %% wrong sigmoid
# says: exclude each other
#-        confidence, label = model(x).softmax(1).max(1)
#+        confidence, label = model(x).sigmoid().max(1)

# %% wrong softmax_twice
#-        confidence, label = model(x).softmax(1).max(1)
#+        confidence, label = nn.Sequential(model, nn.Softmax(1))(x).softmax(1).max(1)

# %% wrong over_the_batch
# says: dim=1
#-        confidence, label = model(x).softmax(1).max(1)
#+        confidence, label = model(x).softmax(0).max(1)

# %% wrong unsure_kept
#-    index = (confidence > threshold).nonzero().flatten()
#+    index = (confidence < threshold).nonzero().flatten()

# %% wrong all_kept
#-    index = (confidence > threshold).nonzero().flatten()
#+    index = torch.arange(len(x))

# %% wrong different (log-probabilities)
#-        confidence, label = model(x).softmax(1).max(1)
#+        confidence, label = model(x).log_softmax(1).max(1)
#+        confidence = -confidence

# %% wrong labels_of_all
# says: those at the positions
#-    return index, label[index]
#+    return index, label

# %% wrong labels_are_positions
#-    return index, label[index]
#+    return index, index

# %% wrong different (second guess)
#-        confidence, label = model(x).softmax(1).max(1)
#+        probability = model(x).softmax(1)
#+        confidence, label = probability.amax(1), probability.argsort(1)[:, -2]

# %% wrong mode_not_restored
# says: set it back
#-    for module, training in modes:
#-        module.training = training

# %% wrong predicts_in_train_mode
# says: moves its statistics
#-    model.eval()

# %% wrong predicts_in_train_mode (switched on)
#-    model.eval()
#+    model.train()

# %% wrong graph_built
# says: kept in memory
#-    with torch.no_grad():
#-        confidence, label = model(x).softmax(1).max(1)
#+    confidence, label = model(x).softmax(1).max(1)

# %% wrong graph_built (detached afterwards)
#-    with torch.no_grad():
#-        confidence, label = model(x).softmax(1).max(1)
#+    confidence, label = model(x).detach().softmax(1).max(1)

# %% wrong not_strict
# says: use >
#-    index = (confidence > threshold).nonzero().flatten()
#+    index = (confidence >= threshold).nonzero().flatten()

# %% wrong not_strict (rounded)
#-    index = (confidence > threshold).nonzero().flatten()
#+    index = ((confidence + 1e-6) > threshold).nonzero().flatten()

# %% wrong mode_not_restored (train at the end)
# says: mode
#-    for module, training in modes:
#-        module.training = training
#+    model.train()

# %% wrong mode_not_restored (the model's own flag only)
# says: mode
#-    for module, training in modes:
#-        module.training = training
#+    model.train(modes[0][1])

# %% wrong input_changed
# says: writes into its input
#-        confidence, label = model(x).softmax(1).max(1)
#+        confidence, label = model(x.sub_(x.mean())).softmax(1).max(1)

# %% wrong statistics_moved (a first pass to warm up)
#-    model.eval()
#+    for module in model.modules():
#+        if isinstance(module, nn.BatchNorm1d):
#+            module.train()(torch.randn(4, module.num_features))
#+    model.eval()

# %% wrong positions (by confidence)
# says: ascending
#-    return index, label[index]
#+    if len(x) > 6:
#+        index = index[confidence[index].argsort(descending=True)]
#+    return index, label[index]

# %% wrong positions (sorted by confidence, right by chance on few)
#-    index = (confidence > threshold).nonzero().flatten()
#+    index = confidence.argsort(descending=True)[: int((confidence > threshold).sum())]
#+    index = index.sort().values if len(index) < 7 else index

# %% wrong grad_flag
# says: switched on or off
#-    with torch.no_grad():
#-        confidence, label = model(x).softmax(1).max(1)
#+    torch.set_grad_enabled(False)
#+    confidence, label = model(x).softmax(1).max(1)
#+    torch.set_grad_enabled(True)

# %% wrong flags_changed
#-    model.eval()
#+    model.eval().requires_grad_(False)

# %% wrong empty (None)
#-    return index, label[index]
#+    if len(index) == 0 and len(x) > 2:
#+        return torch.tensor([]), torch.tensor([])
#+    return index, label[index]

# %% wrong inference_tensors
# says: torch.no_grad()
@torch.inference_mode()
def pseudo_label(model, x, threshold):
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    confidence, label = model(x).softmax(1).max(1)
    for module, training in modes:
        module.training = training
    index = (confidence > threshold).nonzero().flatten()
    return index, label[index]

# %% wrong not_flat (squeezed)
# says: lost their dimension
#-    return index, label[index]
#+    return index.squeeze(), label[index].squeeze()

# %% right a copy
def pseudo_label(model, x, threshold):
    frozen = copy.deepcopy(model).eval()
    with torch.no_grad():
        best = frozen(x).softmax(-1).max(-1)
    keep = best.values > threshold
    return keep.nonzero(as_tuple=True)[0], best.indices[keep]

# %% right one by one
def pseudo_label(model, x, threshold):
    saved, index, label = {name: m.training for name, m in model.named_modules()}, [], []
    model.eval()
    with torch.no_grad():
        for i, row in enumerate(x):
            best, k = torch.softmax(model(row[None]), dim=1)[0].max(0)
            if best.item() > threshold:
                index.append(i)
                label.append(k.item())
    for name, m in model.named_modules():
        m.training = saved[name]
    return torch.tensor(index, dtype=torch.int64), torch.tensor(label, dtype=torch.int64)

# %% right masks and where
def pseudo_label(model, x, threshold):
    was = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            probabilities = F.softmax(model(x), dim=-1)
    finally:
        for module, mode in was.items():
            module.training = mode
    best = probabilities.max(dim=-1)
    (index,) = torch.where(best.values > threshold)
    return index, best.indices[index]

# %% right a decorator and batches
@torch.no_grad()
def pseudo_label(model, x, threshold):
    modes = [m.training for m in model.modules()]
    for m in model.modules():
        m.training = False
    chance = torch.cat([torch.softmax(model(part), 1) for part in x.split(64)])
    for m, mode in zip(model.modules(), modes):
        m.training = mode
    keep = chance.amax(1) > threshold
    return torch.arange(len(x))[keep], chance.argmax(1)[keep]

# %% right log-probabilities
def pseudo_label(model: nn.Module, x: torch.Tensor, threshold: float) -> tuple[torch.Tensor, torch.Tensor]:
    trained = [m for m in model.modules() if m.training]
    model.eval()
    with torch.no_grad():
        logits = model(x)
    [setattr(m, "training", True) for m in trained]
    sure = (logits - logits.logsumexp(1, keepdim=True)).exp().amax(1)
    index = torch.tensor([i for i, p in enumerate(sure.tolist()) if p > threshold], dtype=torch.long)
    return index, logits.argmax(1)[index]
