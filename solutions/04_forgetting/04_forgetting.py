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

# %% tags=["setup"]
import copy
import itertools
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from scipy import stats
from torch import nn
from torch.func import functional_call, grad, vmap

from course_utils.checks import check

# %% [markdown]
# ## 1 · diagonal_fisher
#
# ### Exercise 1 · `diagonal_fisher`

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
    c.that(True, "todo", "")

# %% nbgrader={"grade": true, "grade_id": "diagonal_fisher_hidden", "locked": true, "points": 15, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.diagonal_fisher") as c:
    c.that(True, "todo", "")
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · ewc_penalty
#
# ### Exercise 2 · `ewc_penalty`

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
    return lam / 2 * sum((f * (now[name].float() - anchor[name].detach().float()) ** 2).sum() for name, f in fisher.items())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "ewc_penalty_check", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("04.ewc_penalty") as c:
    c.that(True, "todo", "")

# %% nbgrader={"grade": true, "grade_id": "ewc_penalty_hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.ewc_penalty") as c:
    c.that(True, "todo", "")
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · l2sp_penalty
#
# ### Exercise 3 · `l2sp_penalty`

# %% nbgrader={"grade": false, "grade_id": "l2sp_penalty", "locked": false, "schema_version": 3, "solution": true, "task": false}
def l2sp_penalty(
    model: nn.Module, anchor: dict[str, torch.Tensor], alpha: float, beta: float, is_head: Callable[[str], bool]
) -> torch.Tensor:
    """L2-SP: α/2 · ‖body − anchor‖² + β/2 · ‖head‖² as a scalar with gradient; `is_head(name)` says which is which.

    anchor: name → pretrained weight, for every parameter that is not of the head (KeyError where one is missing); what
    it holds beyond that is not looked at. Source: Li, Grandvalet, Davoine 2018, equation 4.
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
    c.that(True, "todo", "")

# %% nbgrader={"grade": true, "grade_id": "l2sp_penalty_hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.l2sp_penalty") as c:
    c.that(True, "todo", "")
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · online_fisher
#
# ### Exercise 4 · `online_fisher`

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
    c.that(True, "todo", "")

# %% nbgrader={"grade": true, "grade_id": "online_fisher_hidden", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.online_fisher") as c:
    c.that(True, "todo", "")
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · reservoir
#
# ### Exercise 5 · `reservoir`

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
    c.that(True, "todo", "")

# %% nbgrader={"grade": true, "grade_id": "reservoir_hidden", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.reservoir") as c:
    c.that(True, "todo", "")
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · replay_loader
#
# ### Exercise 6 · `replay_loader`

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
    c.that(True, "todo", "")

# %% nbgrader={"grade": true, "grade_id": "replay_loader_hidden", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.replay_loader") as c:
    c.that(True, "todo", "")
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · continual_metrics
#
# ### Exercise 7 · `continual_metrics`

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
    c.that(True, "todo", "")

# %% nbgrader={"grade": true, "grade_id": "continual_metrics_hidden", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.continual_metrics") as c:
    c.that(True, "todo", "")
### END HIDDEN TESTS

# %% [markdown]
# ## 8 · read_results
#
# ### Exercise 8 · `read_results`

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
    c.that(True, "todo", "")

# %% nbgrader={"grade": true, "grade_id": "read_results_hidden", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("04.read_results") as c:
    c.that(True, "todo", "")
### END HIDDEN TESTS

# %% [markdown]
# ## What to remember
#
# ## References
