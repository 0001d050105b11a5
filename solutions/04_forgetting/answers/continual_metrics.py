"""Wrong and right answers to 04.continual_metrics."""

# %% wrong scored_before_learning
# says: *after* task i
#-        learn(task)
#-        rows.append([score(other) for other in tasks])
#+        rows.append([score(other) for other in tasks])
#+        learn(task)

# %% wrong all_at_end
# says: scored afterwards
#-    for task in tasks:
#-        learn(task)
#-        rows.append([score(other) for other in tasks])
#+    for task in tasks:
#+        learn(task)
#+    for task in tasks:
#+        rows.append([score(other) for other in tasks])

# %% wrong seen_only
# says: still to come
#-    rows = []
#-    for task in tasks:
#-        learn(task)
#-        rows.append([score(other) for other in tasks])
#+    rows = np.zeros((len(tasks), len(tasks)))
#+    for i, task in enumerate(tasks):
#+        learn(task)
#+        for j in range(i + 1):
#+            rows[i, j] = score(tasks[j])

# %% wrong seen_only_nan
#-    rows = []
#-    for task in tasks:
#-        learn(task)
#-        rows.append([score(other) for other in tasks])
#+    rows = np.full((len(tasks), len(tasks)), np.nan)
#+    for i, task in enumerate(tasks):
#+        learn(task)
#+        rows[i, : i + 1] = [score(other) for other in tasks[: i + 1]]

# %% wrong raises_ValueError (rows of different length)
# says: inhomogeneous
#-        rows.append([score(other) for other in tasks])
#+        rows.append([score(other) for other in tasks[: len(rows) + 1]])

# %% wrong transposed
# says: A row is a moment
#-    return np.array(rows, dtype=float)
#+    return np.array(rows, dtype=float).T

# %% wrong diagonal
#-    rows = []
#-    for task in tasks:
#-        learn(task)
#-        rows.append([score(other) for other in tasks])
#+    rows = []
#+    for task in tasks:
#+        learn(task)
#+        rows.append(score(task))
#+    rows = np.diag(rows)

# %% wrong learned_again
# says: learned once
#-    for task in tasks:
#-        learn(task)
#-        rows.append([score(other) for other in tasks])
#+    for task in tasks:
#+        row = []
#+        for other in tasks:
#+            learn(task)
#+            row.append(score(other))
#+        rows.append(row)

# %% wrong different (learns all tasks up to i for each row)
# says: The accuracy matrix is off
#-    for task in tasks:
#-        learn(task)
#-        rows.append([score(other) for other in tasks])
#+    for i in range(len(tasks)):
#+        for task in tasks[: i + 1]:
#+            learn(task)
#+        rows.append([score(other) for other in tasks])

# %% wrong returns_none
#-    return np.array(rows, dtype=float)
#+    print(np.array(rows, dtype=float))

# %% wrong not_an_array
#-    return np.array(rows, dtype=float)
#+    return rows

# %% wrong bwt_sign
# says: negative where
#-    return float((R[-1] - np.diag(R))[:-1].mean())
#+    return float((np.diag(R) - R[-1])[:-1].mean())

# %% wrong bwt_last_included
# says: nothing comes later
#-    return float((R[-1] - np.diag(R))[:-1].mean())
#+    return float((R[-1] - np.diag(R)).mean())

# %% wrong bwt_sum
#-    return float((R[-1] - np.diag(R))[:-1].mean())
#+    return float((R[-1] - np.diag(R)).sum())

# %% wrong bwt_transposed
# says: the last *row*
#-    return float((R[-1] - np.diag(R))[:-1].mean())
#+    return float((R[:, -1] - np.diag(R))[:-1].mean())

# %% wrong bwt_from_best
# says: that is forgetting
#-    return float((R[-1] - np.diag(R))[:-1].mean())
#+    return float((R[-1] - R[:-1].max(0))[:-1].mean())

# %% wrong bwt_from_first
#-    return float((R[-1] - np.diag(R))[:-1].mean())
#+    return float((R[-1] - R[0])[:-1].mean())

