"""Wrong and right answers to 01.linear_probe."""

# %% wrong scaler_saw_test (fitted on both)
# says: fitted on test data
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    scaler = StandardScaler().fit(np.concatenate([np.asarray(train_x), np.asarray(test_x)]))
    train_x, test_x = scaler.transform(train_x), scaler.transform(test_x)
    probe = LogisticRegression(C=C, max_iter=2000).fit(train_x, train_y)
    return {
        "train_accuracy": probe.score(train_x, train_y),
        "test_accuracy": probe.score(test_x, test_y),
        "predictions": probe.predict(test_x),
    }


# %% wrong scaler_saw_test (fit_transform on each)
# says: fitted on test data
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    scaler = StandardScaler()
    train_x = scaler.fit_transform(train_x)
    test_x = scaler.fit_transform(test_x)
    probe = LogisticRegression(C=C, max_iter=2000)
    probe.fit(train_x, train_y)
    return {
        "train_accuracy": probe.score(train_x, train_y),
        "test_accuracy": probe.score(test_x, test_y),
        "predictions": probe.predict(test_x),
    }


# %% wrong trained_on_test
# says: fitted on the test set
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000))
    probe.fit(train_x, train_y)
    train_accuracy = probe.score(train_x, train_y)
    probe.fit(test_x, test_y)
    return {
        "train_accuracy": train_accuracy,
        "test_accuracy": probe.score(test_x, test_y),
        "predictions": probe.predict(test_x),
    }


# %% wrong trained_on_test (all rows)
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    x, y = np.vstack([train_x, test_x]), np.concatenate([train_y, test_y])
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000)).fit(x, y)
    return {
        "train_accuracy": probe.score(train_x, train_y),
        "test_accuracy": probe.score(test_x, test_y),
        "predictions": probe.predict(test_x),
    }


# %% wrong percent
# says: between 0 and 1
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000)).fit(train_x, train_y)
    return {
        "train_accuracy": 100 * probe.score(train_x, train_y),
        "test_accuracy": 100 * probe.score(test_x, test_y),
        "predictions": probe.predict(test_x),
    }


# %% wrong not_scaled
# says: own mean and standard deviation
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    probe = LogisticRegression(C=C, max_iter=2000).fit(train_x, train_y)
    return {
        "train_accuracy": probe.score(train_x, train_y),
        "test_accuracy": probe.score(test_x, test_y),
        "predictions": probe.predict(test_x),
    }


# %% wrong not_scaled (one mean and deviation for all features)
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    train_x, test_x = np.asarray(train_x), np.asarray(test_x)
    mean, std = train_x.mean(), train_x.std()
    train_x, test_x = (train_x - mean) / std, (test_x - mean) / std
    probe = LogisticRegression(C=C, max_iter=2000).fit(train_x, train_y)
    return {
        "train_accuracy": probe.score(train_x, train_y),
        "test_accuracy": probe.score(test_x, test_y),
        "predictions": probe.predict(test_x),
    }


# %% wrong does_not_learn (test rows left raw)
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    scaler = StandardScaler()
    scaled = scaler.fit_transform(train_x)
    probe = LogisticRegression(C=C, max_iter=2000).fit(scaled, train_y)
    return {
        "train_accuracy": probe.score(scaled, train_y),
        "test_accuracy": probe.score(test_x, test_y),
        "predictions": probe.predict(test_x),
    }


# %% wrong C_ignored
# says: Does C arrive
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(train_x, train_y)
    return {
        "train_accuracy": probe.score(train_x, train_y),
        "test_accuracy": probe.score(test_x, test_y),
        "predictions": probe.predict(test_x),
    }


# %% wrong C_ignored (inverted)
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=1 / C, max_iter=2000)).fit(train_x, train_y)
    return {
        "train_accuracy": probe.score(train_x, train_y),
        "test_accuracy": probe.score(test_x, test_y),
        "predictions": probe.predict(test_x),
    }


# %% wrong wrong_shape (probabilities)
# says: expected (20,)
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000)).fit(train_x, train_y)
    return {
        "train_accuracy": probe.score(train_x, train_y),
        "test_accuracy": probe.score(test_x, test_y),
        "predictions": probe.predict_proba(test_x),
    }


