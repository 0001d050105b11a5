"""Wrong and right answers to 01.auroc."""

# %% wrong ties_lost
# says: tied pair as lost
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    pos, neg = score[y == 1], score[y == 0]
    return float((pos[:, None] > neg[None, :]).mean())


# %% wrong ties_won
# says: tied pair as won
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    pos, neg = score[y == 1], score[y == 0]
    return float((pos[:, None] >= neg[None, :]).mean())


# %% wrong ties_won (ranks in order of appearance)
# says: tied pair as won
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    ranks = np.empty(len(y))
    ranks[np.argsort(score, kind="stable")] = np.arange(1, len(y) + 1)
    n_pos = (y == 1).sum()
    return float((ranks[y == 1].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * (len(y) - n_pos)))


# %% wrong reversed
# says: roles are swapped
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    pos, neg = score[y == 1], score[y == 0]
    return float(((pos[:, None] < neg) + 0.5 * (pos[:, None] == neg)).mean())


# %% wrong reversed (groups swapped)
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    a, b = score[y == 0], score[y == 1]
    return float(((a[:, None] > b) + 0.5 * (a[:, None] == b)).mean())


# %% wrong accuracy_at_half
# says: no threshold
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    return float(((score >= 0.5) == y).mean())


# %% wrong not_divided
# says: number of pairs
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    pos, neg = score[y == 1], score[y == 0]
    return float(((pos[:, None] > neg) + 0.5 * (pos[:, None] == neg)).sum())


# %% wrong divided_by_all_pairs
# says: N²
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    pos, neg = score[y == 1], score[y == 0]
    return float(((pos[:, None] > neg) + 0.5 * (pos[:, None] == neg)).sum() / len(y) ** 2)


# %% wrong divided_by_samples
# says: mean over *pairs*
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    pos, neg = score[y == 1], score[y == 0]
    return float(((pos[:, None] > neg) + 0.5 * (pos[:, None] == neg)).sum() / len(y))


# %% wrong gini
# says: Gini
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    pos, neg = score[y == 1], score[y == 0]
    return float(np.sign(pos[:, None] - neg).mean())


# %% wrong average_precision
# says: average precision
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    order = np.argsort(-score, kind="stable")
    hits = y[order]
    precision = np.cumsum(hits) / np.arange(1, len(y) + 1)
    values = []
    for s in np.sort(score[y == 1])[::-1]:
        values.append((y[score >= s] == 1).mean())
    return float(np.mean(values))


# %% wrong one_class (nan)
# says: raise ValueError
def auroc(y, score):
    pos, neg = score[y == 1], score[y == 0]
    if len(pos) == 0 or len(neg) == 0:
        return float("nan")
    return float(((pos[:, None] > neg) + 0.5 * (pos[:, None] == neg)).mean())


# %% wrong one_class (only positives looked for)
# says: With labels 1 only
def auroc(y, score):
    pos, neg = score[y == 1], score[y == 0]
    if len(pos) == 0:
        raise ValueError("no positives")
    return float(((pos[:, None] > neg) + 0.5 * (pos[:, None] == neg)).sum() / max(len(pos) * len(neg), 1))


# %% wrong one_class (ZeroDivisionError)
# says: Yours raised ZeroDivisionError
def auroc(y, score):
    total, pairs = 0.0, 0
    for yi, si in zip(y, score):
        for yj, sj in zip(y, score):
            if yi == 1 and yj == 0:
                pairs += 1
                total += 1.0 if si > sj else 0.5 if si == sj else 0.0
    return total / pairs


# %% wrong different (generic: thresholds on a grid)
# says: is off
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    tpr, fpr = [], []
    for t in np.linspace(1, 0, 1001):
        tpr.append((score[y == 1] >= t).mean())
        fpr.append((score[y == 0] >= t).mean())
    return float(np.trapezoid(tpr, fpr))


# %% wrong different (generic: neighbors after sorting)
# says: is off
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    order = np.argsort(score)
    s, labels = score[order], y[order]
    wins = sum((labels[i + 1] > labels[i]) for i in range(len(y) - 1))
    return float(wins / ((y == 1).sum() * (y == 0).sum()))


# %% wrong library_called
# says: from its definition
from sklearn.metrics import roc_auc_score


def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    return float(roc_auc_score(y, score))


# %% wrong library_called (curve and area)
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    import sklearn.metrics as metrics

    fpr, tpr, _ = metrics.roc_curve(y, score)
    return float(metrics.auc(fpr, tpr))


# %% wrong returns_none
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    pos, neg = score[y == 1], score[y == 0]
    ((pos[:, None] > neg) + 0.5 * (pos[:, None] == neg)).mean()


# %% wrong raises_ValueError (generic: groups of different size compared)
# says: auroc
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    pos, neg = score[y == 1], score[y == 0]
    return float(((pos > neg) + 0.5 * (pos == neg)).mean())


# %% right average ranks
def auroc(y, score):
    from scipy.stats import rankdata

    y = np.asarray(y) == 1
    n_pos, n_neg = int(y.sum()), int((~y).sum())
    if n_pos * n_neg == 0:
        raise ValueError("both classes are needed")
    return float((rankdata(score)[y].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))


# %% right binary search
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    neg = np.sort(score[y == 0])
    below = np.searchsorted(neg, score[y == 1], side="left")
    up_to = np.searchsorted(neg, score[y == 1], side="right")
    return float((below + up_to).mean() / (2 * len(neg)))


# %% right area under the curve
def auroc(y, score):
    if len(set(y.tolist())) < 2:
        raise ValueError("both classes are needed")
    thresholds = np.unique(score)[::-1]
    tpr = [0.0] + [(score[y == 1] >= t).mean() for t in thresholds]
    fpr = [0.0] + [(score[y == 0] >= t).mean() for t in thresholds]
    return float(sum((fpr[i] - fpr[i - 1]) * (tpr[i] + tpr[i - 1]) / 2 for i in range(1, len(tpr))))


# %% right sign of differences
def auroc(y, score):
    if not (0 < (y == 1).sum() < len(y)):
        raise ValueError("one class only")
    difference = np.subtract.outer(score[y == 1], score[y == 0])
    return 0.5 + 0.5 * np.sign(difference).mean()
