"""Wrong and right answers to 06.nt_xent."""

# %% wrong self_counted (no mask)
# says: log 2B
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = z @ z.T / tau

# %% wrong self_counted (mask multiplied in after the maximum, into nothing)
def nt_xent(z1, z2, tau):
    z = F.normalize(torch.cat([z1, z2]).float(), dim=1)
    sim = z @ z.T / tau
    n = len(z1)
    positive = torch.cat([sim.diagonal(n), sim.diagonal(-n)])
    return (torch.logsumexp(sim, 1) - positive).mean()


# %% wrong other_side_only (as CLIP does)
# says: same* side
def nt_xent(z1, z2, tau):
    a, b = F.normalize(z1.float(), dim=1), F.normalize(z2.float(), dim=1)
    logits = a @ b.T / tau
    target = torch.arange(len(a))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


# %% wrong other_side_only (one direction)
def nt_xent(z1, z2, tau):
    logits = F.normalize(z1.float(), dim=1) @ F.normalize(z2.float(), dim=1).T / tau
    return F.cross_entropy(logits, torch.arange(len(z1)))


# %% wrong positive_left_out
# says: log(2B − 2)
def nt_xent(z1, z2, tau):
    z = F.normalize(torch.cat([z1, z2]).float(), dim=1)
    n = len(z1)
    sim = z @ z.T / tau
    eye = torch.eye(2 * n, dtype=torch.bool)
    positive = torch.cat([sim.diagonal(n), sim.diagonal(-n)])
    negatives = sim.masked_fill(eye | eye.roll(n, 0), -torch.inf)
    return (torch.logsumexp(negatives, 1) - positive).mean()


# %% wrong both_sides_only (only the other side, its positive left out)
def nt_xent(z1, z2, tau):
    a, b = F.normalize(z1.float(), dim=1), F.normalize(z2.float(), dim=1)
    logits = a @ b.T / tau
    negatives = logits.masked_fill(torch.eye(len(a), dtype=torch.bool), -torch.inf)
    one = torch.logsumexp(negatives, 1) - logits.diagonal()
    other = torch.logsumexp(negatives.T, 1) - logits.diagonal()
    return torch.cat([one, other]).mean()


# %% wrong masked_with_zero
# says: e⁰ = 1
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = (z @ z.T / tau).masked_fill(itself, 0.0)

# %% wrong masked_with_zero (multiplied by a mask)
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = (z @ z.T / tau) * ~itself

# %% wrong added_up
# says: mean
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)), reduction="sum")

# %% wrong half_the_count (sum over 2B divided by B)
# says: 2B rows, not B
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)), reduction="sum") / len(z1)

# %% wrong half_the_loss (mean divided by two again)
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1))) / 2

# %% wrong sign
# says: *minus* the log
def nt_xent(z1, z2, tau):
    z = F.normalize(torch.cat([z1, z2]).float(), dim=1)
    sim = (z @ z.T / tau).masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
    log_p = sim.log_softmax(1)
    n = len(z1)
    return torch.cat([log_p.diagonal(n), log_p.diagonal(-n)]).mean()


# %% wrong log_missing (nll_loss on probabilities)
# says: without taking its log
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return F.nll_loss(logits.softmax(1), torch.arange(len(z), device=z.device).roll(len(z1)))

# %% wrong softmax_twice (softmax before cross_entropy)
# says: takes logits
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return F.cross_entropy(logits.softmax(1), torch.arange(len(z), device=z.device).roll(len(z1)))

# %% wrong not_finite (its own positive, and masked)
# says: its own positive
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return F.cross_entropy(logits, torch.arange(len(z), device=z.device))

# %% wrong not_finite (the positive masked instead of the view itself)
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = (z @ z.T / tau).masked_fill(itself.roll(len(z1), 0), -torch.inf)

# %% wrong not_normalized
# says: lengths 2 and 5
#-    z = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1)
#+    z = z.to(torch.promote_types(z.dtype, torch.float32))

# %% wrong normalized_by_column
# says: dim=0
#-    z = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1)
#+    z = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=0)

# %% wrong tau_multiplied
# says: multiplied by τ
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = (z @ z.T * tau).masked_fill(itself, -torch.inf)

# %% wrong tau_forgotten
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = (z @ z.T).masked_fill(itself, -torch.inf)

# %% wrong tau_in_numerator
# says: the positive only
def nt_xent(z1, z2, tau):
    z = F.normalize(torch.cat([z1, z2]).float(), dim=1)
    n = len(z1)
    sim = z @ z.T
    positive = torch.cat([sim.diagonal(n), sim.diagonal(-n)]) / tau
    return (torch.logsumexp(sim.masked_fill(torch.eye(2 * n, dtype=torch.bool), -torch.inf), 1) - positive).mean()


# %% wrong masked_with_zero (self-similarity 1 subtracted before the division)
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = (z @ z.T - itself.float()) / tau

