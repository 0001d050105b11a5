"""Wrong and right answers to 05.prefix_attention."""

# %% wrong prefix_ignored
def prefix_attention(q, k, v, pk, pv):
    return F.scaled_dot_product_attention(q, k, v)


# %% wrong prefix_only
def prefix_attention(q, k, v, pk, pv):
    B = len(q)
    return F.scaled_dot_product_attention(q, pk.expand(B, -1, -1, -1), pv.expand(B, -1, -1, -1))


# %% wrong two_softmaxes
# says: compete
def prefix_attention(q, k, v, pk, pv):
    scale = q.shape[-1] ** -0.5
    return (q @ k.mT * scale).softmax(-1) @ v + (q @ pk.mT * scale).softmax(-1) @ pv


# %% wrong half_and_half
# says: for the queries to decide
def prefix_attention(q, k, v, pk, pv):
    scale = q.shape[-1] ** -0.5
    return ((q @ k.mT * scale).softmax(-1) @ v + (q @ pk.mT * scale).softmax(-1) @ pv) / 2


# %% wrong prefix_unweighted
# says: more than 1
def prefix_attention(q, k, v, pk, pv):
    scale = q.shape[-1] ** -0.5
    rest, prefix = q @ k.mT * scale, q @ pk.mT * scale
    share = torch.cat([prefix, rest], -1).softmax(-1)[..., : pk.shape[1]]
    return rest.softmax(-1) @ v + share @ pv


# %% wrong no_scale
#-    scores = q @ keys.mT / math.sqrt(q.shape[-1])
#+    scores = q @ keys.mT


# %% wrong scaled_by_d
#-    scores = q @ keys.mT / math.sqrt(q.shape[-1])
#+    scores = q @ keys.mT / q.shape[-1]


# %% wrong scaled_by_length
# says: width of a head
#-    scores = q @ keys.mT / math.sqrt(q.shape[-1])
#+    scores = q @ keys.mT / math.sqrt(keys.shape[-2])


# %% wrong scaled_by_d (scaled twice)
# says: once
#-    scores = q @ keys.mT / math.sqrt(q.shape[-1])
#-    return scores.softmax(dim=-1) @ values
#+    return F.scaled_dot_product_attention(q / math.sqrt(q.shape[-1]), keys, values)


# %% wrong keys_and_values_swapped
#-    keys = torch.cat([pk.expand(len(k), -1, -1, -1), k], dim=2)
#-    values = torch.cat([pv.expand(len(v), -1, -1, -1), v], dim=2)
#+    keys = torch.cat([pv.expand(len(k), -1, -1, -1), k], dim=2)
#+    values = torch.cat([pk.expand(len(v), -1, -1, -1), v], dim=2)


# %% wrong keys_as_values
#-    values = torch.cat([pv.expand(len(v), -1, -1, -1), v], dim=2)
#+    values = torch.cat([pk.expand(len(v), -1, -1, -1), v], dim=2)


# %% wrong raises_RuntimeError (the prefix added)
#-    keys = torch.cat([pk.expand(len(k), -1, -1, -1), k], dim=2)
#-    values = torch.cat([pv.expand(len(v), -1, -1, -1), v], dim=2)
#+    keys, values = k + pk, v + pv


# %% wrong softmax_over_queries
#-    return scores.softmax(dim=-1) @ values
#+    return scores.softmax(dim=-2) @ values


# %% wrong one_head
#-    keys = torch.cat([pk.expand(len(k), -1, -1, -1), k], dim=2)
#-    values = torch.cat([pv.expand(len(v), -1, -1, -1), v], dim=2)
#+    keys = torch.cat([pk[:1].expand(k.shape[0], k.shape[1], -1, -1), k], dim=2)
#+    values = torch.cat([pv[:1].expand(k.shape[0], k.shape[1], -1, -1), v], dim=2)


# %% wrong heads_as_batch
# says: not the batch
#-    keys = torch.cat([pk.expand(len(k), -1, -1, -1), k], dim=2)
#-    values = torch.cat([pv.expand(len(v), -1, -1, -1), v], dim=2)
#+    keys = torch.cat([pk.unsqueeze(1).expand(-1, k.shape[1], -1, -1), k], dim=2)
#+    values = torch.cat([pv.unsqueeze(1).expand(-1, k.shape[1], -1, -1), v], dim=2)


# %% wrong values_reversed
# says: another position's value
#-    values = torch.cat([pv.expand(len(v), -1, -1, -1), v], dim=2)
#+    values = torch.cat([v, pv.expand(len(v), -1, -1, -1)], dim=2)


# %% wrong does_not_fit (along the width)
#-    keys = torch.cat([pk.expand(len(k), -1, -1, -1), k], dim=2)
#+    keys = torch.cat([pk.expand(len(k), -1, -1, -1), k], dim=3)


# %% wrong does_not_fit
# says: every sequence of the batch
#-    keys = torch.cat([pk.expand(len(k), -1, -1, -1), k], dim=2)
#+    keys = torch.cat([pk.unsqueeze(0), k], dim=2)


# %% wrong different (queries too)
# says: shape
#-    scores = q @ keys.mT / math.sqrt(q.shape[-1])
#+    q = torch.cat([pk.expand(len(q), -1, -1, -1), q], dim=2)
#+    scores = q @ keys.mT / math.sqrt(q.shape[-1])


