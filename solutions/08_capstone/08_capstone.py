# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 08 · Capstone: choose a strategy
#
# Five data sets you may not look at, five budgets, one decision each. What do the facts tell you before you train?
#
# **After this lesson you can**
#
# - read the facts that decide: how many labels, how far from the pretraining, how even the classes, what may be spent,
#   what must not be forgotten;
# - choose a strategy from them, and check it on validation data before you pay for it on test data;
# - name advice that contradicts itself, and settle it by a measurement;
# - compare strategies on your own data, with intervals, and say what the recommendation rests on.
#
# **Time** 60–90 minutes · **Points** 100 · runs on a laptop without GPU and without internet.
#
# **How to work.** This time there is one exercise, `choose`, and credit for every rung it climbs: five scenarios, three
# rungs each. A check is silent but for one line when you are right; otherwise it says what your strategy reached, what
# the rung needs and which idea to revisit. A scenario you leave out (`raise NotImplementedError()`) costs only its own
# points, and those of the first check. The upper two rungs are hidden: they draw *other labels* and *new test data*.
#
# **What was measured.** A bracket behind a statement names its record (in `data/records`), those that *did not hold
# here* included.

# %% tags=["setup"]
from course_utils.checks import check
from course_utils.scenarios import NAMES, Scenario, Strategy, agrees, draw, reaches, run

# %% [markdown]
# ## 1 · What is known
#
# Of each scenario you get the facts that a customer could give you, and no look at the data:

# %% tags=["experiment", "nbval-check-output"]
import pandas as pd

facts = pd.DataFrame([vars(draw(name)) for name in "ABCDE"]).drop(columns="seed").set_index("name")
facts["labels"] = [draw(name).labels for name in facts.index]
facts["class_counts"] = [f"{len(n)} × {n[0]}" if len(set(n)) == 1 else " + ".join(map(str, n)) for n in facts.class_counts]
facts.T

# %% [markdown]
# - `class_counts`: labeled samples of each class. The validation data have the same shares, **the test data as many
#   samples of each class**: in use, no class is rarer than another.
# - `gap`: how unlike the pretraining the inputs are, from 200 samples *without labels*. For each feature of the top
#   layer, take the difference between the means of target and source in standard deviations of the source; the gap is
#   the root mean square over the features. Below, it spreads the scenarios along one axis.
# - `max_samples`: optimizer steps times batch size. `max_parameters`: trained numbers that you may store.
# - `keep_source`: the share of letters, its source task, that the network must still tell apart under its old head.
# - `metric`: what is scored. Macro-F1 here weights every class as if it were as frequent as the others.
#
# Text comes with the course's BERT, images with its ResNets (`E`: with GroupNorm).

# %% tags=["experiment", "hide-source"]
from matplotlib.figure import Figure

from course_utils import plotting

plotting.style()
fig = Figure(figsize=(7.0, 3.4), layout="constrained")
axes = fig.subplots()
for name, row in facts.iterrows():
    color = plotting.OKABE_ITO[0 if row.kind == "text" else 1]
    axes.scatter(row.labels, row.gap, s=60, color=color, zorder=3)
    asked = "classes 1 : 23" if row.metric == "macro-F1" else "must not forget" if row.keep_source else ""
    axes.annotate(f"{name}  {asked}", (row.labels, row.gap), xytext=(9, -4), textcoords="offset points", color=color)
axes.set(xscale="log", xlim=(12, 2000), ylim=(0, 1.15 * facts.gap.max()), xlabel="labeled samples", ylabel="gap (σ)",
         title="Few labels or many, near or far: five places in the plane of all advice")
axes.set_xticks([20, 50, 100, 200, 500, 1000], ["20", "50", "100", "200", "500", "1000"])
told = [f"{name} ({row.kind}): {row.labels} labels, gap {row.gap:.2f}." for name, row in facts.iterrows()]
plotting.show(fig, "The five scenarios by number of labels and gap. " + " ".join(told))

# %% [markdown]
# ## 2 · What can be chosen
#
# A `Strategy` is a handful of decisions; the grader's `run` carries them out. Whatever you do not mention keeps its
# default.
#
# | field | meaning | lesson |
# | --- | --- | --- |
# | `name` | `"scratch"`, `"probe"`, `"full"`, `"partial"` or `"lora"` | 01, 05 |
# | `lr`, `steps`, `batch_size` | AdamW, linear decay after 10 % warmup | 02 |
# | `feature_layer`, `C` | of a probe: which features, 0 (bottom) to 4 (top), and its inverse regularization | 01 |
# | `layers` | of `"partial"`: which groups train, 0 (embeddings or stem) to 4, the head always; `()` is the head alone | 03 |
# | `head_first` | share of the steps in which the head trains alone | 03 |
# | `r` | rank of LoRA | 05 |
# | `class_weights`, `balanced_batches` | every class weighs the same in the loss, or is drawn equally often | 01 |
# | `penalty`, `strength` | `"l2sp"` (pull to the pretrained weights) or `"replay"` (letters in every batch) | 04 |
#
# What a strategy costs is counted, not estimated: a probe stores its head and passes over each sample once; `"full"`
# stores every weight. `run` refuses what is over budget: nothing is trained and the score is 0.

