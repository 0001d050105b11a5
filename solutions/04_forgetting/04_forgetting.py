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
# # 04 · Catastrophic forgetting: L2-SP, EWC, replay
#
# You fine-tune a network on a new task and it gets good at it. What happened to everything it knew before?
#
# **After this lesson you can**
#
# - say why fine-tuning forgets, and which four families of remedies there are;
# - estimate how much each weight matters to the old task, sample by sample, and tell it from what batch gradients give;
# - anchor weights with EWC and L2-SP, and say what lies outside every penalty;
# - keep a fair memory of a stream whose length nobody knows, and mix it into batches in an exact share;
# - measure forgetting, choose a strength on held-out data, and report what it bought with an honest interval.
#
# **Time** 75–90 minutes · **Points** 100 · runs on a laptop without GPU and without internet.
#
# **How to work.** Replace each `raise NotImplementedError()` by your code, run the cell, then run the check below it. A
# check is silent but for one line when you are right; otherwise it says what you did and which idea to revisit. Each
# exercise stands alone: if one resists, go on with the next. Hidden checks (other seeds, shapes, edge cases) run when
# your work is graded. **Validate** in the toolbar runs everything the way the grader does, hidden checks apart.
#
# **What was measured.** A bracket behind a statement names its record (in `data/records`), those that *did not hold
# here* included.

# %% tags=["setup"]
import copy
import itertools
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd
import torch
import torch._dynamo  # vmap loads it when it is first called; here, so that no check has to wait for it
import torch.nn.functional as F
from matplotlib.figure import Figure
from scipy import stats
from torch import nn
from torch.func import functional_call, grad, vmap

from course_utils.checks import check

# %% [markdown]
# ## The idea in one picture
#
# Two weights, two tasks. The old task A is done best at θ\*; it is picky about the horizontal weight and hardly cares
# about the vertical one. The new task B wants to be elsewhere. An anchor adds to B's loss a price for leaving θ\*, and
# its strength λ slides the solution from B's optimum (λ = 0) back to θ\* (λ → ∞). L2-SP asks the same price in all
# directions, EWC asks it where A is picky. The star is where training on both tasks together would end.

# %% tags=["experiment", "hide-source"]
from course_utils import plotting

plotting.style()
needs_a, needs_b = np.array([8.0, 0.4]), np.array([1.0, 1.0])  # diagonal Hessians of the two losses
best_a, best_b = np.zeros(2), np.array([2.0, 2.0])
strengths = np.concatenate([[0.0], np.geomspace(0.01, 300, 200)])


def loss_of(needs, best, theta):
    return 0.5 * (needs * (theta - best) ** 2).sum(-1)


def solutions(importance):  # where B's loss + λ/2 · importance · (θ − θ*)² is smallest, for each λ
    price = strengths[:, None] * importance
    return (needs_b * best_b + price * best_a) / (needs_b + price)


paths = {"L2-SP": solutions(np.ones(2)), "EWC": solutions(needs_a)}
joint = (needs_a * best_a + needs_b * best_b) / (needs_a + needs_b)
fig = Figure(figsize=(7.4, 3.5), layout="constrained")
left, right = fig.subplots(1, 2)
grid = np.stack(np.meshgrid(np.linspace(-1.2, 3.2, 100), np.linspace(-1.2, 3.2, 100)), -1)
for needs, best, color, name in ((needs_a, best_a, "#444444", "old task A"), (needs_b, best_b, "#E69F00", "new task B")):
    left.contour(grid[..., 0], grid[..., 1], loss_of(needs, best, grid), levels=[0.25, 1, 2.5], colors=color, linewidths=0.9)
    left.annotate(name, best, xytext=(0, 7 if name[0] == "n" else -15), textcoords=
        "offset points", color=color, ha="center", fontsize=9)
    left.plot(*best, "o", color=color, markersize=4)
for (name, path), color in zip(paths.items(), ("#56B4E9", "#0072B2"), strict=True):
    left.plot(*path.T, color=color, linewidth=2.2)
    left.annotate(name, path[np.argmin(np.abs(path[:, 0] - 1))], xytext=(-22, 6) if name == "EWC" else (4, -12),
                  textcoords="offset points", color=color, fontsize=10)
    right.plot(loss_of(needs_b, best_b, path), loss_of(needs_a, best_a, path), color=color, linewidth=2.2, label=name)
left.plot(*joint, "*", color="#D55E00", markersize=11)
left.annotate("A + B", joint, xytext=(8, -5), textcoords="offset points", color="#D55E00", fontsize=9)
right.plot(loss_of(needs_b, best_b, joint), loss_of(needs_a, best_a, joint), "*", color="#D55E00", markersize=11)
left.set(title="Two roads back to the anchor", xlabel=
    "weight 1 (A is picky)", ylabel="weight 2 (A hardly cares)", aspect="equal")
right.set(title="At equal loss on B, EWC keeps more", xlabel=
    "loss on the new task B", ylabel="loss on the old task A", ylim=(-0.3, 8))
right.legend()
plotting.show(
    fig,
    "Left: loss contours of task A (narrow in weight 1) and task B (round), and the solutions for growing λ from B's "
    "optimum (2, 2) to A's (0, 0): straight for L2-SP, first along weight 1 for EWC; the joint optimum "
    f"({joint[0]:.2f}, {joint[1]:.2f}) is EWC's solution at λ = 1. Right: loss on A over loss on B along both roads; "
    "where B loses 1.0, A loses "
    + " and ".join(f"{np.interp(1.0, loss_of(needs_b, best_b, p), loss_of(needs_a, best_a, p)):.2f} ({n})" for n, p in paths.items()) + ".",
)

# %% [markdown]
# In this picture EWC is exact: both losses are quadratic with diagonal Hessians, and the importance *is* the Hessian of
# A. Then λ = 1 gives the optimum of A + B without a single sample of A. A network offers none of these three.
#
# **Why does fine-tuning forget?** Catastrophic interference, as it was first called [1], needs no accident: nothing in
# the new loss speaks for the old task. Three things happen at once:
#
# - **Shift.** The old data are gone. Weights that only they held in place drift with the noise and regularization.
# - **Interference.** Weights are shared. A step that helps the new task moves features that the old head reads.
# - **Reallocation.** Capacity the new task does not need for the old features is put to other use.
#
# **Four families of remedies**, in the order of what you must have kept:
#
# | family | what it does | what you must keep | reach for it when | examples |
# | --- | --- | --- | --- | --- |
# | anchor | a price for leaving the old weights | the old weights | the weights are all you have | L2-SP [2] |
# | weighted anchor | a price where the old task is sensitive | weights, importances | the old data were there once | EWC [3], synaptic intelligence [4] |
# | replay | old samples in the new batches | some old data | you may keep samples | experience replay [5] |
# | isolation | the old weights do not move | weights, new ones per task | nothing old may change at all | freezing, [6], adapters [7] |
#
# Freezing is the limit λ → ∞ of an anchor. Decaying weights is *no* anchor at all, as you will see.

# %% [markdown]
# ## 1 · Which weights matter?
#
# A weight matters to a task if moving it changes the predictions. How much they change, to second order, is what the
# **Fisher information** says. Its diagonal has one number per weight, the mean *squared* gradient of the log-likelihood:
#
# $$F_i = \frac{1}{N}\sum_{n=1}^{N}\; \mathbb{E}_{c \sim p_\theta(\cdot \mid x_n)} \left(\frac{\partial \log p_\theta(c \mid x_n)}{\partial \theta_i}\right)^2$$
#
# The square stands inside both means. That is easy to get wrong, since training loops deliver the gradient of a *batch*,
# which is a mean already.
#
# Whose labels are they? The formula says: the model's own predictions, each class weighted by its probability. Putting
# in the labels of the data gives the *empirical* Fisher: cheaper by the number of classes, and another quantity [8]. On
# samples the model fits perfectly it is zero, as if no weight mattered.
#
# ### Exercise 1 · `diagonal_fisher`
#
# Everything that knows about importance in this lesson starts from these numbers. `torch.func` computes a gradient for
# each sample at once, where a loop over samples would take its time.
#
# `diagonal_fisher(model, x, y=None, batch_size=32) -> dict`: name → float32 tensor of the parameter's shape, for each
# parameter with `requires_grad` (as in `model.named_parameters()`).
#
# - `x` is a tensor (N, …), `model(x)` gives logits (N, C). With `y` (N,) take those labels. Without, take the exact
#   expectation over the classes: no sampling, no argmax.
# - `batch_size` limits memory and nothing else: the result is the same for any, also when N is no multiple of it.
# - The model is judged in **eval mode** (dropout off, BatchNorm's statistics fixed) and left as it came: the mode of
#   each of its parts, weights, buffers, `requires_grad` and `.grad` (you may be called in the middle of training).
# - Square in **float32**, also if the model is float16.
#
# For softmax regression there is a closed form, which the check below uses: $F_{cd} = \frac1N\sum_n (p_{nc}-y_{nc})^2
# x_{nd}^2$ with labels, $y$ one-hot, and $\frac1N\sum_n p_{nc}(1-p_{nc})\,x_{nd}^2$ without.
#
# **Difficulty ●●● · Importance ●●● · 20 minutes · 24 points**
#
# <details><summary>Hint 1</summary>
#
# Write the loss of *one* sample as a function of a dict of parameters. `functional_call(model, parameters, (batch,))`
# calls the model with them; a single sample needs a batch dimension, `sample[None]`.
# </details>
# <details><summary>Hint 2</summary>
#
# `grad(loss)` differentiates by the first argument and returns a dict; `vmap(grad(loss), in_dims=(None, 0, 0))` does so
# for each sample of a batch, with the same parameters for all. Then square, then sum over the samples.
# </details>
# <details><summary>Hint 3</summary>
#
# Without labels: for each class c, take c as the label of all samples of the part, and weight each sample's squared
# gradient by its probability of c. Remember `module.training` of every module of `model.modules()`, not only of the
# model. Detach the parameters first; `F.cross_entropy(logits, label[None])` wants a batch of labels too.
# </details>

# %% nbgrader={"grade": false, "grade_id": "diagonal_fisher", "locked": false, "schema_version": 3, "solution": true, "task": false}
def diagonal_fisher(
    model: nn.Module, x: torch.Tensor, y: torch.Tensor | None = None, batch_size: int = 32
) -> dict[str, torch.Tensor]:
    """Diagonal of the Fisher information of a classifier: mean squared gradient of log p(label | sample), per parameter.

    x: (N, …), one row per sample; `model(x)` gives logits (N, C). (A text model that wants a mask goes into a module
    that takes the ids alone and makes the mask from them.) y: (N,) labels, which gives the *empirical* Fisher; None takes
    the exact expectation over the model's own predictions. At most `batch_size` samples are worked on at a time, which
    does not change the result. The model is judged in eval mode and left as it came.
    Returns name → float32 tensor of the parameter's shape, for every parameter with requires_grad.
    Source: Kirkpatrick et al. 2017; Kunstner, Balles, Hennig 2019 on what labels mean here.
    """
    ### BEGIN SOLUTION
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    fisher = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in weights.items()}

    def loss(weights, sample, label):
        return F.cross_entropy(functional_call(model, weights, (sample[None],)), label[None])

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))
    for start in range(0, len(x), batch_size):
        part = x[start : start + batch_size]
        if y is None:
            with torch.no_grad():
                shares = model(part).float().softmax(-1)
            cases = [(torch.full_like(share, c, dtype=torch.long), share) for c, share in enumerate(shares.T)]
        else:
            cases = [(y[start : start + batch_size], torch.ones(len(part), device=x.device))]
        for labels, share in cases:
            for name, g in gradients(weights, part, labels).items():
                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(x)
    for module, training in modes:
        module.training = training
    return fisher
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "diagonal_fisher_check", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("04.diagonal_fisher") as c:
    torch.manual_seed(0)
    model = nn.Linear(2, 3)  # softmax regression
    x, y = torch.randn(10, 2), torch.tensor([0, 1, 2, 0, 1, 2, 0, 0, 1, 2])
    with torch.no_grad():
        p = model(x).softmax(-1)

    def per_sample(labels, twice=False):  # the gradient of each sample by hand, (10, 3, 2) and (10, 3)
        error = (p.softmax(-1) if twice else p) - F.one_hot(labels, 3)
        if twice:  # through a first softmax that should not be there
            error = p * (error - (p * error).sum(1, keepdim=True))
        return {"weight": error[:, :, None] * x[:, None, :], "bias": error}

    def by(rule, labels=y, twice=False):  # what a rule makes of these gradients, for both parameters
        return {name: rule(g) for name, g in per_sample(labels, twice).items()}

    def over_classes(rule, share):  # the same, summed over classes in place of labels, with a weight (10, 3)
        parts = [by(lambda g, k=k: rule(g, share[:, k].view(-1, *[1] * (g.ndim - 1))), torch.full((10,), k)) for k in range(3)]
        return {name: sum(part[name] for part in parts) for name in parts[0]}

    batch_mean = ("You squared the gradient of each batch's *mean* loss. In that mean the samples' gradients cancel, "
                  "and the result is too small by the batch size or its square, whatever you divide by. Square each "
                  "sample's own gradient.")
    batch_sum = ("You squared the gradient of each batch's *summed* loss: (a + b)² instead of a² + b². Square each "
                 "sample's own gradient, then add.")
    exact = over_classes(lambda g, w: (w * g**2).mean(0), p)
    with c.unchanged(x, y, *model.parameters()):
        got = diagonal_fisher(model, x, y, batch_size=4)
    c.that(all(p.requires_grad for p in model.parameters()), "requires_grad_changed",
        "Parameters that trained are frozen after your call.")
    if isinstance(got, dict):
        c.that({"weight", "bias"} <= set(got), "parameters_missing",
            f"Your dict has the names {sorted(map(str, got))[:4]}; this model has the parameters weight and bias. "
            "Every parameter that trains can be moved, so each needs its importance.")
        c.that(all(torch.is_tensor(f) for f in got.values()), "not_tensors",
            f"Each importance should be a tensor; yours are of type {type(next(iter(got.values()))).__name__}.")
        c.that(not any(getattr(f, "requires_grad", False) for f in got.values()), "attached",
            "Your result still hangs on a graph (requires_grad is True). It is a table of numbers: detach the "
            "parameters before you differentiate.")
    c.expect(
        got,
        by(lambda g: (g**2).mean(0)),
        what="With labels and batches of 4, 4 and 2 samples, your Fisher of a softmax regression",
        mistakes={
            "batch_mean": (by(lambda g: sum(b.mean(0) ** 2 for b in g.split(4)) / 10), batch_mean),
            "batch_mean_over_batches": (by(lambda g: sum(b.mean(0) ** 2 for b in g.split(4)) / 3), batch_mean),
            "batch_mean_weighted": (by(lambda g: sum(len(b) * b.mean(0) ** 2 for b in g.split(4)) / 10), batch_mean),
            "batch_sum": (by(lambda g: sum(b.sum(0) ** 2 for b in g.split(4)) / 10), batch_sum),
            "batch_sum_over_batches": (by(lambda g: sum(b.sum(0) ** 2 for b in g.split(4)) / 3), batch_sum),
            "square_of_mean": (by(lambda g: g.mean(0) ** 2),
                "You averaged the gradients of all samples and squared last. At an optimum that is zero, as if no "
                "weight mattered. Square first."),
            "sum_not_mean": (by(lambda g: (g**2).sum(0)),
                "Your numbers are those asked for times N: you added over the samples and never divided. The same "
                "data twice must give the same Fisher."),
            "over_batches": (by(lambda g: (g**2).sum(0) / 3),
                "You divided the sum over all samples by the number of batches. It is a mean over samples."),
            "over_full_batches": (by(lambda g: (g**2).sum(0) / 12),
                "You divided by batches times batch size. The last batch is smaller: divide by N."),
            "means_added": (by(lambda g: sum((b**2).mean(0) for b in g.split(4))),
                "You averaged within each batch and added the averages up. Add over all samples, divide by N once."),
            "divided_twice": (by(lambda g: sum((b**2).mean(0) for b in g.split(4)) / 10),
                "You divided twice, by the batch size and by N. Add over all samples, divide by N once."),
            "gradients_accumulate": (by(lambda g: (g.cumsum(0) ** 2).mean(0)),
                "Each sample's gradient is added to those before it: backward adds to .grad. Take the gradient of each "
                "sample afresh, and leave .grad alone."),
            "label_weighted": (by(lambda g: (p[range(10), y].view(-1, *[1] * (g.ndim - 1)) * g**2).mean(0)),
                "Each sample is weighted by the probability of its label. With labels each sample counts once; the "
                "probabilities belong to the case without."),
            "ragged_batches": (by(lambda g: torch.stack([(b**2).mean(0) for b in g.split(4)]).mean(0)),
                               "You averaged the means of the batches, so that the two samples of the last batch "
                               "count double. Add over all samples, divide by N once."),
            "last_batch_dropped": (by(lambda g: (g[:8] ** 2).mean(0)),
                "The last two samples, an incomplete batch, are missing."),
            "last_batch_uncounted": (by(lambda g: (g[:8] ** 2).sum(0) / 10),
                "The last two samples, an incomplete batch, are missing."),
            "last_batch_only": (by(lambda g: (g[8:] ** 2).mean(0)),
                "Only the last batch is in the result: you overwrite where you should add."),
            "not_squared": (by(lambda g: g.mean(0)),
                "You averaged the gradients without a square. They have both signs and cancel."),
            "absolute": (by(lambda g: g.abs().mean(0)), "You averaged absolute gradients. The Fisher has squares."),
            "all_zero": (by(lambda g: 0 * g[0]),
                "All zero: the loss you differentiate does not depend on the parameters you differentiate by. The model "
                "has to be called with them, by `functional_call`."),
            "softmax_twice": (by(lambda g: (g**2).mean(0), twice=True),
                "The loss was given probabilities where it takes logits: `F.cross_entropy` has the softmax inside."),
            "logarithm_missing": (by(lambda g: (p[range(10), y].view(-1, *[1] * (g.ndim - 1)) * g).square().mean(0)),
                "You squared the gradient of p(label). It is the gradient of *log* p(label) that counts."),
            "root": (by(lambda g: (g**2).mean(0).sqrt()),
                "You took a root of the mean square. The Fisher is the mean square itself."),
            "labels_ignored": (exact, "You were given labels, but took the model's own distribution."),
            "argmax_labels": (by(lambda g: (g**2).mean(0), p.argmax(-1)),
                "You were given labels, but took the class that the model finds most probable."),
        },
    )
    torch.manual_seed(1)
    try:
        got = diagonal_fisher(model, x, batch_size=4)
    except (TypeError, AttributeError) as error:
        c.that("NoneType" not in str(error), "labels_needed",
            "Without labels, y is None, your function stops. Then the expectation over the model's own predictions is "
            "asked for.")
        raise
    torch.manual_seed(2)
    again = diagonal_fisher(model, x, batch_size=4)
    both = all(isinstance(f, dict) and all(torch.is_tensor(v) for v in f.values()) for f in (got, again))
    c.that(not both or all(torch.equal(got[k], again[k]) for k in got), "labels_sampled",
        "Without labels, two calls give two results: you draw labels. That is right on average but noisy; with so "
        "few classes the expectation can be computed exactly.")
    c.expect(
        got,
        exact,
        what="Without labels, your Fisher of a softmax regression",
        mistakes={
            "argmax_labels": (by(lambda g: (g**2).mean(0), p.argmax(-1)),
                "Without labels you took the most probable class as if it were certain. The expectation is over all "
                "classes, each with its probability."),
            "unweighted": (over_classes(lambda g, w: (g**2).mean(0), p),
                "You added the squares over the classes without their probabilities. Classes that the model rules "
                "out hardly count."),
            "uniform": (over_classes(lambda g, w: (g**2).mean(0) / 3, p),
                "You gave each class the same weight. The expectation is over the model's own distribution."),
            "expected_before_squared": (over_classes(lambda g, w: (w * g).mean(0), p),
                "All zero: you averaged the gradient over the classes before squaring. Weighted by their "
                "probabilities the gradients of all classes cancel exactly; square first."),
            "weights_squared": (over_classes(lambda g, w: ((w * g) ** 2).mean(0), p),
                "The probabilities were squared together with the gradients. Square the gradient of log p, then "
                "weight the square."),
            "weights_differentiated": (over_classes(lambda g, w: ((w + w * w.log()) * g).square().mean(0), p),
                "You squared the gradient of p · log p. Differentiate log p alone, square, then weight by p as a "
                "number without gradient."),
            "over_classes_too": ({k: v / 3 for k, v in exact.items()},
                "Your numbers are too small by the number of classes. The probabilities add up to one, so there is "
                "nothing left to divide by."),
            "batch_mean": (over_classes(lambda g, w: sum(b.mean(0) ** 2 for b in (w * g).split(4)) / 10, p), batch_mean),
        },
    )
    net = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 3))
    net[1].running_mean += 0.5
    try:
        want = diagonal_fisher(net.eval(), x, y)
    except (RuntimeError, ValueError) as error:
        c.that("1D input" not in str(error), "no_batch_dimension",
            "Your function gives the model a single sample without a batch dimension. Some layers bear that, BatchNorm "
            "does not: a model takes batches, be it of one.")
        raise
    net.train()
    net[1].eval()  # a frozen part stays in eval mode while the rest trains
    with c.restores_mode(net):
        try:
            got = diagonal_fisher(net, x, y)
        except (RuntimeError, ValueError) as error:
            c.fail("train_mode",
                "A model in train mode stops your function. Dropout and BatchNorm must be in eval mode while you measure: "
                f"one sample has no batch statistics. ({str(error).splitlines()[0][:80]} …)")
    c.that(all(torch.allclose(got[name], want[name], atol=1e-5) for name in want), "train_mode",
        "For a model in train mode the Fisher is another one than in eval mode: dropout was active while you "
        "measured.")

