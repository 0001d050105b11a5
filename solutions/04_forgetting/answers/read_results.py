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

# %% wrong different (the lowest row)
# says: is off
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

# %% wrong raises_AttributeError (lists)
#-    chosen = int(np.argmax(np.mean(held_out, axis=1)))
#+    chosen = int(held_out.mean(axis=1).argmax())

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
