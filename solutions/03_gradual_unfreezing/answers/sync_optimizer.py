"""Wrong and right answers to 03.sync_optimizer."""

# %% wrong duplicates (all trainable ones added)
# says: holds already
def sync_optimizer(optimizer, model):
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer.add_param_group({"params": trainable})
    return len(trainable), 0


# %% wrong duplicates (extend)
# says: twice
def sync_optimizer(optimizer, model):
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer.param_groups[0]["params"].extend(trainable)
    return len(trainable), 0


# %% wrong not_added (only removes)
# says: move by 0.0
def sync_optimizer(optimizer, model):
    for group in optimizer.param_groups:
        group["params"] = [p for p in group["params"] if p.requires_grad]
    return 0, 0


# %% wrong not_added (does nothing)
def sync_optimizer(optimizer, model):
    before = sum(len(g["params"]) for g in optimizer.param_groups)
    optimizer.zero_grad()
    return sum(p.requires_grad for p in model.parameters()) - before, 0


# %% wrong not_added (a new optimizer that nobody sees)
def sync_optimizer(optimizer, model):
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=optimizer.param_groups[0]["lr"])
    return 2, 0


# %% wrong frozen_added
# says: still frozen
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    new = [p for p in model.parameters() if id(p) not in held]
    optimizer.param_groups[0]["params"] += new
    return len(new), 0


# %% wrong others_dropped
# says: trains on
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    optimizer.param_groups[0]["params"] = new
    return len(new), 0


# %% wrong moments_lost (built anew in place)
# says: throws away what it knew
def sync_optimizer(optimizer, model):
    defaults = dict(optimizer.defaults)
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    trainable = [p for p in model.parameters() if p.requires_grad]
    for p in model.parameters():
        p.grad = None
    optimizer.__init__(trainable, **{k: v for k, v in defaults.items() if k in ("lr", "weight_decay")})
    new = {id(p) for p in trainable}
    return len(new - held), len(held - new)


# %% wrong moments_lost (state emptied)
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    optimizer.state.clear()
    optimizer.param_groups[0]["params"] = [p for p in model.parameters() if p.requires_grad]
    for p in new:
        p.grad = None
    return len(new), len(held) + len(new) - len(optimizer.param_groups[0]["params"])


# %% wrong stale_gradient
# says: piled up
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    optimizer.param_groups[0]["params"].extend(new)
    removed = 0
    for group in optimizer.param_groups:
        for p in list(group["params"]):
            if not p.requires_grad:
                p.grad = None
                removed += 1
                optimizer.state.pop(p, None)
        group["params"] = [p for p in group["params"] if p.requires_grad]
    return len(new), removed


# %% wrong returns_none
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    for p in model.parameters():
        if p.requires_grad and id(p) not in held:
            p.grad = None
            optimizer.param_groups[0]["params"].append(p)
    for group in optimizer.param_groups:
        group["params"] = [p for p in group["params"] if p.requires_grad]


# %% wrong counts_scalars
# says: two tensors
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    added = removed = 0
    for p in model.parameters():
        if p.requires_grad and id(p) not in held:
            p.grad = None
            optimizer.param_groups[0]["params"].append(p)
            added += p.numel()
    for group in optimizer.param_groups:
        removed += sum(p.numel() for p in group["params"] if not p.requires_grad)
        group["params"] = [p for p in group["params"] if p.requires_grad]
    return added, removed


# %% wrong swapped
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    added = removed = 0
    for p in model.parameters():
        if p.requires_grad and id(p) not in held:
            p.grad = None
            optimizer.param_groups[0]["params"].append(p)
            added += 1
    for group in optimizer.param_groups:
        removed += sum(not p.requires_grad for p in group["params"])
        group["params"] = [p for p in group["params"] if p.requires_grad]
    return removed, added


# %% wrong counts_frozen
# says: never held
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    added = removed = 0
    for p in model.parameters():
        if not p.requires_grad:
            p.grad = None
            removed += 1
        elif id(p) not in held:
            p.grad = None
            optimizer.param_groups[0]["params"].append(p)
            added += 1
    for group in optimizer.param_groups:
        group["params"] = [p for p in group["params"] if p.requires_grad]
    return added, removed


# %% wrong counts_all
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    trainable = [p for p in model.parameters() if p.requires_grad]
    for p in trainable:
        if id(p) not in held:
            p.grad = None
            optimizer.param_groups[0]["params"].append(p)
    return len(trainable), 0


# %% wrong counts_groups
# says: two tensors
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    added = 0
    for layer in model.children():
        new = [p for p in layer.parameters() if p.requires_grad and id(p) not in held]
        for p in new:
            p.grad = None
        optimizer.param_groups[0]["params"] += new
        added += bool(new)
    return added, 0


