"""Wrong and right answers to 01.early_stopping."""

# %% wrong compares_with_previous
# says: Compare with the best
def early_stopping(losses, patience):
    waited = 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < losses[epoch - 1]:
            waited = 0
        else:
            waited += 1
        if waited == patience:
            return epoch
    return len(losses) - 1


# %% wrong returns_best
# says: best epoch
def early_stopping(losses, patience):
    best, waited = float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < best:
            best, best_epoch = loss, epoch
            waited = 0
        else:
            waited += 1
            if waited >= patience:
                return best_epoch
    return len(losses) - 1


# %% wrong returns_best (argmin)
def early_stopping(losses, patience):
    return int(np.argmin(losses))


# %% wrong off_by_one_late
# says: *reaches* patience
def early_stopping(losses, patience):
    best, waited = float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < best:
            best = loss
            waited = 0
        else:
            waited += 1
            if waited > patience:
                return epoch
    return len(losses) - 1


# %% wrong off_by_one_late (counter checked first)
def early_stopping(losses, patience):
    best, waited = float("inf"), 0
    for epoch, loss in enumerate(losses):
        if waited == patience:
            return epoch
        if loss < best:
            best, waited = loss, 0
        else:
            waited += 1
    return len(losses) - 1


# %% wrong off_by_one_early
# says: stopped one epoch early
def early_stopping(losses, patience):
    best, waited = float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < best:
            best = loss
            waited = 0
        else:
            waited += 1
            if waited >= patience - 1:
                return epoch
    return len(losses) - 1


# %% wrong returns_length
# says: not the number of epochs
def early_stopping(losses, patience):
    best, waited = float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < best:
            best = loss
            waited = 0
        else:
            waited += 1
            if waited >= patience:
                return epoch
    return len(losses)


# %% wrong never_stops_minus_one
# says: never stops early
def early_stopping(losses, patience):
    best, waited = float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < best:
            best = loss
            waited = 0
        else:
            waited += 1
            if waited >= patience:
                return epoch
    return -1


# %% wrong returns_none (no return at the end)
# says: return
def early_stopping(losses, patience):
    best, waited = float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < best:
            best = loss
            waited = 0
        else:
            waited += 1
            if waited >= patience:
                return epoch


# %% wrong equal_counts
# says: equal loss
def early_stopping(losses, patience):
    best, waited = float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss <= best:
            best = loss
            waited = 0
        else:
            waited += 1
            if waited >= patience:
                return epoch
    return len(losses) - 1


# %% wrong nan_improves
# says: reset your counter
def early_stopping(losses, patience):
    best, waited = float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss >= best:
            waited += 1
        else:
            waited = 0
            best = min(best, loss)
        if waited == patience:
            return epoch
    return len(losses) - 1


# %% wrong nan_is_best
# says: nothing is lower than NaN
def early_stopping(losses, patience):
    best, waited = losses[0], 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < best:
            best, waited = losses[epoch], 0
        else:
            waited += 1
        if waited == patience:
            return epoch
    return len(losses) - 1


# %% wrong counter_not_reset
# says: back to 0
def early_stopping(losses, patience):
    best, waited = float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < best:
            best = loss
        else:
            waited += 1
            if waited >= patience:
                return epoch
    return len(losses) - 1


# %% wrong looked_ahead
# says: of *all* epochs
def early_stopping(losses, patience):
    best = int(np.argmin(losses))
    return min(best + patience, len(losses) - 1)


# %% wrong never_stops
# says: is the best loss kept
def early_stopping(losses, patience):
    best, waited = float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < best:
            best = best
            waited = 0
        else:
            waited += 1
            if waited >= patience:
                return epoch
    return len(losses) - 1


# %% wrong raises_IndexError (generic)
# says: early_stopping
def early_stopping(losses, patience):
    best, waited, epoch = float("inf"), 0, -1
    while waited < patience:
        epoch += 1
        if losses[epoch] < best:
            best, waited = losses[epoch], 0
        else:
            waited += 1
    return epoch


# %% wrong raises_ValueError (generic: truth of an array)
# says: early_stopping
def early_stopping(losses, patience):
    if not losses:
        return -1
    best, waited = math.inf, 0
    for epoch, loss in enumerate(losses):
        if loss < best:
            best, waited = loss, 0
        else:
            waited += 1
        if waited == patience:
            return epoch
    return len(losses) - 1


# %% right epoch of the best
def early_stopping(losses, patience):
    best, best_epoch = math.inf, -1
    for epoch in range(len(losses)):
        if losses[epoch] < best:
            best, best_epoch = losses[epoch], epoch
        if epoch - best_epoch >= patience:
            return epoch
    return epoch


# %% right running minimum
def early_stopping(losses, patience):
    clean = np.nan_to_num(np.asarray(losses, dtype=float), nan=np.inf)
    before = np.minimum.accumulate(np.concatenate([[np.inf], clean]))[:-1]
    improved = clean < before
    for epoch in range(patience - 1, len(clean)):
        if not improved[epoch - patience + 1 : epoch + 1].any():
            return epoch
    return len(clean) - 1


# %% right patience counted down
def early_stopping(losses, patience):
    left, best = patience, np.inf
    for epoch, loss in enumerate(losses):
        better = not math.isnan(loss) and loss < best
        left = patience if better else left - 1
        best = loss if better else best
        if left == 0:
            break
    return epoch
