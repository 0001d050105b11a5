"""Wrong and right answers to 04.read_results."""

# %% wrong chosen_on_test
# says: no longer a test
#-    chosen = int(np.argmax(np.mean(held_out, axis=1)))
#+    chosen = int(np.argmax(np.mean(test, axis=1)))

# %% wrong best_per_seed
# says: No single setting
#-    gains = np.asarray(test[chosen]) - np.asarray(baseline)
#+    gains = np.max(test, axis=0) - np.asarray(baseline)

# %% wrong chosen_per_seed
#-    gains = np.asarray(test[chosen]) - np.asarray(baseline)
#+    gains = np.asarray(test)[np.argmax(held_out, axis=0), np.arange(len(baseline))] - np.asarray(baseline)

# %% wrong reports_held_out
#-    gains = np.asarray(test[chosen]) - np.asarray(baseline)
#+    gains = np.asarray(held_out[chosen]) - np.asarray(baseline)

# %% wrong unpaired
# says: independent samples
def read_results(held_out, test, baseline):
    chosen = int(np.mean(held_out, axis=1).argmax())
    result = stats.ttest_ind(test[chosen], baseline)
    low, high = result.confidence_interval(0.95)
    return chosen, float(np.mean(test[chosen]) - np.mean(baseline)), low, high


# %% wrong unpaired_few
# says: Subtract first
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    error = np.sqrt((np.var(test[chosen], ddof=1) + np.var(baseline, ddof=1)) / len(gains))
#+    half = stats.t.ppf(0.975, len(gains) - 1) * error

# %% wrong normal
# says: Student's t is wider
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    half = stats.norm.ppf(0.975) * gains.std(ddof=1) / np.sqrt(len(gains))

# %% wrong normal (1.96)
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    half = 1.96 * gains.std(ddof=1) / np.sqrt(len(gains))

# %% wrong two
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    half = 2 * gains.std(ddof=1) / np.sqrt(len(gains))

# %% wrong degrees_of_freedom
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    half = stats.t.ppf(0.975, len(gains)) * gains.std(ddof=1) / np.sqrt(len(gains))

# %% wrong ninety
# says: at each end
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    half = stats.t.ppf(0.95, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))

# %% wrong one_standard_error
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    half = stats.sem(gains)

# %% wrong standard_deviation
# says: left out √S
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1)

# %% wrong plain_standard_deviation
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    half = gains.std(ddof=1)

# %% wrong ddof
# says: divides by S
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std() / np.sqrt(len(gains))

# %% wrong reversed
#-    gains = np.asarray(test[chosen]) - np.asarray(baseline)
#+    gains = np.asarray(baseline) - np.asarray(test[chosen])

# %% wrong no_difference
#-    gains = np.asarray(test[chosen]) - np.asarray(baseline)
#+    gains = np.asarray(test[chosen])

# %% wrong range
# says: grows with every seed
#-    return chosen, float(gains.mean()), float(gains.mean() - half), float(gains.mean() + half)
#+    return chosen, float(gains.mean()), float(gains.min()), float(gains.max())

# %% wrong one_seed
#-    return chosen, float(gains.mean()), float(gains.mean() - half), float(gains.mean() + half)
#+    return chosen, float(gains[0]), float(gains[0]), float(gains[0])

# %% wrong not_four
#-    return chosen, float(gains.mean()), float(gains.mean() - half), float(gains.mean() + half)
#+    return chosen, float(gains.mean()), float(half)

# %% wrong returns_none
#-    return chosen, float(gains.mean()), float(gains.mean() - half), float(gains.mean() + half)
#+    print(f"row {chosen}: {gains.mean()} ± {half}")

# %% wrong lowest
# says: not losses
#-    chosen = int(np.argmax(np.mean(held_out, axis=1)))
#+    chosen = int(np.argmin(np.mean(held_out, axis=1)))

# %% wrong five_seeds
# says: there are eight
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    t = 12.7062 if len(gains) == 2 else 2.7764451
#+    half = t * gains.std(ddof=1) / np.sqrt(len(gains))

# %% wrong different (written for five seeds)
# says: For two seeds
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    half = stats.t.ppf(0.975, 4) * gains.std(ddof=1) / np.sqrt(5)

# %% wrong input_changed
#-    gains = np.asarray(test[chosen]) - np.asarray(baseline)
#+    gains = test[chosen]
#+    gains -= baseline

# %% wrong not_an_index
# says: whole number
#-    return chosen, float(gains.mean()), float(gains.mean() - half), float(gains.mean() + half)
#+    return np.array([chosen, gains.mean(), gains.mean() - half, gains.mean() + half]).tolist()

# %% wrong lists_refused
# says: Convert
#-    chosen = int(np.argmax(np.mean(held_out, axis=1)))
#+    chosen = int(held_out.mean(axis=1).argmax())

# %% wrong wrong_axis (argmax over the whole table)
# says: position of a column
#-    chosen = int(np.argmax(np.mean(held_out, axis=1)))
#+    chosen = int(np.argmax(held_out))

# %% wrong wrong_axis (mean over the strengths)
#-    chosen = int(np.argmax(np.mean(held_out, axis=1)))
#+    chosen = int(np.argmax(np.mean(held_out, axis=0)))