# %% wrong returns_none
#-    return scores.softmax(dim=-1) @ values
#+    result = scores.softmax(dim=-1) @ values


# %% wrong input_changed
#-    scores = q @ keys.mT / math.sqrt(q.shape[-1])
#+    q /= math.sqrt(q.shape[-1])
#+    scores = q @ keys.mT


# %% wrong dtype
#-    return scores.softmax(dim=-1) @ values
#+    return (scores.softmax(dim=-1) @ values).float()


# %% wrong no_gradient
#-    keys = torch.cat([pk.expand(len(k), -1, -1, -1), k], dim=2)
#+    keys = torch.cat([pk.detach().expand(len(k), -1, -1, -1), k], dim=2)


# %% wrong overflow
# says: subtracts the maximum
#-    return scores.softmax(dim=-1) @ values
#+    weights = scores.exp()
#+    return weights / weights.sum(-1, keepdim=True) @ values


# %% wrong scaled_by_heads
#-    scores = q @ keys.mT / math.sqrt(q.shape[-1])
#+    scores = q @ keys.mT / math.sqrt(q.shape[1])


# %% wrong scaled_by_queries
#-    scores = q @ keys.mT / math.sqrt(q.shape[-1])
#+    scores = q @ keys.mT / math.sqrt(q.shape[2])


# %% wrong scaled_by_all_heads
#-    scores = q @ keys.mT / math.sqrt(q.shape[-1])
#+    scores = q @ keys.mT / math.sqrt(q.shape[1] * q.shape[3])


# %% wrong multiplied
#-    scores = q @ keys.mT / math.sqrt(q.shape[-1])
#+    scores = q @ keys.mT * math.sqrt(q.shape[-1])


# %% wrong scaled_after
# says: no longer add up to 1
#-    scores = q @ keys.mT / math.sqrt(q.shape[-1])
#-    return scores.softmax(dim=-1) @ values
#+    return (q @ keys.mT).softmax(dim=-1) / math.sqrt(q.shape[-1]) @ values


# %% wrong no_softmax
#-    return scores.softmax(dim=-1) @ values
#+    return scores @ values


# %% wrong softmax_over_heads
#-    return scores.softmax(dim=-1) @ values
#+    return scores.softmax(dim=1) @ values


# %% wrong not_a_tensor
# says: yours is a tuple
#-    return scores.softmax(dim=-1) @ values
#+    weights = scores.softmax(dim=-1)
#+    return weights @ values, weights


# %% wrong raises_RuntimeError (keys not transposed)
#-    scores = q @ keys.mT / math.sqrt(q.shape[-1])
#+    scores = q @ keys / math.sqrt(q.shape[-1])


# %% wrong different (causal)
#-    scores = q @ keys.mT / math.sqrt(q.shape[-1])
#-    return scores.softmax(dim=-1) @ values
#+    return F.scaled_dot_product_attention(q, keys, values, is_causal=True)


# %% right torch's own attention
#-    scores = q @ keys.mT / math.sqrt(q.shape[-1])
#-    return scores.softmax(dim=-1) @ values
#+    return F.scaled_dot_product_attention(q, keys, values)


# %% right the prefix behind
def prefix_attention(q, k, v, pk, pv):
    B = q.shape[0]
    keys = torch.cat([k, pk[None].repeat(B, 1, 1, 1)], dim=-2)
    values = torch.cat([v, pv[None].repeat(B, 1, 1, 1)], dim=-2)
    weights = torch.einsum("bhtd,bhsd->bhts", q, keys).mul(q.shape[-1] ** -0.5).softmax(-1)
    return torch.einsum("bhts,bhsd->bhtd", weights, values)


# %% right scores side by side
def prefix_attention(q, k, v, pk, pv):
    P = pk.shape[1]
    scores = torch.cat([q @ pk.transpose(-1, -2), q @ k.transpose(-1, -2)], -1) / q.shape[-1] ** 0.5
    weights = F.softmax(scores, -1)
    return weights[..., :P] @ pv + weights[..., P:] @ v


# %% right a mixture of two attentions
def prefix_attention(q, k, v, pk, pv):
    rest, prefix = q @ k.mT / math.sqrt(q.shape[-1]), q @ pk.mT / math.sqrt(q.shape[-1])
    if not pk.shape[1]:
        return rest.softmax(-1) @ v
    share = torch.sigmoid(prefix.logsumexp(-1, keepdim=True) - rest.logsumexp(-1, keepdim=True))
    return (1 - share) * (rest.softmax(-1) @ v) + share * (prefix.softmax(-1) @ pv)


# %% right softmax in float32, as in models of transformers
#-    return scores.softmax(dim=-1) @ values
#+    return scores.softmax(dim=-1, dtype=torch.float32).to(values.dtype) @ values


# %% right logsumexp
def prefix_attention(q, k, v, pk, pv):
    on_prefix, on_rest = (q @ keys.mT / q.shape[-1] ** 0.5 for keys in (pk, k))
    total = torch.cat([on_prefix, on_rest], -1).logsumexp(-1, keepdim=True)
    return (on_prefix - total).exp() @ pv + (on_rest - total).exp() @ v