# %% tags=["experiment", "nbval-check-output"]
tried = run(Strategy("full", steps=300, batch_size=32), draw("D"))
print(f"score {tried.score}: the strategy {tried.problem}")

# %% [markdown]
# ## 3 · Advice that contradicts itself
#
# Is there no table for this? There are many. Here is what some say where it gets hard:
#
# | | few labels, far from the source | many labels |
# | --- | --- | --- |
# | CS231n, notes [1] | a linear classifier on activations *earlier in the network* | far: fine-tune the entire network |
# | Gupta [2] | *freeze the first k layers*, train the rest | far: train from scratch |
# | Lee et al. [3] | depends on the shift: if the pictures look different, *train the first layers only* | |
# | Liu et al. [4] | *parameter-efficient* tuning, also of few labels | |
# | Kumar et al. [5] | *head first*, then everything | likewise |
# | Howard, Ruder [6] | fine-tune everything, gradually, *from 100 labels on* | likewise |
# | Peters et al. [7] | frozen features do as well *where source and target tasks are alike* | the same |
#
# They cannot all be right for the same place in the plane. Some are about other networks, and some are rules of thumb
# that nobody measured. Section 5 puts them side by side in the scenarios. First, it is your turn.
#
# ## 4 · Your turn
#
# The workbench: edit and run as often as you like. It trains on the labels of one draw (`seed`) and scores on its
# validation data. Each seed is another customer with the same kind of data; a choice that holds for one draw only is
# luck.

# %% tags=["experiment"]
from course_utils.settings import pick

candidates = {
    "A": [Strategy("probe"), Strategy("full", lr=1e-3)],
    "D": [Strategy("probe", C=0.1), Strategy("probe", C=0.1, feature_layer=2)],
}
rows = [
    {"scenario": name, **{k: v for k, v in vars(s).items() if k in ("name", "lr", "C", "feature_layer")}, "seed": seed,
     **vars(run(s, draw(name, seed)))}
    for name, strategies in candidates.items()
    for s in strategies
    for seed in pick(ci=[0], laptop=[0, 1])
]
pd.DataFrame(rows).drop(columns=["source", "problem"]).round(3)

# %% [markdown]
# ### Exercise · `choose`
#
# A decision in front of data you have not seen, on the facts alone. This is the question that all lessons before were
# about, and the one that you will be asked.
#
# `choose(scenario: Scenario) -> Strategy`, within both budgets, for any of the five scenarios and any draw of its labels.
#
# - Decide by the facts: `scenario.labels`, `.class_counts`, `.gap`, `.keep_source`, `.max_samples`, `.max_parameters`,
#   `.kind`. (Nobody stops you from asking for `.name`. A rule on facts also serves the sixth customer.)
# - Do the trying on the workbench, not in `choose`: it is called many times and should answer at once, the same each
#   time.
#
# $$\text{steps} \cdot \text{batch size} \le \text{max samples} \qquad \text{trained parameters} \le \text{max parameters}$$
#
# **Points**: 10 for a valid strategy within budget in all five; then for each scenario 4 on validation data, 6 for the
# lower and 8 for the upper rung on new labels and test data. The rungs were set from recorded runs (section 5): more
# than one strategy passes each, and the upper one leaves a margin for luck.
#
# **Difficulty ●●● · Importance ●●● · 45 minutes · 100 points**
#
# <details><summary>Hint 1</summary>
#
# Sort the five by two questions. Are there enough labels to change the features themselves? (Lesson 01: the probe and
# fine-tuning cross.) And if not: which features, of which layer, can be used as they are?
# </details>
# <details><summary>Hint 2</summary>
#
# Look at what is special. `D`: what would a model score that always names the frequent class, by accuracy and by
# macro-F1, and what changes that? Its budget of parameters excludes most strategies. `E`: compare `source` after plain
# fine-tuning with what is asked, then find what holds it back *without* freezing everything (lesson 04).
# </details>
# <details><summary>Hint 3</summary>
#
# On the workbench, vary one decision at a time: `feature_layer` from 0 to 4 for the scenarios with few labels, `C` over
# powers of ten, `lr` over 1e-3, 3e-3, 1e-2 where the network trains. Use the budget of samples: a network that has seen a third
# of it has hardly begun. Then write the rule: `if scenario.labels < …` and so on.
# </details>