# %% wrong best_single_score
# says: lucky seed
#-    chosen = int(np.argmax(np.mean(held_out, axis=1)))
#+    chosen = int(np.argmax(np.max(held_out, axis=1)))

# %% wrong not_by_mean (median)
# says: median
#-    chosen = int(np.argmax(np.mean(held_out, axis=1)))
#+    chosen = int(np.argmax(np.median(held_out, axis=1)))

# %% wrong not_by_mean (first seed)
#-    chosen = int(np.argmax(np.mean(held_out, axis=1)))
#+    chosen = int(np.argmax(np.asarray(held_out)[:, 0]))

# %% wrong chosen_on_test (on the sum of both)
#-    chosen = int(np.argmax(np.mean(held_out, axis=1)))
#+    chosen = int(np.argmax(np.mean(held_out, axis=1) + np.mean(test, axis=1)))

# %% wrong baseline_mean
# says: seed by seed
#-    gains = np.asarray(test[chosen]) - np.asarray(baseline)
#+    gains = np.asarray(test[chosen]) - np.mean(baseline)

# %% wrong s_minus_one_twice
# says: already
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains) - 1)

# %% wrong percentiles
# says: single runs
#-    return chosen, float(gains.mean()), float(gains.mean() - half), float(gains.mean() + half)
#+    return chosen, float(gains.mean()), *np.percentile(gains, [2.5, 97.5])

# %% wrong median_gain
#-    return chosen, float(gains.mean()), float(gains.mean() - half), float(gains.mean() + half)
#+    return chosen, float(np.median(gains)), float(np.median(gains) - half), float(np.median(gains) + half)

# %% wrong median_between
#-    return chosen, float(gains.mean()), float(gains.mean() - half), float(gains.mean() + half)
#+    return chosen, float(np.median(gains)), float(gains.mean() - half), float(gains.mean() + half)

# %% wrong ends_swapped (the lower quantile)
# says: negative
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    half = stats.t.ppf(0.025, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))

# %% wrong margins
# says: ends themselves
#-    return chosen, float(gains.mean()), float(gains.mean() - half), float(gains.mean() + half)
#+    return chosen, float(gains.mean()), -half, half

# %% wrong different (a bootstrap of five differences)
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#+    draws = np.random.default_rng(0).choice(gains, (10_000, len(gains))).mean(1)
#-    return chosen, float(gains.mean()), float(gains.mean() - half), float(gains.mean() + half)
#+    return chosen, float(gains.mean()), *np.percentile(draws, [2.5, 97.5])

# %% wrong raises_TypeError (SciPy's interval as it was called once)
# says: confidence
#-    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
#-    return chosen, float(gains.mean()), float(gains.mean() - half), float(gains.mean() + half)
#+    low, high = stats.t.interval(alpha=0.95, df=len(gains) - 1, loc=gains.mean(), scale=stats.sem(gains))
#+    return chosen, float(gains.mean()), low, high

# %% wrong not_numbers (rows, as np.where finds them)
# says: array among yours
#-    chosen = int(np.argmax(np.mean(held_out, axis=1)))
#+    means = np.mean(held_out, axis=1)
#+    chosen = np.where(means == means.max())[0]

# %% wrong not_numbers (one interval for each seed)
#-    return chosen, float(gains.mean()), float(gains.mean() - half), float(gains.mean() + half)
#+    return chosen, gains, gains - half, gains + half

# %% wrong lists_refused (one list minus another)
#-    gains = np.asarray(test[chosen]) - np.asarray(baseline)
#+    gains = test[chosen] - baseline

# %% right scipy's interval
def read_results(held_out, test, baseline):
    best = int(np.array(held_out).mean(1).argmax())
    d = np.array(test)[best] - np.array(baseline)
    low, high = stats.t.interval(0.95, df=len(d) - 1, loc=d.mean(), scale=stats.sem(d))
    return best, d.mean(), low, high


# %% right paired test
def read_results(held_out, test, baseline):
    means = [sum(row) / len(row) for row in held_out]
    best = means.index(max(means))
    interval = stats.ttest_rel(test[best], baseline).confidence_interval(0.95)
    return best, float(np.mean(test[best]) - np.mean(baseline)), float(interval.low), float(interval.high)


# %% right by hand
def read_results(held_out, test, baseline):
    row = max(range(len(held_out)), key=lambda i: np.mean(held_out[i]))
    d = [t - b for t, b in zip(test[row], baseline)]
    n, mean = len(d), sum(d) / len(d)
    s = (sum((v - mean) ** 2 for v in d) / (n - 1)) ** 0.5
    half = stats.t(n - 1).ppf(0.975) * s / n**0.5
    return row, mean, mean - half, mean + half


# %% right pandas
def read_results(held_out, test, baseline):
    held_out, test, baseline = (np.asarray(a, dtype=float) for a in (held_out, test, baseline))
    row = held_out.sum(axis=1).argmax()
    d = pd.Series(test[row] - baseline)
    half = stats.t.isf(0.025, d.count() - 1) * d.sem()
    return row, d.mean(), d.mean() - half, d.mean() + half
