"""Wrong and right answers to 06.tau_schedule."""

# %% wrong linear
# says: straight line
#-    return tau_end + (tau_start - tau_end) * (1 + math.cos(math.pi * way)) / 2
#+    return tau_start + (tau_end - tau_start) * way

# %% wrong upwards (cosine the wrong way)
# says: tau_start comes first
def tau_schedule(step, total, tau_start=0.5, tau_end=0.07, warmup_frac=0.1):
    warmup = warmup_frac * total
    way = min(max((step - warmup) / (total - warmup), 0), 1)
    return tau_start + (tau_end - tau_start) * (1 + math.cos(math.pi * way)) / 2


# %% wrong no_warmup
# says: warmup_frac does nothing
def tau_schedule(step, total, tau_start=0.5, tau_end=0.07, warmup_frac=0.1):
    way = min(step / total, 1)
    return tau_end + (tau_start - tau_end) * (1 + math.cos(math.pi * way)) / 2


# %% wrong warmup_not_subtracted
# says: τ jumps
#-    way = (step - warmup) / (total - warmup)
#+    way = step / total

# %% wrong never_arrives
# says: total − w steps long
#-    way = (step - warmup) / (total - warmup)
#+    way = (step - warmup) / total
#-    if step >= total:
#-        return tau_end
#+

# %% wrong warmup_rises (from tau_end, as a learning rate would)
# says: held at tau_start
#-        return tau_start
#+        return tau_end + (tau_start - tau_end) * step / warmup

# %% wrong warmup_from_zero
# says: climbs from 0
#-        return tau_start
#+        return tau_start * step / warmup

# %% wrong comes_back (whole cosine)
# says: Half of one
#-    way = (step - warmup) / (total - warmup)
#+    way = 2 * (step - warmup) / (total - warmup)
#-    if step >= total:
#-        return tau_end
#+

# %% wrong comes_back (no end)
# says: climbs again
#-    if step >= total:
#-        return tau_end
#+

# %% wrong falls_to_zero
# says: falls to 0
#-    return tau_end + (tau_start - tau_end) * (1 + math.cos(math.pi * way)) / 2
#+    return tau_start * (1 + math.cos(math.pi * way)) / 2
#-        return tau_end
#+        return 0.0

# %% wrong adds_up
# says: difference of the two
def tau_schedule(step, total, tau_start=0.5, tau_end=0.07, warmup_frac=0.1):
    warmup = warmup_frac * total
    way = min(max((step - warmup) / (total - warmup), 0), 1)
    return tau_end + tau_start * (1 + math.cos(math.pi * way)) / 2


# %% wrong degrees
#-    return tau_end + (tau_start - tau_end) * (1 + math.cos(math.pi * way)) / 2
#+    return tau_end + (tau_start - tau_end) * (1 + math.cos(math.radians(math.pi * way))) / 2
#-    if step >= total:
#-        return tau_end
#+

# %% wrong half_missing
# says: 1 + cos runs from 2 to 0
#-    return tau_end + (tau_start - tau_end) * (1 + math.cos(math.pi * way)) / 2
#+    return tau_end + (tau_start - tau_end) * (1 + math.cos(math.pi * way))

# %% wrong returns_none (forgets the warmup's return)
# says: every branch
def tau_schedule(step, total, tau_start=0.5, tau_end=0.07, warmup_frac=0.1):
    warmup = warmup_frac * total
    if step <= warmup:
        tau = tau_start
    elif step < total:
        way = (step - warmup) / (total - warmup)
        return tau_end + (tau_start - tau_end) * (1 + math.cos(math.pi * way)) / 2
    else:
        return tau_end


# %% wrong warmup_rounded
# says: rounded down
#-    warmup = warmup_frac * total
#+    warmup = int(warmup_frac * total)

# %% wrong warmup_rounded_up
# says: rounded up
#-    warmup = warmup_frac * total
#+    warmup = math.ceil(warmup_frac * total)

# %% wrong divides_by_zero
# says: no step left
def tau_schedule(step, total, tau_start=0.5, tau_end=0.07, warmup_frac=0.1):
    warmup = warmup_frac * total
    way = min(max((step - warmup) / (total - warmup), 0), 1)
    return tau_end + (tau_start - tau_end) * (1 + math.cos(math.pi * way)) / 2


# %% wrong different (arguments' values baked in)
#-    return tau_end + (tau_start - tau_end) * (1 + math.cos(math.pi * way)) / 2
#+    return 0.07 + 0.43 * (1 + math.cos(math.pi * way)) / 2

# %% wrong one_step_early
# says: total − 1
#-    way = (step - warmup) / (total - warmup)
#+    way = min((step - warmup) / (total - 1 - warmup), 1)

# %% wrong quarter
# says: A quarter of a cosine
#-    return tau_end + (tau_start - tau_end) * (1 + math.cos(math.pi * way)) / 2
#+    return tau_end + (tau_start - tau_end) * math.cos(math.pi / 2 * way)

# %% wrong exponential
# says: by the same factor
#-    return tau_end + (tau_start - tau_end) * (1 + math.cos(math.pi * way)) / 2
#+    return tau_start * (tau_end / tau_start) ** way

# %% wrong fraction_as_steps
# says: a share of `total`
#-    warmup = warmup_frac * total
#+    warmup = warmup_frac

# %% wrong at_least_one
# says: still lasts one step
#-    warmup = warmup_frac * total
#+    warmup = max(1, warmup_frac * total)

# %% wrong warmup_wins (asked in the other order)
# says: not tau_end at step `total`
def tau_schedule(step, total, tau_start=0.5, tau_end=0.07, warmup_frac=0.1):
    warmup = warmup_frac * total
    if step <= warmup:
        return tau_start
    if step >= total:
        return tau_end
    return tau_end + (tau_start - tau_end) * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2


# %% right clamped share
def tau_schedule(step, total, tau_start=0.5, tau_end=0.07, warmup_frac=0.1):
    warmup = warmup_frac * total
    way = np.clip((step - warmup) / max(total - warmup, 1e-12), 0.0, 1.0) if step < total else 1.0
    return float(tau_end + 0.5 * (tau_start - tau_end) * (1 + np.cos(np.pi * way)))


# %% right squared cosine of half the angle
def tau_schedule(step, total, tau_start=0.5, tau_end=0.07, warmup_frac=0.1):
    if step >= total:
        return tau_end
    begin = warmup_frac * total
    angle = 0.0 if step <= begin else math.pi / 2 * (step - begin) / (total - begin)
    return tau_start * math.cos(angle) ** 2 + tau_end * math.sin(angle) ** 2


# %% right middle and swing
def tau_schedule(step, total, tau_start=0.5, tau_end=0.07, warmup_frac=0.1):
    middle, swing = (tau_start + tau_end) / 2, (tau_start - tau_end) / 2
    held, left = warmup_frac * total, total * (1 - warmup_frac)
    if step < held:
        return tau_start
    if step >= total:
        return middle - swing
    return middle + swing * math.cos(math.pi * (step - held) / left) if left else tau_start