# %% nbgrader={"grade": true, "grade_id": "diagonal_fisher_hidden", "locked": true, "points": 15, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.diagonal_fisher") as c:
    torch.manual_seed(3)

    class Tied(nn.Module):
        """One matrix used twice, as word embeddings and output layer share theirs."""

        def __init__(self):
            super().__init__()
            self.first = nn.Linear(3, 3, bias=False)
            self.last = nn.Linear(3, 3)
            self.last.weight = self.first.weight

        def forward(self, x):
            return self.last(torch.tanh(self.first(x)))

    def squares(model, sample, label):  # squared gradient of one sample, by the definition
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        loss = F.cross_entropy(model(sample[None]), label[None])
        return {n: g**2 for n, g in zip(trained, torch.autograd.grad(loss, list(trained.values())), strict=True)}

    layers = nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.3)
    image = nn.Sequential(*layers, nn.Linear(36, 5))
    image.eval()
    x, y = torch.randn(7, 1, 5, 5), torch.randint(5, (7,))
    want = {}
    for i in range(7):
        for name, square in squares(image, x[i], y[i]).items():
            want[name] = want.get(name, 0) + square / 7
    image.train()
    for p in image.parameters():
        p.grad = torch.full_like(p, 2.5)
    buffers = {name: value.clone() for name, value in image.named_buffers()}
    for size in (3, 1, 7, 100):
        got = diagonal_fisher(image, x, y, batch_size=size)
        c.that(all(torch.equal(value, buffers[name]) for name, value in image.named_buffers()), "buffers_moved",
               "BatchNorm's statistics moved while you measured. Be in eval mode for every forward pass.")
        c.expect(got, want, what=f"With images, batch_size={size} and 7 samples, the Fisher")
    c.that(all(part.training for part in image.modules()), "mode_not_restored",
        "The model was in train mode and is not any more.")
    c.that(all(p.grad is not None and bool((p.grad == 2.5).all()) for p in image.parameters()), "gradients_changed",
           "The .grad of the parameters changed. Whoever calls you between backward and step loses their gradients: "
           "use grad or torch.autograd.grad, which leave .grad alone.")
    doubled = diagonal_fisher(image, torch.cat([x, x]), torch.cat([y, y]), batch_size=5)
    c.expect(doubled, want, what="With each sample twice, the Fisher (the same as with each once)")
    torch.manual_seed(4)
    image[0].requires_grad_(False)
    image[3].bias.requires_grad_(False)
    image.eval()
    with torch.no_grad():
        p = image(x).softmax(-1)
    want = {}
    for i in range(7):
        for k in range(5):
            for name, square in squares(image, x[i], torch.tensor(k)).items():
                want[name] = want.get(name, 0) + p[i, k] * square / 7
    got = diagonal_fisher(image, x, batch_size=4)
    c.that(isinstance(got, dict) and not {"0.weight", "0.bias", "3.bias"} & set(got), "frozen_included",
           "Your result has an entry for a parameter without requires_grad. It cannot move, so it needs no price.")
    c.expect(got, want, what="With some parameters frozen and without labels, the Fisher")
    c.that([p.requires_grad for p in image[0].parameters()] == [False, False], "requires_grad_changed",
           "Parameters that were frozen are trainable after your call.")
    c.that(not any(part.training for part in image.modules()), "mode_not_restored",
        "The model was in eval mode and is in train mode now.")
    tied, rows, labels = Tied(), torch.randn(4, 3), torch.tensor([2, 0, 1, 1])
    want = {}
    for i in range(4):
        for name, square in squares(tied, rows[i], labels[i]).items():
            want[name] = want.get(name, 0) + square / 4
    c.expect(diagonal_fisher(tied, rows, labels), want, what=
        "Where two layers share one weight (named_parameters lists it once), the Fisher")
    torch.manual_seed(5)
    half, small = nn.Linear(4, 3).half(), (1e-4 * torch.randn(16, 4)).half()
    with torch.no_grad():
        p = half(small).float().softmax(-1)
    want = torch.einsum("nc,nd->cd", p * (1 - p), small.float() ** 2) / 16
    got = diagonal_fisher(half, small)["weight"]
    c.that(got.dtype == torch.float32, "not_float32",
        f"For a float16 model your Fisher is {got.dtype}; float32 was asked. Small squares vanish where they are added "
        "up in float16, however they were formed.")
    c.that((got > 0.5 * want).all(), "underflow",
        "For a float16 model with small gradients the Fisher is zero, or nearly so: the squares were formed in "
        "float16, whose smallest number is 6e-8. Convert the gradients to float32 before you square them.")
    c.expect(got / want, torch.ones(3, 4), tol=0.05, what="For a float16 model the Fisher, relative to its closed form,")
### END HIDDEN TESTS

# %% [markdown]
# **Predict, then run.** The widespread shortcut takes the gradient of the mean loss of a batch, squares it, adds up over
# batches and divides by N. Batches of 32: which share of the right total is left?

# %% tags=["experiment", "nbval-check-output"]
my_prediction = 1.0  # change me before you run

torch.manual_seed(0)
x = torch.randn(2048, 8)
model = nn.Linear(8, 5)
with torch.no_grad():
    y = torch.distributions.Categorical(logits=model(x)).sample()  # labels the model is right about, on average
right = sum(f.sum() for f in diagonal_fisher(model, x, y).values()).item()
for size in (1, 8, 32, 128):
    wrong = 0.0
    for part, labels in zip(x.split(size), y.split(size), strict=True):
        gradients = torch.autograd.grad(F.cross_entropy(model(part), labels), list(model.parameters()))
        wrong += sum(g.square().sum().item() for g in gradients) / len(x)
    print(f"batches of {size:>3}: {wrong / right:8.5f} of the sum over all weights · 1/B² is {1 / size**2:.5f}")
print(f"you said {my_prediction:g} for batches of 32")

# %% [markdown]
# A mean over B independent gradients has a square of about 1/B of a single one, and there are B times fewer batches to
# add up: too small by B². The *proportions* between the weights survive, roughly, so a λ that is B² times larger hides
# the mistake until somebody changes the batch size. The experiment below puts this Fisher on the same axes as the right
# one.
#
# **Half precision** loses the squares in another way. A gradient of 1e-4 is nothing unusual:

# %% tags=["experiment", "nbval-check-output"]
g = torch.tensor(1e-4)
print(f"float32: {g**2:.1e} · float16: {g.half() ** 2:.1e} · bfloat16: {g.bfloat16() ** 2:.1e} · squared in float32: "
      f"{g.half().float() ** 2:.1e}")

# %% [markdown]
# ## 2 · A price for leaving
#
# ### Exercise 2 · `ewc_penalty`
#
# Elastic weight consolidation [3] adds to the new task's loss
#
# $$\frac{\lambda}{2}\sum_i F_i\,(\theta_i - \theta^*_i)^2$$
#
# where θ\* are the weights after the old task. The ½ is there because this is the old loss, expanded to second order:
# with it, λ = 1 weighs old and new alike, and the gradient is λF(θ − θ\*).
#
# `ewc_penalty(model, anchor, fisher, lam)`: a scalar tensor with gradient.
#
# - `anchor` and `fisher` are dicts of tensors by name. The sum runs over the names in `fisher`; what the model has beyond
#   them (a new head) costs nothing, what the anchor has beyond them (buffers, an old head) is not looked at.
# - A name in `fisher` that the model or the anchor lacks is a `KeyError`. Skipping it in silence would turn the whole
#   penalty off as soon as somebody wraps the model and all names begin with `module.`.
# - No gradient reaches the anchor. Form differences and squares in float32, also if the model is float16.
#
# **Difficulty ●○○ · Importance ●●● · 10 minutes · 14 points**
#
# <details><summary>Hint 1</summary>
#
# `dict(model.named_parameters())` gives the weights by name. Loop over `fisher.items()`.
# </details>
# <details><summary>Hint 2</summary>
#
# A sum over all elements of all tensors, no mean: a layer with more weights contributes more.
# </details>
# <details><summary>Hint 3</summary>
#
# `(f * (now[name].float() - anchor[name].detach().float()) ** 2).sum()` for each name; add up, times λ/2. Neither
# `.data` nor `.item()` nor `state_dict()` of the model: they cut the gradient.
# </details>