# %% wrong bwt_last_step
#-    return float((R[-1] - np.diag(R))[:-1].mean())
#+    return float((R[-1] - R[-2])[:-1].mean())

# %% wrong bwt_final
#-    return float((R[-1] - np.diag(R))[:-1].mean())
#+    return float(R[-1, :-1].mean())

# %% wrong bwt_clipped
# says: may be positive
#-    return float((R[-1] - np.diag(R))[:-1].mean())
#+    return float(np.minimum(R[-1] - np.diag(R), 0)[:-1].mean())

# %% wrong bwt_sign (absolute)
#-    return float((R[-1] - np.diag(R))[:-1].mean())
#+    return float(np.abs(R[-1] - np.diag(R))[:-1].mean())

# %% wrong forgetting_is_minus_bwt
# says: the best the task ever was
#-    return float((R[:-1].max(0) - R[-1])[:-1].mean())
#+    return -backward_transfer(R)

# %% wrong forgetting_sign
#-    return float((R[:-1].max(0) - R[-1])[:-1].mean())
#+    return float((R[-1] - R[:-1].max(0))[:-1].mean())

# %% wrong forgetting_last_included
#-    return float((R[:-1].max(0) - R[-1])[:-1].mean())
#+    return float((R.max(0) - R[-1]).mean())

# %% wrong forgetting_sum
#-    return float((R[:-1].max(0) - R[-1])[:-1].mean())
#+    return float((R[:-1].max(0) - R[-1])[:-1].sum())

# %% wrong forgetting_transposed
# says: its column
#-    return float((R[:-1].max(0) - R[-1])[:-1].mean())
#+    return float((R[:, :-1].max(1) - R[:, -1])[:-1].mean())

# %% wrong forgetting_overall_best
#-    return float((R[:-1].max(0) - R[-1])[:-1].mean())
#+    return float((R[:-1].max() - R[-1])[:-1].mean())

# %% wrong forgetting_clipped (the last row is among them)
# says: *before* the last task
#-    return float((R[:-1].max(0) - R[-1])[:-1].mean())
#+    return float((R.max(0) - R[-1])[:-1].mean())

# %% wrong forgetting_clipped (at zero)
#-    return float((R[:-1].max(0) - R[-1])[:-1].mean())
#+    return float(np.maximum(R[:-1].max(0) - R[-1], 0)[:-1].mean())

# %% wrong forgetting_since_learned
# says: before it is taught
#-    return float((R[:-1].max(0) - R[-1])[:-1].mean())
#+    return float(np.mean([R[j:-1, j].max() - R[-1, j] for j in range(len(R) - 1)]))

# %% wrong list_refused
# says: an array
#-    R = np.asarray(R, dtype=float)
#-    if len(R) < 2:
#-        raise ValueError("backward transfer needs at least two tasks")
#-    return float((R[-1] - np.diag(R))[:-1].mean())
#+    if len(R) < 2:
#+        raise ValueError("backward transfer needs at least two tasks")
#+    return float((R[-1] - np.diag(R))[:-1].mean()) if isinstance(R, np.ndarray) else float(R[-1] - R[0])

# %% wrong one_task_accepted
# says: raises ValueError
#-    if len(R) < 2:
#-        raise ValueError("backward transfer needs at least two tasks")
#+    if len(R) < 2:
#+        return 0.0

# %% wrong not_a_float
#-    return float((R[-1] - np.diag(R))[:-1].mean())
#+    return np.array((R[-1] - np.diag(R))[:-1].mean())

# %% wrong not_defined (the other two are missing)
# says: backward_transfer
def accuracy_matrix(tasks, learn, score):
    rows = []
    for task in tasks:
        learn(task)
        rows.append([score(other) for other in tasks])
    return np.array(rows)

# %% wrong list_refused (the maximum)
# says: forgetting stopped
#-    R = np.asarray(R, dtype=float)
#-    if len(R) < 2:
#-        raise ValueError("forgetting needs at least two tasks")
#+    if len(R) < 2:
#+        raise ValueError("forgetting needs at least two tasks")