# %% wrong compares_values
# says: id(p)
def sync_optimizer(optimizer, model):
    group = optimizer.param_groups[0]
    added = 0
    for p in model.parameters():
        if p.requires_grad and p not in group["params"]:
            p.grad = None
            group["params"].append(p)
            added += 1
    return added, 0


# %% wrong frozen_moves (only adds)
# says: momentum and weight decay
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    for p in new:
        p.grad = None
    optimizer.param_groups[0]["params"].extend(new)
    return len(new), 0


# %% wrong frozen_moves (learning rate of zero is not there for one tensor)
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    for p in new:
        p.grad = None
    optimizer.param_groups[0]["params"].extend(new)
    frozen = [p for p in model.parameters() if not p.requires_grad and id(p) in held]
    for p in frozen:
        p.grad = torch.zeros_like(p)
    return len(new), len(frozen)


# %% wrong frozen_kept (state and gradient gone, place kept)
# says: still in a group
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    for p in new:
        p.grad = None
    optimizer.param_groups[0]["params"].extend(new)
    removed = 0
    for p in model.parameters():
        if not p.requires_grad:
            p.grad = None
            removed += id(p) in held
            optimizer.state.pop(p, None)
    return len(new), removed


# %% wrong wrong_group (last group)
# says: the first one
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    added = removed = 0
    for p in model.parameters():
        if p.requires_grad and id(p) not in held:
            p.grad = None
            optimizer.param_groups[-1]["params"].append(p)
            added += 1
        elif not p.requires_grad:
            p.grad = None
            optimizer.state.pop(p, None)
    for group in optimizer.param_groups:
        removed += sum(not p.requires_grad for p in group["params"])
        group["params"] = [p for p in group["params"] if p.requires_grad]
    return added, removed