# %% nbgrader={"grade": false, "grade_id": "ewc_penalty", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ewc_penalty(
    model: nn.Module, anchor: dict[str, torch.Tensor], fisher: dict[str, torch.Tensor], lam: float
) -> torch.Tensor:
    """EWC's penalty λ/2 · Σ F (θ − θ*)² as a float32 scalar with gradient, over the parameters named in `fisher`.

    anchor: name → θ*, may hold more names than needed (buffers, an old head). Parameters that are not in `fisher` cost
    nothing. Raises KeyError for a name in `fisher` that the model or the anchor lacks.
    Source: Kirkpatrick et al. 2017, equation 3.
    """
    ### BEGIN SOLUTION
    now = dict(model.named_parameters())
    total = 0.0
    for name, importance in fisher.items():
        total = total + (importance * (now[name].float() - anchor[name].detach().float()) ** 2).sum()
    return lam / 2 * total
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "ewc_penalty_check", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("04.ewc_penalty") as c:
    torch.manual_seed(0)
    model = nn.Linear(2, 2)
    anchor = {"weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "bias": torch.tensor([0.0, 1.0])}
    fisher = {"weight": torch.tensor([[1.0, 0.0], [4.0, 2.0]]), "bias": torch.tensor([0.5, 4.0])}
    moved = {"weight": torch.tensor([[2.0, 5.0], [-1.0, 1.0]]), "bias": torch.tensor([2.0, -1.0])}  # θ − θ*
    model.load_state_dict({name: anchor[name] + moved[name] for name in anchor})

    def total(rule, names=("weight", "bias")):  # sums over elements: F·d² is 4 + 0 + 4 + 2 = 10 and 2 + 4 = 6
        return sum(rule(fisher[name], moved[name]) for name in names)

    with c.unchanged(*anchor.values(), *fisher.values(), *model.parameters()):
        try:
            got = ewc_penalty(model, anchor, fisher, 5.0)
        except RuntimeError as error:
            c.that("leaf Variable" not in str(error), "leaf_added_to",
                "You add in place to a tensor made with requires_grad=True. Start from a plain zero: the sum gets its "
                "gradient from the weights.")
            raise
    c.that(got is not None, "returns_none", "Your result is None: does your function end in `return …`?")
    c.expect(
        got,
        2.5 * total(lambda f, d: (f * d**2).sum()),
        what="The penalty",
        mistakes={
            "half_missing": (5 * total(lambda f, d: (f * d**2).sum()),
                "Twice the right value: the ½ is missing. With λ = 1 the old task would count twice, and two "
                "quadratic tasks would not meet at their joint optimum."),
            "mean": (2.5 * total(lambda f, d: (f * d**2).mean()),
                "You took a mean over the elements of each tensor. A sum: otherwise a weight in a big layer would "
                "cost less than one in a small layer."),
            "mean_of_all": (2.5 * total(lambda f, d: (f * d**2).sum()) / 6,
                "You divided by the number of weights. The penalty is a sum."),
            "mean_of_tensors": (2.5 * total(lambda f, d: (f * d**2).sum()) / 2,
                "You averaged over the tensors. The penalty is a sum."),
            "not_squared": (2.5 * total(lambda f, d: (f * d.abs()).sum()), "You took distances, not their squares."),
            "signed": (2.5 * total(lambda f, d: (f * d).sum()),
                "The differences are not squared, so that moves up and down cancel."),
            "fisher_ignored": (2.5 * total(lambda f, d: (d**2).sum()),
                "The importances are not in it: this is the plain distance, which is L2-SP's."),
            "fisher_inside": (2.5 * total(lambda f, d: ((f * d) ** 2).sum()),
                "The Fisher was squared too. It is a mean of squares already: F · d², not (F · d)²."),
            "fisher_root": (2.5 * total(lambda f, d: (f.sqrt() * d**2).sum()), "You took a root of the Fisher."),
            "norm": (2.5 * total(lambda f, d: (f * d**2).sum().sqrt()),
                "You took the norm of each tensor. The penalty has its square."),
            "weights_only": (2.5 * total(lambda f, d: (f * d**2).sum(), ["weight"]),
                "The bias is missing: every name in the Fisher counts. Is there a `return` inside the loop?"),
            "biases_only": (2.5 * total(lambda f, d: (f * d**2).sum(), ["bias"]),
                "Only the last tensor counts. Is there a `=` where the sum should grow?"),
            "negative": (-2.5 * total(lambda f, d: (f * d**2).sum()),
                "The sign is wrong: leaving the anchor would be rewarded."),
            "anchor_ignored": (2.5 * sum((fisher[n] * (anchor[n] + moved[n]) ** 2).sum() for n in anchor),
                               "You priced the distance from zero. The anchor is the old task's weights."),
            "lambda_missing": (total(lambda f, d: (f * d**2).sum()) / 2, "λ is missing."),
        },
    )
    c.that(getattr(got, "requires_grad", False), "no_gradient",
        "The value is right, but it has no gradient, so it would change nothing in training. Somewhere the weights "
        "leave the graph: .data, .item(), .detach(), state_dict() or torch.no_grad().")
    got.backward()
    c.that(all(p.grad is not None for p in model.parameters()), "no_gradient",
        "No gradient arrives at one of the parameters.")
    c.expect({name: p.grad for name, p in model.named_parameters()}, {name: 5 * fisher[name] * moved[name] for name in fisher},
             what="The gradient of the penalty (λ F (θ − θ*))")

# %% nbgrader={"grade": true, "grade_id": "ewc_penalty_hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.ewc_penalty") as c:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))
    anchor = {name: value.clone() for name, value in model.state_dict().items()}  # with buffers, one of them an integer
    fisher = {name: torch.rand_like(p) for name, p in model.named_parameters() if not name.startswith("3.")}
    anchor["3.weight"] = torch.randn(5, 8)  # the old head had five classes
    try:
        got = ewc_penalty(model, anchor, fisher, 100.0)
    except (KeyError, RuntimeError) as error:
        c.fail("unlisted_looked_up", f"Your function stopped ({type(error).__name__}: {str(error)[:60]}). The model "
                                     "has a new head here, the anchor has buffers and an old head of another size. "
                                     "The sum runs over the names in the Fisher, and over no others.")
    c.expect(got, 0.0, what="At the anchor the penalty")
    with torch.no_grad():
        for p in model.parameters():
            p += 0.5
    want = sum(f.sum() for f in fisher.values()).item() / 8
    c.expect(ewc_penalty(model, anchor, fisher, 1), want, what=
        "With a new head that is not in the Fisher, and λ the integer 1, the penalty")
    c.expect(ewc_penalty(model, anchor, fisher, 1e4), 1e4 * want, what="For λ = 10,000 the penalty")
    body = {name: value for name, value in anchor.items() if name in fisher}
    try:
        got = ewc_penalty(model, body, dict(reversed(fisher.items())), 1.0)
    except RuntimeError:
        c.fail("by_position", "With the names of the Fisher in another order your function stops: it pairs the tensors "
                              "by their position. Only names say what belongs together.")
    c.expect(got, want, what="With the names in another order the penalty")
    with torch.no_grad():
        c.expect(ewc_penalty(model, anchor, {"0.bias": fisher["0.bias"]}, 1.0), fisher["0.bias"].sum() / 8,
                 what="With a single name in the Fisher the penalty")
    wrapped = nn.Sequential()
    wrapped.add_module("module", model)
    told = ("The Fisher has names that the model lacks, since all names of the model now begin with `module.`: raise "
            "KeyError, or a typing error switches the penalty off unnoticed.")
    c.raises(lambda: ewc_penalty(wrapped, anchor, fisher, 1.0), KeyError, "unknown_skipped", told)
    c.raises(lambda: ewc_penalty(model, {"0.weight": anchor["0.weight"]}, fisher, 1.0), KeyError, "anchor_skipped",
             "The Fisher has names that the anchor lacks: raise KeyError.")
    old = nn.Linear(3, 1)
    new, prices = copy.deepcopy(old), {"weight": torch.ones(1, 3), "bias": torch.ones(1)}
    with torch.no_grad():
        new.weight += 1
    ewc_penalty(new, dict(old.named_parameters()), prices, 1.0).backward()
    c.that(old.weight.grad is None, "anchor_gets_gradient",
        "The anchor was given as parameters and received a gradient. If they belong to a model that trains on, the "
        "anchor runs after the weights: detach it.")
    # Task A: ½ Σ a (θ − θ_A)², task B: ½ Σ b (θ − θ_B)². With F = a and λ = 1, EWC on B ends where A + B would.
    a, b, best_b = torch.tensor([[8.0, 0.5, 3.0]]), torch.tensor([[1.0, 2.0, 0.3]]), torch.tensor([[1.0, -2.0, 0.7]])
    line = nn.Linear(3, 1, bias=False)
    line.weight.data = b * best_b / (a + b)  # the joint optimum for θ_A = 0
    loss = 0.5 * (b * (line.weight - best_b) ** 2).sum() + ewc_penalty(line, {"weight": torch.zeros(1, 3)}, {
        "weight": a}, 1.0)
    loss.backward()
    c.expect(line.weight.grad, torch.zeros(1, 3), what=
        "For two quadratic tasks and λ = 1, the gradient at their joint optimum")
    half = nn.Linear(2, 2, bias=False).half()
    with torch.no_grad():
        half.weight.zero_()
        half.weight += 1e-4
    got = ewc_penalty(half, {"weight": torch.zeros(2, 2).half()}, {"weight": torch.full((2, 2), 50.0)}, 2.0)
    c.that(got.item() > 1e-6, "underflow", "For a float16 model that moved by 1e-4 the penalty vanishes: the square "
                                           "was formed in float16, whose smallest number is 6e-8. Convert to float32 "
                                           "before you square.")
    c.expect(got, 2e-6, tol=1e-8, what="For a float16 model the penalty")
    with torch.no_grad():
        half.weight.fill_(1.0)
    near = torch.full((2, 2), 2e-4).half()
    c.expect(ewc_penalty(half, {"weight": near}, {"weight": torch.ones(2, 2)}, 2.0), 4 * (1 - near[0, 0].item()) ** 2,
             what="For a float16 model far from its anchor the penalty",
             mistakes={"difference_rounded": (4.0, "The difference 1 − 0.0002 was formed in float16, which makes it 1. "
                                                   "Convert to float32 before you subtract.")})
### END HIDDEN TESTS

# %% [markdown]
# **An anchor that follows.** Three ways to remember the weights, then every weight is moved by one. One of the three
# remembers. Which?

# %% tags=["experiment", "nbval-check-output"]
my_prediction = "state_dict"  # change me before you run

model = nn.Linear(4, 2)
anchors = {
    "state_dict": model.state_dict(),
    "detach": {name: p.detach() for name, p in model.named_parameters()},
    "detach and clone": {name: p.detach().clone() for name, p in model.named_parameters()},
}
ones = {name: torch.ones_like(p) for name, p in model.named_parameters()}
with torch.no_grad():
    for p in model.parameters():
        p += 1
for name, anchor in anchors.items():
    print(f"{name:<16} penalty {ewc_penalty(model, anchor, ones, lam=2.0).item():4.1f}")
print("you said:", my_prediction)

# %% [markdown]
# A state dict shares the memory of the weights, and optimizers change weights in place. Such an anchor costs nothing,
# protects nothing, and raises no error.
#
# **A penalty can be too strong for the step.** For one weight, SGD on ½λF(θ − θ\*)² is a swing. With momentum m it comes
# to rest only if
#
# $$\text{lr}\cdot\lambda\cdot F < 2\,(1+m)$$
#
# and what counts is the *largest* F of all weights. Here lr = 0.1, m = 0.9 and F = 0.5. What is the largest λ of this
# list that does not blow up?

# %% tags=["experiment", "nbval-check-output"]
my_prediction = 10  # change me before you run

for lam in (10, 40, 70, 75, 77, 80):
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)  # one away from the anchor
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(200):
        optimizer.zero_grad()
        ewc_penalty(model, {"weight": torch.zeros(1, 1)}, {"weight": torch.full((1, 1), 0.5)}, lam).backward()
        optimizer.step()
    print(f"λ = {lam:>2}: lr·λ·F = {0.1 * lam * 0.5:.2f}, distance after 200 steps {model.weight.abs().item():.0e}")
print(f"the bound 2(1+m)/(lr·F) is {2 * 1.9 / (0.1 * 0.5):.0f}; you said {my_prediction}")

# %% [markdown]
# With Adam or gradient clipping a step has a bounded length, so that nothing blows up. The penalty may then take most of
# each step, and the new task learns slowly. A very strong λ that "hurts the new task" may just be
# a step size that does not fit it. (A step that treats the penalty exactly, θ ← (θ + lr·λ·F·θ\*) / (1 + lr·λ·F) after each
# step of the loss, is stable for every λ.)
#
# **What no penalty sees.** Ten forward passes in train mode, on data shifted by 3, without any optimizer. What does the
# strongest penalty say, and what happens to the predictions?

# %% tags=["experiment", "nbval-check-output"]
my_prediction = "penalty 0, predictions as before"  # change me before you run

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
x = torch.randn(512, 6)
model(x)
model.eval()
anchor = {name: p.detach().clone() for name, p in model.named_parameters()}
fisher = diagonal_fisher(model, x)
with torch.no_grad():
    before = model(x).argmax(1)
    model.train()
    for part in (x + 3).split(52):
        model(part)
    model.eval()
    changed = (model(x).argmax(1) != before).double().mean().item()
print(f"you said: {my_prediction}")
print(f"penalty {ewc_penalty(model, anchor, fisher, 1e9).item():g}, predictions that changed: {changed:.0%}")

# %% [markdown]
# BatchNorm's running statistics are buffers, not parameters: they have no gradient, no Fisher and no anchor. Where
# forgetting is the question, use GroupNorm or LayerNorm, or keep BatchNorm in eval mode (lesson 03). The vision network
# of the experiment below has GroupNorm for this reason.
#
# **Three caveats of EWC:**
#
# 1. **Local.** F is a second-order expansion at θ\*. After a long way the old loss is not that parabola any more, and the
#    estimate rests on the samples, the labels and the θ\* at which it was made. If the network fits them perfectly, F with
#    data labels is near zero.
# 2. **Diagonal.** Weights that work together are priced one by one.
# 3. **Parameters only.** Buffers, as just seen; and a new head is free.
#
# The second one can be seen by hand. A model reads the same number twice, through two weights. Moving them by +1 and −1
# changes no prediction at all:

# %% tags=["experiment", "nbval-check-output"]
torch.manual_seed(0)
t = torch.randn(1000, 1)
x = t.repeat(1, 2)  # both inputs are the same number
model = nn.Linear(2, 2, bias=False)
move = torch.tensor([[1.0, -1.0], [0.0, 0.0]])
with torch.no_grad():
    p = model(x).softmax(-1)
    change = (functional_call(model, {"weight": model.weight + move}, x).softmax(-1) - p).abs().max().item()
S = torch.stack([torch.diag(row) - torch.outer(row, row) for row in p]).mean(0)  # mean of g gᵀ over samples and classes
A = x.T @ x / len(x)  # mean of a aᵀ
print(f"largest change of a prediction: {change:.4f}")
print(f"price by the diagonal (λ = 1): {0.5 * (diagonal_fisher(model, x)['weight'] * move**2).sum():.3f}")
print(f"price by Kronecker factors:    {0.5 * torch.trace(S @ move @ A @ move.T):.3f}")

# %% [markdown]
# **K-FAC** [9] is what the last line uses. For a linear layer with inputs $a$ and gradients $g$ at its outputs, a
# sample's gradient is $g\,a^\top$. K-FAC approximates the layer's whole block of the Fisher by two small matrices,
# $A = \mathbb{E}[aa^\top]$ and $S = \mathbb{E}[gg^\top]$, as if the two were independent, and the penalty becomes
# $\frac{\lambda}{2}\,\mathrm{tr}(S\,\Delta W A\,\Delta W^\top)$. A layer of 768 × 768 has 589,824 diagonal entries, 1,179,648
# in its two factors, and 3.5 · 10¹¹ in the full block. Ritter, Botev and Barber [10] keep 50 permuted-MNIST tasks in one
# network above 90 % average accuracy with such a penalty, and report it well ahead of diagonal ones.

# %% [markdown]
# ## 3 · An anchor without importances
#
# ### Exercise 3 · `l2sp_penalty`
#
# L2-SP [2] needs nothing from the old task but the weights it starts from (SP is for *starting point*). The head is new:
# there is nothing to return to, so it decays towards zero as usual.
#
# $$\frac{\alpha}{2}\,\lVert \theta_\text{body} - \theta^0_\text{body} \rVert^2 + \frac{\beta}{2}\,\lVert \theta_\text{head} \rVert^2$$
#
# `l2sp_penalty(model, anchor, alpha, beta, is_head)`: a scalar tensor with gradient, over all `model.named_parameters()`.
#
# - `is_head(name)` says whether a parameter belongs to the head. Nobody else knows: heads are called `fc`, `classifier`
#   or anything.
# - What `anchor` says about the head (its random start, an old head of another size) is not looked at.
# - A body parameter that the anchor lacks is a `KeyError`; a model without a head is no error.
#
# **Difficulty ●○○ · Importance ●●○ · 8 minutes · 14 points**
#
# <details><summary>Hint 1</summary>
#
# Two sums, one over the body and one over the head; each parameter goes into exactly one of them.
# </details>
# <details><summary>Hint 2</summary>
#
# Ask `is_head(name)` first. Only then, for the body, look into the anchor, with square brackets.
# </details>
# <details><summary>Hint 3</summary>
#
# `(p - anchor[name].detach()).square().sum()` and `p.square().sum()`; both norms are squared, both terms have a ½.
# </details>

# %% nbgrader={"grade": false, "grade_id": "l2sp_penalty", "locked": false, "schema_version": 3, "solution": true, "task": false}
def l2sp_penalty(
    model: nn.Module, anchor: dict[str, torch.Tensor], alpha: float, beta: float, is_head: Callable[[str], bool]
) -> torch.Tensor:
    """L2-SP: α/2 · ‖body − anchor‖² + β/2 · ‖head‖² as a scalar with gradient; `is_head(name)` says which is which.

    anchor: name → pretrained weight, for every parameter that is not of the head (KeyError where one is missing); what
    it holds beyond that is not looked at. Source: Li, Grandvalet, Davoine 2018.
    """
    ### BEGIN SOLUTION
    body = head = 0.0
    for name, p in model.named_parameters():
        if is_head(name):
            head = head + p.square().sum()
        else:
            body = body + (p - anchor[name].detach()).square().sum()
    return alpha / 2 * body + beta / 2 * head
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "l2sp_penalty_check", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("04.l2sp_penalty") as c:
    torch.manual_seed(0)
    model = nn.ModuleDict({"body": nn.Linear(2, 2), "top": nn.Linear(2, 1)})  # here the head is called top
    start = {"body.weight": [[1.0, 2.0], [3.0, 4.0]], "body.bias": [1.0, 2.0], "top.weight": [[1.0, -1.0]],
        "top.bias": [2.0]}
    now = {"body.weight": [[2.0, 2.0], [3.0, 2.0]], "body.bias": [1.0, 5.0], "top.weight": [[3.0, 2.0]], "top.bias": [-2.0]}
    anchor, now = ({name: torch.tensor(v) for name, v in weights.items()} for weights in (start, now))
    # ‖body − anchor‖²: 1 + 4 and 9; ‖body‖²: 21 and 26; ‖head‖²: 13 and 4; ‖head − its start‖²: 13 and 16
    model.load_state_dict(now)
    with c.unchanged(*anchor.values(), *model.parameters()):
        try:
            got = l2sp_penalty(model, anchor, 10.0, 100.0, lambda name: name.startswith("top."))
        except RuntimeError as error:
            c.that("leaf Variable" not in str(error), "leaf_added_to",
                "You add in place to a tensor made with requires_grad=True. Start from a plain zero: the sum gets its "
                "gradient from the weights.")
            raise
    c.expect(
        got,
        5 * 14 + 50 * 17,
        what="The penalty",
        mistakes={
            "half_missing": (10 * 14 + 100 * 17, "Twice the right value: the ½ is missing."),
            "half_missing_body": (10 * 14 + 50 * 17, "The ½ of the first term is missing. Both terms have one."),
            "half_missing_head": (5 * 14 + 100 * 17, "The ½ of the second term is missing. Both terms have one."),
            "first_only": (5 * 5, "Only the first tensor counts. Is there a `return` inside the loop?"),
            "last_only": (50 * 4, "Only the last tensor counts. Is there a `=` where the sum should grow?"),
            "last_of_each": (5 * 9 + 50 * 4,
                "Only the last tensor of body and head counts. Is there a `=` where the sums should grow?"),
            "head_anchored": (5 * 14 + 50 * 29,
                "The head is pulled back to its random start. Nothing was learned there; the head is pulled to zero."),
            "all_anchored": (5 * (14 + 29), "The head is anchored like the body. It is new: pull it to zero, with "
                                            "strength β."),
            "all_anchored_and_decayed": (5 * (14 + 29) + 50 * 17,
                "The head is both anchored and pulled to zero. It belongs to the second sum only."),
            "head_ignored": (5 * 14, "The head costs nothing. It is pulled to zero with strength β."),
            "body_ignored": (50 * 17, "The body costs nothing."),
            "everything_decays": (5 * 47 + 50 * 17,
                "The body is pulled to zero: that is weight decay. Its anchor is the pretrained weights."),
            "body_decays_too": (5 * 14 + 50 * (17 + 47), "The body is pulled to zero as well. β concerns the head only."),
            "roles_swapped": (5 * 29 + 50 * 47, "Head and body are mixed up: what `is_head` says is true for the head."),
            "strengths_swapped": (5 * 17 + 50 * 14, "α and β are swapped: α holds the body, β pulls the head to zero."),
            "weights_only": (5 * 5 + 50 * 13, "The biases are missing. All parameters count."),
            "norm": (5 * 14**0.5 + 50 * 17**0.5, "You took norms. The penalty has their squares."),
            "norm_of_each": (5 * (5**0.5 + 3) + 50 * (13**0.5 + 2),
                "You took the norm of each tensor. The penalty has the squares."),
            "mean": (5 * (5 / 4 + 9 / 2) + 50 * (13 / 2 + 4), "You took means over the elements. The penalty is a sum."),
            "absolute": (5 * 6 + 50 * 7, "You added distances, not their squares."),
        },
    )
    c.that(getattr(got, "requires_grad", False), "no_gradient",
        "The value is right, but it has no gradient, so it would change nothing in training. Somewhere the weights "
        "leave the graph: .data, .item(), .detach(), state_dict() or torch.no_grad().")
    got.backward()
    c.that(all(p.grad is not None for p in model.parameters()), "no_gradient",
        "No gradient arrives at one of the parameters.")
    c.expect({name: p.grad for name, p in model.named_parameters()},
             {n: 10 * (now[n] - anchor[n]) if n.startswith("body") else 100 * now[n] for n in now}, what=
                 "The gradient of the penalty")

