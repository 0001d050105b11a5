"""Wrong and right answers to 01.masked_mean."""

# %% wrong pads_averaged
# says: averaged over the padding
def masked_mean(hidden, mask):
    return hidden.mean(1)


# %% wrong divided_by_length
# says: divided by all T
def masked_mean(hidden, mask):
    return (hidden * mask.unsqueeze(-1)).mean(dim=1)


# %% wrong sum_not_mean
# says: did not divide
def masked_mean(hidden, mask):
    return torch.einsum("btd,bt->bd", hidden, mask.to(hidden.dtype))


# %% wrong plus_one
# says: plus one
def masked_mean(hidden, mask):
    m = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * m).sum(1) / (m.sum(1) + 1)


# %% wrong first_token
# says: CLS
def masked_mean(hidden, mask):
    return hidden[:, 0]


# %% wrong maximum
# says: maximum
def masked_mean(hidden, mask):
    return hidden.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).max(1).values


# %% wrong inverted_mask
# says: 1 marks a real token
def masked_mean(hidden, mask):
    m = mask.unsqueeze(-1).bool()
    return hidden.masked_fill(m, 0).sum(1) / (~m).sum(1).clamp(min=1)


# %% wrong batch_mixed
# says: of all texts together
def masked_mean(hidden, mask):
    return hidden[mask.bool()].mean(0)


# %% wrong divided_by_batch_total
# says: whole batch
def masked_mean(hidden, mask):
    return (hidden * mask[..., None]).sum(1) / mask.sum()


# %% wrong counts_misaligned
# says: (B, 1)
def masked_mean(hidden, mask):
    return (hidden * mask[..., None]).sum(1) / mask.sum(1).clamp(min=1)


# %% wrong different (generic: mean over the features)
# says: has shape (2, 4), expected (2, 2)
def masked_mean(hidden, mask):
    return hidden.mean(-1) * mask


# %% wrong returns_none
# says: return
def masked_mean(hidden, mask):
    weights = mask.to(hidden.dtype).unsqueeze(-1)
    mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


# %% wrong empty_row (0 / 0)
# says: not NaN
def masked_mean(hidden, mask):
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


# %% wrong empty_row (mean of an empty slice)
def masked_mean(hidden, mask):
    return torch.stack([h[m.bool()].mean(0) for h, m in zip(hidden, mask)])


# %% wrong input_changed (product in place)
# says: writes into its input
def masked_mean(hidden, mask):
    hidden *= mask.unsqueeze(-1)
    return hidden.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


# %% wrong input_changed (padding set to zero)
def masked_mean(hidden, mask):
    hidden[mask == 0] = 0
    return hidden.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


# %% wrong prefix_assumed
# says: which
def masked_mean(hidden, mask):
    rows = []
    for h, n in zip(hidden, mask.sum(1)):
        rows.append(h[:n].sum(0) / max(int(n), 1))
    return torch.stack(rows)


# %% wrong dtype_changed
# says: another dtype
def masked_mean(hidden, mask):
    m = mask.unsqueeze(-1).float()
    return (hidden * m).sum(1) / m.sum(1).clamp(min=1)


# %% wrong no_gradient (no_grad)
# says: autograd graph
@torch.no_grad()
def masked_mean(hidden, mask):
    weights = mask.to(hidden.dtype).unsqueeze(-1)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


# %% wrong no_gradient (lists)
def masked_mean(hidden, mask):
    result = torch.zeros(hidden.shape[0], hidden.shape[2], dtype=hidden.dtype)
    for b in range(hidden.shape[0]):
        n = int(mask[b].sum())
        for d in range(hidden.shape[2]):
            total = sum(hidden[b, t, d].item() for t in range(hidden.shape[1]) if mask[b, t])
            result[b, d] = total / n if n else 0.0
    return result


# %% wrong not_a_tensor
# says: not a ndarray
def masked_mean(hidden, mask):
    h, m = hidden.detach().numpy(), mask.numpy()[..., None]
    return (h * m).sum(1) / np.maximum(m.sum(1), 1)


# %% wrong raises_RuntimeError (generic: mask not broadcast)
# says: masked_mean
def masked_mean(hidden, mask):
    return (hidden * mask).sum(1) / mask.sum(1, keepdim=True)


# %% wrong raises_RuntimeError (generic: mean of integers)
def masked_mean(hidden, mask):
    share = mask / mask.mean(1, keepdim=True)
    return (hidden * share[..., None]).mean(1)


# %% right einsum
def masked_mean(hidden, mask):
    m = mask.to(hidden.dtype)
    return torch.einsum("btd,bt->bd", hidden, m) / m.sum(1, keepdim=True).clamp(min=1)


# %% right weights through a matrix product
def masked_mean(hidden, mask):
    m = mask.to(hidden)
    weights = m / m.sum(1, keepdim=True).clamp_min(1)
    return torch.bmm(weights[:, None, :], hidden).squeeze(1)


# %% right masked_fill and a small epsilon
def masked_mean(hidden, mask):
    real = mask.bool().unsqueeze(-1)
    return hidden.masked_fill(~real, 0.0).sum(1) / (real.sum(1) + 1e-9).to(hidden.dtype)


# %% right nan_to_num
def masked_mean(hidden, mask):
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return torch.nan_to_num((hidden * weights).sum(1) / weights.sum(1))


# %% right loop over texts
def masked_mean(hidden, mask):
    rows = []
    for h, m in zip(hidden, mask):
        tokens = h[m.bool()]
        rows.append(tokens.mean(0) if len(tokens) else torch.zeros_like(h[0]))
    return torch.stack(rows)
