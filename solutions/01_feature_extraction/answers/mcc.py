"""Wrong and right answers to 01.mcc."""

# %% wrong accuracy
# says: accuracy
def mcc(y, p):
    return float(np.mean(y == p))


# %% wrong f1
# says: true negatives
def mcc(y, p):
    tp = ((y == 1) & (p == 1)).sum()
    return float(2 * tp / ((y == 1).sum() + (p == 1).sum()))


# %% wrong no_square_root
# says: square root
def mcc(y, p):
    tp, tn = ((y == 1) & (p == 1)).sum(), ((y == 0) & (p == 0)).sum()
    fp, fn = ((y == 0) & (p == 1)).sum(), ((y == 1) & (p == 0)).sum()
    return float((tp * tn - fp * fn) / ((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


# %% wrong sign
# says: subtracted
def mcc(y, p):
    tp, tn = ((y == 1) & (p == 1)).sum(), ((y == 0) & (p == 0)).sum()
    fp, fn = ((y == 0) & (p == 1)).sum(), ((y == 1) & (p == 0)).sum()
    return float((tp * tn + fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


# %% wrong wrong_pairs
# says: pairs TP with TN
def mcc(y, p):
    tp, tn = ((y == 1) & (p == 1)).sum(), ((y == 0) & (p == 0)).sum()
    fp, fn = ((y == 0) & (p == 1)).sum(), ((y == 1) & (p == 0)).sum()
    return float((tp * fp - tn * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


# %% wrong undefined_is_nan
# says: Return 0.0
def mcc(y, p):
    y, p = np.asarray(y), np.asarray(p)
    n, s = len(y), (y == p).sum()
    classes = np.union1d(y, p)
    t = np.array([(y == c).sum() for c in classes], dtype=float)
    q = np.array([(p == c).sum() for c in classes], dtype=float)
    with np.errstate(invalid="ignore"):
        return float((n * s - t @ q) / np.sqrt((n**2 - q @ q) * (n**2 - t @ t)))


# %% wrong undefined_is_nan (corrcoef)
def mcc(y, p):
    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(y, p)[0, 1])


# %% wrong binary_only
# says: every class counts
def mcc(y, p):
    y, p = np.asarray(y) == 1, np.asarray(p) == 1
    tp, tn = float((y & p).sum()), float((~y & ~p).sum())
    fp, fn = float((~y & p).sum()), float((y & ~p).sum())
    denominator = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return (tp * tn - fp * fn) / denominator if denominator else 0.0


# %% wrong mean_over_classes
# says: one correlation over all classes
def mcc(y, p):
    scores = []
    for c in np.union1d(y, p):
        a, b = np.asarray(y) == c, np.asarray(p) == c
        tp, tn, fp, fn = (a & b).sum(), (~a & ~b).sum(), (~a & b).sum(), (a & ~b).sum()
        denominator = np.sqrt(float(tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
        scores.append((tp * tn - fp * fn) / denominator if denominator else 0.0)
    return float(np.mean(scores))


# %% wrong labels_as_numbers
# says: as if they were quantities
def mcc(y, p):
    y, p = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    if y.std() == 0 or p.std() == 0:
        return 0.0
    return float(np.corrcoef(y, p)[0, 1])


# %% wrong labels_assumed (0 to the largest)
# says: Labels are any integers
def mcc(y, p):
    n, s = float(len(y)), float((y == p).sum())
    classes = range(int(max(y.max(), p.max())) + 1)
    t = np.array([(y == c).sum() for c in classes], dtype=float)
    q = np.array([(p == c).sum() for c in classes], dtype=float)
    denominator = math.sqrt(n**2 - (q**2).sum()) * math.sqrt(n**2 - (t**2).sum())
    return float((n * s - t @ q) / denominator) if denominator else 0.0


# %% wrong labels_assumed (true classes only)
# says: in `y` or in `p`
def mcc(y, p):
    n, s = float(len(y)), float((y == p).sum())
    t = np.array([(y == c).sum() for c in np.unique(y)], dtype=float)
    q = np.array([(p == c).sum() for c in np.unique(y)], dtype=float)
    denominator = math.sqrt(n**2 - (q**2).sum()) * math.sqrt(n**2 - (t**2).sum())
    return float((n * s - t @ q) / denominator) if denominator else 0.0


# %% wrong overflow
# says: Count in float
def mcc(y, p):
    classes = np.union1d(y, p)
    n, s = np.int64(len(y)), (y == p).sum()
    t = np.array([(y == c).sum() for c in classes])
    q = np.array([(p == c).sum() for c in classes])
    with np.errstate(all="ignore"):
        square = (n * n - (q * q).sum()) * (n * n - (t * t).sum())
        return float((n * s - (t * q).sum()) / np.sqrt(square)) if square else 0.0


# %% wrong library_called
# says: from its definition
from sklearn.metrics import matthews_corrcoef


def mcc(y, p):
    return float(matthews_corrcoef(y, p))


# %% wrong returns_none
def mcc(y, p):
    tp, tn = ((y == 1) & (p == 1)).sum(), ((y == 0) & (p == 0)).sum()
    print((tp + tn) / len(y))


# %% wrong raises_ZeroDivisionError (generic: constant prediction)
# says: mcc
def mcc(y, p):
    tp, tn = int(((y == 1) & (p == 1)).sum()), int(((y == 0) & (p == 0)).sum())
    fp, fn = int(((y == 0) & (p == 1)).sum()), int(((y == 1) & (p == 0)).sum())
    return (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))


# %% wrong raises_ValueError (generic: negative labels counted)
# says: mcc
def mcc(y, p):
    k = int(max(np.max(y), np.max(p))) + 1
    t, q = np.bincount(y, minlength=k).astype(float), np.bincount(p, minlength=k).astype(float)
    n, s = float(len(y)), float(np.sum(y == p))
    denominator = math.sqrt(n * n - q @ q) * math.sqrt(n * n - t @ t)
    return float((n * s - t @ q) / denominator) if denominator else 0.0


# %% right correlation of indicator matrices
def mcc(y, p):
    classes = np.union1d(y, p)
    a = (np.asarray(y)[:, None] == classes).astype(float)
    b = (np.asarray(p)[:, None] == classes).astype(float)
    a, b = a - a.mean(0), b - b.mean(0)
    denominator = math.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / denominator) if denominator > 1e-12 else 0.0


# %% right confusion matrix
def mcc(y, p):
    classes, index = np.unique(np.concatenate([y, p]), return_inverse=True)
    table = np.zeros((len(classes), len(classes)))
    np.add.at(table, (index[: len(y)], index[len(y) :]), 1.0)
    n, t, q = table.sum(), table.sum(1), table.sum(0)
    square = (n**2 - q @ q) * (n**2 - t @ t)
    return 0.0 if square == 0 else float((n * np.trace(table) - t @ q) / np.sqrt(square))


# %% right plain Python integers
def mcc(y, p):
    from collections import Counter

    y, p = [int(v) for v in y], [int(v) for v in p]
    true, predicted, n = Counter(y), Counter(p), len(y)
    cross = sum(true[c] * predicted[c] for c in true)
    s = sum(a == b for a, b in zip(y, p))
    square = (n * n - sum(v * v for v in predicted.values())) * (n * n - sum(v * v for v in true.values()))
    return (n * s - cross) / math.sqrt(square) if square else 0.0
