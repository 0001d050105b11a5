"""Where the data of the scenarios come from: reviews nobody has seen, grain, and handwritten digits."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from random import Random

import torch
from sklearn.datasets import load_digits

from course_utils.datasets import glyphs
from course_utils.datasets.reviews import write_reviews
from course_utils.errors import refuse
from course_utils.scenarios.facts import Scenario


def draw(name: str, seed: int = 0) -> Scenario:
    """Scenario `name` ("A" to "E") with the labels of this seed. Raises CourseError for another name."""
    refuse(name not in WORLDS, f"There is no scenario '{name}'.", f"Take one of: {', '.join(WORLDS)}.")
    world = WORLDS[name]
    limits = (world.max_samples, world.max_parameters, world.keep_source)
    return Scenario(name, world.kind, world.metric, world.counts, world.gap, *limits, seed)


@functools.lru_cache(maxsize=32)
def data(scenario: Scenario, part: str) -> tuple:
    world = WORLDS[scenario.name]
    return world.draw(scenario.class_counts if part == "train" else world.scored(part), scenario.seed, part)


@functools.cache
def letters(n: int, held_out: bool) -> tuple[torch.Tensor, torch.Tensor]:
    return glyphs.draw(n, torch.Generator().manual_seed(glyphs.UNSEEN + 7), held_out)


@dataclass(frozen=True)
class World:
    """Where a scenario comes from: `draw(counts, seed, part)` gives inputs and labels of "train" or the part scored."""

    kind: str
    backbone: str
    draw: Callable
    counts: tuple[int, ...]
    tested: tuple[int, ...]
    metric: str
    gap: float
    max_samples: int
    max_parameters: int
    keep_source: float = 0.0

    def scored(self, part: str) -> tuple[int, ...]:
        share = sum(self.tested) / sum(self.counts)
        return self.tested if part == "test" else tuple(round(share * count) for count in self.counts)


def _reviews(domain: str) -> Callable:
    """Reviews that nobody has seen before: texts and their sentiment."""

    def draw(counts, seed, part):
        rng = Random(f"{domain} {seed} {part}")
        stream = write_reviews(domain, "seen", rng)
        rows = [(text, k) for k, n in enumerate(counts) for text, _ in islice((r for r in stream if r[1] == k), n)]
        rng.shuffle(rows)
        texts, labels = zip(*rows, strict=True)
        return list(texts), torch.tensor(labels)

    return draw


def _grain(noise: float) -> Callable:
    """Pictures (N, 1, 32, 32) of grain: noise whose waves run along one of the directions, under other noise."""

    def draw(counts, seed, part):
        g = _generator("grain", seed, part)
        labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        labels = labels[torch.randperm(len(labels), generator=g)]
        n, frequency = len(labels), torch.fft.fftfreq(32)
        angle = (math.pi * labels / len(counts)).view(-1, 1, 1)
        along = angle.cos() * frequency + angle.sin() * frequency.view(-1, 1)
        across = angle.cos() * frequency.view(-1, 1) - angle.sin() * frequency
        center = 0.08 + 0.22 * torch.rand(n, 1, 1, generator=g)
        kept = torch.exp(-(((along.abs() - center) / 0.05) ** 2) - (across / 0.08) ** 2)
        waves = torch.fft.ifft2(torch.fft.fft2(torch.randn(n, 32, 32, generator=g)) * kept).real
        waves = waves / waves.std((1, 2), keepdim=True) + noise * torch.randn(n, 32, 32, generator=g)
        contrast = 0.1 + 0.2 * torch.rand(n, 1, 1, generator=g)
        return (0.5 + contrast * waves).clamp(0, 1).unsqueeze(1), labels

    return draw


def _digits(counts, seed, part):
    """Handwritten digits: 600 of the pool to train on, 400 to validate on, those of other writers to test on."""
    images, labels = _all_digits("test" if part == "test" else "pool")
    rows = {"train": slice(600), "validation": slice(600, None), "test": slice(None)}[part]
    images, labels = images[rows], labels[rows]
    g = _generator("digits", seed, part)
    order = torch.randperm(len(labels), generator=g)
    rows = torch.cat([order[labels[order] == k][:n] for k, n in enumerate(counts)])
    rows = rows[torch.randperm(len(rows), generator=g)]
    return images[rows], labels[rows]


def _in_grain(mirrored: bool) -> Callable:
    """The digits dark on bright, faint under strong grain, and mirrored if so asked."""

    def draw(counts, seed, part):
        images, labels = _digits(counts, seed, part)
        images = images.flip(3) if mirrored else images
        grain, _ = _grain(0.5)([len(labels)], seed, part)
        turned = torch.rand(len(labels), 1, 1, 1, generator=_generator("turned", seed, part)) < 0.5
        grain = torch.where(turned, grain, grain.transpose(2, 3))
        return (0.35 + 0.3 * (1 - images) + 1.6 * (grain - 0.5)).clamp(0, 1), labels

    return draw


def _generator(*names) -> torch.Generator:
    return torch.Generator().manual_seed(Random(" ".join(map(str, names))).getrandbits(60))


@functools.cache
def _all_digits(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """What `datasets.load_digits` gives, as tensors."""
    counts, labels = load_digits(return_X_y=True)
    part = slice(glyphs.POOL) if split == "pool" else slice(glyphs.POOL, None)
    images = glyphs.enlarge(torch.from_numpy(counts[part]).float().view(-1, 1, 8, 8) / 16)
    return images, torch.from_numpy(labels[part]).long()


WORLDS = {
    "A": World("text", "text", _reviews("films"), (10, 10), (150, 150), "accuracy", 0.29, 640, 800_000),
    "B": World("images", "resnet", _grain(2.0), (5,) * 6, (80,) * 6, "accuracy", 1.22, 960, 350_000),
    "C": World("images", "resnet", _in_grain(True), (57,) * 10, (35,) * 10, "accuracy", 1.0, 1600, 350_000),
    "D": World("text", "text", _reviews("restaurants"), (25, 575), (200, 200), "macro-F1", 0.42, 640, 20_000),
    "E": World("images", "resnet_gn", _in_grain(False), (57,) * 10, (35,) * 10, "accuracy", 0.45, 960, 350_000, 0.75),
}
