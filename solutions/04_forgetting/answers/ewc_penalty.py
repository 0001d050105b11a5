"""Wrong and right answers to 04.ewc_penalty."""

# %% wrong half_missing
# says: ½ is missing
#-    return lam / 2 * total
#+    return lam * total

# %% wrong mean
# says: A sum
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).mean()

# %% wrong mean (mse_loss)
def ewc_penalty(model, anchor, fisher, lam):
    now = dict(model.named_parameters())
    return lam / 2 * sum(F.mse_loss(f.sqrt() * now[n], f.sqrt() * anchor[n]) for n, f in fisher.items())


# %% wrong mean_of_all
#-    return lam / 2 * total
#+    return lam / 2 * total / sum(f.numel() for f in fisher.values())

# %% wrong mean_of_tensors
#-    return lam / 2 * total
#+    return lam / 2 * total / len(fisher)

# %% wrong not_squared
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        total = total + (importance * (now[name].float() - anchor[name].detach().float()).abs()).sum()

# %% wrong signed
# says: cancel
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        total = total + (importance * (now[name].float() - anchor[name].detach().float())).sum()

# %% wrong fisher_ignored
# says: L2-SP
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        total = total + ((now[name].float() - anchor[name].detach().float()) ** 2).sum()

# %% wrong fisher_inside
# says: not (F · d)²
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        total = total + ((importance * (now[name].float() - anchor[name].detach().float())) ** 2).sum()

# %% wrong fisher_root
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        total = total + (importance.sqrt() * (now[name].float() - anchor[name].detach().float()) ** 2).sum()

# %% wrong norm
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        total = total + torch.norm(importance.sqrt() * (now[name].float() - anchor[name].detach().float()))

# %% wrong weights_only
#-    for name, importance in fisher.items():
#+    for name, importance in [(n, f) for n, f in fisher.items() if f.ndim > 1]:

# %% wrong biases_only (overwritten in the loop)
# says: Is there a `=`
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        total = (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()

# %% wrong weights_only (return inside the loop)
def ewc_penalty(model, anchor, fisher, lam):
    now = dict(model.named_parameters())
    total = 0
    for name in fisher:
        total += (fisher[name] * (now[name] - anchor[name]) ** 2).sum()
        return lam / 2 * total


# %% wrong negative
# says: rewarded
#-    return lam / 2 * total
#+    return -lam / 2 * total

# %% wrong anchor_ignored
# says: distance from zero
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        total = total + (importance * now[name].float() ** 2).sum()

# %% wrong lambda_missing
#-    return lam / 2 * total
#+    return total / 2

# %% wrong no_gradient (weights from the state dict)
# says: state_dict()
#-    now = dict(model.named_parameters())
#+    now = model.state_dict()

# %% wrong no_gradient (a Python number)
#-    return lam / 2 * total
#+    return lam / 2 * total.item()

# %% wrong no_gradient (torch.tensor of a sum)
def ewc_penalty(model, anchor, fisher, lam):
    parts = [(fisher[n] * (p.data - anchor[n]) ** 2).sum() for n, p in model.named_parameters() if n in fisher]
    return torch.tensor(lam / 2 * float(sum(parts)))


# %% wrong no_gradient (of the weight)
# says: one of the parameters
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        p = now[name] if name.endswith("bias") else now[name].detach()
#+        total = total + (importance * (p.float() - anchor[name].detach().float()) ** 2).sum()

# %% wrong different (half of the gradient is cut)
# says: The gradient of the penalty
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        d = now[name].float() - anchor[name].detach().float()
#+        total = total + (importance * d * d.detach()).sum()

# %% wrong returns_none
#-    return lam / 2 * total
#+    model.penalty = lam / 2 * total

# %% wrong different (a value for each tensor)
# says: has shape (2,), expected ()
def ewc_penalty(model, anchor, fisher, lam):
    return torch.stack([lam / 2 * (fisher[n] * (p - anchor[n]) ** 2).sum() for n, p in model.named_parameters() if n in fisher])


# %% wrong input_changed (the anchor is written into)
# says: writes into its input
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        total = total + (importance * anchor[name].sub_(now[name]) ** 2).sum()

# %% wrong unlisted_looked_up (all parameters looked up)
# says: 3.weight
def ewc_penalty(model, anchor, fisher, lam):
    total = 0
    for name, p in model.named_parameters():
        total = total + (fisher[name] * (p - anchor[name]) ** 2).sum()
    return lam / 2 * total


# %% wrong unlisted_looked_up (all names of the anchor)
# says: buffers
def ewc_penalty(model, anchor, fisher, lam):
    now = dict(model.named_parameters())
    return lam / 2 * sum((fisher[n] * (now[n] - a) ** 2).sum() for n, a in anchor.items())


# %% wrong unknown_skipped
# says: module.
def ewc_penalty(model, anchor, fisher, lam):
    loss = torch.zeros(())
    for name, p in model.named_parameters():
        if name in fisher:
            loss = loss + (fisher[name] * (p.float() - anchor[name].detach().float()) ** 2).sum()
    return lam / 2 * loss


# %% wrong anchor_skipped
# says: the anchor lacks
def ewc_penalty(model, anchor, fisher, lam):
    now, loss = dict(model.named_parameters()), torch.zeros(())
    for name, f in fisher.items():
        p = now[name]
        loss = loss + (f * (p.float() - anchor.get(name, p).detach().float()) ** 2).sum()
    return lam / 2 * loss


# %% wrong anchor_gets_gradient
# says: runs after the weights
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        total = total + (importance * (now[name].float() - anchor[name].float()) ** 2).sum()

# %% wrong underflow
# says: before you square
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        total = total + (importance * (now[name] - anchor[name].detach()) ** 2).sum()

# %% wrong leaf_added_to
# says: plain zero
#-    total = 0.0
#+    total = torch.tensor(0.0, requires_grad=True)
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        total += (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()

# %% wrong by_position
# says: Only names
def ewc_penalty(model, anchor, fisher, lam):
    total = 0
    for p, a, f in zip(model.parameters(), anchor.values(), fisher.values()):
        total = total + (f * (p.float() - a.detach().float()) ** 2).sum()
    return lam / 2 * total


# %% wrong unlisted_looked_up (zero importance for a head of another size)
# says: another size
def ewc_penalty(model, anchor, fisher, lam):
    total = 0
    for name, p in model.named_parameters():
        total = total + (fisher.get(name, 0) * (p.float() - anchor[name].detach().float()) ** 2).sum()
    return lam / 2 * total


# %% wrong difference_rounded
# says: before you subtract
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        total = total + (importance * (now[name] - anchor[name].detach()).float() ** 2).sum()

# %% wrong half_missing (over all parameters, as in a well-known repository)
def ewc_penalty(model, anchor, fisher, lam):
    loss = 0
    for name, p in model.named_parameters():
        loss += (fisher[name] * (p - anchor[name]) ** 2).sum()
    return lam * loss


# %% wrong no_gradient (a number made to require one)
#-    return lam / 2 * total
#+    return torch.tensor(lam / 2 * total.item(), requires_grad=True)

# %% wrong unknown_skipped (another error)
# says: Yours raised AttributeError
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        p = model.get_parameter(name)
#+        total = total + (importance * (p.float() - anchor[name].detach().float()) ** 2).sum()

# %% wrong unknown_skipped (every KeyError swallowed)
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        try:
#+            total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        except KeyError:
#+            pass

# %% wrong anchor_gets_gradient (`to` without a change is no copy, no_grad or not)
#-        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
#+        with torch.no_grad():
#+            star = anchor[name].to(dtype=torch.float32)
#+        total = total + (importance * (now[name].float() - star) ** 2).sum()

# %% right one vector
def ewc_penalty(model, anchor, fisher, lam):
    parameters = dict(model.named_parameters())
    flat = lambda weights: torch.cat([weights[name].flatten().float() for name in fisher])
    return 0.5 * lam * flat(fisher) @ (flat(parameters) - flat(anchor).detach()) ** 2


# %% right a list of terms
def ewc_penalty(model, anchor, fisher, lam):
    now = {name: p for name, p in model.named_parameters()}
    terms = []
    for name in fisher:
        difference = now[name].float().sub(anchor[name].detach().float())
        terms.append(fisher[name].mul(difference.square()).sum())
    return torch.stack(terms).sum().mul(lam / 2)


# %% right get_parameter
def ewc_penalty(model: nn.Module, anchor: dict, fisher: dict, lam: float) -> torch.Tensor:
    total = torch.zeros(())
    for name, f in fisher.items():
        try:
            p = model.get_parameter(name)
        except AttributeError:
            raise KeyError(name) from None
        total = total + torch.einsum("i,i,i->", f.flatten(), *[(p.float() - anchor[name].detach().float()).flatten()] * 2)
    return lam * total / 2


# %% right names compared first
def ewc_penalty(model, anchor, fisher, lam):
    parameters = dict(model.named_parameters())
    missing = sorted(name for name in fisher if name not in parameters or name not in anchor)
    if missing:
        raise KeyError(", ".join(missing))
    loss = torch.zeros((), dtype=torch.float32, device=next(model.parameters()).device)
    for name, p in parameters.items():
        if name in fisher:
            star, f = (t[name].detach().to(loss.device, torch.float32) for t in (anchor, fisher))
            loss += (f * (p.to(torch.float32) - star).square()).sum()
    return loss.mul_(lam / 2)


# %% right a state dict that keeps its graph
def ewc_penalty(model, anchor, fisher, lam):
    now = model.state_dict(keep_vars=True)
    return 0.5 * lam * sum((fisher[k] * (now[k].float() - anchor[k].detach().float()).pow(2)).sum() for k in fisher)
