"""What is known of a scenario, what is decided in it, and what came of it."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Strategy:
    """How to train. `name` decides which of the other fields count; those of no use to it are ignored.

    name: "scratch" trains the same network from random weights; "probe" fits a logistic regression (inverse
        regularization `C`) to the frozen features of `feature_layer`, 0 (bottom) to 4 (top); "full" trains everything;
        "partial" the groups in `layers`, numbered likewise, and the new head; "lora" matrices of rank `r` beside the
        weights of every layer, and the new head.
    lr, steps, batch_size: AdamW, linear decay after 10 % warmup.
    head_first: share of the steps in which the new head trains alone, before the others.
    class_weights: every class has the same weight in the loss. balanced_batches: every class is drawn equally often.
    penalty: "l2sp" pulls the backbone to its pretrained weights with `strength`; "replay" adds letters of the source
        task to every batch, `strength` times the batch size. Neither has an effect on a probe.
    """

    name: str
    lr: float = 1e-3
    steps: int = 40
    batch_size: int = 16
    feature_layer: int = 4
    C: float = 1.0
    layers: tuple[int, ...] = (0, 1, 2, 3, 4)
    r: int = 8
    head_first: float = 0.0
    class_weights: bool = False
    balanced_batches: bool = False
    penalty: str = "none"
    strength: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "layers", tuple(self.layers))


@dataclass(frozen=True)
class Scenario:
    """What is known before any training. Which labels are drawn depends on `seed`.

    class_counts: labeled samples of each class; validation data have the same shares, test data as many of each class.
    gap: distance of 200 unlabeled samples from the data of the pretraining, see `gap`. max_samples: optimizer steps
    times batch size. max_parameters: trained numbers that may be stored. keep_source: the share of letters that the
    network must still tell apart under its old head; 0 where nobody asks.
    """

    name: str
    kind: str
    metric: str
    class_counts: tuple[int, ...]
    gap: float
    max_samples: int
    max_parameters: int
    keep_source: float = 0.0
    seed: int = 0

    @property
    def labels(self) -> int:
        """Number of labeled samples."""
        return sum(self.class_counts)


@dataclass(frozen=True)
class Result:
    """What a run reached. `score` is the scenario's metric; `problem` says why nothing was trained, if so.

    accuracy: share of right answers. macro_f1: mean F1 of the classes, each class weighted as if it were as frequent as
    the others. source: share of letters still told apart, where the scenario asks for it.
    """

    score: float = 0.0
    accuracy: float = 0.0
    macro_f1: float = 0.0
    source: float = math.nan
    parameters: int = 0
    samples: int = 0
    problem: str = ""