# %% wrong tau_in_denominator
# says: the denominator only
def nt_xent(z1, z2, tau):
    z = F.normalize(torch.cat([z1, z2]).float(), dim=1)
    n = len(z1)
    positive = (z[:n] * z[n:]).sum(1).repeat(2)
    logits = (z @ z.T / tau).masked_fill(torch.eye(2 * n, dtype=torch.bool), -torch.inf)
    return (torch.logsumexp(logits, 1) - positive).mean()


# %% wrong half_the_loss (multiplied by tau, as some do)
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return tau * F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))

# %% wrong wrong_positive (neighbors, as if the views were interleaved)
# says: its neighbor is another image
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return F.cross_entropy(logits, torch.arange(len(z), device=z.device) ^ 1)

# %% wrong wrong_positive (rolled by one)
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(1))

# %% wrong first_views_only
# says: The second views are anchors too
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return F.cross_entropy(logits[: len(z1)], torch.arange(len(z1), 2 * len(z1)))

# %% wrong second_views_only
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return F.cross_entropy(logits[len(z1) :], torch.arange(len(z1)))

# %% wrong mean_inside
# says: mean of the logs
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return -logits.softmax(1).roll(len(z1), 1).diagonal().mean().log()

# %% wrong overflow (plain exponentials)
# says: e^100
def nt_xent(z1, z2, tau):
    z = F.normalize(torch.cat([z1, z2]).float(), dim=1)
    n = len(z1)
    e = torch.exp(z @ z.T / tau) * ~torch.eye(2 * n, dtype=torch.bool)
    positive = torch.cat([e.diagonal(n), e.diagonal(-n)])
    return -torch.log(positive / e.sum(1)).mean()


# %% wrong overflow (e^(1/tau) subtracted from the sum)
def nt_xent(z1, z2, tau):
    z = F.normalize(torch.cat([z1, z2]).float(), dim=1)
    e = torch.exp(z @ z.T / tau)
    positive = torch.exp((z1.shape[0] and (z * z.roll(len(z1), 0)).sum(1)) / tau)
    return -torch.log(positive / (e.sum(1) - math.exp(1 / tau))).mean()


# %% wrong no_gradient (a number)
# says: .item()
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1))).item()

# %% wrong no_gradient (under no_grad)
@torch.no_grad()
def nt_xent(z1, z2, tau):
    z = F.normalize(torch.cat([z1, z2]).float(), dim=1)
    logits = (z @ z.T / tau).masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
    return F.cross_entropy(logits, torch.arange(len(z)).roll(len(z1)))


# %% wrong not_a_scalar
# says: mean over all rows
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)), reduction="none")

# %% wrong returns_none
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    loss = F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))

# %% wrong one_side_detached (as in a Siamese network with stop-gradient)
# says: both views are trained
#-    z = torch.cat([z1, z2])
#+    z = torch.cat([z1, z2.detach()])

# %% wrong length_matters (lengths detached)
# says: normalize with gradient
#-    z = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1)
#+    z = z.to(torch.promote_types(z.dtype, torch.float32))
#+    z = z / z.norm(dim=1, keepdim=True).detach()

# %% wrong half_fails (-1e9 in half precision)
# says: −1e9 does not exist
#-    z = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1)
#+    z = F.normalize(z, dim=1)
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = (z @ z.T / tau).masked_fill(itself, -1e9)

# %% wrong half_overflows (squared lengths in half precision)
# says: 65,504
#-    z = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1)
#+    z = z / (z * z).sum(1, keepdim=True).sqrt()

# %% wrong dtype_lowered (always float32)
# says: float64 went in
#-    z = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1)
#+    z = F.normalize(z.float(), dim=1)

# %% wrong input_changed (normalizes in place)
def nt_xent(z1, z2, tau):
    with torch.no_grad():
        z1 /= z1.norm(dim=1, keepdim=True)
        z2 /= z2.norm(dim=1, keepdim=True)
    z = torch.cat([z1, z2])
    z = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1)
    logits = (z @ z.T / tau).masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
    return F.cross_entropy(logits, torch.arange(len(z)).roll(len(z1)))


# %% wrong target_out_of_range (target of 2B columns against logits of B)
# says: Which columns
#-    return F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z1)))
#+    return F.cross_entropy(logits[:, : len(z1)], torch.arange(len(z1), 3 * len(z1)))

# %% wrong target_out_of_range (diagonal cut out, target not moved)
# says: moves up by one
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = (z @ z.T / tau)[~itself].view(len(z), -1)

# %% wrong zero_times_inf (mask times infinity)
# says: fill in −∞
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = z @ z.T / tau - torch.inf * itself

# %% wrong masked_with_minus_one
# says: still counts
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = (z @ z.T).masked_fill(itself, -1) / tau

# %% wrong directions_added (as CLIP does, without the half)
# says: one per direction
def nt_xent(z1, z2, tau):
    logits = F.normalize(z1, dim=1) @ F.normalize(z2, dim=1).T / tau
    target = torch.arange(len(z1))
    return F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)


