"""Wrong and right answers to 04.l2sp_penalty."""

# %% wrong half_missing
#-    return alpha / 2 * body + beta / 2 * head
#+    return alpha * body + beta * head

# %% wrong head_anchored
# says: random start
#-            head = head + p.square().sum()
#+            head = head + (p - anchor[name]).square().sum()

# %% wrong all_anchored (whatever the anchor knows)
# says: It is new
def l2sp_penalty(model, anchor, alpha, beta, is_head):
    total = 0.0
    for name, p in model.named_parameters():
        if name in anchor:
            total = total + alpha / 2 * (p - anchor[name]).pow(2).sum()
        else:
            total = total + beta / 2 * p.pow(2).sum()
    return total


# %% wrong all_anchored_and_decayed
# says: second sum only
#-        else:
#-            body = body + (p - anchor[name].detach()).square().sum()
#+        body = body + (p - anchor[name].detach()).square().sum()

# %% wrong head_ignored
#-    return alpha / 2 * body + beta / 2 * head
#+    return alpha / 2 * body

# %% wrong body_ignored
#-    return alpha / 2 * body + beta / 2 * head
#+    return beta / 2 * head

# %% wrong everything_decays
# says: weight decay
#-            body = body + (p - anchor[name].detach()).square().sum()
#+            body = body + p.square().sum()

# %% wrong body_decays_too
# says: β concerns the head only
#-        if is_head(name):
#-            head = head + p.square().sum()
#-        else:
#+        head = head + p.square().sum()
#+        if not is_head(name):

# %% wrong roles_swapped
#-        if is_head(name):
#+        if not is_head(name):

# %% wrong all_anchored (the function itself is always true)
#-        if is_head(name):
#+        if not is_head:

# %% wrong weights_only
#-    for name, p in model.named_parameters():
#+    for name, p in [(n, p) for n, p in model.named_parameters() if p.ndim > 1]:

# %% wrong norm
# says: norms
#-    return alpha / 2 * body + beta / 2 * head
#+    return alpha / 2 * body.sqrt() + beta / 2 * head.sqrt()

# %% wrong norm_of_each
#-            head = head + p.square().sum()
#-        else:
#-            body = body + (p - anchor[name].detach()).square().sum()
#+            head = head + p.norm()
#+        else:
#+            body = body + (p - anchor[name]).norm()

# %% wrong mean
#-            head = head + p.square().sum()
#-        else:
#-            body = body + (p - anchor[name].detach()).square().sum()
#+            head = head + p.square().mean()
#+        else:
#+            body = body + F.mse_loss(p, anchor[name])

# %% wrong absolute
#-            head = head + p.square().sum()
#-        else:
#-            body = body + (p - anchor[name].detach()).square().sum()
#+            head = head + p.abs().sum()
#+        else:
#+            body = body + (p - anchor[name]).abs().sum()

# %% wrong strengths_swapped
#-    return alpha / 2 * body + beta / 2 * head
#+    return beta / 2 * body + alpha / 2 * head

# %% wrong no_gradient
# says: .data
#-            head = head + p.square().sum()
#-        else:
#-            body = body + (p - anchor[name].detach()).square().sum()
#+            head = head + p.data.square().sum()
#+        else:
#+            body = body + (p.data - anchor[name]).square().sum()

# %% wrong no_gradient (over the state dict)
#-    for name, p in model.named_parameters():
#+    for name, p in model.state_dict().items():

# %% wrong no_gradient (of the head)
# says: one of the parameters
#-            head = head + p.square().sum()
#+            head = head + p.detach().square().sum()

# %% wrong returns_none
# says: return
#-    return alpha / 2 * body + beta / 2 * head
#+    penalty = alpha / 2 * body + beta / 2 * head

# %% wrong input_changed (the distance is computed in the anchor)
#-            body = body + (p - anchor[name].detach()).square().sum()
#+            body = body + anchor[name].sub_(p).square().sum()

# %% wrong all_anchored (the head's usual names)
#-        if is_head(name):
#+        if any(part in name for part in ("head", "fc", "classifier")):

# %% wrong name_guessed (the last layer)
# says: Ask `is_head`
#-    body = head = 0.0
#+    body = head = 0.0
#+    last = [name for name, _ in model.named_parameters()][-2:]
#+    is_head = lambda name: name in last

# %% wrong head_looked_up (difference first, then the question)
# says: should not look
def l2sp_penalty(model, anchor, alpha, beta, is_head):
    total = 0.0
    for name, p in model.named_parameters():
        moved = (p - anchor.get(name, torch.zeros_like(p)).detach()).square().sum()
        total = total + (beta / 2 * p.square().sum() if is_head(name) else alpha / 2 * moved)
    return total


