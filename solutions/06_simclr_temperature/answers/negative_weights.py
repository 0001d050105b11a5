"""Wrong and right answers to 06.negative_weights."""

# %% wrong self_counted
# says: left out of the softmax
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = z @ z.T / tau

# %% wrong self_zeroed_late
# says: add up to less than 1
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return (z @ z.T / tau).softmax(1) * ~itself, torch.special.entr(among_negatives).sum(1).exp()

# %% wrong positive_left_out
# says: p covers it too
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return among_negatives, torch.special.entr(among_negatives).sum(1).exp()

# %% wrong over_everything
# says: Each row is a softmax
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return logits.exp() / logits.exp().sum(), torch.special.entr(among_negatives).sum(1).exp()

# %% wrong not_softmax
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return logits.exp(), torch.special.entr(among_negatives).sum(1).exp()

# %% wrong logits
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return logits.masked_fill(itself, 0.0), torch.special.entr(among_negatives).sum(1).exp()

# %% wrong log_weights
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return logits.log_softmax(1), torch.special.entr(among_negatives).sum(1).exp()

# %% wrong wrong_shape (first views against second views)
# says: every view against every view
def negative_weights(z1, z2, tau):
    weights = (F.normalize(z1, dim=1) @ F.normalize(z2, dim=1).T / tau).softmax(1)
    return weights, torch.special.entr(weights).sum(1).exp()


# %% wrong not_a_pair
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return logits.softmax(1)

# %% wrong returns_none
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()

# %% wrong not_per_row (mean)
# says: one number per row
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp().mean()

# %% wrong entropy_itself
# says: That is the entropy H
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return logits.softmax(1), torch.special.entr(among_negatives).sum(1)

# %% wrong positive_counted
# says: so the positive is among them
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return logits.softmax(1), torch.special.entr(logits.softmax(1)).sum(1).exp()

# %% wrong entropy_of_all
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return logits.softmax(1), torch.special.entr(logits.softmax(1)).sum(1)

# %% wrong not_renormalized
# says: 6/7
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    weights = logits.softmax(1)
#+    return weights, torch.special.entr(weights * ~itself.roll(len(z1), 0)).sum(1).exp()

# %% wrong sign
# says: minus sign
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).neg().exp()

# %% wrong base_two
# says: base 2
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return logits.softmax(1), (torch.special.entr(among_negatives).sum(1) / math.log(2)).exp()

# %% wrong inverse_squares
# says: another effective number
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return logits.softmax(1), 1 / among_negatives.square().sum(1)

# %% wrong columns
# says: Columns add up
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return logits.softmax(0), torch.special.entr(among_negatives).sum(1).exp()

# %% wrong tau_forgotten
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = (z @ z.T).masked_fill(itself, -torch.inf)

# %% wrong tau_multiplied
#-    logits = (z @ z.T / tau).masked_fill(itself, -torch.inf)
#+    logits = (z @ z.T * tau).masked_fill(itself, -torch.inf)

# %% wrong not_normalized
#-    z = F.normalize(torch.cat([z1, z2]), dim=1)
#+    z = torch.cat([z1, z2])

# %% wrong wrong_positive (next row)
# says: the partner of row i is B rows away
#-    among_negatives = logits.masked_fill(itself.roll(len(z1), 0), -torch.inf).softmax(1)
#+    among_negatives = logits.masked_fill(itself[torch.arange(len(z)) ^ 1], -torch.inf).softmax(1)

# %% wrong underflow (divides by the sum of the negatives)
# says: softmax of its own
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    weights = logits.softmax(1)
#+    negatives = weights * ~itself.roll(len(z1), 0)
#+    return weights, torch.special.entr(negatives / negatives.sum(1, keepdim=True)).sum(1).exp()

# %% wrong underflow (with an epsilon in the divisor)
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    weights = logits.softmax(1)
#+    negatives = weights * ~itself.roll(len(z1), 0)
#+    return weights, torch.special.entr(negatives / (negatives.sum(1, keepdim=True) + 1e-12)).sum(1).exp()

