"""Wrong and right answers to 06.knn_accuracy."""

# %% wrong self_counted
# says: its own nearest neighbor
#-    others = (train @ train.T).fill_diagonal_(-torch.inf)
#+    others = train @ train.T

# %% wrong k_from_test
# says: chosen on the test set
#-    k = max(sorted(ks), key=lambda k: accuracy(others, train_y, k))
#+    k = max(sorted(ks), key=lambda k: accuracy(test @ train.T, test_y, k))

# %% wrong not_centered
# says: was not subtracted
#-    center = train_x.mean(0)
#+    center = 0

# %% wrong test_centered
# says: by their own mean
#-    train, test = F.normalize(train_x - center, dim=1), F.normalize(test_x - center, dim=1)
#+    train, test = F.normalize(train_x - center, dim=1), F.normalize(test_x - test_x.mean(0), dim=1)

# %% wrong centered_together
# says: a look at the test set
#-    center = train_x.mean(0)
#+    center = torch.cat([train_x, test_x]).mean(0)

# %% wrong dot_product
# says: everybody's neighbors
#-    train, test = F.normalize(train_x - center, dim=1), F.normalize(test_x - center, dim=1)
#+    train, test = train_x - center, test_x - center

# %% wrong euclidean
# says: Euclidean
def knn_accuracy(train_x, train_y, test_x, test_y, ks=(1, 3, 5)):
    def accuracy(distance, labels, k):
        near = train_y[distance.topk(k, dim=1, largest=False).indices]
        return float((near.mode(dim=1).values == labels).float().mean())

    others = torch.cdist(train_x, train_x).fill_diagonal_(torch.inf)
    k = max(sorted(ks), key=lambda k: accuracy(others, train_y, k))
    return {"k": k, "accuracy": accuracy(torch.cdist(test_x, train_x), test_y, k)}


# %% wrong farthest
# says: high is near
#-        near = train_y[similarity.topk(k, dim=1).indices]
#+        near = train_y[similarity.topk(k, dim=1, largest=False).indices]

# %% wrong not_leave_one_out (the last)
# says: not the last of `ks`
#-    k = max(sorted(ks), key=lambda k: accuracy(others, train_y, k))
#+    k = max(ks)

# %% wrong percent
#-    return {"k": k, "accuracy": accuracy(test @ train.T, test_y, k)}
#+    return {"k": k, "accuracy": 100 * accuracy(test @ train.T, test_y, k)}

# %% wrong count
#-        return float((near.mode(dim=1).values == labels).float().mean())
#+        return float((near.mode(dim=1).values == labels).sum())

# %% wrong returns_none
#-    return {"k": k, "accuracy": accuracy(test @ train.T, test_y, k)}
#+    {"k": k, "accuracy": accuracy(test @ train.T, test_y, k)}

# %% wrong wrong_keys (a number)
# says: Return a dict
#-    return {"k": k, "accuracy": accuracy(test @ train.T, test_y, k)}
#+    return accuracy(test @ train.T, test_y, k)

# %% wrong not_among_ks (one more, to skip the sample itself)
# says: k should be one of
#-    return {"k": k, "accuracy": accuracy(test @ train.T, test_y, k)}
#+    return {"k": k + 1, "accuracy": accuracy(test @ train.T, test_y, k)}

# %% wrong train_accuracy
# says: on the training set
#-    return {"k": k, "accuracy": accuracy(test @ train.T, test_y, k)}
#+    return {"k": k, "accuracy": accuracy(others, train_y, k)}

# %% wrong normalized_by_column
# says: dim=0
#-    train, test = F.normalize(train_x - center, dim=1), F.normalize(test_x - center, dim=1)
#+    train, test = F.normalize(train_x - center, dim=0), F.normalize(test_x - center, dim=0)

# %% wrong does_not_classify (mean of labels instead of a vote)
# says: counted as labels
#-        return float((near.mode(dim=1).values == labels).float().mean())
#+        return float((((near.float().mean(1) > 0.5).long()) == labels).float().mean())