# %% wrong head_looked_up (in the anchor, and thrown away)
# says: 3.weight
def l2sp_penalty(model, anchor, alpha, beta, is_head):
    now = dict(model.named_parameters())
    distance = {name: (p - anchor[name]).square().sum() for name, p in now.items()}
    body = sum(d for name, d in distance.items() if not is_head(name))
    return alpha / 2 * body + beta / 2 * sum(p.square().sum() for name, p in now.items() if is_head(name))


# %% wrong missing_skipped
# says: leaves it free
#-            body = body + (p - anchor[name].detach()).square().sum()
#+            body = body + (p - anchor.get(name, p).detach()).square().sum()

# %% wrong anchor_gets_gradient
#-            body = body + (p - anchor[name].detach()).square().sum()
#+            body = body + (p - anchor[name]).square().sum()

# %% wrong half_missing_body
#-    return alpha / 2 * body + beta / 2 * head
#+    return alpha * body + beta * head / 2

# %% wrong half_missing_head
#-    return alpha / 2 * body + beta / 2 * head
#+    return alpha / 2 * body + beta * head

# %% wrong first_only
# says: inside the loop
#-    return alpha / 2 * body + beta / 2 * head
#+        return alpha / 2 * body + beta / 2 * head

# %% wrong last_only
def l2sp_penalty(model, anchor, alpha, beta, is_head):
    for name, p in model.named_parameters():
        if is_head(name):
            penalty = beta / 2 * p.pow(2).sum()
        else:
            penalty = alpha / 2 * (p - anchor[name]).pow(2).sum()
    return penalty


# %% wrong last_of_each
# says: sums should grow
#-            head = head + p.square().sum()
#-        else:
#-            body = body + (p - anchor[name].detach()).square().sum()
#+            head = p.square().sum()
#+        else:
#+            body = (p - anchor[name].detach()).square().sum()

# %% wrong leaf_added_to
# says: plain zero
def l2sp_penalty(model, anchor, alpha, beta, is_head):
    total = torch.tensor(0.0, requires_grad=True)
    for name, p in model.named_parameters():
        total += beta / 2 * (p**2).sum() if is_head(name) else alpha / 2 * ((p - anchor[name]) ** 2).sum()
    return total


# %% wrong head_unpaired (zip)
# says: the shorter
#-    for name, p in model.named_parameters():
#+    for (name, p), start in zip(model.named_parameters(), anchor.values()):

# %% wrong frozen_skipped
# says: without requires_grad
#-    for name, p in model.named_parameters():
#+    for name, p in [(n, p) for n, p in model.named_parameters() if p.requires_grad]:

# %% wrong missing_skipped (over the anchor's names)
def l2sp_penalty(model, anchor, alpha, beta, is_head):
    now = dict(model.named_parameters())
    body = sum((now[n] - a.detach()).square().sum() for n, a in anchor.items() if not is_head(n))
    return alpha / 2 * body + beta / 2 * sum(p.square().sum() for n, p in now.items() if is_head(n))


# %% wrong raises_AttributeError (asks with the parameter)
# says: startswith
#-        if is_head(name):
#+        if is_head(p):

# %% right two lists
def l2sp_penalty(model, anchor, alpha, beta, is_head):
    named = list(model.named_parameters())
    body = [((p - anchor[n].detach()) ** 2).sum() for n, p in named if not is_head(n)]
    head = [(p**2).sum() for n, p in named if is_head(n)]
    return 0.5 * (alpha * sum(body) + beta * sum(head))


# %% right each parameter has a target and a strength
def l2sp_penalty(model, anchor, alpha, beta, is_head):
    total = torch.zeros(())
    for name, p in model.named_parameters():
        target, strength = (torch.zeros_like(p), beta) if is_head(name) else (anchor[name].detach(), alpha)
        total = total + strength / 2 * F.mse_loss(p, target, reduction="sum")
    return total


# %% right norms, squared
def l2sp_penalty(model: nn.Module, anchor, alpha, beta, is_head) -> torch.Tensor:
    penalties = []
    for name, parameter in model.named_parameters():
        if is_head(name):
            penalties.append(beta * (parameter * parameter).sum())
            continue
        d = (parameter - anchor[name].clone().detach()).flatten()
        penalties.append(alpha * torch.dot(d, d))
    return torch.stack(penalties).sum() / 2


# %% right two vectors
def l2sp_penalty(model, anchor, alpha, beta, is_head):
    now = dict(model.named_parameters())
    flat = lambda tensors: torch.cat([t.reshape(-1) for t in tensors]) if tensors else torch.zeros(0)
    body = [name for name in now if not is_head(name)]
    d = flat([now[name] for name in body]) - flat([anchor[name].detach() for name in body])
    h = flat([p for name, p in now.items() if name not in body])
    return (alpha * d.dot(d) + beta * h.dot(h)) / 2