# %% nbgrader={"grade": true, "grade_id": "l2sp_penalty_hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.l2sp_penalty") as c:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 4))
    is_head = lambda name: name.startswith("3.")
    anchor = {name: p.detach().clone() for name, p in model.named_parameters() if not is_head(name)}
    head = sum(p.square().sum() for p in model[3].parameters()).item()
    try:
        got = l2sp_penalty(model, anchor, 7.0, 2.0, is_head)
    except KeyError as error:
        c.fail("head_looked_up", f"The anchor has no head, and your function stopped at {error}. The head needs no "
                                 "anchor: do not look for one.")
    c.expect(got, head, what="With the body at its anchor, and an anchor without the head, the penalty",
             mistakes={"head_unpaired": (0.0, "The anchor has no head here, and your head costs nothing. Go through the "
                                              "model's parameters, not through pairs with the anchor; `zip` ends with "
                                              "the shorter.")})
    for name, other in (("a head of another size", torch.randn(9, 12)), (
        "a head of one class, which would broadcast", torch.randn(1, 12))):
        full = anchor | {"3.weight": other, "3.bias": torch.zeros(len(other))}
        try:
            got = l2sp_penalty(model, full, 7.0, 2.0, is_head)
        except RuntimeError:
            c.fail("head_looked_up", f"The anchor holds {name}, and your function stopped. It should not look at the "
                                     "head's anchor at all.")
        c.expect(got, head, what=f"Where the anchor holds {name}, the penalty")
    with torch.no_grad():
        model[3].weight.zero_()
        model[3].bias.zero_()
        c.expect(l2sp_penalty(model, anchor, 7.0, 2.0, is_head), 0.0, what=
            "With the body at its anchor and the head at zero, the penalty")
        for name, p in model.named_parameters():
            if not is_head(name):
                p += 1
    count = sum(p.numel() for p in anchor.values())
    model[0].weight.requires_grad_(False)  # 27 weights
    c.expect(l2sp_penalty(model, anchor, 3, 2, is_head), 1.5 * count, what=
        "With each weight of the body moved by 1, the penalty",
             mistakes={"frozen_skipped": (1.5 * (count - 27), "A parameter without requires_grad is left out. The sum "
                                                              "runs over all of `named_parameters()`.")})
    norms = lambda name: name.startswith(("1.", "3."))  # whatever is called head here
    c.expect(l2sp_penalty(model, anchor, 0.0, 2.0, norms), sum(p.square().sum() for p in model[1].parameters()),
             what="Where `is_head` also names the norm, the penalty for α = 0",
             mistakes={"name_guessed": (0.0, "You decide yourself what the head is. Ask `is_head`, and nothing else.")})
    c.expect(l2sp_penalty(model[:3], anchor, 2.0, 5.0, lambda name: False), float(count), what=
        "For a model without a head the penalty")
    c.raises(lambda: l2sp_penalty(model, {"0.weight": anchor["0.weight"]}, 1.0, 1.0, is_head), KeyError, "missing_skipped",
             "The anchor lacks a parameter of the body: raise KeyError, or a wrong name leaves it free without a word.")
    old = nn.Linear(3, 1)
    new = copy.deepcopy(old)
    with torch.no_grad():
        new.weight += 1
    l2sp_penalty(new, dict(old.named_parameters()), 1.0, 1.0, lambda name: False).backward()
    c.that(old.weight.grad is None, "anchor_gets_gradient",
        "The anchor was given as parameters and received a gradient: detach it.")
### END HIDDEN TESTS

# %% [markdown]
# **Weight decay is no anchor.** A pretrained weight of 1 that the new task never touches: its gradient is zero in each
# of 500 steps. AdamW runs with lr = 0.01 and weight decay 0.1. What is left of the weight, and what with L2-SP
# (α = 0.1) in place of weight decay?

# %% tags=["experiment", "nbval-check-output"]
my_prediction = {"weight decay": 1.0, "L2-SP": 1.0}  # change me before you run

for name, weight_decay, alpha in (("weight decay", 0.1, 0.0), ("L2-SP", 0.0, 0.1)):
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    anchor = {"weight": model.weight.detach().clone()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=weight_decay)
    for _ in range(500):
        optimizer.zero_grad()
        (0 * model.weight.sum() + l2sp_penalty(model, anchor, alpha, 0.0, lambda n: False)).backward()
        optimizer.step()
    print(f"{name:<12} leaves {model.weight.item():.3f} · you said {my_prediction[name]:g}")
print(f"(1 − lr·wd)^500 = {(1 - 0.01 * 0.1) ** 500:.3f}")

# %% [markdown]
# Decay pulls to zero, which for a pretrained weight means away from what it knew, by the factor (1 − lr·wd)^t. For
# lr = 2e-5, wd = 0.01 and 3,000 steps that is 0.9994, as good as nothing; for lr = 1e-3 and 30,000 steps it is 0.74.

# %% [markdown]
# ## 4 · More than two tasks
#
# After a third task, there are two anchors to keep, then three. **Online EWC** [11] keeps one: the latest weights, with a
# running sum of importances,
#
# $$F \leftarrow \gamma F + F_\text{new}, \qquad 0 \le \gamma \le 1$$
#
# γ = 1 keeps all old importances forever, until nothing can move any more; γ < 1 forgets old tasks at a known rate. It is
# a *sum*: a second task adds a claim of its own and takes nothing from the first but by γ.
#
# ### Exercise 4 · `online_fisher`
#
# Two lines of code, in which a moving average slips in easily. Networks also change between tasks: a head comes, another
# goes.
#
# `online_fisher(old, new, gamma)`: a new dict with all names of either side; a name that one side lacks counts as zero
# there. Neither `old` nor `new` is changed, and the result shares no memory with them.
#
# **Difficulty ●○○ · Importance ●○○ · 4 minutes · 8 points**
#
# <details><summary>Hint 1</summary>
#
# Which names must be in the result? `old | new` merges two dicts.
# </details>
# <details><summary>Hint 2</summary>
#
# `old.get(name, 0)` is zero where there is nothing.
# </details>
# <details><summary>Hint 3</summary>
#
# `gamma * a + b` is a new tensor, `a *= gamma` and `a.mul_(gamma)` write into the old one, and returning `new[name]`
# itself shares its memory.
# </details>

# %% nbgrader={"grade": false, "grade_id": "online_fisher", "locked": false, "schema_version": 3, "solution": true, "task": false}
def online_fisher(
    old: dict[str, torch.Tensor], new: dict[str, torch.Tensor], gamma: float
) -> dict[str, torch.Tensor]:
    """Running Fisher γ · old + new, name by name; a name that one side lacks counts as zero there. New tensors.

    Source: Schwarz et al. 2018 (progress and compress), section on online EWC.
    """
    ### BEGIN SOLUTION
    return {name: gamma * old.get(name, 0) + new.get(name, 0) for name in old | new}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "online_fisher_check", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("04.online_fisher") as c:
    old = {"w": torch.tensor([1.0, 2.0]), "b": torch.tensor([4.0])}
    new = {"w": torch.tensor([10.0, 30.0]), "b": torch.tensor([2.0])}

    def by(a, b):
        return {name: a * old[name] + b * new[name] for name in old}

    given = dict(old), dict(new)
    with c.unchanged(*old.values(), *new.values()):
        got = online_fisher(*given, 0.75)
    c.that(all(a.get(n) is b[n] for a, b in zip(given, (old, new), strict=True) for n in b), "dict_changed",
        "You assign to a name of `old` or `new`. Whoever calls your function still needs both: fill a new dict.")
    c.expect(
        got,
        by(0.75, 1),
        what="For γ = 0.75 the result",
        mistakes={
            "moving_average": (by(0.75, 0.25),
                "You took a moving average. In a sum the new task counts in full; γ only shrinks what came before."),
            "average_swapped": (by(0.25, 0.75),
                "You took a moving average, with its weights swapped. In a sum the new task counts in full."),
            "gamma_on_new": (by(1, 0.75), "γ shrinks the new task's importances. It should shrink the old ones."),
            "gamma_on_both": (by(0.75, 0.75), "γ shrinks both. The new task counts in full."),
            "gamma_missing": (by(1, 1), "γ is not used: nothing old would ever fade."),
            "half": (by(0.375, 0.5), "You divided by two. Importances of two tasks add up."),
            "old_lost": (by(0, 1), "Only the new importances are left, so the first task is unprotected from now on."),
            "new_lost": (by(0.75, 0), "The new importances are missing."),
            "maximum": ({n: torch.maximum(0.75 * old[n], new[n]) for n in old},
                "You took the larger of the two. Importances of two tasks add up."),
            "complement": (by(0.25, 1), "You multiplied the old importances by 1 − γ. γ is the share that stays."),
        },
    )

# %% nbgrader={"grade": true, "grade_id": "online_fisher_hidden", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.online_fisher") as c:
    torch.manual_seed(1)
    tasks = [{"body": torch.rand(3, 2), f"head{i}": torch.rand(2)} for i in range(3)]
    running = {}
    for i, fisher in enumerate(tasks):
        try:
            running = online_fisher(running, fisher, 0.5)
        except KeyError as error:
            c.fail("names_differ", f"The tasks have heads of their own, and your function stopped at {error}. A name "
                                   "that one side lacks counts as zero there (before the first task, that is all "
                                   "names).")
        names = ["body", *(f"head{j}" for j in range(i + 1))]
        c.that(isinstance(running, dict) and set(running) == set(names), "names_dropped",
               f"After task {i + 1} your result should have the names {', '.join(names)}.")
        c.that(not any(running[n].data_ptr() == fisher[n].data_ptr() for n in fisher), "aliased",
               "A tensor of your result shares its memory with the new Fisher: whoever changes one changes both.")
    want = {"body": tasks[0]["body"] / 4 + tasks[1]["body"] / 2 + tasks[2]["body"], "head0": tasks[0]["head0"] / 4,
            "head1": tasks[1]["head1"] / 2, "head2": tasks[2]["head2"]}
    c.expect(running, want, what="After three tasks with γ = 0.5 the running Fisher",
             mistakes={"old_not_faded": (want | {"head0": tasks[0]["head0"], "head1": tasks[1]["head1"]},
                                         "A name that the new task lacks does not fade. Its new importance is "
                                         "zero, its old one times γ.")})
    before = {name: value.clone() for name, value in running.items()}
    same = online_fisher(running, {}, 1.0)
    c.expect(same, before, what="With nothing new and γ = 1 the result")
    c.that(not any(same[n].data_ptr() == running[n].data_ptr() for n in running), "aliased",
           "A tensor of your result shares its memory with the old Fisher: whoever changes one changes both.")
    c.expect(online_fisher(running, tasks[0], 0.0), {n: tasks[0].get(n, torch.zeros(2)) for n in running}, what=
        "For γ = 0 the result")
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · A fair memory
#
# The plainest remedy: keep some old samples and show them again. But which, if the data come as a
# stream and nobody knows how long it will be? Keeping the first k forgets everything later; keeping the last k is no
# memory at all.
#
# ### Exercise 5 · `reservoir`
#
# A reservoir [12] holds, at any time, a uniform sample of all it has seen. You never need to know the length, and never
# more room than k.
#
# `reservoir(stream, k, rng) -> list`: k items of the iterable `stream` (or all, if it has fewer), in any order. Each of
# its N items is kept with probability k/N, and every set of k items is equally likely.
#
# - Pass over the stream once, holding no more than k items and the current one.
# - All randomness comes from `rng`, a NumPy `Generator`. For k = 0 the list is empty.
#
# **Difficulty ●●○ · Importance ●●○ · 8 minutes · 10 points**
#
# <details><summary>Hint 1</summary>
#
# The first k items go in. When item number i arrives (counted from 1), with which probability should it be among the k?
# </details>
# <details><summary>Hint 2</summary>
#
# With k/i. If it goes in, it takes the place of one that is chosen uniformly. Both can be decided by one random number.
# </details>
# <details><summary>Hint 3</summary>
#
# `rng.integers(i)` is uniform on 0 … i−1, so it is below k with probability k/i, and then it is a uniform place. Mind
# that `enumerate` counts from 0.
# </details>

# %% nbgrader={"grade": false, "grade_id": "reservoir", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reservoir(stream: Iterable, k: int, rng: np.random.Generator) -> list:
    """A uniform sample of `k` items from a stream of unknown length, in one pass and with room for k items.

    Every item is kept with probability k/N, every set of k items is equally likely; all items if there are at most k.
    Source: Vitter 1985, algorithm R.
    """
    ### BEGIN SOLUTION
    kept = []
    for i, item in enumerate(stream):
        if i < k:
            kept.append(item)
        elif (j := rng.integers(i + 1)) < k:
            kept[j] = item
    return kept
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "reservoir_check", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("04.reservoir") as c:
    trials, rng, begun = 4000, np.random.default_rng(0), []

    class Letters:
        """An iterable that is no iterator, and notes how often somebody begins with it."""

        def __iter__(self):
            begun.append(1)
            return iter("abcdefg")

    try:
        first = reservoir(iter("abcdefg"), 2, rng)
        reservoir(Letters(), 2, rng)
    except TypeError as error:
        c.that("not subscriptable" not in str(error), "takes_positions",
            "You take items of the stream by their position. A stream can only be gone through, item by item.")
        c.that("not an iterator" not in str(error), "next_of_iterable",
            "You call `next` on the stream. That needs an iterator, and an iterable such as a list is none: make one "
            "with `iter(stream)`, once.")
        c.that("len()" not in str(error), "asks_length", "You ask the stream for its length. Nobody knows it: a stream may not "
                                                         "even have an end yet.")
        raise
    c.that(first is not None, "returns_none", "Your result is None: does your function end in `return …`?")
    c.that(isinstance(first, list), "not_a_list", f"Return a list; yours is a {type(first).__name__}.")
    c.that(first, "two_passes", "You keep nothing. A stream can be passed over only once: counting its items uses it up.")
    c.that(len(begun) < 2, "two_passes",
        f"You begin {len(begun)} times with the stream. If it is a list, the items of the first pass come again. Make "
        "one iterator, `iter(stream)`, or use a single loop.")
    c.that(len(first) == 2, "wrong_length", f"From seven items two should be kept; you keep {len(first)}.")
    c.that(set(first) <= set("abcdefg"), "not_items",
        f"Your list holds {first[0]!r}, which is none of the stream's items. Keep the items, not their positions.")
    try:
        short = reservoir(iter("abc"), 5, rng)
    except Exception as error:
        c.fail("short_stream", "From three items with room for five, keep all three once. Yours raised "
                               f"{type(error).__name__}.")
    c.that(sorted(short) == list("abc"), "short_stream", "From three items with room for five, keep all three once.")
    once, again = (reservoir(range(1000), 5, np.random.default_rng(1)) for _ in range(2))
    c.that(once == again, "global_rng",
           "The same seed of `rng` gives two results: draw from `rng`, not from random or np.random.")
    counts = Counter()
    for _ in range(trials):
        kept = reservoir(iter(range(7)), 2, rng)
        c.that(len(kept) == 2, "wrong_length", f"From seven items two should be kept; you sometimes keep {len(kept)}.")
        c.that(kept[0] != kept[1], "duplicates", "One item is in the memory twice: you draw with replacement.")
        counts.update(kept)
    share = np.array([counts[i] / trials for i in range(7)])  # each should be 2/7 = 0.286, give or take 0.036 (five sigma)
    near = lambda *wanted: np.allclose(share, wanted, atol=0.036)
    told = " ".join(f"{s:.2f}" for s in share)
    told = f"Kept of seven items with room for two, share of trials: {told} (fair: 0.29 each). "
    c.that(not near(1, 1, 0, 0, 0, 0, 0), "keeps_first", told + "You keep the first k and never replace one.")
    c.that(not near(0, 0, 0, 0, 0, 1, 1), "keeps_last", told + "You keep the last k: a window, not a memory.")
    c.that(len({tuple(reservoir(range(1000), 5, np.random.default_rng(s))) for s in range(5)}) > 1, "rng_ignored",
           "Whatever the seed of `rng`, you keep the same items: draw from the generator you are given.")
    c.that(not (share[:2] > 0.964).any(), "same_place", told +
        "One item always survives: newcomers never take its place. Which place they take must be random too.")
    c.that(not near(0.167, 0.167, 0.333, 0.333, 0.333, 0.333, 0.333), "off_by_one", told +
        "The third item always goes in. When it arrives it is one of three, and has the same chance to be left out "
        "as the others.")
    c.that(share[-1] - share[:2].mean() < 0.072, "newest_favored", told +
        "Newer items are favored. The chance of a newcomer has to fall as the stream goes on.")
    c.that(np.allclose(share, 2 / 7, atol=0.036), "not_uniform", told + "Every item should have the same chance.")

