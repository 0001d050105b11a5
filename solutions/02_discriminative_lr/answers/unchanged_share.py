"""Wrong and right answers to 02.unchanged_share."""

# %% wrong tolerant
# says: A tolerance hides
def unchanged_share(before, after):
    same = sum(torch.isclose(before[n], after[n]).sum().item() for n in before)
    return same / sum(t.numel() for t in before.values())


# %% wrong tolerant (small difference)
def unchanged_share(before, after):
    same = sum(((before[n] - after[n]).abs() < 1e-6).sum().item() for n in before)
    return same / sum(t.numel() for t in before.values())


# %% wrong changed_share
# says: unchanged one was asked
def unchanged_share(before, after):
    changed = sum((before[n] != after[n]).sum().item() for n in before)
    return changed / sum(t.numel() for t in before.values())


# %% wrong mean_of_tensors
# says: averaged over tensors
def unchanged_share(before, after):
    return float(np.mean([(before[n] == after[n]).float().mean().item() for n in before]))


# %% wrong counts_tensors
# says: whole tensors
def unchanged_share(before, after):
    return sum(torch.equal(before[n], after[n]) for n in before) / len(before)


# %% wrong count_not_share
# says: divide by the number of all
def unchanged_share(before, after):
    return sum((before[n].view(torch.int32) == after[n].view(torch.int32)).sum().item() for n in before)


# %% wrong percent
# says: between 0 and 1
def unchanged_share(before, after):
    same = sum((before[n] == after[n]).sum().item() for n in before)
    return 100 * same / sum(t.numel() for t in before.values())


# %% wrong last_tensor_only
# says: Only one of the tensors
def unchanged_share(before, after):
    for n in before:
        share = (before[n] == after[n]).float().mean().item()
    return share


# %% wrong order_assumed
# says: by name
def unchanged_share(before, after):
    same = sum((a.view(torch.int32) == b.view(torch.int32)).sum().item() for a, b in zip(before.values(), after.values()))
    return same / sum(t.numel() for t in before.values())


# %% wrong nan_changed
# says: compare bits
def unchanged_share(before, after):
    same = sum((before[n] == after[n]).sum().item() for n in before)
    return same / sum(t.numel() for t in before.values())


# %% wrong signed_zero
# says: sign bit
def unchanged_share(before, after):
    same = 0
    for n in before:
        both_nan = before[n].isnan() & after[n].isnan()
        same += ((before[n] == after[n]) | both_nan).sum().item()
    return same / sum(t.numel() for t in before.values())


# %% wrong not_a_float
# says: Python float
def unchanged_share(before, after):
    same = sum((before[n].view(torch.int32) == after[n].view(torch.int32)).sum() for n in before)
    return same / sum(t.numel() for t in before.values())


# %% wrong input_changed
# says: writes into its input
def unchanged_share(before, after):
    same = 0
    for n in before:
        bits = before[n].detach().view(torch.int32)
        bits -= after[n].detach().view(torch.int32)
        same += (bits == 0).sum().item()
    return same / sum(t.numel() for t in before.values())


# %% wrong returns_none
def unchanged_share(before, after):
    same = sum((before[n] == after[n]).sum().item() for n in before)
    same / sum(t.numel() for t in before.values())


# %% right numpy bits
def unchanged_share(before, after):
    bits = lambda tensors: np.concatenate([tensors[n].detach().numpy().ravel().view(np.uint32) for n in before])
    return float((bits(before) == bits(after)).mean())


# %% right NaN and signs by hand
def unchanged_share(before, after):
    same = total = 0
    for name, a in before.items():
        b = after[name]
        equal = (a == b) & (torch.signbit(a) == torch.signbit(b)) | (a.isnan() & b.isnan())
        same, total = same + equal.sum().item(), total + a.numel()
    return same / total


# %% right exclusive or
def unchanged_share(before, after):
    changed = total = 0
    for name in sorted(after):
        a, b = (t[name].detach().contiguous().view(torch.int32) for t in (before, after))
        changed += torch.count_nonzero(a ^ b).item()
        total += a.nelement()
    return 1 - changed / total
