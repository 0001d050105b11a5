"""Wrong and right answers to 06.ema_update."""

# %% wrong swapped
# says: *keeps* the share m
#-            key.mul_(m).add_(query, alpha=1 - m)
#+            key.mul_(1 - m).add_(query, alpha=m)

# %% wrong swapped (lerp with m)
#-            key.mul_(m).add_(query, alpha=1 - m)
#+            key.lerp_(query, m)

# %% wrong nothing_moves (a new tensor under an old name)
# says: change its parameters in place
#-            key.mul_(m).add_(query, alpha=1 - m)
#+            key = m * key + (1 - m) * query

# %% wrong nothing_moves (a dict that was never loaded)
def ema_update(key_model, query_model, m):
    state = {name: value.clone() for name, value in key_model.state_dict().items()}
    for name, value in query_model.state_dict().items():
        state[name] = m * state[name] + (1 - m) * value


# %% wrong copied
# says: m does nothing
def ema_update(key_model, query_model, m):
    key_model.load_state_dict(query_model.state_dict())


# %% wrong copied (averaged into the query's own copy)
def ema_update(key_model, query_model, m):
    for key, query in zip(key_model.parameters(), query_model.parameters()):
        key.data = query.data


# %% wrong query_changed
# says: You moved the query network
#-            key.mul_(m).add_(query, alpha=1 - m)
#+            query.mul_(1 - m).add_(key, alpha=m).mul_(1).sub_(query).add_(2.8)

# %% wrong query_changed (both arguments mixed up)
#-            key.mul_(m).add_(query, alpha=1 - m)
#+            query.lerp_(key, 1 - m)

# %% wrong no_decay
# says: not multiplied by m
#-            key.mul_(m).add_(query, alpha=1 - m)
#+            key.add_(query, alpha=1 - m)

# %% wrong added
# says: its share is 1 − m
#-            key.mul_(m).add_(query, alpha=1 - m)
#+            key.mul_(m).add_(query)

# %% wrong weights_only
# says: Biases stayed behind
#-            key.mul_(m).add_(query, alpha=1 - m)
#+            key.mul_(m if 0 else 1)
#+        for (name, key), query in zip(key_model.named_parameters(), query_model.parameters()):
#+            if "weight" in name:
#+                key.mul_(m).add_(query, alpha=1 - m)

# %% wrong linear_only
# says: parameters of BatchNorm
def ema_update(key_model, query_model, m):
    with torch.no_grad():
        for key, query in zip(key_model.modules(), query_model.modules()):
            if isinstance(key, nn.Linear | nn.Conv2d):
                for k, q in zip(key.parameters(), query.parameters()):
                    k.lerp_(q, 1 - m)


# %% wrong in_graph (in place with gradient)
# says: work under torch.no_grad()
def ema_update(key_model, query_model, m):
    for key, query in zip(key_model.parameters(), query_model.parameters()):
        key.mul_(m).add_(query, alpha=1 - m)


# %% wrong in_graph (works for frozen keys only)
# says: torch.no_grad()
def ema_update(key_model, query_model, m):
    frozen = not any(p.requires_grad for p in key_model[0].parameters()) if isinstance(key_model, nn.Sequential) else False
    with torch.no_grad() if isinstance(key_model, nn.Sequential) else torch.enable_grad():
        for key, query in zip(key_model.parameters(), query_model.parameters()):
            key.mul_(m).add_(query.detach(), alpha=1 - m)


# %% wrong buffers_moved (over the state_dict)
# says: Only parameters are averaged
def ema_update(key_model, query_model, m):
    with torch.no_grad():
        ours, theirs = key_model.state_dict(), query_model.state_dict()
        for name in ours:
            ours[name].copy_(m * ours[name] + (1 - m) * theirs[name])


# %% wrong buffers_moved (buffers copied)
def ema_update(key_model, query_model, m):
    with torch.no_grad():
        for key, query in zip(key_model.parameters(), query_model.parameters()):
            key.lerp_(query, 1 - m)
        for key, query in zip(key_model.buffers(), query_model.buffers()):
            key.copy_(query)