# %% nbgrader={"grade": true, "grade_id": "reservoir_hidden", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.reservoir") as c:
    try:
        kept = reservoir(range(5), 0, np.random.default_rng(0))
    except Exception as error:
        c.fail("no_room", "With room for no item (k = 0) the result is an empty list. Yours raised "
                          f"{type(error).__name__}.")
    c.that(kept == [], "no_room", "With room for no item (k = 0) the result is an empty list.")
    c.that(reservoir([], 3, np.random.default_rng(0)) == [], "empty_stream", "From an empty stream comes an empty list.")
    c.that(sorted(reservoir(range(4), 4, np.random.default_rng(0))) == [0, 1, 2, 3], "short_stream",
        "From k items all are kept.")
    trials, rng = 6000, np.random.default_rng(3)
    sets = Counter(frozenset(reservoir(range(6), 3, rng)) for _ in range(trials))
    wanted = [frozenset(s) for s in itertools.combinations(range(6), 3)]
    share = np.array([sets[s] / trials for s in wanted])  # each 1/20, five sigma are 0.014
    single = np.array([sum(n for s, n in sets.items() if i in s) / trials for i in range(6)])
    c.that(np.allclose(single, 0.5, atol=0.033), "not_uniform", "Of six items with room for three, the shares kept are "
           + " ".join(f"{s:.2f}" for s in single) + "; 0.50 each would be fair.")
    c.that(np.allclose(share, 0.05, atol=0.0145), "sets_not_uniform",
        "Each item is kept equally often, but not each set: of six items, the three "
        f"{sorted(wanted[int(share.argmax())])} stay together in {100 * share.max():.0f} % of trials, where 5 % would be "
        "fair. A newcomer must not always take the place of the oldest, or of a neighbor.")
    late = np.mean([np.mean(np.array(reservoir(range(400), 20, rng)) >= 200) for _ in range(100)])  # sd 0.011
    c.that(abs(late - 0.5) < 0.056, "not_uniform",
        f"Of a stream of 400 with room for 20, {late:.0%} of what you keep is from the second half.")

    class Item:
        """Something whose life can be watched."""

    alive, most = [], 0

    def watched(n):
        global most
        for _ in range(n):
            item = Item()
            alive.append(weakref.ref(item))
            most = max(most, sum(ref() is not None for ref in alive))
            yield item

    kept = reservoir(watched(200), 10, np.random.default_rng(2))
    c.that(len(kept) == 10, "wrong_length", f"From 200 items ten should be kept; you keep {len(kept)}. Can your "
                                            "function cope with a generator, which can be passed over once and has "
                                            "no length?")
    c.that(most <= 10 + 5, "stores_everything",
        f"At some moment you held {most} items of a stream of 200, with room for ten. A stream may not fit into "
        "memory: decide about each item when it comes.")
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · Old samples in new batches
#
# ### Exercise 6 · `ReplayLoader`
#
# "One tenth replay" should mean that a tenth of every batch is old. A loop that tosses a coin before each batch does so
# on average only, and one that adds a tenth of the batch size *on top* makes it an eleventh.
#
# `ReplayLoader(task, memory, ratio, seed=0)`, to be passed to `fit` in place of `task`:
#
# - `task` is a loader (anything with a length that can be iterated again and again) of batches `(x, y)`; `memory` is a
#   pair of tensors, M old samples and their labels.
# - To a batch of B task samples, **behind** them, come m = B · ratio / (1 − ratio) memory samples, rounded to the nearest
#   whole number, so that they make up the share `ratio` of the B + m. That holds for a smaller last batch too.
# - `len(loader)` and the number of batches are those of `task`: an epoch is an epoch of the new task.
# - Memory samples come in random order; within an epoch none comes again before all others have come. Each iteration
#   draws anew.
# - All randomness is from `self.generator`, which is there already: global random states stay untouched, and seeding that
#   generator again repeats an epoch (`fit` does so at the start of a run).
# - `ratio` outside 0 ≤ ratio < 1, or an empty memory with ratio above 0, is a `ValueError` when the loader is *made*.
#
# **Difficulty ●●● · Importance ●●○ · 15 minutes · 16 points**
#
# <details><summary>Hint 1</summary>
#
# m/(B + m) = ratio. Solve for m; `int` cuts off, `round` rounds.
# </details>
# <details><summary>Hint 2</summary>
#
# `__iter__` can be a generator function: loop over `self.task` and `yield`. Each `for` over the loader then starts from
# the top.
# </details>
# <details><summary>Hint 3</summary>
#
# Keep a queue of positions that are still to come, local to `__iter__`. As long as it holds fewer than m, append
# `torch.randperm(M, generator=self.generator)`; take the first m of it, index x and y of the memory with the same
# positions, `torch.cat` each to the task's.
# </details>

# %% nbgrader={"grade": false, "grade_id": "replay_loader", "locked": false, "schema_version": 3, "solution": true, "task": false}
class ReplayLoader:
    """Batches `(x, y)` of a new task, each joined by so many samples of a memory that these make up the share `ratio`.

    task: an iterable of batches with a length, such as a DataLoader. memory: a pair of tensors (M, …) and (M,).
    A batch of B task samples is followed by m = B · ratio / (1 − ratio) memory samples (the nearest whole number).
    Memory is used up in random order before any sample comes again. The order comes from `self.generator`, seeded once.
    Raises ValueError unless 0 ≤ ratio < 1, and for an empty memory where ratio is above 0.
    """

    def __init__(self, task: Iterable, memory: tuple[torch.Tensor, torch.Tensor], ratio: float, seed: int = 0):
        self.generator = torch.Generator().manual_seed(seed)
        ### BEGIN SOLUTION
        if not 0 <= ratio < 1:
            raise ValueError(f"the share of memory samples must be at least 0 and below 1, not {ratio}")
        if ratio and not len(memory[0]):
            raise ValueError("the memory is empty")
        self.task, self.memory, self.ratio = task, memory, ratio
        ### END SOLUTION

    def __len__(self) -> int:
        """Number of batches: that of the task."""
        ### BEGIN SOLUTION
        return len(self.task)
        ### END SOLUTION

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """One epoch of the task: all its batches in their order, task samples first in each."""
        ### BEGIN SOLUTION
        old_x, old_y = self.memory
        waiting = torch.empty(0, dtype=torch.long)
        for x, y in self.task:
            m = round(len(x) * self.ratio / (1 - self.ratio))
            while len(waiting) < m:
                waiting = torch.cat([waiting, torch.randperm(len(old_x), generator=self.generator)])
            chosen, waiting = waiting[:m], waiting[m:]
            yield torch.cat([x, old_x[chosen]]), torch.cat([y, old_y[chosen]])
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "replay_loader_check", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("04.replay_loader") as c:
    torch.manual_seed(0)
    x, y = torch.arange(15.0)[:, None], torch.arange(15)  # task samples are 0 … 14, memory samples 100 … 106
    task = list(zip(x.split(6), y.split(6), strict=True))  # three batches of 6, 6 and 3
    memory = torch.arange(100.0, 107)[:, None], torch.arange(100, 107)
    loader = ReplayLoader(task, memory, 0.4)
    try:
        length = len(loader)
    except TypeError:
        c.fail("no_len", "len(loader) does not work. A schedule of learning rates has to know how many steps there "
                         "will be.")
    c.expect(length, 3, what="len(loader)", mistakes={"len_counts_samples": (25,
        "len(loader) counts samples; a loader's length is its number of batches.")})
    try:
        epoch = list(loader)
    except RuntimeError as error:
        c.that("StopIteration" not in str(error), "memory_used_up",
            "The memory came to its end in the middle of an epoch, and `next` found nothing more. A new pass through "
            "it, in a new order, has to begin then.")
        raise
    c.that(all(isinstance(batch, tuple | list) and len(batch) == 2 for batch in epoch), "not_pairs",
        "Each batch should be a pair of x and y.")
    again = list(loader)
    c.that(len(again) == len(epoch), "exhausted",
        "The second time one iterates over your loader it gives another number of batches. Start an iteration in "
        "__iter__, not in __init__.")
    old = [[int(v) for v in by if v >= 100] for _, by in epoch]
    new = [[int(v) for v in by if v < 100] for _, by in epoch]
    c.that(len(epoch) == 3 or not any(o and n for o, n in zip(old, new, strict=True)), "wrong_number_of_batches",
           f"From three batches of the task you make {len(epoch)}. An epoch is one of the new task, to its last batch, "
           "however small the memory.")
    c.that(len(epoch) == 3, "batches_of_their_own",
        f"Old samples come in batches of their own, so that an epoch has {len(epoch)} batches instead of three and no "
        "step sees both tasks. Mix them into each batch.")
    sizes = [[len(by) for _, by in batches] for batches in (epoch, again)]
    c.that(sizes[0] == sizes[1], "random_share",
        f"The batches of two epochs have the sizes {sizes[0]} and {sizes[1]}: your share holds on average only. Their number "
        "follows from ratio and the size of the batch; which samples come is all that is random.")
    c.that(sum(map(len, new)) == 15, "replaces_task",
        f"Of 15 task samples {sum(map(len, new))} are left: replay comes on top, it does not take their places.")
    c.expect(
        [len(o) for o in old],
        [4, 4, 2],
        what="For ratio 0.4 and task batches of 6, 6 and 3, the list of memory samples per batch",
        mistakes={
            "no_memory": ([0, 0, 0], "No memory sample is in the batches."),
            "ratio_on_top": ([2, 2, 1], "You added ratio · B samples to the B. They are then ratio/(1 + ratio) of "
                                        "the batch: 10 % would be 9.1 %, and 100 % a half."),
            "ratio_of_memory": ([3, 3, 3], "You took a share of the memory. `ratio` is a share of the batch, "
                                           "however large the memory."),
            "loader_of_memory": ([4, 3, 4],
                "The memory comes in batches of its own size, the last one smaller. How many samples are needed "
                "follows from each batch of the task."),
            "same_for_all": ([4, 4, 4], "The last batch is smaller and gets as many old samples as the others: "
                                        "there its share is too large."),
            "task_share": ([9, 9, 4], "You took `ratio` for the share of the new task. It is the share of the memory."),
            "one_each": ([1, 1, 1], "Each batch gets one memory sample, whatever the ratio."),
            "whole_memory": ([7, 7, 7], "Each batch gets the whole memory."),
        },
    )
    c.that(all(n == by.tolist() for n, (_, by) in zip(new, task, strict=True)), "task_shuffled",
        "The task's samples are not those of its own batch in their order. Leave the batches as they come.")
    c.that(all(int(v) < 100 for (_, by), (_, ty) in zip(epoch, task, strict=True) for v in by[: len(ty)]), "memory_first",
           "Memory samples stand among or before the task's. They come behind them, so that a loss can tell them "
           "apart by position.")
    c.that(all(torch.equal(bx[:, 0].long(), by) for bx, by in epoch), "labels_mixed",
        "A sample has the label of another one: draw positions once, and use them for x and for y.")
    for seed in range(4):
        uses = Counter(int(v) for _, by in ReplayLoader(task, memory, 0.4, seed=seed) for v in by if v >= 100)
        c.that(len(uses) == 7 and max(uses.values()) == 2, "uneven",
            f"Ten draws from a memory of seven gave {len(uses)} different samples, one of them "
            f"{max(uses.values())} times. None should come again before all others have come.")
    many = torch.arange(100.0, 200)[:, None], torch.arange(100, 200)
    drawn = lambda loader: [int(v) for _, by in loader for v in by if v >= 100]
    loader = ReplayLoader(task, many, 0.4)
    first, second = drawn(loader), drawn(loader)
    c.that(first != sorted(first), "not_random",
        "The memory is gone through in its own order, class by class if that is how it was filled.")
    c.that(first != second, "same_every_epoch",
        "Every epoch draws the same samples, so most of a large memory is never used.")

# %% nbgrader={"grade": true, "grade_id": "replay_loader_hidden", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.replay_loader") as c:
    torch.manual_seed(1)
    np.random.seed(1)
    memory = torch.randn(40, 1, 4, 4), torch.arange(100, 140)
    cases = (9, 0.1, 1), (10, 0.15, 2), (10, 0.1, 1), (32, 0.5, 32), (8, 0.75, 24), (20, 0.9, 180), (3, 0.05, 0), (7, 0, 0)
    for size, ratio, want in cases:
        task = [(torch.randn(size, 1, 4, 4), torch.arange(size))] * 4
        batches = list(ReplayLoader(task, memory, ratio))
        got = [int((by >= 100).sum()) for _, by in batches]
        c.that(len(set(got)) < 2, "wrong_share",
            f"Four batches of {size} get {got} memory samples for ratio {ratio}. Each batch is rounded for itself; what "
            "rounding leaves is not carried over.")
        told = f"With batches of {size} and ratio {ratio}, {size * ratio / (1 - ratio):.2f} memory samples are wanted; you have {got}. "
        c.that(got != [want - 1] * 4 or want * (1 - ratio) <= size * ratio, "rounded_down", told +
            "Round to the nearest number; int cuts off.")
        c.that(got != [want + 1] * 4, "rounded_up", told + "Round to the nearest number.")
        c.that(got == [want] * 4, "wrong_share", told + "The share should be the same in every batch.")
        for bx, by in batches:
            c.that(bx.shape == (size + want, 1, 4, 4) and by.dtype == torch.long, "shape",
                f"x has shape {tuple(bx.shape)} and y the type {by.dtype}; expected ({size + want}, 1, 4, 4) and "
                "torch.int64.")
            c.that(torch.equal(bx[:size], task[0][0]), "task_shuffled",
                "The first samples of a batch should be the task's, in their order.")
            c.that(all(torch.equal(bx[i], memory[0][by[i] - 100]) for i in range(size, size + want)), "labels_mixed",
                   "A memory sample has the label of another one.")
    task = [(torch.randn(8, 1, 4, 4), torch.arange(8))] * 12
    drawn = lambda loader: [int(v) for _, by in loader for v in by if v >= 100]
    uses = Counter(drawn(ReplayLoader(task, memory, 0.5)))  # 96 draws from 40
    c.that(set(uses.values()) == {2, 3} and len(uses) == 40, "uneven",
        "In 96 draws from a memory of 40 each sample should come two or three times; yours come "
        f"{min(uses.values()) if len(uses) == 40 else 0} to {max(uses.values())} times. Shuffled passes through the "
        "memory, one after the other.")
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    one, two, three = (ReplayLoader(task, memory, 0.5, seed=seed) for seed in (5, 5, 6))
    a, b, other = drawn(one), drawn(two), drawn(three)
    c.that(torch.equal(torch.get_rng_state(), states[0]) and np.array_equal(np.random.get_state()[1], states[1]),
        "global_rng",
           "Your loader draws from a global generator, so that dropout and everything behind it change with the "
           "replay. Use self.generator.")
    c.that(a == b, "not_reproducible", "Two loaders with the same seed draw different samples.")
    c.that(a != other, "seed_ignored", "Loaders with different seeds draw the same samples.")
    later = drawn(one)
    one.generator.manual_seed(one.generator.initial_seed())
    c.that(drawn(one) == a, "generator_unused",
        "After self.generator is set back to its seed, an epoch is not the same as the first one: something else "
        "decides too (another generator, or a queue that outlives the epoch).")
    c.that(later != a, "same_every_epoch", "Every epoch draws the same samples.")
    from torch.utils.data import DataLoader, TensorDataset

    data = TensorDataset(torch.randn(10, 2), torch.zeros(10, dtype=torch.long))
    inner = DataLoader(data, 4, generator=torch.Generator().manual_seed(0))
    replay = ReplayLoader(inner, (torch.randn(5, 2), torch.ones(5, dtype=torch.long)), 0.5)
    c.expect([len(replay), *(len(by) for _, by in replay)], [3, 8, 8, 4], what=
        "Over a DataLoader of ten samples in fours, the length and the batches")
    for ratio in (1.0, 1.5, -0.1):
        c.raises(lambda r=ratio: ReplayLoader(task, memory, r), ValueError, "bad_ratio_accepted",
            f"ratio = {ratio} makes no batch: raise ValueError when the loader is made, not in its first step.")
    empty = memory[0][:0], memory[1][:0]
    c.raises(lambda: ReplayLoader(task, empty, 0.1), ValueError, "empty_memory_accepted",
        "With an empty memory and ratio 0.1, raise ValueError when the loader is made; otherwise training stops in "
        "its first step with a message about something else.")
    try:
        count = len(list(ReplayLoader(task, empty, 0.0)))
    except Exception as error:
        c.fail("empty_memory_refused", "With ratio 0 an empty memory is fine: nothing is taken from it. Yours raised "
                                       f"{type(error).__name__}.")
    c.that(count == 12, "wrong_number_of_batches", f"With ratio 0, 12 batches of the task become {count}.")
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · How much was forgotten?
#
# For T tasks in a row, let R[i, j] be the accuracy on task j after training on tasks 0 … i. One number per task at the end
# hides whether a task was forgotten or never learned; the matrix shows both. Two summaries are common:
#
# $$\text{BWT} = \frac{1}{T-1}\sum_{j<T-1} \big(R_{T-1,j} - R_{j,j}\big) \qquad
# \text{forgetting} = \frac{1}{T-1}\sum_{j<T-1} \Big(\max_{l<T-1} R_{l,j} - R_{T-1,j}\Big)$$
#
# Backward transfer [13] compares with the moment a task was learned, and is negative if later tasks hurt. Forgetting [14]
# compares with the best the task ever was *before* the last one, and is positive then. The last task cannot be forgotten
# yet and belongs to neither. Where a later task improves an earlier one, forgetting may be negative: do not clip.
#
# ### Exercise 7 · `accuracy_matrix`, `backward_transfer`, `forgetting`
#
# Rows or columns, before or after learning, and which sign means loss: settle it once, in code.
#
# - `accuracy_matrix(tasks, learn, score) -> array (T, T)`: call `learn(task)` once per task, in order, and after each of
#   them `score(task)` for *all* tasks, also those that are still to come.
# - `backward_transfer(R)` and `forgetting(R)`: floats, for an array or a list of lists; `ValueError` for a single task.
#
# **Difficulty ●○○ · Importance ●●○ · 8 minutes · 8 points**
#
# <details><summary>Hint 1</summary>
#
# A row is a moment, a column is a task.
# </details>
# <details><summary>Hint 2</summary>
#
# `R[-1]` is the end, `np.diag(R)` the moments of learning, `R[:-1].max(axis=0)` the best before the last task.
# </details>
# <details><summary>Hint 3</summary>
#
# Leave out the last column before the mean: `[:-1].mean()`. Convert with `np.asarray(R, dtype=float)` first.
# </details>

# %% nbgrader={"grade": false, "grade_id": "continual_metrics", "locked": false, "schema_version": 3, "solution": true, "task": false}
def accuracy_matrix(tasks: list, learn: Callable, score: Callable) -> np.ndarray:
    """R (T, T): R[i, j] is `score(tasks[j])` after `learn` was called on tasks 0 … i in turn, each once."""
    ### BEGIN SOLUTION
    rows = []
    for task in tasks:
        learn(task)
        rows.append([score(other) for other in tasks])
    return np.array(rows, dtype=float)
    ### END SOLUTION


def backward_transfer(R: np.ndarray) -> float:
    """Mean over all tasks but the last of R[T−1, j] − R[j, j]; ValueError for one task (Lopez-Paz & Ranzato 2017)."""
    ### BEGIN SOLUTION
    R = np.asarray(R, dtype=float)
    if len(R) < 2:
        raise ValueError("backward transfer needs at least two tasks")
    return float((R[-1] - np.diag(R))[:-1].mean())
    ### END SOLUTION


