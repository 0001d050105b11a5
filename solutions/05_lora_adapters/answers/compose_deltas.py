"""Wrong and right answers to 05.compose_deltas."""

# %% wrong no_scale
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W += weight * (B @ A)


# %% wrong alpha_only
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W += weight * alpha * (B @ A)


# %% wrong inverted
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W += weight * (len(A) / alpha) * (B @ A)


# %% wrong first_scale
# says: its own
def compose_deltas(W0, loras, weights):
    scale = loras[0][2] / len(loras[0][0])
    W = W0.clone()
    for (A, B, _), weight in zip(loras, weights, strict=True):
        W += weight * scale * (B @ A)
    return W


# %% wrong rank_of_b
# says: share
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W += weight * (alpha / len(B)) * (B @ A)


# %% wrong rank_of_a
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W += weight * (alpha / A.shape[1]) * (B @ A)


# %% wrong weights_ignored
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W += (alpha / len(A)) * (B @ A)


# %% wrong weight_squared
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W += (alpha / len(A)) * ((weight * B) @ (weight * A))


# %% wrong normalized
# says: amounts, not shares
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W += weight / sum(weights) * (alpha / len(A)) * (B @ A)


# %% wrong averaged
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W += weight * (alpha / len(A)) * (B @ A) / len(loras)


# %% wrong base_weighted
# says: whatever the weights are
def compose_deltas(W0, loras, weights):
    return sum(w * (W0 + alpha / len(A) * (B @ A)) for (A, B, alpha), w in zip(loras, weights, strict=True))


# %% wrong base_repeated
def compose_deltas(W0, loras, weights):
    return sum(W0 + w * alpha / len(A) * (B @ A) for (A, B, alpha), w in zip(loras, weights, strict=True))


# %% wrong base_missing
#-    W = W0.clone()
#+    W = torch.zeros_like(W0)


# %% wrong first_only
# says: return too early
def compose_deltas(W0, loras, weights):
    W = W0.clone()
    for (A, B, alpha), weight in zip(loras, weights, strict=True):
        W += weight * (alpha / len(A)) * (B @ A)
        return W


# %% wrong last_only
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W = W0 + weight * (alpha / len(A)) * (B @ A)


# %% wrong no_update
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W.add(weight * (alpha / len(A)) * (B @ A))


# %% wrong cross_terms
# says: never trained together
def compose_deltas(W0, loras, weights):
    A = sum(A for A, _, _ in loras)
    B = sum(w * alpha / len(A) * B for (A, B, alpha), w in zip(loras, weights, strict=True))
    return W0 + B @ A


# %% wrong cross_terms_a
def compose_deltas(W0, loras, weights):
    A = sum(w * alpha / len(A) * A for (A, B, alpha), w in zip(loras, weights, strict=True))
    B = sum(B for _, B, _ in loras)
    return W0 + B @ A


# %% wrong cross_terms_both
def compose_deltas(W0, loras, weights):
    A = sum(w * A for (A, _, _), w in zip(loras, weights, strict=True))
    B = sum(w * B for (_, B, _), w in zip(loras, weights, strict=True))
    return W0 + B @ A


# %% wrong cross_terms_root
# says: peft's "linear"
def compose_deltas(W0, loras, weights):
    A = sum((w * alpha / len(A)) ** 0.5 * A for (A, _, alpha), w in zip(loras, weights, strict=True))
    B = sum((w * alpha / len(A)) ** 0.5 * B for (A, B, alpha), w in zip(loras, weights, strict=True))
    return W0 + B @ A


# %% wrong order_of_factors
# says: has the shape of W0
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W += weight * (alpha / len(A)) * (A @ B)


# %% wrong order_of_factors (transposed)
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W += weight * (alpha / len(A)) * (A.T @ B.T)


# %% wrong input_changed
#-    W = W0.clone()
#+    W = W0


# %% wrong input_changed (a factor)
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        B *= weight * (alpha / len(A))
#+        W += B @ A


# %% wrong returns_none
#-    return W


# %% wrong ranks_differ (stacked factors)
# says: each by itself
def compose_deltas(W0, loras, weights):
    if len(loras) != len(weights):
        raise ValueError
    if not loras:
        return W0.clone()
    A, B = torch.stack([A for A, _, _ in loras]), torch.stack([B for _, B, _ in loras])
    scales = torch.tensor([w * alpha / A.shape[1] for (_, _, alpha), w in zip(loras, weights)], dtype=W0.dtype)
    return W0 + torch.einsum("k,kor,kri->oi", scales, B, A)