# %% wrong tie_of_ks (the order of ks decides)
# says: in whatever order
#-    k = max(sorted(ks), key=lambda k: accuracy(others, train_y, k))
#+    k = max(ks, key=lambda k: accuracy(others, train_y, k))

# %% wrong tie_of_ks (the largest of equals)
#-    k = max(sorted(ks), key=lambda k: accuracy(others, train_y, k))
#+    k = max(ks, key=lambda k: (accuracy(others, train_y, k), k))

# %% wrong test_row_left_out (every vote skips the nearest)
# says: only in leave-one-out
def knn_accuracy(train_x, train_y, test_x, test_y, ks=(1, 3, 5)):
    center = train_x.mean(0)
    train, test = F.normalize(train_x - center, dim=1), F.normalize(test_x - center, dim=1)

    def accuracy(similarity, labels, k):
        similarity = similarity.masked_fill(similarity > 1 - 1e-6, -torch.inf)
        near = train_y[similarity.topk(k, dim=1).indices]
        return float((near.mode(dim=1).values == labels).float().mean())

    k = max(sorted(ks), key=lambda k: accuracy(train @ train.T, train_y, k))
    return {"k": k, "accuracy": accuracy(test @ train.T, test_y, k)}


# %% wrong input_changed (in place)
#-    center = train_x.mean(0)
#+    center = train_x.mean(0)
#+    test_x -= center
#+    train_x -= center
#+    center = 0

# %% wrong not_leave_one_out (five folds)
# says: not by folds
def knn_accuracy(train_x, train_y, test_x, test_y, ks=(1, 3, 5)):
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    center = train_x.mean(0)
    train, test = (train_x - center).numpy(), (test_x - center).numpy()
    models = {k: KNeighborsClassifier(k, metric="cosine").fit(train, train_y) for k in sorted(ks)}
    k = max(models, key=lambda k: cross_val_score(models[k], train, train_y.numpy(), cv=5).mean())
    return {"k": k, "accuracy": models[k].score(test, test_y)}


# %% wrong self_counted (the first)
# says: not chosen by leave-one-out
#-    k = max(sorted(ks), key=lambda k: accuracy(others, train_y, k))
#+    k = min(ks)

# %% wrong one_mean
# says: Each feature
#-    center = train_x.mean(0)
#+    center = train_x.mean()

# %% wrong row_mean
# says: dim=0
#-    train, test = F.normalize(train_x - center, dim=1), F.normalize(test_x - center, dim=1)
#+    train, test = (F.normalize(x - x.mean(1, keepdim=True), dim=1) for x in (train_x, test_x))

# %% wrong centered_late
# says: normalized first
#-    center = train_x.mean(0)
#+    train_x, test_x = F.normalize(train_x, dim=1), F.normalize(test_x, dim=1)
#+    center = train_x.mean(0)

# %% wrong scaled (as a StandardScaler does)
# says: Only their mean
#-    train, test = F.normalize(train_x - center, dim=1), F.normalize(test_x - center, dim=1)
#+    spread = train_x.std(0)
#+    train, test = F.normalize((train_x - center) / spread, dim=1), F.normalize((test_x - center) / spread, dim=1)

# %% wrong self_votes (0 on the diagonal)
# says: 0 is larger
#-    others = (train @ train.T).fill_diagonal_(-torch.inf)
#+    others = (train @ train.T).fill_diagonal_(0)

# %% wrong self_counted (one neighbor more, itself among them)
#-    others = (train @ train.T).fill_diagonal_(-torch.inf)
#+    others = train @ train.T
#-    k = max(sorted(ks), key=lambda k: accuracy(others, train_y, k))
#+    k = max(sorted(ks), key=lambda k: accuracy(others, train_y, k + 1))

# %% wrong weighted_votes (by exp(cosine / 0.07))
# says: weighted by nearness
#-        near = train_y[similarity.topk(k, dim=1).indices]
#-        return float((near.mode(dim=1).values == labels).float().mean())
#+        weight, index = similarity.topk(k, dim=1)
#+        votes = ((weight / 0.07).exp()[..., None] * F.one_hot(train_y)[index]).sum(1)
#+        return float((votes.argmax(1) == labels).float().mean())

