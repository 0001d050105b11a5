"""Wrong and right answers to 04.online_fisher."""

# %% wrong moving_average
# says: In a sum
#-    return {name: gamma * old.get(name, 0) + new.get(name, 0) for name in old | new}
#+    return {name: gamma * old.get(name, 0) + (1 - gamma) * new.get(name, 0) for name in old | new}

# %% wrong moving_average (lerp)
def online_fisher(old, new, gamma):
    return {name: torch.lerp(new[name], old[name], gamma) for name in old}


# %% wrong average_swapped
#-    return {name: gamma * old.get(name, 0) + new.get(name, 0) for name in old | new}
#+    return {name: (1 - gamma) * old.get(name, 0) + gamma * new.get(name, 0) for name in old | new}

# %% wrong gamma_on_new
# says: the old ones
#-    return {name: gamma * old.get(name, 0) + new.get(name, 0) for name in old | new}
#+    return {name: old.get(name, 0) + gamma * new.get(name, 0) for name in old | new}

# %% wrong gamma_on_both
#-    return {name: gamma * old.get(name, 0) + new.get(name, 0) for name in old | new}
#+    return {name: gamma * (old.get(name, 0) + new.get(name, 0)) for name in old | new}

# %% wrong gamma_missing
#-    return {name: gamma * old.get(name, 0) + new.get(name, 0) for name in old | new}
#+    return {name: old.get(name, 0) + new.get(name, 0) for name in old | new}

# %% wrong half
#-    return {name: gamma * old.get(name, 0) + new.get(name, 0) for name in old | new}
#+    return {name: (gamma * old.get(name, 0) + new.get(name, 0)) / 2 for name in old | new}

# %% wrong old_lost (merging the dicts)
# says: unprotected
#-    return {name: gamma * old.get(name, 0) + new.get(name, 0) for name in old | new}
#+    return {name: gamma * value for name, value in old.items()} | new

# %% wrong new_lost
def online_fisher(old, new, gamma):
    return {name: gamma * value for name, value in old.items()}


# %% wrong complement
#-    return {name: gamma * old.get(name, 0) + new.get(name, 0) for name in old | new}
#+    return {name: (1 - gamma) * old.get(name, 0) + new.get(name, 0) for name in old | new}

# %% wrong input_changed (in place)
# says: writes into its input
def online_fisher(old, new, gamma):
    for name, value in new.items():
        old[name].mul_(gamma).add_(value)
    return old


# %% wrong input_changed (a shallow copy)
def online_fisher(old, new, gamma):
    result = dict(old)
    for name in result:
        result[name] *= gamma
        result[name] += new[name]
    return result


# %% wrong returns_none
def online_fisher(old, new, gamma):
    old = {name: gamma * old[name] + new[name] for name in old}


# %% wrong names_differ (square brackets)
# says: counts as zero
#-    return {name: gamma * old.get(name, 0) + new.get(name, 0) for name in old | new}
#+    return {name: gamma * old[name] + new[name] for name in new}

# %% wrong names_dropped (only what both have)
# says: body, head0
#-    return {name: gamma * old.get(name, 0) + new.get(name, 0) for name in old | new}
#+    return {name: gamma * old[name] + new[name] for name in old if name in new}

# %% wrong names_dropped (only the new names)
# says: head0
#-    return {name: gamma * old.get(name, 0) + new.get(name, 0) for name in old | new}
#+    return {name: gamma * old.get(name, 0) + new[name] for name in new}

# %% wrong aliased (new names are taken over as they are)
# says: with the new Fisher
def online_fisher(old, new, gamma):
    result = {name: gamma * value for name, value in old.items()}
    for name, value in new.items():
        result[name] = result[name] + value if name in result else value
    return result


# %% wrong old_not_faded
# says: does not fade
def online_fisher(old, new, gamma):
    result = {name: value.clone() for name, value in old.items()}
    for name, value in new.items():
        result[name] = gamma * old[name] + value if name in old else value.clone()
    return result


# %% wrong aliased (of the old)
# says: with the old Fisher
def online_fisher(old, new, gamma):
    if not new:
        return dict(old)
    return {name: gamma * old.get(name, 0) + new.get(name, 0) for name in old | new}

# %% wrong dict_changed (of the old)
# says: fill a new dict
def online_fisher(old, new, gamma):
    for name in set(old) | set(new):
        old[name] = gamma * old.get(name, 0) + new.get(name, 0)
    return old


# %% wrong dict_changed (of the new)
def online_fisher(old, new, gamma):
    for name, value in old.items():
        new[name] = new.get(name, 0) + gamma * value
    return new


# %% wrong old_lost (update)
def online_fisher(old, new, gamma):
    result = {name: gamma * value for name, value in old.items()}
    result.update(new)
    return result


# %% wrong raises_TypeError (a dict is no vector)
# says: 'float' and 'dict'
def online_fisher(old, new, gamma):
    return gamma * old + new

# %% wrong maximum
def online_fisher(old, new, gamma):
    return {name: torch.maximum(gamma * old[name], new[name]) for name in old}


# %% wrong dict_changed (emptied)
def online_fisher(old, new, gamma):
    result = {name: gamma * old.pop(name, 0) + value for name, value in new.items()}
    return result | {name: gamma * value for name, value in old.items()}


# %% wrong aliased (nothing old yet)
def online_fisher(old, new, gamma):
    if not old:
        return new
    return {name: gamma * old.get(name, 0) + new.get(name, 0) for name in old | new}


# %% right loops
def online_fisher(old, new, gamma):
    result = {name: gamma * f for name, f in old.items()}
    for name, f in new.items():
        result[name] = result[name] + f if name in result else f.clone()
    return result


# %% right zeros
def online_fisher(old, new, gamma):
    total = {}
    for name in set(old) | set(new):
        like = new[name] if name in new else old[name]
        zero = torch.zeros_like(like)
        total[name] = torch.add(new.get(name, zero), old.get(name, zero), alpha=gamma)
    return total


# %% right deep copy
def online_fisher(old: dict, new: dict, gamma: float) -> dict:
    faded = copy.deepcopy(old)
    for value in faded.values():
        value.mul_(gamma)
    for name, value in copy.deepcopy(new).items():
        faded[name] = faded.get(name, 0) + value
    return faded