# %% wrong overflow (plain exponentials)
# says: e^100
def negative_weights(z1, z2, tau):
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    own = torch.eye(len(z), dtype=torch.bool)
    e = torch.exp(z @ z.T / tau) * ~own
    n = e * ~own.roll(len(z1), 0)
    q = n / n.sum(1, keepdim=True)
    return e / e.sum(1, keepdim=True), torch.special.entr(q).sum(1).exp()


# %% wrong zero_log_zero (q log q with 0 log 0 from the start)
# says: 0 · log 0 counts as 0
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    return logits.softmax(1), torch.exp(-(among_negatives * among_negatives.log()).sum(1))

# %% wrong zero_log_zero (masked entries left out, underflow not)
# says: 0 · log 0 counts as 0
#-    return logits.softmax(1), torch.special.entr(among_negatives).sum(1).exp()
#+    n = len(z) - 2
#+    q = among_negatives[~(itself | itself.roll(len(z1), 0))].view(-1, n)
#+    return logits.softmax(1), torch.exp(-(q * q.log()).sum(1))

# %% wrong input_changed (normalizes in place)
#-    z = F.normalize(torch.cat([z1, z2]), dim=1)
#+    z1 /= z1.norm(dim=1, keepdim=True)
#+    z2 /= z2.norm(dim=1, keepdim=True)
#+    z = F.normalize(torch.cat([z1, z2]), dim=1)


# %% wrong not_a_tensor (entropy by scipy)
# says: Both results are tensors
def negative_weights(z1, z2, tau):
    from scipy.stats import entropy

    z = F.normalize(torch.cat([z1, z2]), dim=1)
    own = torch.eye(len(z), dtype=torch.bool)
    logits = (z @ z.T / tau).masked_fill(own, -torch.inf)
    q = logits.masked_fill(own.roll(len(z1), 1), -torch.inf).softmax(1)
    return logits.softmax(1), np.exp(entropy(q.numpy(), axis=1))


# %% right logsumexp identity (H = log Z - mean logit)
def negative_weights(z1, z2, tau):
    z = torch.cat([z1, z2])
    z = z / z.norm(dim=1, keepdim=True)
    m, n = len(z), len(z1)
    own = torch.eye(m, dtype=torch.bool)
    logits = z @ z.T / tau
    weights = logits.masked_fill(own, -torch.inf).softmax(1)
    negatives = logits[~(own | own.roll(n, 1))].view(m, m - 2)
    q = negatives.softmax(1)
    return weights, torch.exp(torch.logsumexp(negatives, 1) - (q * negatives).sum(1))


# %% right nansum
def negative_weights(z1, z2, tau):
    z = F.normalize(torch.cat([z1, z2], 0), dim=-1)
    n = len(z1)
    s = (z @ z.T) / tau
    s.fill_diagonal_(-float("inf"))
    weights = torch.softmax(s, -1)
    i = torch.arange(2 * n)
    s[i, (i + n) % (2 * n)] = -float("inf")
    q = torch.softmax(s, -1)
    return weights, torch.exp(-(q * torch.log(q)).nansum(-1))


# %% right loop over rows
def negative_weights(z1, z2, tau):
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    m, n = len(z), len(z1)
    weights, effective = torch.zeros(m, m, dtype=z.dtype), torch.zeros(m, dtype=z.dtype)
    for i in range(m):
        others = [j for j in range(m) if j != i]
        weights[i, others] = (z[others] @ z[i] / tau).softmax(0)
        negatives = [j for j in others if j != (i + n) % m]
        log_q = (z[negatives] @ z[i] / tau).log_softmax(0)
        effective[i] = (-(log_q.exp() * log_q).sum()).exp()
    return weights, effective


# %% right Categorical's entropy, masked with a large finite number
def negative_weights(z1, z2, tau):
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    m, n = len(z), len(z1)
    rows = torch.arange(m)
    logits = z @ z.T / tau
    logits[rows, rows] = -1e30
    weights = torch.softmax(logits, dim=1)
    logits[rows, (rows + n) % m] = -1e30
    return weights, torch.distributions.Categorical(logits=logits).entropy().exp()
