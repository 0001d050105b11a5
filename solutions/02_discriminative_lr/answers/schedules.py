"""Wrong and right answers to 02.schedules: each replaces the cell of all three functions."""

# %% wrong counts_from_one
# says: counts from 1
def warmup_linear(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * (step + 1) / warmup
    return lr_max * max(0.0, (total - step) / (total - warmup))


# %% wrong falls_from_total
# says: jumps down
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else (total - step) / total)


# %% wrong falls_too_long
# says: total − warmup steps long
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else 1 - (step - warmup) / total)


# %% wrong ends_one_early
# says: should be 0 at step total
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0.0, (total - 1 - step) / (total - 1 - warmup)))


# %% wrong no_warmup
# says: no warmup
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (1 - step / total)


# %% wrong never_falls
# says: stays at its maximum
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * min(1.0, step / warmup)


# %% wrong lr_max_ignored
# says: multiply it by
def warmup_linear(step, total, warmup, lr_max):
    return step / warmup if step < warmup else (total - step) / (total - warmup)


# %% wrong integer_division
# says: cuts off
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step // warmup if step < warmup else (total - step) // (total - warmup))


# %% wrong linear_again
# says: flat at both ends
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    return warmup_linear(step, total, warmup, lr_max)


# %% wrong quarter_wave
# says: half a wave
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max * math.cos(math.pi / 2 * (step - warmup) / (total - warmup))


# %% wrong full_wave
# says: π, not 2π
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max / 2 * (1 + math.cos(2 * math.pi * (step - warmup) / (total - warmup)))


# %% wrong not_halved
# says: take half of it
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


# %% wrong half_missing_shift
# says: a negative rate
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max * math.cos(math.pi * (step - warmup) / (total - warmup))


# %% wrong cosine_from_start
# says: the rate jumps
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max / 2 * (1 + math.cos(math.pi * step / total))


# %% wrong ratio_forgotten
# says: lr_max / ratio
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max / 2 * (1 + math.cos(math.pi * min(1, (step - warmup) / (total - warmup))))


def slanted_triangular(step, total, cut_frac=0.1, ratio=32, lr_max=0.01):
    cut = int(total * cut_frac)
    return lr_max * (step / cut if step < cut else 1 - (step - cut) / (total - cut))


# %% wrong falls_too_long_triangle
# says: does not reach
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max / 2 * (1 + math.cos(math.pi * min(1, (step - warmup) / (total - warmup))))


def slanted_triangular(step, total, cut_frac=0.1, ratio=32, lr_max=0.01):
    cut = int(total * cut_frac)
    p = step / cut if step < cut else 1 - (step - cut) / total
    return lr_max * (1 + p * (ratio - 1)) / ratio


# %% wrong ratio_inverted
# says: smaller
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max / 2 * (1 + math.cos(math.pi * min(1, (step - warmup) / (total - warmup))))


def slanted_triangular(step, total, cut_frac=0.1, ratio=32, lr_max=0.01):
    cut, ratio = int(total * cut_frac), 1 / ratio
    p = step / cut if step < cut else 1 - (step - cut) / (total - cut)
    return lr_max * (1 + p * (ratio - 1)) / ratio


# %% wrong negative_rate (the paper's denominator)
# says: the paper's denominator
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max / 2 * (1 + math.cos(math.pi * min(1, (step - warmup) / (total - warmup))))


def slanted_triangular(step, total, cut_frac=0.1, ratio=32, lr_max=0.01):
    cut = math.floor(total * cut_frac)
    p = step / cut if step < cut else 1 - (step - cut) / (cut * (1 / cut_frac - 1))
    return lr_max * (1 + p * (ratio - 1)) / ratio


# %% wrong not_straight (the paper's denominator, cut off at the lowest rate)
# says: no straight line
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max / 2 * (1 + math.cos(math.pi * min(1, (step - warmup) / (total - warmup))))


def slanted_triangular(step, total, cut_frac=0.1, ratio=32, lr_max=0.01):
    cut = max(1, round(total * cut_frac))
    p = step / cut if step < cut else max(0.0, 1 - (step - cut) / (cut * (1 / cut_frac - 1)))
    return lr_max * (1 + p * (ratio - 1)) / ratio