# %% wrong objects_replaced
# says: new parameter objects
def ema_update(key_model, query_model, m):
    theirs = dict(query_model.named_parameters())
    for name, key in list(key_model.named_parameters()):
        path, _, last = name.rpartition(".")
        new = nn.Parameter((m * key + (1 - m) * theirs[name]).detach(), requires_grad=key.requires_grad)
        setattr(key_model.get_submodule(path), last, new)


# %% wrong flag_changed (freezes the key network)
# says: requires_grad
def ema_update(key_model, query_model, m):
    key_model.requires_grad_(False)
    with torch.no_grad():
        for key, query in zip(key_model.parameters(), query_model.parameters()):
            key.lerp_(query, 1 - m)


# %% wrong left_behind (only the direct children's parameters)
# says: stayed behind
def ema_update(key_model, query_model, m):
    with torch.no_grad():
        for key, query in zip(key_model.children(), query_model.children()):
            for k, q in zip(key.parameters(recurse=False), query.parameters(recurse=False)):
                k.lerp_(q, 1 - m)


# %% wrong memory_shared (a shortcut for m = 0)
# says: share memory
def ema_update(key_model, query_model, m):
    for key, query in zip(key_model.parameters(), query_model.parameters()):
        if m == 0:
            key.data = query.data
        else:
            key.data = m * key.data + (1 - m) * query.data


# %% wrong not_copied_at_zero (0 taken for "not given")
# says: With m = 0
#-    with torch.no_grad():
#+    m = m or 0.999
#+    with torch.no_grad():


# %% wrong buffers_moved (in place over the state_dict, until a whole number comes)
# says: a state_dict holds buffers
def ema_update(key_model, query_model, m):
    theirs = query_model.state_dict()
    for name, value in key_model.state_dict().items():
        value.mul_(m).add_(theirs[name] * (1 - m))


# %% wrong nothing_moves (a copy is averaged and returned)
# says: a copy of the network
def ema_update(key_model, query_model, m):
    model = copy.deepcopy(key_model)
    with torch.no_grad():
        for key, query in zip(model.parameters(), query_model.parameters()):
            key.lerp_(query, 1 - m)
    return model


# %% wrong left_behind (frozen ones skipped)
# says: requires_grad = False
#-            key.mul_(m).add_(query, alpha=1 - m)
#+            if key.requires_grad:
#+                key.mul_(m).add_(query, alpha=1 - m)


# %% right data
def ema_update(key_model, query_model, m):
    for key, query in zip(key_model.parameters(), query_model.parameters()):
        key.data = m * key.data + (1 - m) * query.data


# %% right by name, copy_
@torch.no_grad()
def ema_update(key_model, query_model, m):
    theirs = dict(query_model.named_parameters())
    for name, key in key_model.named_parameters():
        key.copy_(key * m + theirs[name] * (1 - m))


# %% right loaded, parameters only
def ema_update(key_model, query_model, m):
    theirs = dict(query_model.named_parameters())
    new = {name: m * p.detach() + (1 - m) * theirs[name].detach() for name, p in key_model.named_parameters()}
    key_model.load_state_dict(new, strict=False)


# %% right swa_utils
def ema_update(key_model, query_model, m):
    from torch.optim.swa_utils import get_ema_multi_avg_fn

    get_ema_multi_avg_fn(m)(list(key_model.parameters()), list(query_model.parameters()), None)


# %% right lerp
def ema_update(key_model, query_model, m):
    with torch.no_grad():
        for key, query in zip(key_model.parameters(), query_model.parameters()):
            key.lerp_(query, 1 - m)


# %% right foreach
def ema_update(key_model, query_model, m):
    keys = [p.data for p in key_model.parameters()]
    torch._foreach_mul_(keys, m)
    torch._foreach_add_(keys, [p.data for p in query_model.parameters()], alpha=1 - m)