# %% wrong dtype
#-    return W
#+    return W.float()


# %% wrong lengths_differ
# says: dropped in silence
#-    for (A, B, alpha), weight in zip(loras, weights, strict=True):
#+    for (A, B, alpha), weight in zip(loras, weights):


# %% wrong lengths_differ (IndexError)
# says: Yours raised IndexError
#-    for (A, B, alpha), weight in zip(loras, weights, strict=True):
#+    for i, (A, B, alpha) in enumerate(loras):
#+        weight = weights[i]


# %% wrong lengths_differ (too many weights pass)
# says: forgotten update
#-    for (A, B, alpha), weight in zip(loras, weights, strict=True):
#+    if len(weights) < len(loras):
#+        raise ValueError("weights missing")
#+    for (A, B, alpha), weight in zip(loras, weights):


# %% wrong alias
# says: changes W0
#-    W = W0.clone()
#+    W = W0
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W = W + weight * (alpha / len(A)) * (B @ A)


# %% wrong raises_RuntimeError (stacked changes of none)
def compose_deltas(W0, loras, weights):
    changes = [w * alpha / len(A) * (B @ A) for (A, B, alpha), w in zip(loras, weights, strict=True)]
    return W0 + torch.stack(changes).sum(0)


# %% wrong sqrt_rank
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W += weight * (alpha / len(A) ** 0.5) * (B @ A)


# %% wrong first_rank
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W += weight * (alpha / len(loras[0][0])) * (B @ A)


# %% wrong floored
#-        W += weight * (alpha / len(A)) * (B @ A)
#+        W += weight * (alpha // len(A)) * (B @ A)


# %% wrong cross_terms_other
# says: never trained together
def compose_deltas(W0, loras, weights):
    A = sum(weight * A for weight, (A, _, _) in zip(weights, loras, strict=True))
    B = sum(weight * B for weight, (_, B, _) in zip(weights, loras, strict=True))
    return W0 + loras[0][2] / len(A) * B @ A


# %% wrong cross_terms_other (the scales added, too)
def compose_deltas(W0, loras, weights):
    A = sum(A for A, _, _ in loras)
    B = sum(weight * B for weight, (_, B, _) in zip(weights, loras, strict=True))
    return W0 + sum(alpha / len(A) for A, _, alpha in loras) * B @ A


# %% wrong different (weights through a softmax)
def compose_deltas(W0, loras, weights):
    W = W0.clone()
    for (A, B, alpha), weight in zip(loras, torch.tensor(weights).softmax(0), strict=True):
        W += weight * alpha / len(A) * B @ A
    return W


# %% wrong parameters
# says: cannot be written into
#-    W = W0.clone()
#+    W = copy.deepcopy(W0)


# %% right factors side by side
def compose_deltas(W0, loras, weights):
    if len(loras) != len(weights):
        raise ValueError("one weight per update")
    if not loras:
        return W0.clone()
    A = torch.cat([A for A, _, _ in loras])
    B = torch.cat([w * alpha / A.shape[0] * B for (A, B, alpha), w in zip(loras, weights)], dim=1)
    return W0 + B @ A


# %% right einsum
def compose_deltas(W0, loras, weights):
    change = torch.zeros_like(W0)
    for lora, weight in zip(loras, weights, strict=True):
        A, B, alpha = lora
        change = change + torch.einsum("or,ri->oi", B, A) * alpha / B.shape[1] * weight
    return W0 + change


# %% right sum of a generator
def compose_deltas(W0, loras, weights):
    assert_equal = len(loras) == len(weights)
    if not assert_equal:
        raise ValueError(f"{len(loras)} updates, {len(weights)} weights")
    return sum((w * (alpha / A.size(0)) * B.mm(A) for (A, B, alpha), w in zip(loras, weights)), W0.clone())


# %% right under no_grad
@torch.no_grad()
def compose_deltas(W0, loras, weights):
    if len(loras) != len(weights):
        raise ValueError
    W = W0.detach().clone()
    for (A, B, alpha), weight in zip(loras, weights):
        W.add_(B @ A, alpha=weight * alpha / A.shape[0])
    return W