# %% wrong not_labels (decision values)
# says: not scores
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000)).fit(train_x, train_y)
    return {
        "train_accuracy": probe.score(train_x, train_y),
        "test_accuracy": probe.score(test_x, test_y),
        "predictions": probe.decision_function(test_x),
    }


# %% wrong wrong_shape (predictions for the training set)
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000)).fit(train_x, train_y)
    return {
        "train_accuracy": probe.score(train_x, train_y),
        "test_accuracy": probe.score(test_x, test_y),
        "predictions": probe.predict(train_x),
    }


# %% wrong different (generic: train and test accuracy swapped)
# says: test_accuracy
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000)).fit(train_x, train_y)
    return {
        "test_accuracy": probe.score(train_x, train_y),
        "train_accuracy": probe.score(test_x, test_y),
        "predictions": probe.predict(test_x),
    }


# %% wrong different (generic: train_accuracy from the test set)
# says: train_accuracy
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000)).fit(train_x, train_y)
    predictions = probe.predict(test_x)
    accuracy = float(np.mean(predictions == np.asarray(test_y)))
    return {"train_accuracy": accuracy, "test_accuracy": accuracy, "predictions": predictions}


# %% wrong wrong_keys
# says: keys
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000)).fit(train_x, train_y)
    return {"train": probe.score(train_x, train_y), "test": probe.score(test_x, test_y), "pred": probe.predict(test_x)}


# %% wrong wrong_keys (a tuple)
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000)).fit(train_x, train_y)
    return probe.score(train_x, train_y), probe.score(test_x, test_y), probe.predict(test_x)


# %% wrong input_changed
# says: writes into its input
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    mean, std = train_x.mean(0), train_x.std(0)
    train_x -= mean
    train_x /= std
    test_x -= mean
    test_x /= std
    probe = LogisticRegression(C=C, max_iter=2000).fit(train_x, train_y)
    return {
        "train_accuracy": probe.score(train_x, train_y),
        "test_accuracy": probe.score(test_x, test_y),
        "predictions": probe.predict(test_x),
    }


# %% wrong raises_TypeError (generic: tensors not converted)
# says: linear_probe
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    mean, std = train_x.mean(axis=0), train_x.std(axis=0, ddof=0)
    probe = LogisticRegression(C=C, max_iter=2000).fit((train_x - mean) / std, train_y)
    predictions = probe.predict((test_x - mean) / std)
    return {
        "train_accuracy": float((probe.predict((train_x - mean) / std) == train_y).mean()),
        "test_accuracy": float((predictions == test_y).mean()),
        "predictions": predictions,
    }


# %% right by hand
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    train_x, train_y, test_x, test_y = (np.asarray(a) for a in (train_x, train_y, test_x, test_y))
    mean, std = train_x.mean(0), train_x.std(0)
    std = np.where(std == 0, 1.0, std)
    probe = LogisticRegression(C=C, max_iter=2000).fit((train_x - mean) / std, train_y)
    predictions = probe.predict((test_x - mean) / std)
    return {
        "train_accuracy": (probe.predict((train_x - mean) / std) == train_y).mean(),
        "test_accuracy": (predictions == test_y).mean(),
        "predictions": predictions,
    }


# %% right scaler and classifier apart
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    scaler = StandardScaler()
    train_x = scaler.fit_transform(train_x)
    test_x = scaler.transform(test_x)
    probe = LogisticRegression(C=C, max_iter=2000).fit(train_x, train_y)
    return dict(
        train_accuracy=probe.score(train_x, train_y),
        test_accuracy=probe.score(test_x, test_y),
        predictions=torch.tensor(probe.predict(test_x)),
    )


# %% right Pipeline and accuracy_score
def linear_probe(train_x, train_y, test_x, test_y, C=1.0):
    from sklearn.metrics import accuracy_score
    from sklearn.pipeline import Pipeline

    probe = Pipeline([("scale", StandardScaler()), ("classify", LogisticRegression(C=C, max_iter=2000))])
    probe.fit(train_x, train_y)
    predictions = probe.predict(test_x)
    return {
        "train_accuracy": accuracy_score(train_y, probe.predict(train_x)),
        "test_accuracy": accuracy_score(test_y, predictions),
        "predictions": predictions.tolist(),
    }