# %% wrong raises_ZeroDivisionError (warmup 0)
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * min(step / warmup, max(0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max / 2 * (1 + math.cos(math.pi * min(1, (step - warmup) / (total - warmup))))


def slanted_triangular(step, total, cut_frac=0.1, ratio=32, lr_max=0.01):
    cut = math.floor(total * cut_frac)
    p = step / cut if step < cut else 1 - (step - cut) / (total - cut)
    return lr_max * (1 + p * (ratio - 1)) / ratio


# %% wrong negative_beyond_end
# says: uphill
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else (total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max / 2 * (1 + math.cos(math.pi * min(1, (step - warmup) / (total - warmup))))


def slanted_triangular(step, total, cut_frac=0.1, ratio=32, lr_max=0.01):
    cut = math.floor(total * cut_frac)
    p = step / cut if step < cut else 1 - (step - cut) / (total - cut)
    return lr_max * (1 + p * (ratio - 1)) / ratio


# %% wrong rises_again
# says: rises again
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max / 2 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def slanted_triangular(step, total, cut_frac=0.1, ratio=32, lr_max=0.01):
    cut = math.floor(total * cut_frac)
    p = step / cut if step < cut else 1 - (step - cut) / (total - cut)
    return lr_max * (1 + p * (ratio - 1)) / ratio


# %% wrong different (triangle falls on beyond its end)
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0.0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max / 2 * (1 + math.cos(math.pi * min(1, (step - warmup) / (total - warmup))))


def slanted_triangular(step, total, cut_frac=0.1, ratio=32, lr_max=0.01):
    cut = math.floor(total * cut_frac)
    p = step / cut if step < cut else 1 - (step - cut) / (total - cut)
    return lr_max * (1 + p * (ratio - 1)) / ratio


# %% wrong peak_misplaced
# says: largest rate is at step
def warmup_linear(step, total, warmup, lr_max):
    return lr_max * (step / warmup if step < warmup else max(0.0, total - step) / (total - warmup))


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max / 2 * (1 + math.cos(math.pi * min(1, (step - warmup) / (total - warmup))))


def slanted_triangular(step, total, cut_frac=0.1, ratio=32, lr_max=0.01):
    cut = math.ceil(total * cut_frac)
    p = step / cut if step < cut else max(0.0, 1 - (step - cut) / (total - cut))
    return lr_max * (1 + p * (ratio - 1)) / ratio


# %% wrong library_called
# says: transformers
def warmup_linear(step, total, warmup, lr_max):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr_max)
    return lr_max * get_linear_schedule_with_warmup(optimizer, warmup, total).lr_lambdas[0](step)


def warmup_cosine(step, total, warmup, lr_max):
    if step < warmup:
        return lr_max * step / warmup
    return lr_max / 2 * (1 + math.cos(math.pi * min(1, (step - warmup) / (total - warmup))))


def slanted_triangular(step, total, cut_frac=0.1, ratio=32, lr_max=0.01):
    cut = math.floor(total * cut_frac)
    p = step / cut if step < cut else max(0.0, 1 - (step - cut) / (total - cut))
    return lr_max * (1 + p * (ratio - 1)) / ratio


# %% right minimum of two lines
def warmup_linear(step, total, warmup, lr_max):
    up = step / warmup if warmup else math.inf
    return float(lr_max * max(0.0, min(up, (total - step) / (total - warmup))))


def warmup_cosine(step, total, warmup, lr_max):
    if step >= total:
        return 0.0
    if step < warmup:
        return lr_max / warmup * step
    return lr_max * math.cos(math.pi / 2 * (step - warmup) / (total - warmup)) ** 2


def slanted_triangular(step, total, cut_frac=0.1, ratio=32, lr_max=0.01):
    cut, low = int(total * cut_frac), lr_max / ratio
    if step < cut:
        return low + (lr_max - low) * step / cut
    return low + (lr_max - low) * max(0, total - step) / (total - cut)


# %% right interpolation
def warmup_linear(step, total, warmup, lr_max):
    if warmup == 0:
        return float(np.interp(step, [0, total], [lr_max, 0.0]))
    return float(np.interp(step, [0, warmup, total], [0.0, lr_max, 0.0]))


def warmup_cosine(step, total, warmup, lr_max):
    line = warmup_linear(step, total, warmup, 1.0)
    return lr_max * (line if step < warmup else math.sin(math.pi / 2 * line) ** 2)


def slanted_triangular(step, total, cut_frac=0.1, ratio=32, lr_max=0.01):
    cut = math.floor(total * cut_frac)
    corners = ([0] if cut else []) + [cut, total]
    heights = ([lr_max / ratio] if cut else []) + [lr_max, lr_max / ratio]
    return float(np.interp(step, corners, heights))


# %% right torch's cosine and a shared helper
def _up(step, warmup):
    return step / warmup if step < warmup else None


def warmup_linear(step, total, warmup, lr_max):
    rise = _up(step, warmup)
    return lr_max * (max(0.0, 1 - (step - warmup) / (total - warmup)) if rise is None else rise)


def warmup_cosine(step, total, warmup, lr_max):
    rise = _up(step, warmup)
    p = min(1.0, (step - warmup) / (total - warmup))
    fall = 0.5 * (1 + torch.cos(torch.tensor(math.pi * p, dtype=torch.float64))).item()
    return lr_max * (fall if rise is None else rise)


def slanted_triangular(step, total, cut_frac=0.1, ratio=32, lr_max=0.01):
    cut = math.floor(total * cut_frac)
    p = _up(step, cut)
    if p is None:
        p = max(0.0, 1 - (step - cut) / (total - cut))
    return lr_max * (1 + p * (ratio - 1)) / ratio