# %% wrong centered_last
# says: rows of any length
#-    center = train_x.mean(0)
#+    train_x, test_x = F.normalize(train_x, dim=1), F.normalize(test_x, dim=1)
#+    center = train_x.mean(0)
#-    train, test = F.normalize(train_x - center, dim=1), F.normalize(test_x - center, dim=1)
#+    train, test = train_x - center, test_x - center

# %% wrong weighted_votes (by cosine)
# says: counts the same
#-        near = train_y[similarity.topk(k, dim=1).indices]
#-        return float((near.mode(dim=1).values == labels).float().mean())
#+        weight, index = similarity.topk(k, dim=1)
#+        votes = (weight[..., None] * F.one_hot(train_y)[index]).sum(1)
#+        return float((votes.argmax(1) == labels).float().mean())


# %% right scikit-learn
def knn_accuracy(train_x, train_y, test_x, test_y, ks=(1, 3, 5)):
    from sklearn.model_selection import LeaveOneOut, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    center = train_x.mean(0)
    train, test = (train_x - center).numpy(), (test_x - center).numpy()
    scores = {}
    for k in sorted(ks):
        model = KNeighborsClassifier(k, metric="cosine")
        scores[k] = cross_val_score(model, train, train_y.numpy(), cv=LeaveOneOut()).mean()
    best = max(scores, key=scores.get)
    model = KNeighborsClassifier(best, metric="cosine").fit(train, train_y.numpy())
    return {"k": best, "accuracy": float(model.score(test, test_y.numpy()))}


# %% right the center made anew without the sample that is left out
def knn_accuracy(train_x, train_y, test_x, test_y, ks=(1, 3, 5)):
    def predict(known, labels, asked, k):
        center = known.mean(0)
        similarity = F.normalize(asked - center, dim=1) @ F.normalize(known - center, dim=1).T
        return labels[similarity.topk(k, dim=1).indices].mode(1).values

    rows, right = torch.arange(len(train_x)), {}
    for k in sorted(ks):
        found = [predict(train_x[rows != i], train_y[rows != i], train_x[i : i + 1], k) for i in rows]
        right[k] = float((torch.cat(found) == train_y).float().mean())
    k = max(right, key=right.get)
    return {"k": k, "accuracy": float((predict(train_x, train_y, test_x, k) == test_y).float().mean())}


# %% right sorted neighbors and bincount
def knn_accuracy(train_x, train_y, test_x, test_y, ks=(1, 3, 5)):
    mean = train_x.mean(0, keepdim=True)
    a, b = train_x - mean, test_x - mean
    a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)

    def vote(row, k):
        return torch.bincount(train_y[row[:k]]).argmax()

    inside, outside = (a @ a.T).argsort(dim=1, descending=True), (b @ a.T).argsort(dim=1, descending=True)
    inside = [[int(j) for j in row if j != i] for i, row in enumerate(inside)]
    best_k, best = None, -1.0
    for k in sorted(ks):
        right = np.mean([int(vote(row, k) == y) for row, y in zip(inside, train_y)])
        if right > best:
            best_k, best = k, right
    return {"k": best_k, "accuracy": float(np.mean([int(vote(row, best_k) == y) for row, y in zip(outside, test_y)]))}


# %% right cosine by distance on the sphere
def knn_accuracy(train_x, train_y, test_x, test_y, ks=(1, 3, 5)):
    center = train_x.mean(0)
    train, test = F.normalize(train_x - center, dim=1), F.normalize(test_x - center, dim=1)
    classes = F.one_hot(train_y)

    def right(distance, labels, k):
        votes = classes[distance.argsort(dim=1)[:, :k]].sum(1)
        return (votes.argmax(1) == labels).double().mean().item()

    within = torch.cdist(train, train)
    within[range(len(train)), range(len(train))] = 99
    chosen = sorted(ks)[int(np.argmax([right(within, train_y, k) for k in sorted(ks)]))]
    return {"k": chosen, "accuracy": right(torch.cdist(test, train), test_y, chosen)}