# %% wrong underflow (as SupContrast does: the maximum is the similarity with itself)
# says: a maximum that includes the view itself
def nt_xent(z1, z2, tau):
    features = torch.cat([z1, z2])
    features = F.normalize(features.to(torch.promote_types(features.dtype, torch.float32)), dim=1)
    n = len(features)
    positive, others = torch.eye(n).roll(len(z1), 0), 1 - torch.eye(n)
    logits = features @ features.T / tau
    logits = logits - logits.max(dim=1, keepdim=True).values.detach()
    log_p = logits - torch.log((torch.exp(logits) * others).sum(1, keepdim=True))
    return -((positive * log_p).sum(1) / positive.sum(1)).mean()


# %% wrong gradient_cut (columns detached)
# says: not the slope of the loss
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = (z @ z.detach().T / tau).masked_fill(itself, -torch.inf)


# %% right logsumexp and products
def nt_xent(z1, z2, tau):
    wide = torch.promote_types(z1.dtype, torch.float32)
    a, b = F.normalize(z1.to(wide), dim=1), F.normalize(z2.to(wide), dim=1)
    positive = (a * b).sum(1) / tau
    z = torch.cat([a, b])
    sim = z @ z.T / tau
    sim = sim - torch.diag(torch.full((len(z),), torch.inf, dtype=wide))
    return (torch.logsumexp(sim, dim=1) - positive.repeat(2)).mean()


# %% right four blocks
def nt_xent(z1, z2, tau):
    if z1.dtype == torch.float16:
        z1, z2 = z1.float(), z2.float()
    a, b = F.normalize(z1, dim=1), F.normalize(z2, dim=1)
    n = len(a)
    out = torch.eye(n, dtype=torch.bool)
    aa, bb = (a @ a.T / tau).masked_fill(out, float("-inf")), (b @ b.T / tau).masked_fill(out, float("-inf"))
    ab = a @ b.T / tau
    target = torch.arange(n)
    return 0.5 * (F.cross_entropy(torch.cat([ab, aa], 1), target) + F.cross_entropy(torch.cat([ab.T, bb], 1), target))


# %% right positive first, then the negatives (sthalles)
def nt_xent(z1, z2, tau):
    n = len(z1)
    features = F.normalize(torch.cat([z1, z2], dim=0), dim=1)
    same = torch.cat([torch.arange(n)] * 2)
    same = same.unsqueeze(0) == same.unsqueeze(1)
    similarity = features @ features.T
    mask = torch.eye(2 * n, dtype=torch.bool)
    same, similarity = same[~mask].view(2 * n, -1), similarity[~mask].view(2 * n, -1)
    logits = torch.cat([similarity[same].view(2 * n, -1), similarity[~same].view(2 * n, -1)], dim=1) / tau
    return nn.CrossEntropyLoss()(logits, torch.zeros(2 * n, dtype=torch.long))


# %% right smallest number of the dtype instead of -inf
def nt_xent(z1, z2, tau):
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    sim = z @ z.t() / tau
    sim = sim.masked_fill(torch.eye(len(z), device=z.device).bool(), torch.finfo(sim.dtype).min)
    return F.cross_entropy(sim, torch.arange(len(z), device=z.device).roll(len(z1)))


# %% right diagonal cut out, columns moved
def nt_xent(z1, z2, tau):
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    m = len(z)
    sim = (z @ z.T / tau)[~torch.eye(m, dtype=torch.bool)].view(m, m - 1)
    return F.cross_entropy(sim, (torch.arange(m) + len(z1) - 1) % (m - 1))


# %% right double loop
def nt_xent(z1, z2, tau):
    z = torch.cat([z1, z2])
    z = z.float() if z.dtype == torch.half else z
    z = z / z.norm(dim=1, keepdim=True)
    n, losses = len(z1), []
    for i in range(2 * n):
        others = torch.stack([z[i] @ z[k] / tau for k in range(2 * n) if k != i])
        losses.append(torch.logsumexp(others, 0) - z[i] @ z[(i + n) % (2 * n)] / tau)
    return torch.stack(losses).mean()


# %% right interleaved rows, diagonal removed
def nt_xent(z1, z2, tau):
    z = torch.stack([z1, z2], dim=1).flatten(0, 1)
    z = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1)
    m = len(z)
    cosine = F.cosine_similarity(z[:, None], z[None], dim=-1)
    others = cosine[~torch.eye(m, dtype=torch.bool)].view(m, m - 1) / tau
    rows = torch.arange(m)
    partner = rows ^ 1
    return F.cross_entropy(others, partner - (partner > rows).long())


# %% right log_softmax with -inf on the diagonal in place
def nt_xent(z1, z2, tau):
    z = torch.cat([z1, z2])
    if z.dtype in (torch.float16, torch.bfloat16):
        z = z.to(torch.float32)
    z = F.normalize(z, p=2, dim=-1)
    sim = torch.matmul(z, z.t()).div(tau)
    sim = sim.fill_diagonal_(-torch.inf)
    log_p = F.log_softmax(sim, dim=-1)
    n = len(z1)
    return -(log_p.diagonal(n).sum() + log_p.diagonal(-n).sum()) / (2 * n)