def forgetting(R: np.ndarray) -> float:
    """Mean over all tasks but the last of max over l < T−1 of R[l, j], minus R[T−1, j]; ValueError for one task.

    Source: Chaudhry et al. 2018, forgetting measure.
    """
    ### BEGIN SOLUTION
    R = np.asarray(R, dtype=float)
    if len(R) < 2:
        raise ValueError("forgetting needs at least two tasks")
    return float((R[:-1].max(0) - R[-1])[:-1].mean())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "continual_metrics_check", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("04.continual_metrics") as c:
    R = np.array([[0.90, 0.84, 0.10], [0.95, 0.80, 0.30], [0.60, 0.70, 0.85]])
    # backward transfer: (0.60 − 0.90) and (0.70 − 0.80); forgetting: (0.95 − 0.60) and (0.84 − 0.70)
    learned = []

    def learn(task):
        learned.append(task)

    def score(task):  # task "b" (1) after two tasks: 0.21
        c.that(isinstance(task, str), "positions_passed",
               f"`score` was called with {task!r}. Pass one task itself, not its position and not the list of all.")
        return 0.1 * len(learned) + 0.01 * "abc".index(task)

    want = np.array([[0.10, 0.11, 0.12], [0.20, 0.21, 0.22], [0.30, 0.31, 0.32]])
    got = accuracy_matrix(["a", "b", "c"], learn, score)
    c.expect(
        got,
        want,
        what="The accuracy matrix",
        mistakes={
            "scored_before_learning": (want - 0.1,
                "You score before the task is learned: row i is the state *after* task i."),
            "all_at_end": (want[[2, 2, 2]], "All rows show the end: you learned all tasks first and scored afterwards."),
            "seen_only": (np.tril(want), "Above the diagonal you have zeros. Score the tasks still to come too: "
                                         "what one task does for the next is transfer."),
            "seen_only_nan": (np.where(np.tri(3) > 0, want, np.nan),
                "Above the diagonal nothing was scored. Score the tasks still to come too."),
            "transposed": (want.T, "Rows and columns are swapped. A row is a moment, a column is a task."),
            "diagonal": (np.diag(np.diag(want)),
                "Only the diagonal: each task was scored when it was learned, and not again."),
            "learned_again": (0.1 * np.arange(1, 10).reshape(3, 3) + 0.01 * np.arange(3),
                "You call `learn` for each cell of the matrix. Each task is learned once."),
        },
    )
    c.that(learned == ["a", "b", "c"], "learned_again",
        f"`learn` was called with {learned}; once for each task, in order, was asked.")
    c.expect(
        backward_transfer(R),
        -0.2,
        what="Backward transfer of the 3 × 3 example",
        mistakes={
            "bwt_sign": (0.2, "The sign is turned: backward transfer is negative where later tasks hurt."),
            "bwt_last_included": (-0.4 / 3, "You divided by T, or included the last task, for which nothing comes "
                                            "later. T − 1 tasks can gain or lose."),
            "bwt_sum": (-0.4, "A sum; the mean over the tasks but the last was asked."),
            "bwt_transposed": (np.mean(R[:2, 2] - np.diag(R)[:2]),
                "Rows and columns are swapped. The end is the last *row*."),
            "bwt_from_best": (-0.245, "You compared with the best value of each task: that is forgetting. Backward "
                                      "transfer compares with the diagonal."),
            "bwt_from_first": (np.mean(R[2, :2] - R[0, :2]),
                "You compared with the first row. Task j was learned in row j."),
            "bwt_last_step": (np.mean(R[2, :2] - R[1, :2]),
                "You compared with the row before the last. Task j was learned in row j."),
            "bwt_final": (np.mean(R[2, :2]), "You averaged accuracies. A difference to the time of learning was asked."),
        },
    )
    c.expect(
        forgetting(R),
        0.245,
        what="Forgetting of the 3 × 3 example",
        mistakes={
            "forgetting_is_minus_bwt": (0.2, "You compared with the diagonal: that is backward transfer with the "
                                             "sign turned. Forgetting compares with the best the task ever was."),
            "forgetting_sign": (-0.245, "The sign is turned: forgetting is positive where accuracy was lost."),
            "forgetting_last_included": (0.49 / 3,
                "You divided by T, or included the last task, which cannot be forgotten yet."),
            "forgetting_sum": (0.49, "A sum; the mean over the tasks but the last was asked."),
            "forgetting_transposed": (np.mean(R.T[:2].max(0)[:2] - R[:2, 2]),
                "Rows and columns are swapped. The best of a task is the maximum of its column."),
            "forgetting_row_best": (np.mean(R[:2].max(1) - R[2, :2]),
                "You took the maximum of each row. The best of a task is the maximum of its column."),
            "forgetting_since_learned": (0.225,
                "You took the best of too few rows: only of those since the task was learned, or only the last but one. "
                "Accuracy before that counts too: a task can be known before it is taught."),
            "forgetting_overall_best": (np.mean(0.95 - R[2, :2]),
                "You compared with the best value of the whole matrix. Each task has its own best."),
        },
    )

# %% nbgrader={"grade": true, "grade_id": "continual_metrics_hidden", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.continual_metrics") as c:
    R = [[0.5, 0.9, 0.1, 0.0], [0.6, 0.7, 0.2, 0.1], [0.4, 0.6, 0.8, 0.3], [0.7, 0.5, 0.9, 0.6]]  # the end improves tasks 0 and 2
    for metric in (backward_transfer, forgetting):
        try:
            metric(R)
        except (TypeError, AttributeError) as error:
            c.fail("list_refused", f"{metric.__name__} stopped with {type(error).__name__} for a list of lists. "
                                   "Convert R to an array first.")
    c.expect(backward_transfer(R), (0.2 - 0.2 + 0.1) / 3, what="For a list of lists with four tasks, backward transfer",
             mistakes={"bwt_clipped": (-0.2 / 3, "Gains were cut off. Backward transfer may be positive.")})
    c.expect(forgetting(R), (-0.1 + 0.4 - 0.1) / 3, what="Where the last task improves two earlier ones, forgetting",
             mistakes={"forgetting_clipped": (0.4 / 3,
                 "Gains were cut off at zero, or the last row is among those the best is taken of. The best is "
                 "taken *before* the last task, and forgetting may be negative.")})
    c.expect([backward_transfer([[0.9, 0.1], [0.5, 0.8]]), forgetting([[0.9, 0.1], [0.5, 0.8]])], [-0.4, 0.4], what=
        "For two tasks, both numbers")
    for metric in (backward_transfer, forgetting):
        c.that(isinstance(metric(R), float), "not_a_float",
            f"{metric.__name__} should return a number, not a {type(metric(R)).__name__}.")
        c.raises(lambda m=metric: m([[0.9]]), ValueError, "one_task_accepted",
            f"After a single task nothing can be forgotten: {metric.__name__} raises ValueError.")
    state = {"seen": 0}
    learn = lambda task: state.update(seen=state["seen"] * 10 + task)
    got = accuracy_matrix([3, 1], learn, lambda task: state["seen"] + task / 10)
    c.that(isinstance(got, np.ndarray), "not_an_array",
        f"accuracy_matrix should return an array, not a {type(got).__name__}.")
    c.expect(got, [[3.3, 3.1], [31.3, 31.1]], what="For two other tasks the matrix")
    c.expect(accuracy_matrix(["only"], lambda task: None, lambda task: 0.5), [[0.5]], what="For one task the matrix")
### END HIDDEN TESTS

# %% [markdown]
# **Your classes together**, in a toy. A small network learns to tell two clouds of points apart, three times, and each
# time the line between them is turned by 60°. In the second run a reservoir of 60 samples from earlier tasks makes up a
# third of each batch. Before you run it: what will the first column be after the third task?

# %% tags=["experiment"]
my_prediction = {"plain": 0.9, "replay": 0.9}  # accuracy on the first task at the end: change me before you run