# %% wrong forgetting_row_best
# says: of each row
#-    return float((R[:-1].max(0) - R[-1])[:-1].mean())
#+    return float((R[:-1].max(1) - R[-1, :-1]).mean())

# %% wrong bwt_last_included (the mean over T of T − 1 differences)
#-    return float((R[-1] - np.diag(R))[:-1].mean())
#+    return float((R[-1] - np.diag(R))[:-1].sum() / len(R))

# %% wrong one_task_accepted (the mean of nothing)
#-    if len(R) < 2:
#-        raise ValueError("backward transfer needs at least two tasks")

# %% wrong one_task_accepted (another error)
# says: Yours raised AssertionError
#-    if len(R) < 2:
#-        raise ValueError("backward transfer needs at least two tasks")
#+    assert len(R) > 1

# %% wrong positions_passed
# says: Pass one task itself
#-    for task in tasks:
#-        learn(task)
#-        rows.append([score(other) for other in tasks])
#+    for i in range(len(tasks)):
#+        learn(i)
#+        rows.append([score(j) for j in range(len(tasks))])

# %% wrong raises_TypeError (the model handed on)
# says: score(model, other)
#-        learn(task)
#-        rows.append([score(other) for other in tasks])
#+        model = learn(task)
#+        rows.append([score(model, other) for other in tasks])

# %% wrong forgetting_since_learned (the last step only)
# says: the last but one
#-    return float((R[:-1].max(0) - R[-1])[:-1].mean())
#+    return float((R[-2] - R[-1])[:-1].mean())

# %% wrong positions_passed (the whole list)
# says: list of all
#-        rows.append([score(other) for other in tasks])
#+        rows.append(score(tasks))

# %% right loops
def accuracy_matrix(tasks, learn, score):
    R = np.zeros((len(tasks), len(tasks)))
    for i in range(len(tasks)):
        learn(tasks[i])
        for j in range(len(tasks)):
            R[i, j] = score(tasks[j])
    return R


def backward_transfer(R):
    T = len(R)
    if T == 1:
        raise ValueError("one task only")
    return sum(R[T - 1][j] - R[j][j] for j in range(T - 1)) / (T - 1)


def forgetting(R):
    T = len(R)
    if T == 1:
        raise ValueError("one task only")
    return sum(max(R[l][j] for l in range(T - 1)) - R[T - 1][j] for j in range(T - 1)) / (T - 1)


# %% right comprehension and pandas
def accuracy_matrix(tasks, learn, score):
    def row(task):
        learn(task)
        return [score(t) for t in tasks]

    return np.stack([np.array(row(task), dtype=float) for task in tasks])


def backward_transfer(R):
    R = pd.DataFrame(R)
    if len(R) < 2:
        raise ValueError
    return float(np.mean(R.iloc[-1, :-1].to_numpy() - np.diag(R)[:-1]))


def forgetting(R):
    R = pd.DataFrame(R)
    if len(R) < 2:
        raise ValueError
    return float((R.iloc[:-1].max() - R.iloc[-1]).iloc[:-1].mean())


# %% right trace
def accuracy_matrix(tasks: list, learn: Callable, score: Callable) -> np.ndarray:
    columns = {i: [] for i in range(len(tasks))}
    for task in tasks:
        learn(task)
        for i, other in enumerate(tasks):
            columns[i].append(score(other))
    return np.array(list(columns.values())).T


def backward_transfer(R: np.ndarray) -> float:
    R = np.array(R)
    if R.shape[0] <= 1:
        raise ValueError("needs two tasks")
    return float((R[-1].sum() - np.trace(R)) / (R.shape[0] - 1))


def forgetting(R: np.ndarray) -> float:
    R = np.array(R)
    if R.shape[0] <= 1:
        raise ValueError("needs two tasks")
    best = np.amax(R[:-1, :-1], axis=0)
    return float(np.average(best - R[-1, :-1]))