# %% nbgrader={"grade": false, "grade_id": "choose", "locked": false, "schema_version": 3, "solution": true, "task": false}
def choose(scenario: Scenario) -> Strategy:
    """The strategy to train in this scenario, within its budgets, decided by its facts before any training.

    Raises nothing; the same facts give the same strategy.
    """
    ### BEGIN SOLUTION
    rarest, most_frequent = min(scenario.class_counts), max(scenario.class_counts)
    if scenario.keep_source:  # the network may move, and is held by what it must not forget
        steps = scenario.max_samples // 16
        return Strategy("full", lr=3e-3, steps=steps, batch_size=16, penalty="replay", strength=0.5)
    if most_frequent > 5 * rarest:
        return Strategy("probe", C=0.01, class_weights=True)
    if scenario.labels <= 50:  # too few to change the features: take them where they are general enough
        return Strategy("probe", C=0.1, feature_layer=1 if scenario.gap > 1 else 4)
    return Strategy("full", lr=3e-3, steps=scenario.max_samples // 32, batch_size=32)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "choose_check", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("08.choose") as c:
    for name in "ABCDE":
        strategy = choose(draw(name))
        agrees(c, strategy, draw(name))
        c.that(choose(draw(name)) == strategy, "changes_its_mind", f"Scenario {name}: asked twice, choose gave two strategies. "
               "The same facts should lead to the same decision; a decision by chance cannot be explained to a customer.")

# %% [markdown]
# The five rungs on validation data (labels of seed 0), one cell each:

# %% nbgrader={"grade": true, "grade_id": "choose_check1", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("08.choose") as c:
    reaches(c, choose, "A", seed=0, least=0.68, part="validation")

# %% nbgrader={"grade": true, "grade_id": "choose_check2", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("08.choose") as c:
    reaches(c, choose, "B", seed=0, least=0.5, part="validation")

# %% nbgrader={"grade": true, "grade_id": "choose_check3", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("08.choose") as c:
    reaches(c, choose, "C", seed=0, least=0.6, part="validation")

# %% nbgrader={"grade": true, "grade_id": "choose_check4", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("08.choose") as c:
    reaches(c, choose, "D", seed=0, least=0.68, part="validation")

# %% nbgrader={"grade": true, "grade_id": "choose_check5", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("08.choose") as c:
    reaches(c, choose, "E", seed=0, least=0.9, part="validation")

# %% nbgrader={"grade": true, "grade_id": "choose_hidden11", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
# Hidden: scenario A, other labels, new test data, rung 1 of 2.
### BEGIN HIDDEN TESTS
with check("08.choose") as c:
    reaches(c, choose, "A", seed=11, least=0.66)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "choose_hidden12", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
# Hidden: scenario A, other labels, new test data, rung 2 of 2.
### BEGIN HIDDEN TESTS
with check("08.choose") as c:
    reaches(c, choose, "A", seed=11, least=0.7)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "choose_hidden21", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
# Hidden: scenario B, other labels, new test data, rung 1 of 2.
### BEGIN HIDDEN TESTS
with check("08.choose") as c:
    reaches(c, choose, "B", seed=12, least=0.5)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "choose_hidden22", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
# Hidden: scenario B, other labels, new test data, rung 2 of 2.
### BEGIN HIDDEN TESTS
with check("08.choose") as c:
    reaches(c, choose, "B", seed=12, least=0.58)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "choose_hidden31", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
# Hidden: scenario C, other labels, new test data, rung 1 of 2.
### BEGIN HIDDEN TESTS
with check("08.choose") as c:
    reaches(c, choose, "C", seed=13, least=0.55)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "choose_hidden32", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
# Hidden: scenario C, other labels, new test data, rung 2 of 2.
### BEGIN HIDDEN TESTS
with check("08.choose") as c:
    reaches(c, choose, "C", seed=13, least=0.68)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "choose_hidden41", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
# Hidden: scenario D, other labels, new test data, rung 1 of 2.
### BEGIN HIDDEN TESTS
with check("08.choose") as c:
    reaches(c, choose, "D", seed=14, least=0.7)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "choose_hidden42", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
# Hidden: scenario D, other labels, new test data, rung 2 of 2.
### BEGIN HIDDEN TESTS
with check("08.choose") as c:
    reaches(c, choose, "D", seed=14, least=0.75)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "choose_hidden51", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
# Hidden: scenario E, other labels, new test data, rung 1 of 2.
### BEGIN HIDDEN TESTS
with check("08.choose") as c:
    reaches(c, choose, "E", seed=15, least=0.9)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "choose_hidden52", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
# Hidden: scenario E, other labels, new test data, rung 2 of 2.
### BEGIN HIDDEN TESTS
with check("08.choose") as c:
    reaches(c, choose, "E", seed=15, least=0.94)
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · The experiment