def turned(angle, n, seed):
    """Points of two classes, the border between them turned by `angle` degrees."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=generator)
    a = np.deg2rad(angle)
    return x, ((x * torch.tensor([np.cos(a), np.sin(a)], dtype=torch.float32)).sum(1) > 0).long()


for kind in ("plain", "replay"):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    stream = []

    def learn(angle):
        x, y = turned(angle, 300, seed=angle)
        batches = list(zip(x.split(30), y.split(30), strict=True))
        if kind == "replay" and stream:
            kept = reservoir(iter(stream), 60, np.random.default_rng(0))
            old = torch.stack([point for point, _ in kept]), torch.stack([label for _, label in kept])
            batches = ReplayLoader(batches, old, ratio=1 / 3)
        for _ in range(20):
            for bx, by in batches:
                optimizer.zero_grad()
                F.cross_entropy(net(bx), by).backward()
                optimizer.step()
        stream.extend(zip(x, y, strict=True))

    def score(angle):
        x, y = turned(angle, 1000, seed=1000 + angle)
        return (net(x).argmax(1) == y).double().mean().item()

    R = accuracy_matrix([0, 60, 120], learn, score)
    print(f"{kind}: you said {my_prediction[kind]:g} · backward transfer {backward_transfer(R):+.2f} · forgetting "
          f"{forgetting(R):.2f}")
    print(pd.DataFrame(R, [f"after {i + 1}" for i in range(3)], ["task 1", "task 2", "task 3"]).round(2), "\n")

# %% [markdown]
# Read the second table twice. Replay does not make the tasks compatible: the three lines contradict each other for some
# points, and the memory sees to it that the network answers for all of them, the newest included. What is kept in the
# first column is paid for in the last one.

# %% [markdown]
# ## 8 · Reading results
#
# A sweep over λ always finds a λ that looks good on the test set, if the test set may choose. And the mean over five
# seeds says little without an interval. Both mistakes flatter the method that has more knobs.
#
# ### Exercise 8 · `read_results`
#
# Before you see the lesson's own sweep, write down how you are going to read it. Then the reading cannot bend to the
# result.
#
# `read_results(held_out, test, baseline) -> (chosen, gain, low, high)`
#
# - `held_out` and `test` are (L, S): one row per strength λ, one column per seed. `baseline` is (S,): the test scores of
#   plain fine-tuning on the same seeds (same data, same initial weights, same order). All three may be arrays or lists.
# - `chosen`: the row with the best *mean held-out* score.
# - `gain`: mean over the seeds of that row's test score minus the baseline's, seed by seed.
# - `low`, `high`: its 95 % interval by Student's t, $\bar d \pm t_{0.975,\,S-1}\; s/\sqrt{S}$, where s is the standard
#   deviation of the S differences (divided by S − 1).
#
# **Difficulty ●○○ · Importance ●●● · 6 minutes · 6 points**
#
# <details><summary>Hint 1</summary>
#
# Which of the three arrays may the choice look at? One only, and it is not the one you report.
# </details>
# <details><summary>Hint 2</summary>
#
# Subtract first, then take mean and standard deviation of the S differences: what a good or bad seed does to both runs
# cancels.
# </details>
# <details><summary>Hint 3</summary>
#
# `stats.t.ppf(0.975, S - 1)` is 2.78 for five seeds, where the normal distribution has 1.96; `np.std` divides by S unless
# you pass `ddof=1`.
# </details>

# %% nbgrader={"grade": false, "grade_id": "read_results", "locked": false, "schema_version": 3, "solution": true, "task": false}
def read_results(
    held_out: np.ndarray, test: np.ndarray, baseline: np.ndarray
) -> tuple[int, float, float, float]:
    """Choose a setting on held-out scores, and report its paired gain on the test with its 95 % interval.

    held_out, test: (L, S), a row per setting and a column per seed. baseline: (S,), test scores of the baseline on the
    same seeds. Returns the chosen row, the mean gain and the ends of its Student t interval.
    """
    ### BEGIN SOLUTION
    chosen = int(np.argmax(np.mean(held_out, axis=1)))
    gains = np.asarray(test[chosen]) - np.asarray(baseline)
    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
    return chosen, float(gains.mean()), float(gains.mean() - half), float(gains.mean() + half)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "read_results_check", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("04.read_results") as c:
    # Row 1 has the best mean, row 2 the best test; row 0 the best single score, row 4 the best median and first seed.
    held_out = np.array([[60, 62, 64, 80, 58], [72, 70, 66, 73, 74], [71, 69, 75, 60, 68], [65, 66, 67, 68, 64],
                         [73, 74, 74, 73, 50], [61, 60, 62, 63, 60]])  # column 3 has the best score and the best mean
    test = np.array([[61, 60, 66, 65, 63], [70, 73, 75, 74, 68], [76, 70, 80, 73, 76], [64, 66, 70, 67, 66],
                     [72, 71, 70, 74, 69], [60, 61, 62, 63, 60]])
    baseline = np.array([62, 64, 70, 66, 63])
    gains = test[1] - baseline  # 8, 9, 5, 8, 5
    t, error = 2.7764451, gains.std(ddof=1) / 5**0.5
    report = lambda row, mean, half: (row, mean, mean - half, mean + half)
    spread = (test[1].var(ddof=1) / 5 + baseline.var(ddof=1) / 5) ** 0.5
    by_row = lambda row: report(row, (test[row] - baseline).mean(), t * (test[row] - baseline).std(ddof=1) / 5**0.5)
    best = test.max(0) - baseline
    picked = test[held_out.argmax(0), np.arange(5)] - baseline
    own = held_out[1] - baseline
    with c.unchanged(held_out, test, baseline):
        got = read_results(held_out, test, baseline)
    c.that(got is None or isinstance(got, tuple | list) and len(got) == 4, "not_four",
        "Return four numbers: the chosen row, the gain, and the two ends of its interval.")
    c.that(got is None or all(np.ndim(v) == 0 for v in got), "not_numbers",
        "Each of the four should be a single number; there is an array among yours.")
    c.expect(
        got,
        report(1, 7.0, t * error),
        what="The report (row, gain, low, high)",
        mistakes={
            "best_single_score": (by_row(0),
                "You chose the row with the highest single held-out score. One lucky seed decides then; take the mean "
                "of each row."),
            "wrong_axis": (by_row(3),
                "You chose the position of a column: the mean over axis 0, or argmax over the whole table. A row is a "
                "strength, a column is a seed; average over the seeds, then choose the row."),
            "not_by_mean": (by_row(4),
                "You chose the row with the best median, or the best first seed. The best mean over all seeds was "
                "asked."),
            "lowest": (by_row(5), "You chose the row with the lowest mean. These are scores, not losses."),
            "chosen_on_test": (by_row(2),
                "You chose the row by its test scores. The test is then no longer a test: the best of several noisy "
                "numbers is too good on average."),
            "best_per_seed": (report(1, best.mean(), t * best.std(ddof=1) / 5**0.5),
                "You took the best test score of each seed. No single setting reaches that."),
            "chosen_per_seed": (report(1, picked.mean(), t * picked.std(ddof=1) / 5**0.5),
                "You chose a row for each seed. One setting is chosen, by its mean over the seeds."),
            "reports_held_out": (report(1, own.mean(), t * own.std(ddof=1) / 5**0.5),
                "You reported the held-out scores. They chose the row, so they are too good; report the test."),
            "unpaired": (report(1, 7.0, stats.t.ppf(0.975, 8) * spread),
                "You ignored the pairs (two independent samples). The runs share their seeds: subtract first, and "
                "what a hard seed does to both cancels."),
            "unpaired_few": (report(1, 7.0, t * spread),
                "You ignored the pairs: the errors of both means were added. Subtract first."),
            "normal": (report(1, 7.0, 1.959964 * error),
                "You took the quantile of the normal distribution. With five seeds the standard deviation is itself "
                "a guess, and Student's t is wider."),
            "two": (report(1, 7.0, 2 * error), "You took two standard errors. With five seeds, Student's t asks for more."),
            "degrees_of_freedom": (report(1, 7.0, stats.t.ppf(0.975, 5) * error),
                "You took S degrees of freedom; one is spent on the mean."),
            "ninety": (report(1, 7.0, stats.t.ppf(0.95, 4) * error),
                "Your interval has 90 %: 2.5 % belong outside at each end."),
            "one_standard_error": (report(1, 7.0, error),
                "Your interval is plus or minus one standard error, which holds about two times in three."),
            "standard_deviation": (report(1, 7.0, t * gains.std(ddof=1)),
                "You left out √S: that is where single runs lie, not how well their mean is known."),
            "plain_standard_deviation": (report(1, 7.0, gains.std(ddof=1)),
                "Your interval is one standard deviation. It says where single runs lie, not how well their mean is "
                "known."),
            "ddof": (report(1, 7.0, t * gains.std() / 5**0.5),
                "np.std divides by S. The spread of a sample divides by S − 1."),
            "reversed": (report(1, -7.0, t * error), "You subtracted the other way round."),
            "no_difference": (report(1, test[1].mean(), t * test[1].std(ddof=1) / 5**0.5),
                "You reported the score. The gain over the baseline was asked."),
            "baseline_mean": (report(1, 7.0, t * test[1].std(ddof=1) / 5**0.5),
                "You subtracted the mean of the baseline from every seed. Subtract seed by seed, so that what a hard "
                "seed does to both runs cancels."),
            "s_minus_one_twice": (report(1, 7.0, t * gains.std(ddof=1) / 2),
                "You divided by √(S − 1). The standard deviation has its S − 1 already; the standard error is s/√S."),
            "percentiles": ((1, 7.0, *np.percentile(gains, [2.5, 97.5])),
                "You took percentiles of the single gains. They say where single runs lie, not how well their mean is "
                "known."),
            "median_gain": (report(1, 8.0, t * error), "You reported the median of the gains. Their mean was asked."),
            "median_between": ((1, 8.0, 7 - t * error, 7 + t * error),
                "You reported the median of the gains. Their mean was asked."),
            "ends_swapped": (report(1, 7.0, -t * error),
                "Your low is above your high: either they are swapped, or the quantile is the lower one, which is "
                "negative."),
            "margins": ((1, 7.0, -t * error, t * error),
                "You reported how far the ends are from the gain. The ends themselves were asked."),
            "range": ((1, 7.0, 5.0, 9.0), "You reported the smallest and the largest gain. The range grows with "
                                          "every seed you add."),
            "one_seed": ((1, 8.0, 8.0, 8.0), "You reported a single seed."),
        },
    )

# %% nbgrader={"grade": true, "grade_id": "read_results_hidden", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.read_results") as c:
    # differences −1, 1 : mean 0, s = √2, standard error 1, t for one degree of freedom 12.7062
    c.expect(read_results(np.array([[0.1, 0.2], [0.3, 0.1]]), np.array([[9.0, 9.0], [1.0, 4.0]]), np.array([2.0, 3.0])),
             (1, 0.0, -12.7062, 12.7062), tol=1e-4, what="For two seeds the report")
    rng = np.random.default_rng(1)
    seeds = rng.normal(0, 10, 8)  # hard and easy seeds, for all rows alike
    held_out, test = rng.normal(70, 1, (6, 8)) + seeds, rng.normal(70, 1, (6, 8)) + seeds
    held_out[4] += 9
    baseline = test[4] - np.array([1.0, 2, 3, 4, 1, 2, 3, 8])  # mean 3, s = √(36/7), t for 7 is 2.364624
    half = 2.364624 * (36 / 7) ** 0.5 / 8**0.5
    want = (4, 3.0, 3 - half, 3 + half)
    c.expect(read_results(held_out, test, baseline), want, what="For eight seeds the report",
             mistakes={"five_seeds": ((4, 3.0, 3 - 2.7764451 * half / 2.364624, 3 + 2.7764451 * half / 2.364624),
                                      "You use Student's t for five seeds, but there are eight.")})
    try:
        got = read_results(held_out.tolist(), test.tolist(), baseline.tolist())
    except (TypeError, AttributeError) as error:
        c.fail("lists_refused", f"Your function stopped with {type(error).__name__} for lists instead of arrays. "
                                "Convert them first.")
    c.expect(got, want, what="For lists instead of arrays the report")
    c.expect(read_results(held_out[4:5], test[4:5], baseline), (0, *want[1:]), what="For a single setting the report")
    c.expect(read_results(held_out, test - 100, baseline - 100), want, what=
        "With 100 taken from all test scores, the report")
    negative = read_results(held_out - 200, test, baseline + 10)
    c.expect(negative, (4, -7.0, -7 - half, -7 + half), what=
        "Where the method loses, and held-out scores are negative, the report")
    c.that(isinstance(negative[0], int | np.integer), "not_an_index",
        f"The chosen row should be a whole number; yours is a {type(negative[0]).__name__}.")
### END HIDDEN TESTS

# %% [markdown]
# ## 9 · The experiment: what does keeping cost?
#
# Two networks have learned one task and go on to the next. Every run gives two accuracies, on the *source* and on the
# *target*, and a method is a curve between them as its strength grows.
#
# | | letters, then digits | films, then gadgets |
# | --- | --- | --- |
# | network | ResNet with GroupNorm, 37 printed letters | BERT of the course, 3,000 film reviews |
# | new task | handwritten digits, 200 labels | gadget reviews, 3,000 labels |
# | head | one per task; the old one is frozen | the same for both |
# | why it forgets | the features move away under the old head | *predictable* blames a film and praises a device |
# | source accuracy | letters in fonts that no training saw | film reviews |
#
# | method | strength | what it needs of the old task |
# | --- | --- | --- |
# | none | – | nothing |
# | L2-SP | λ | the old weights |
# | EWC | λ | the old weights and their Fisher |
# | batch mean | λ | as EWC, but the Fisher squares *batch* gradients (of 100), the mistake of exercise 1 |
# | replay | share of old samples in a batch | 200 old samples, drawn by your `reservoir` |
#
# **One grid of λ for all anchors.** A Fisher value is small (here around 1e-4), so λ means something else in each
# paper. We divide by its average: λ is then the average stiffness, and L2-SP is the same penalty with all
# importances equal to one. The batch mean is divided by the *same* number, not by its own average, or its mistake would be
# hidden.
#
# **How it is read** (as in exercise 8, decided before the recorded runs). For each seed, the strength is
# the one with the best mean of held-out source and held-out target accuracy over the *other* seeds. Test accuracies at
# that strength are compared in pairs.
#
# Learning rates and numbers of steps come from pilot runs on other seeds, such that plain fine-tuning learns the new
# task well and forgets (these pilots did look at test accuracies). All methods share them, so none was tuned for itself
# beyond its strength.
#
# **Predict, then run:** order four methods by the letters they still read. λ is 0.1 and a quarter of a batch is
# replayed.

# %% tags=["experiment"]
my_prediction = ["none", "L2-SP", "EWC", "replay"]  # fewest … most letters kept: change me before you run

# %% tags=["experiment", "protocol"]
import functools
from types import SimpleNamespace

from peft import LoraConfig, get_peft_model
from torch.utils.data import DataLoader, TensorDataset

from course_utils import experiments, plotting
from course_utils.backbones import load_text, load_vision
from course_utils.datasets import load_digits, load_glyphs, load_reviews, take
from course_utils.records import record_frame
from course_utils.retention import masked_lm_loss
from course_utils.settings import pick, seed_everything
from course_utils.training import fit, predict

STRENGTHS = {"letters": (0.01, 0.1, 1.0, 10.0, 100.0), "films": (1.0, 10.0, 100.0, 1000.0, 10_000.0)}  # λ, for every anchor
SHARES = (0.1, 0.25, 0.5)  # of memory samples in a batch
TRAINING = {"letters": (3e-3, 32), "films": (1e-3, 16)}  # learning rate and batch, by pilot runs on other seeds
STEPS, FILM_STEPS, FILM_RATE = {"letters": 100, "films": 150, "sentiment": 80}, 600, 5e-4
LABELS = {"letters": 200, "films": 3000}  # of the new task
MEMORY, FISHER_BATCH, BETA, WIDTH = 200, 100, 0.01, 20  # reviews of at most 20 tokens need little padding
DIGITS, LETTERS = slice(0, 10), slice(10, 47)


class TwoHeads(nn.Module):
    """New and old classes side by side: features (B, D) → logits (B, 10 + 37). Only the new head learns."""

    def __init__(self, old: nn.Linear):
        super().__init__()
        self.new, self.old = nn.Linear(old.in_features, 10), old.requires_grad_(False)

    def forward(self, features):
        return torch.cat([self.new(features), self.old(features)], dim=1)


def own_head_loss(logits, labels):
    """Mean cross entropy, each sample among the classes of its own task (digits 0–9, letters 10–46)."""
    new = labels < 10
    losses = [F.cross_entropy(logits[new, DIGITS], labels[new], reduction="sum"),
              F.cross_entropy(logits[~new, LETTERS], labels[~new] - 10, reduction="sum")]
    return sum(losses) / len(labels)


class Reader(nn.Module):
    """A text model as a plain module, ids (B, T) → logits. Padding (id 0) is masked here, in a form that vmap can follow."""

    def __init__(self, model):
        super().__init__()
        model.set_attn_implementation("eager")
        self.model = model

    def forward(self, ids):
        return self.model(input_ids=ids, attention_mask=(ids == 0)[:, None, None, :] * -1e9).logits


def pixels(rows, first_label=0):
    x = (torch.tensor(np.array(rows["image"][:], dtype=np.float32)) - 0.223) / 0.301
    return x, torch.tensor(rows["label"][:]) + first_label


@functools.cache
def short_reviews(domain, split, n=None, flips=True):
    """Ids (N, 20) and labels of the first n reviews that have at most 20 tokens."""
    _, tokenizer = load_text()
    rows = load_reviews(domain, split, flips=flips)
    ids = tokenizer(list(rows["text"]))["input_ids"]
    kept = [i for i, row in enumerate(ids) if len(row) <= WIDTH][:n]
    return torch.tensor([ids[i] + [0] * (WIDTH - len(ids[i])) for i in kept]), torch.tensor(rows["label"][:])[kept]


def sample(x, y, n, seed):
    chosen = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:n]
    return x[chosen], y[chosen]


def batches(x, y, size, seed):
    order = torch.Generator().manual_seed(seed)
    return DataLoader(TensorDataset(x, y), size, shuffle=True, drop_last=True, generator=order)


def batch_mean_fisher(model, x, y):
    """The mistake of exercise 1: gradients are averaged over a batch of 100 first and squared then."""
    model.eval()
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    total, parts = dict.fromkeys(named, 0.0), list(zip(x.split(FISHER_BATCH), y.split(FISHER_BATCH), strict=True))
    for part, labels in parts:
        gradients = torch.autograd.grad(F.cross_entropy(model(part), labels), list(named.values()))
        total = {name: total[name] + g**2 / len(parts) for name, g in zip(named, gradients, strict=True)}
    return total


def importances(model, x, is_head):
    """Fisher of the body, right and batch mean, from labels drawn from the model's own predictions.

    Both are divided by one number, the average of the right one: so λ is the average stiffness, and L2-SP is the same
    penalty with every importance 1.
    """
    with torch.no_grad():
        y = torch.multinomial(model.eval()(x).softmax(-1), 1).flatten()
    right, wrong = diagonal_fisher(model, x, y), batch_mean_fisher(model, x, y)
    body = [name for name in right if not is_head(name)]
    unit = sum(right[name].sum() for name in body) / sum(right[name].numel() for name in body)
    return {"EWC": {name: right[name] / unit for name in body}, "batch mean": {name: wrong[name] / unit for name in body}}


@functools.lru_cache(maxsize=1)
def letters_world(seed):
    """ResNet (GroupNorm) that knows 37 printed letters, about to learn handwritten digits with a head of their own."""
    seed_everything(seed)
    model = load_vision("resnet_gn", num_classes="source")
    is_head = lambda name: name.startswith("fc.")
    old_x, old_y = pixels(load_glyphs(500, seed=1000 + seed), 10)
    fisher = importances(model, old_x, is_head)
    model.fc = TwoHeads(model.fc)
    pool = load_digits("pool")
    scored = {
        "source_held_out": (*pixels(load_glyphs(500, seed=2, held_out_fonts=True), 10), LETTERS),
        "source": (*pixels(load_glyphs(1000, seed=1, held_out_fonts=True), 10), LETTERS),
        "target_held_out": (*pixels(pool.select(range(700, 1000))), DIGITS),
        "target": (*pixels(load_digits("test")), DIGITS),
    }
    target = pixels(take(pool.select(range(700)), LABELS["letters"], seed))
    return SimpleNamespace(model=model, is_head=is_head, fisher=fisher, old=(old_x, old_y), target=target, scored=scored,
                           loss_fn=own_head_loss)


@functools.lru_cache(maxsize=1)
def films_world(seed):
    """BERT that has learned the sentiment of film reviews, about to learn that of gadgets, under the same head."""
    seed_everything(seed)
    model = Reader(load_text(task="classification")[0])
    old, target = (sample(*short_reviews(domain, "train"), LABELS["films"], seed) for domain in ("films", "gadgets"))
    fit(model, batches(*old, 16, seed), lr=FILM_RATE, max_steps=FILM_STEPS, weight_decay=0.0, warmup_steps=0.1, seed=seed,
        show_progress=False)
    is_head = lambda name: False  # nothing is new: the head has a place to be kept at, too
    scored = {
        f"{name}{part}": (*short_reviews(domain, split, n), slice(0, 2))
        for name, domain in (("source", "films"), ("target", "gadgets"))
        for part, split, n in (("_held_out", "validation", 250), ("", "test", 500))
    }
    fisher = importances(model, old[0][:300], is_head)
    return SimpleNamespace(model=model, is_head=is_head, fisher=fisher, old=old, target=target, scored=scored, loss_fn=None)


WORLDS = {"letters": letters_world, "films": films_world}


def run_keeping(seed: int, world: str, method: str, strength: float, steps: int | None = None) -> dict:
    """Learn the new task, keeping the old one by `method`; accuracy on both, held out (to choose) and test."""
    w, (lr, size), steps, penalty = WORLDS[world](seed), TRAINING[world], steps or STEPS[world], None
    model, loader = copy.deepcopy(w.model), batches(*w.target, size, seed)
    anchor = {name: p.detach().clone() for name, p in model.named_parameters()}
    if method == "L2-SP":
        penalty = lambda model: l2sp_penalty(model, anchor, strength, BETA, w.is_head)
    elif method in w.fisher:
        penalty = lambda model: ewc_penalty(model, anchor, w.fisher[method], strength)
    elif method == "replay":
        kept = reservoir(range(len(w.old[1])), MEMORY, np.random.default_rng(seed))
        loader = ReplayLoader(loader, tuple(part[kept] for part in w.old), strength, seed)
    elif method == "joint":  # the pretrained network learns both tasks at once
        seed_everything(seed)
        model, lr, steps = Reader(load_text(task="classification")[0]), FILM_RATE, FILM_STEPS + steps
        loader = batches(*(torch.cat(parts) for parts in zip(w.old, w.target, strict=True)), size, seed)
    if method != "before":
        fit(model, loader, lr=lr, max_steps=steps, weight_decay=0.0, warmup_steps=0.1, penalty=penalty, loss_fn=w.loss_fn,
            seed=seed, show_progress=False)
    found = {}
    for name, (x, y, classes) in w.scored.items():
        logits, _ = predict(model, DataLoader(TensorDataset(x, y), 100))
        found[name] = float((logits[:, classes].argmax(1) + classes.start == y).double().mean())
    return found


def chosen(frame: pd.DataFrame, method: str) -> pd.DataFrame:
    """The test accuracies of each seed at the strength that the held-out accuracies of the other seeds prefer."""
    rows = frame[frame.method == method].set_index(["seed", "strength"])
    score, found = rows.source_held_out + rows.target_held_out, {}
    for seed in sorted(set(frame.seed)):
        others = score.drop(index=seed, level="seed").groupby("strength").mean()
        found[seed] = rows.loc[(seed, others.idxmax()), ["source", "target"]].astype(float)
    found = pd.DataFrame(found).T.rename_axis("seed")
    return found.assign(both=(found.source + found.target) / 2)


class AtMask(Reader):
    """The masked-language model of the pretraining as a classifier: logits (B, words) at the one [MASK] (id 4) of a row."""

    def forward(self, ids):
        logits = super().forward(ids)
        place = (ids == 4).long().argmax(1)[:, None, None]
        return logits.gather(1, place.expand(-1, -1, logits.shape[-1]))[:, 0]


@functools.cache
def masked_lm_fisher(seed, n=300):
    """What the weights mean to the pretraining task: one masked word in each of n film reviews."""
    seed_everything(seed)
    ids = sample(*short_reviews("films", "train", flips=False), n, seed)[0].clone()
    places = (torch.rand(ids.shape) * (ids > 4)).argmax(1)  # no special token
    ids[torch.arange(n), places] = 4
    return importances(AtMask(load_text(task="mlm")[0]), ids, lambda name: not name.startswith("model.bert."))["EWC"]


def run_sentiment(seed: int, method: str, lr: float, strength: float, steps: int = STEPS["sentiment"]) -> list[dict]:
    """Sentiment of 200 films; accuracy, and the masked-LM loss of the encoder: as trained, and without its adapter."""
    seed_everything(seed)
    model, penalty = Reader(load_text(task="classification")[0]), None
    x, y = sample(*short_reviews("films", "train", flips=False), 200, seed)
    anchor = {name: p.detach().clone() for name, p in model.named_parameters()}
    if method == "LoRA":
        config = LoraConfig(task_type="SEQ_CLS", r=8, lora_alpha=16, target_modules=["query", "value"])
        model.model = get_peft_model(model.model, config)
    elif method == "L2-SP":
        new = lambda name: not name.startswith("model.bert.") or "pooler" in name  # the pooler was never trained
        penalty = lambda model: l2sp_penalty(model, anchor, strength, BETA, new)
    elif method == "EWC":
        fisher = masked_lm_fisher(seed)
        penalty = lambda model: ewc_penalty(model, anchor, fisher, strength)
    if method != "before":
        fit(model, batches(x, y, 16, seed), lr=lr, max_steps=steps, weight_decay=0.0, warmup_steps=0.1, penalty=penalty,
            seed=seed, show_progress=False)
    x, y = short_reviews("films", "test", 500, flips=False)
    logits, _ = predict(model, DataLoader(TensorDataset(x, y), 100))
    found = {"test": float((logits.argmax(1) == y).double().mean())}
    if method != "LoRA":
        return [found | {"encoder": "as trained", "masked_lm": masked_lm_loss(model.model)}]
    merged = copy.deepcopy(model.model).merge_and_unload()
    return [found | {"encoder": "as trained", "masked_lm": masked_lm_loss(merged)},
            found | {"encoder": "adapter off", "masked_lm": masked_lm_loss(model.model.unload())}]

# %% tags=["experiment"]
live = experiments.run_grid(
    functools.partial(run_keeping, world="letters", steps=pick(ci=2, laptop=STEPS["letters"])),
    [{"method": "none", "strength": 0.0}, {"method": "L2-SP", "strength": 0.1}, {"method": "EWC", "strength": 0.1},
     {"method": "replay", "strength": 0.25}],
    seeds=[100],
    desc="training",
)
recorded = {world: record_frame(f"04.{world}_kept") for world in WORLDS}
same = recorded["letters"].merge(live[["method", "strength"]]).groupby("method").source.mean()
print("you said: ", " < ".join(my_prediction))
print("this run: ", " < ".join(live.sort_values("source").method))
print("five runs:", " < ".join(same.sort_values().index))

# %% [markdown]
# The whole grid, five seeds: each line follows one method from weak to strong, starting at plain fine-tuning. The upper
# right corner is where you want to be.

# %% tags=["experiment", "hide-source"]
LOOKS = {"L2-SP": ("#E69F00", "s"), "EWC": ("#0072B2", "o"), "batch mean": ("#56B4E9", "v"), "replay": ("#009E73", "D")}


def trade_off(axes, frame) -> list[str]:
    """Target over source accuracy, a line per method along its strength, with 95 % intervals both ways; in words, too."""
    told, interval = [], lambda values: [100 * v for v in experiments.mean_interval(values)]

    def point(rows, color, marker, name, label=None, size=5):
        (x, x_low, x_high), (y, y_low, y_high) = interval(rows.source), interval(rows.target)
        axes.errorbar(x, y, xerr=[[x - x_low], [x_high - x]], yerr=[[y - y_low], [y_high - y]], color=color, marker=marker,
                      markersize=size, elinewidth=0.8, alpha=0.85, linestyle="", label=label)
        told.append(f"{name}: source {x:.1f} ({x_low:.1f} to {x_high:.1f}), target {y:.1f} ({y_low:.1f} to {y_high:.1f}).")
        return x, y

    start = point(frame[frame.method == "none"], "#D55E00", "X", "none", "none", 8)
    for method, (color, marker) in LOOKS.items():
        line = [start]
        for i, (strength, rows) in enumerate(frame[frame.method == method].groupby("strength")):
            line.append(point(rows, color, marker, f"{method} {strength:g}", None if i else method))
        axes.plot(*zip(*line, strict=True), color=color, linewidth=1.3, alpha=0.6)
    if "joint" in set(frame.method):
        point(frame[frame.method == "joint"], "#CC79A7", "*", "joint training", "joint", 11)
    before = 100 * frame[frame.method == "before"].source.mean()
    axes.axvline(before, color="#444444", linestyle=(0, (4, 3)), linewidth=1.1, label="before")
    told.append(f"Source before the new task: {before:.1f}.")
    return told


fig = Figure(figsize=(7.4, 7.2), layout="constrained")
panels = fig.subplot_mosaic([["letters", "corner"], ["films", "films"]], height_ratios=[1, 1.15])
told = {name: trade_off(axes, recorded["letters" if name == "corner" else name]) for name, axes in panels.items()}
panels["letters"].set(title="Letters: nearly all can be kept",
                      xlabel="source: letters read (%)", ylabel="target: digits read (%)")
panels["corner"].set(title="Enlarged: EWC leads at weak strengths", xlabel="source: letters read (%)", xlim=(84, 97))
panels["films"].set(title="Films: anchors trade one task for the other, replay less so",
                    xlabel="source: film reviews (%)", ylabel="target: gadget reviews (%)")
fig.legend(*panels["films"].get_legend_handles_labels(), loc="outside lower center", ncols=7, fontsize=9, columnspacing=1.2)
plotting.show(fig, "Source against target accuracy in percent, means of five seeds with 95 % intervals. Letters, then digits. "
              + " ".join(told["letters"]) + " Films, then gadgets. " + " ".join(told["films"]))

# %% [markdown]
# Is the batch-mean Fisher a worse importance, or the same one on another scale? The dashed line is the batch mean
# again, with every λ divided by 100, the batch size.

# %% tags=["experiment", "hide-source"]
fig = Figure(figsize=(7.4, 3.7), layout="constrained")
told = []
for axes, frame, unit in zip(fig.subplots(1, 2), recorded.values(), ("letters read", "film reviews"), strict=True):
    for method in ("EWC", "batch mean"):
        rows = experiments.summarize(frame[frame.method == method].sort_values("strength"), "strength", "source")
        color, marker = LOOKS[method]
        error = 100 * np.array([rows["mean"] - rows.low, rows.high - rows["mean"]])
        axes.errorbar(rows.strength, 100 * rows["mean"], yerr=error, color=color, marker=marker, elinewidth=0.8, label=method)
        points = [f"{100 * mean:.1f} at λ = {at:g}" for at, mean in zip(rows.strength, rows["mean"], strict=True)]
        told.append(f"{unit}, {method}: {', '.join(points)}.")
    axes.plot(rows.strength / FISHER_BATCH, 100 * rows["mean"], color=color, marker=marker, linestyle="--",
              markerfacecolor="white", label="batch mean, λ / 100")
    axes.axhline(100 * frame[frame.method == "none"].source.mean(), color="#D55E00", linewidth=1, linestyle=":", label="none")
    axes.set(xscale="log", xlabel="λ", ylabel=f"source: {unit} (%)")
fig.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
fig.suptitle("At 100 times the λ, the batch-mean Fisher protects like the right one", x=0.02, ha="left", fontsize=11.5)
plotting.show(fig, "Source accuracy in percent over λ, means of five seeds. " + " ".join(told))

# %% [markdown]
# ### Beside the published numbers
#
# A table that circulates in teaching material, for a network that goes from CIFAR-10 to STL-10; it comes without seeds
# or intervals, and its original source is unknown to us. Ours are test accuracies (%) at the chosen strengths.

# %% tags=["experiment", "nbval-check-output"]
parts = ["source", "target"]
tables = {"published": pd.DataFrame({"none": (41.2, 78.5), "L2-SP": (72.0, 76.8), "EWC": (88.1, 76.2)}, index=parts).T}
for world, frame in recorded.items():
    tables[world] = pd.DataFrame({method: 100 * chosen(frame, method)[parts].mean() for method in ["none", *LOOKS]}).T
pd.concat(tables, axis=1).reindex(["none", *LOOKS]).round(1)

# %% [markdown]
# ### What sentiment does to the language model
#
# Lesson 02 showed how fast the masked-language-model loss rises with the learning rate. Here are a lower rate, the two
# anchors and LoRA on the same question: 200 film reviews, then the encoder goes back under the head of the pretraining.
# EWC takes the Fisher of the *masked-language* task. In the row "adapter off", only the loss is without the adapter.

# %% tags=["experiment", "nbval-check-output"]
masked = record_frame("04.masked_lm").groupby(["method", "strength", "lr", "encoder"], sort=False)
masked[["test", "masked_lm"]].mean().round(3)

# %% [markdown]
# ### What the recorded runs say
#
# Five seeds; differences are between runs on the same data, the same heads and the same order. All claims were written
# down before the runs but four: two on letters at the same λ were added when the first seeds had been seen, two on the
# language model after its runs.
#
# **Letters, then digits**
#
# - **Plain fine-tuning forgets.** Of 94.6 % of the letters 58.4 are left, a loss of 36.2 points, 95 % interval 32.2 to
#   40.2 [held: 04.plain_forgets].
# - **Everything helps**: L2-SP keeps 36.2 points more, interval 32.2 to 40.3 [held: 04.l2sp_keeps], EWC 35.2, interval
#   31.2 to 39.2 [held: 04.ewc_keeps], replay 30.7, interval 26.3 to 35.2 [held: 04.replay_keeps], each at its chosen
#   strength.
# - **At the same stiffness, EWC keeps more.** With λ = 0.1 it reads 93.2 % of the letters and L2-SP 90.0, a difference
#   of 3.2 points, interval 2.6 to 3.8 [held: 04.same_strength_source]; on the digits they differ by 0.4, interval −1.2
#   to 0.5 [held: 04.same_strength_target].
# - **Each at its own strength, that lead is gone.** The rule takes λ = 10 for L2-SP on four seeds of five, and 0.1 or
#   1 for EWC. So EWC keeps 1.0 points *less* of the letters, interval of the difference −2.4 to 0.3
#   [did not hold here: 04.ewc_beats_l2sp_source], and reads 1.8 points more of the digits, interval 0.1 to 3.5
#   [held weakly: 04.ewc_l2sp_target]. In the mean of both it is ahead by 0.4, interval −0.3 to 1.0
#   [held weakly: 04.ewc_beats_l2sp].
# - **What the target pays**: 1.9 points under EWC against plain fine-tuning, interval 0.9 to 2.9 [held: 04.ewc_price],
#   3.7 under L2-SP, interval 2.5 to 4.9, more than the 3 we had allowed for [did not hold here: 04.l2sp_price].
# - **Replay costs the target least, and keeps least.** We had expected it ahead of EWC; in the mean of both it is 1.6
#   points behind, interval 1.1 to 2.0 [did not hold here: 04.replay_beats_ewc]. Its 200 letters come from the fonts of
#   the pretraining, the test asks for others.
# - **The batch mean is EWC on another scale.** At λ = 0.1 it keeps 69.9 % of the letters, 23.3 points less than the
#   right Fisher, interval 20.8 to 25.7 [held: 04.batch_mean_too_weak]. At 100 times that λ it is within 0.4 points of
#   it, interval 0.3 to 0.5 [held: 04.batch_mean_rescaled], and with λ chosen for it nobody sees the mistake: 0.1
#   points between the two, interval −0.1 to 0.3 [held: 04.batch_mean_chosen]. Its choice, 100, is the end of our grid.
#   A λ copied from a paper would have protected little.
#
# **Films, then gadgets**
#
# A first setting, with a third of the labels and shorter trainings, had learned the films only half and forgot less; no
# method was ahead in it. It was replaced after trials on another seed. The statements stayed, with the larger λ that
# this setting needs.
#
# - **Plain fine-tuning forgets** 28.1 points of film accuracy, interval 25.9 to 30.2 [held: 04.text_plain_forgets].
# - **Everything helps, and an anchor is not cheap here.** EWC keeps 19.2 points more, interval 10.9 to 27.6
#   [held: 04.text_ewc_keeps], and pays 17.9 points on gadgets, interval 4.4 to 31.5, not the 3 we had allowed for
#   [did not hold here: 04.text_ewc_price]. L2-SP keeps 21.6 more, interval 8.0 to 35.2 [held: 04.text_l2sp_keeps], for
#   26.3, interval 10.9 to 41.7 [did not hold here: 04.text_l2sp_price]. Under one head a word cannot be good and bad
#   until the network lets the domain decide, and the weights that would do so are held.
# - **EWC trades better than L2-SP.** In the mean of both tasks it is 3.0 points ahead, interval 1.0 to 5.1
#   [held: 04.text_ewc_beats_l2sp]. Which of the two keeps more depends on where the rule puts λ: on the films EWC is
#   2.3 points behind, interval −8.6 to 13.3 [did not hold here: 04.text_ewc_beats_l2sp_source], on gadgets 8.4 ahead,
#   interval −3.9 to 20.7 [did not hold here: 04.text_ewc_l2sp_target].
# - **The same λ is not the same hold.** At 100, L2-SP hardly lets the network move: EWC keeps 13.6 points less of the
#   films, interval 8.2 to 19.0 [did not hold here: 04.text_same_strength_source], and reads 24.1 more of the gadgets,
#   interval 16.4 to 31.8 [did not hold here: 04.text_same_strength_target]. With the same average, EWC leaves most
#   weights nearly free.
# - **Replay trades best.** It keeps 14.3 points more than plain fine-tuning, interval 10.6 to 18.0
#   [held: 04.text_replay_keeps]. With a memory of 200 reviews in half of each batch it reads 85.3 % of the films and
#   85.0 % of the gadgets; where EWC keeps as much (λ = 100), 80.0 % of the gadgets. In the mean of both it is 3.0
#   points ahead of EWC, interval −0.3 to 6.3 [held weakly: 04.text_replay_beats_ewc]. Old samples show what an anchor
#   cannot: that both meanings are wanted.
# - **Joint training was expected on top**, and is 3.1 points below replay, interval 0.5 to 5.8
#   [did not hold here: 04.text_joint_best]. It had as many steps as the two trainings together, at a rate that was not
#   tuned for it; do not read more into that.
# - **The batch mean again**: at λ = 100 it keeps 13.6 points less than the right Fisher, interval 9.8 to 17.5
#   [held: 04.text_batch_mean_too_weak], at 100 times that λ it is within 0.4 points of it on average, though not on
#   each seed, interval −12.4 to 13.1 [held weakly: 04.text_batch_mean_rescaled]. Each at its own λ, they differ by 0.2
#   in the mean of both, interval −0.8 to 1.2 [held: 04.text_batch_mean_chosen]; its choice is again the end of the
#   grid, but for one seed.
#
# **Beside the published table.** *The order* none, L2-SP, EWC on the source holds on letters at one weak λ, and no
# longer once each method has its own; on films it holds for the mean of both tasks. The table does not say how λ was
# chosen, and that decides the order. *The size* does not hold: 3.2 points between EWC and L2-SP on letters at λ = 0.1
# [held: 04.same_strength_source], where the table has 16.1. *That the target barely pays* holds for EWC on letters and
# fails on films, where the two tasks contradict each other.
#
# **Sentiment and the language model** do not contradict each other, and here anchors work best:
#
# - **At 2e-5 nothing is forgotten**: the masked-LM loss moves by less than 0.001 nats
#   [held: 04.low_rate_forgets_nothing]. Nothing much is learned either, 23.6 points less sentiment accuracy than at
#   3e-4, interval 21.0 to 26.2 [held: 04.low_rate_learns_nothing]. At 1e-3 the loss rises by 1.56 nats, interval 1.42
#   to 1.70 [held: 04.hot_rate_forgets].
# - **EWC takes nearly all of that back**: 1.54 nats at λ = 1, interval 1.40 to 1.68 [held: 04.masked_ewc_keeps], for
#   0.3 points of accuracy, interval −1.4 to 2.1 [held: 04.masked_ewc_price].
# - **L2-SP keeps as much and learns less.** Their losses differ by 0.01 nats [held: 04.masked_ewc_beats_l2sp]; on
#   sentiment EWC is ahead by 3.6 points, interval 2.0 to 5.3 [held: 04.masked_ewc_learns]. It also beats plain
#   fine-tuning at 1e-4, which forgets about as little, by 6.0 points, interval 4.4 to 7.7
#   [held: 04.masked_ewc_beats_low_rate].
# - **LoRA forgets while it is active**, 0.47 nats, interval 0.36 to 0.59 [held: 04.lora_forgets_while_active]. Taken
#   off, it leaves the loss exactly as it was [held: 04.lora_comes_off]: forgetting is not prevented, it is removable.
#
# **What sample gradients cost.** The loop over samples, your `diagonal_fisher` and the library BackPACK (Dangel, Kunstner
# and Hennig, ICLR 2020) agree to better than 1e-5 of the largest entry [held: 04.func_agrees] [held: 04.backpack_agrees].
# On one CPU thread with linear layers the loop takes 1.64 × as long as `torch.func`, interval 1.55 to 1.72
# [held: 04.func_beats_loop_linear], and that 3.88 × as long as BackPACK, interval 3.51 to 4.25
# [held: 04.backpack_beats_func_linear]. With convolutions `torch.func` gains nothing over the loop, 1.00 ×, interval 0.51
# to 1.50 [did not hold here: 04.func_beats_loop_conv], and takes 2.47 × as long as BackPACK, interval 1.45 to 3.48
# [held weakly: 04.backpack_beats_func_conv]. What `vmap` saves is the overhead of many small calls, not
# arithmetic.
#
# **The verdict: when to use which.**
#
# | you have | take | because |
# | --- | --- | --- |
# | the old weights only | L2-SP, or a lower rate | one line of code; on letters, with λ chosen, as good as EWC |
# | also some old inputs, for the Fisher | EWC | ahead on films and for the language model, and on letters at one λ |
# | old samples you may keep | replay | it protects what the memory shows, no more |
# | room for new parameters | an adapter that comes off | exact, as long as you know which task is asked |
# | tasks that contradict each other | replay, or a head for each | an anchor can only trade one for the other |
#
# In all cases hold out source data to choose the strength. Without them you cannot even tell that you forget. And read
# these numbers for what they are: small networks, two tasks, one learning rate for all methods, 200 samples of memory.

# %% [markdown]
# ## What to remember
#
# | idea | in one line |
# | --- | --- |
# | forgetting | nothing in the new loss speaks for the old task: shift, interference, reallocation |
# | Fisher | mean of *squared sample gradients*; the square of a batch gradient is another number |
# | labels | exact expectation over the model's predictions, or the data's labels: say which |
# | EWC | λ/2 · ΣF(θ − θ\*)²; λ = 1 is the joint optimum of two diagonal quadratics, freezing is λ → ∞ |
# | anchor | detached *and* cloned; a state dict follows the weights |
# | weight decay | pulls to zero by (1 − lr·wd)^t, not to the pretrained weights |
# | new head | no anchor to go back to: free in EWC, decays to zero in L2-SP |
# | step size | SGD with momentum needs lr·λ·F < 2(1 + m) for the largest F |
# | buffers | outside every penalty; freeze BatchNorm or use another norm |
# | online EWC | a sum with fading, no average |
# | reservoir | k/N for each item, in one pass |
# | replay | the share r needs r/(1 − r) old samples per new one |
# | metrics | rows are moments; backward transfer from the diagonal, forgetting from the best before |
# | results | choose on held-out data, subtract by pairs, Student's t |
#
# ## References
#
# 1. M. McCloskey, N. J. Cohen. Catastrophic Interference in Connectionist Networks: The Sequential Learning Problem.
#    Psychology of Learning and Motivation 24, 1989.
# 2. X. Li, Y. Grandvalet, F. Davoine. Explicit Inductive Bias for Transfer Learning with Convolutional Networks. ICML
#    2018.
# 3. J. Kirkpatrick et al. Overcoming catastrophic forgetting in neural networks. PNAS 114 (13), 2017. Equation 3.
# 4. F. Zenke, B. Poole, S. Ganguli. Continual Learning Through Synaptic Intelligence. ICML 2017.
# 5. D. Rolnick, A. Ahuja, J. Schwarz, T. P. Lillicrap, G. Wayne. Experience Replay for Continual Learning. NeurIPS 2019.
# 6. A. A. Rusu et al. Progressive Neural Networks. arXiv:1606.04671, 2016.
# 7. N. Houlsby et al. Parameter-Efficient Transfer Learning for NLP. ICML 2019.
# 8. F. Kunstner, L. Balles, P. Hennig. Limitations of the Empirical Fisher Approximation for Natural Gradient Descent.
#    NeurIPS 2019.
# 9. J. Martens, R. Grosse. Optimizing Neural Networks with Kronecker-factored Approximate Curvature. ICML 2015.
# 10. H. Ritter, A. Botev, D. Barber. Online Structured Laplace Approximations for Overcoming Catastrophic Forgetting.
#     NeurIPS 2018.
# 11. J. Schwarz et al. Progress & Compress: A scalable framework for continual learning. ICML 2018.
# 12. J. S. Vitter. Random Sampling with a Reservoir. ACM Transactions on Mathematical Software 11 (1), 1985. Algorithm R.
# 13. D. Lopez-Paz, M. Ranzato. Gradient Episodic Memory for Continual Learning. NeurIPS 2017.
# 14. A. Chaudhry, P. K. Dokania, T. Ajanthan, P. H. S. Torr. Riemannian Walk for Incremental Learning: Understanding
#     Forgetting and Intransigence. ECCV 2018.