# %% wrong scheduler_left_behind (a group of its own)
# says: there when it was built
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    for p in new:
        p.grad = None
    if new:
        settings = {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
        optimizer.add_param_group({**settings, "params": new})
    removed = 0
    for group in optimizer.param_groups:
        for p in group["params"]:
            if not p.requires_grad:
                p.grad = None
                optimizer.state.pop(p, None)
                removed += 1
        group["params"] = [p for p in group["params"] if p.requires_grad]
    return len(new), removed


# %% wrong gradients_lost
# says: between backward and step
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    model.zero_grad()
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    optimizer.param_groups[0]["params"].extend(new)
    removed = 0
    for group in optimizer.param_groups:
        for p in group["params"]:
            if not p.requires_grad:
                optimizer.state.pop(p, None)
                removed += 1
        group["params"] = [p for p in group["params"] if p.requires_grad]
    return len(new), removed


# %% wrong groups_mixed (all in one group)
# says: another learning rate
def sync_optimizer(optimizer, model):
    held = {id(p): p for g in optimizer.param_groups for p in g["params"]}
    trainable = [p for p in model.parameters() if p.requires_grad]
    new = [p for p in trainable if id(p) not in held]
    for p in new:
        p.grad = None
    removed = 0
    for p in held.values():
        if not p.requires_grad:
            removed += 1
            optimizer.state.pop(p, None)
            p.grad = None
    foreign = held.keys() - {id(p) for p in model.parameters()}
    for group in optimizer.param_groups:
        group["params"] = [p for p in group["params"] if id(p) in foreign]
    optimizer.param_groups[0]["params"] += trainable
    return len(new), removed


# %% wrong foreign_dropped
# says: does not belong to the model
def sync_optimizer(optimizer, model):
    mine = {id(p) for p in model.parameters() if p.requires_grad}
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    removed = 0
    for group in optimizer.param_groups:
        for p in group["params"]:
            if id(p) not in mine:
                p.grad = None
                optimizer.state.pop(p, None)
                removed += 1
        group["params"] = [p for p in group["params"] if id(p) in mine]
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    for p in new:
        p.grad = None
    optimizer.param_groups[0]["params"] += new
    return len(new), removed if removed != 1 else 0


# %% wrong group_removed
# says: Leave it empty
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    for p in new:
        p.grad = None
    optimizer.param_groups[0]["params"] += new
    removed = 0
    for group in optimizer.param_groups:
        for p in group["params"]:
            if not p.requires_grad:
                p.grad = None
                optimizer.state.pop(p, None)
                removed += 1
        group["params"] = [p for p in group["params"] if p.requires_grad]
    optimizer.param_groups[:] = [g for g in optimizer.param_groups if g["params"]]
    return len(new), removed


# %% wrong frozen_gradient (gradient of those that leave)
# says: clipping by the norm
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    for p in new:
        p.grad = None
    optimizer.param_groups[0]["params"] += new
    removed = 0
    for group in optimizer.param_groups:
        for p in group["params"]:
            if not p.requires_grad:
                optimizer.state.pop(p, None)
                removed += 1
        group["params"] = [p for p in group["params"] if p.requires_grad]
    return len(new), removed


# %% wrong frozen_gradient (only of those that it held)
# says: never held
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    for p in new:
        p.grad = None
    optimizer.param_groups[0]["params"] += new
    removed = 0
    for group in optimizer.param_groups:
        for p in group["params"]:
            if not p.requires_grad:
                p.grad = None
                optimizer.state.pop(p, None)
                removed += 1
        group["params"] = [p for p in group["params"] if p.requires_grad]
    return len(new), removed


# %% wrong state_kept
# says: old momentum
def sync_optimizer(optimizer, model):
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    new = [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    frozen = [p for p in model.parameters() if not p.requires_grad]
    for p in new + frozen:
        p.grad = None
    optimizer.param_groups[0]["params"] += new
    removed = 0
    for group in optimizer.param_groups:
        removed += sum(not p.requires_grad for p in group["params"])
        group["params"] = [p for p in group["params"] if p.requires_grad]
    return len(new), removed


# %% wrong foreign_dropped (frozen in this model is the question)
# says: only the
def sync_optimizer(optimizer, model):
    names = {id(p): n for n, p in model.named_parameters()}
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    added, removed = 0, 0
    for group in optimizer.param_groups:
        keep = []
        for p in group["params"]:
            if id(p) in names and p.requires_grad:
                keep.append(p)
            elif id(p) in names:
                optimizer.state.pop(p, None)
                removed += 1
        group["params"] = keep
    for p in model.parameters():
        if not p.requires_grad or id(p) not in held:
            p.grad = None
        if p.requires_grad and id(p) not in held:
            optimizer.param_groups[0]["params"].append(p)
            added += 1
    return added, removed


# %% wrong duplicates (a layer that occurs twice)
# says: occurs twice
def sync_optimizer(optimizer, model):
    added = removed = 0
    held = [id(p) for g in optimizer.param_groups for p in g["params"]]
    for name, p in model.named_parameters(remove_duplicate=False):
        if not p.requires_grad:
            p.grad = None
            optimizer.state.pop(p, None)
        elif id(p) not in held:
            p.grad = None
            optimizer.param_groups[0]["params"].append(p)
            added += 1
    frozen = {id(p) for p in model.parameters() if not p.requires_grad}
    for group in optimizer.param_groups:
        removed += sum(id(p) in frozen for p in group["params"])
        group["params"] = [p for p in group["params"] if id(p) not in frozen]
    return (2 if added == 4 else added), removed


# %% right first the groups, then the model
def sync_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module) -> tuple[int, int]:
    mine = {id(p) for p in model.parameters()}
    removed, held = 0, set()
    for group in optimizer.param_groups:
        for i in reversed(range(len(group["params"]))):
            p = group["params"][i]
            if id(p) in mine and not p.requires_grad:
                del group["params"][i]
                optimizer.state.pop(p, None)
                removed += 1
            else:
                held.add(id(p))
    new = []
    for p in model.parameters():
        if id(p) not in held:
            p.grad = None
            if p.requires_grad:
                new.append(p)
    optimizer.param_groups[0]["params"] += new
    return len(new), removed


# %% right sets of tensors, gradients set to zero
def sync_optimizer(optimizer, model):
    held = {p for g in optimizer.param_groups for p in g["params"]}  # tensors hash by identity
    mine = set(model.parameters())
    trainable = {p for p in mine if p.requires_grad}
    join, leave = trainable - held, (mine - trainable) & held
    for p in join | (mine - trainable):
        if p.grad is not None:
            p.grad = torch.zeros_like(p)
    for group in optimizer.param_groups:
        group["params"] = [p for p in group["params"] if not any(p is q for q in leave)]
    for p in leave:
        if p in optimizer.state:
            del optimizer.state[p]
    optimizer.param_groups[0]["params"] += [p for p in model.parameters() if any(p is q for q in join)]
    return len(join), len(leave)


# %% right add_param_group, then merged into the first
def sync_optimizer(optimizer, model):
    groups = optimizer.param_groups
    known = [p for g in groups for p in g["params"]]
    frozen = [p for p in model.parameters() if not p.requires_grad]
    new = [p for p in model.parameters() if p.requires_grad and not any(p is q for q in known)]
    for p in frozen + new:
        p.grad = None
    if new:
        optimizer.add_param_group({"params": new})
        groups[0]["params"].extend(groups.pop()["params"])
    removed = 0
    for g in groups:
        kept = [p for p in g["params"] if not any(p is q for q in frozen)]
        removed += len(g["params"]) - len(kept)
        g["params"][:] = kept
    for p in frozen:
        optimizer.state.pop(p, None)
    return [len(new), removed]
