"""The capstone's five blind scenarios: what is known of each, and `run`, which trains a strategy within its budgets.

    scenario = draw("A")
    run(Strategy("probe", C=0.1), scenario).score

Every seed draws labels, validation data and test data afresh.
"""

import functools
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from random import Random

import torch
from torch import nn
from torch.utils.data import DataLoader, RandomSampler, WeightedRandomSampler

from course_utils import settings
from course_utils.backbones import load_text, load_vision
from course_utils.checks import Check
from course_utils.datasets import glyphs
from course_utils.datasets.reviews import generate_unlabeled, write_reviews
from course_utils.errors import refuse
from course_utils.loaders import array_loader, text_loader
from course_utils.training import fit, predict

NAMES = ("scratch", "probe", "full", "partial", "lora")
PENALTIES = ("none", "l2sp", "replay")
HEADS = {"text": "classifier", "images": "fc"}
HEAD_RATE = {"text": 1e-2, "images": 3e-3}


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
    steps: int = 60
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


def draw(name: str, seed: int = 0) -> Scenario:
    """Scenario `name` ("A" to "E") with the labels of this seed. Raises CourseError for another name."""
    refuse(name not in WORLDS, f"There is no scenario '{name}'.", f"Take one of: {', '.join(WORLDS)}.")
    world = WORLDS[name]
    limits = (world.max_samples, world.max_parameters, world.keep_source)
    return Scenario(name, world.kind, world.metric, world.counts, world.gap, *limits, seed)


def cost(strategy: Strategy, scenario: Scenario) -> tuple[int, int]:
    """(trained parameters to store, steps × batch size); a probe passes once over its samples."""
    if strategy.name == "probe":
        width = 128 if scenario.kind == "text" else (16, 16, 32, 64, 128)[strategy.feature_layer]
        outputs = len(scenario.class_counts) if len(scenario.class_counts) > 2 else 1
        return (width + 1) * outputs, scenario.labels
    trained = sum(p.numel() for p in _model(strategy, scenario).parameters() if p.requires_grad)
    return trained, strategy.steps * strategy.batch_size


def problem_of(strategy: Strategy, scenario: Scenario) -> tuple[str, str]:
    """Why nothing can be trained: a slug, and the rest of a sentence on the strategy. Both empty if it can."""
    s, words = strategy, scenario.kind == "text"
    if s.name not in NAMES:
        return "unknown_name", f"has the unknown name {s.name!r}; there are {', '.join(NAMES)}"
    if s.penalty not in PENALTIES or (words and s.penalty == "replay"):
        known = PENALTIES[:2] if words else PENALTIES
        return "unknown_penalty", f"has the penalty {s.penalty!r}; for {scenario.kind} there are {', '.join(known)}"
    if min(s.steps, s.batch_size, s.r) < 1 or min(s.lr, s.C) <= 0:
        return "bad_number", "has steps, batch_size or r below 1, or an lr or C that is not above 0"
    if not {s.feature_layer, *s.layers} <= set(range(5)):
        return "unknown_layer", "names a layer that is not there; they are numbered 0 (bottom) to 4 (top)"
    parameters, samples = cost(s, scenario)
    if parameters > scenario.max_parameters:
        budget = f"the budget is {scenario.max_parameters:,}"
        return "over_parameters", f"trains {parameters:,} parameters, which would have to be stored; {budget}"
    if samples > scenario.max_samples:
        shown = f"{s.steps} steps of {s.batch_size} are {samples:,} samples"
        return "over_samples", f"is over the budget of compute: {shown}, {scenario.max_samples:,} are allowed"
    return "", ""


@functools.lru_cache(maxsize=64)
def run(strategy: Strategy, scenario: Scenario, part: str = "validation") -> Result:
    """Train `strategy` on the scenario's labels and score it on its "validation" or "test" data.

    Over budget or otherwise impossible: nothing is trained, the score is 0 and `problem` says why.
    """
    slug, problem = problem_of(strategy, scenario)
    if slug:
        return Result(problem=problem)
    world = WORLDS[scenario.name]
    (x, y), (scored_x, scored_y) = _data(scenario, "train"), _data(scenario, part)
    settings.seed_everything(scenario.seed)
    if strategy.name == "probe":
        model, outputs = None, _probe(strategy, scenario, y, part)
    else:
        model = _trained(strategy, scenario, x, y)
        outputs = predict(model, _loader(scenario, scored_x, scored_y, 100))[0]
    said = outputs.argmax(1)
    accuracy, macro_f1 = float((said == scored_y).double().mean()), _macro_f1(scored_y, said)
    return Result(
        score=macro_f1 if scenario.metric == "macro-F1" else accuracy,
        accuracy=accuracy,
        macro_f1=macro_f1,
        source=_letters_kept(model, world.backbone) if scenario.keep_source else math.nan,
        **dict(zip(("parameters", "samples"), cost(strategy, scenario), strict=True)),
    )


def gap(name: str) -> float:
    """Distance of a scenario's inputs from those of the pretraining, without a label: per feature of the top layer, the
    difference of the means of 200 samples in standard deviations of the source; the root mean square of these.
    """
    world = WORLDS[name]
    scenario = draw(name)
    share = [round(200 * count / sum(world.counts)) for count in world.counts]
    target = _features(scenario, world.draw(share, 1000, "validation")[0])[4]
    if world.kind == "text":
        known = generate_unlabeled(400, seed=1000)
    else:
        known = glyphs.draw(400, torch.Generator().manual_seed(1000))[0]
    source = _features(scenario, known)[4]
    return float((((target.mean(0) - source.mean(0)) / source.std(0)) ** 2).mean().sqrt())


def agrees(c: Check, strategy: Strategy, scenario: Scenario) -> None:
    """Fail check `c` unless `strategy` is one, and can be trained within the budgets of the scenario."""
    told, kind = f"Scenario {scenario.name}: ", type(strategy).__name__
    c.that(strategy is not None, "returns_none", f"{told}choose returned None. Does every way end in `return …`?")
    c.that(isinstance(strategy, Strategy), "not_a_strategy", f"{told}return a Strategy, not a {kind}.")
    slug, text = problem_of(strategy, scenario)
    c.that(not slug, slug, f"{told}your strategy {text}.")


def reaches(c: Check, choose: Callable, name: str, seed: int, least: float, part: str = "test") -> None:
    """Fail check `c` unless what `choose` takes for this draw reaches `least`; the message names an idea to revisit."""
    scenario = draw(name, seed)
    if run(Strategy("full", steps=10**6), scenario).score:
        c.fail("checks_altered", "A strategy far over budget was scored. Restart the kernel and run again.")
    strategy = choose(scenario)
    agrees(c, strategy, scenario)
    result = run(strategy, scenario, part)
    reached = f"Scenario {name}: {scenario.metric} {result.score:.1%} on {'new ' * (part == 'test')}{part} data"
    if result.source < scenario.keep_source:
        kept = f"only {result.source:.1%} of the letters are still told apart; {scenario.keep_source:.0%} are asked for"
        c.fail("forgets_source", f"{reached}, but {kept}. What keeps a network where it was (lessons 03 and 04)?")
    if result.score < least:
        slug, idea = _idea(strategy, scenario, result)
        c.fail(slug, f"{reached}; this rung needs {least:.0%}. {idea}")


def _idea(s: Strategy, scenario: Scenario, result: Result) -> tuple[str, str]:
    """The likeliest reason for a low score, as a slug, and the idea behind it."""
    counts, labels, far = scenario.class_counts, scenario.labels, scenario.gap > FAR
    few, probe, used = labels <= FEW, s.name == "probe", f"{result.samples:,} of {scenario.max_samples:,} samples"
    if s.name == "scratch":
        return "from_scratch", f"You start from random weights; {labels} labels are few to learn everything from."
    if max(counts) > 5 * min(counts) and not (s.class_weights or s.balanced_batches):
        share = f"{max(counts) / labels:.0%} of the labels are of one class"
        looks = f"so that naming it nearly always looks right (accuracy {result.accuracy:.0%})"
        return "no_class_weights", f"{share}, {looks}. What makes classes count the same (lesson 01)?"
    if not probe and s.layers and s.lr >= 1e-2:
        return "hot_rate", f"A rate of {s.lr:g} overruns what the network knew (lessons 01 and 02)."
    if not probe and s.lr < 3e-4:
        return "cold_rate", f"At a rate of {s.lr:g} the weights hardly move within {s.steps} steps (lesson 02)."
    if not probe and result.samples < scenario.max_samples / 3:
        return "few_steps", f"You show {used} that the budget allows: the network has hardly begun to learn."
    if few and not probe:
        numbers = f"{result.parameters:,} parameters are set by {labels} labels"
        return "trains_with_few", f"{numbers}. What can be had without training the network (lesson 01)?"
    if probe and few and far and s.feature_layer > 2:
        unlike = f"The gap of {scenario.gap:.1f} says that these inputs are unlike those of the pretraining"
        return "top_features", f"{unlike}, in which the upper layers are specialized. Which are not (lesson 03)?"
    if s.penalty != "none":
        return "held_too_hard", f"A penalty of {s.strength:g} leaves little room for the new task (lesson 04)."
    if not few and (probe or s.name in ("partial", "lora")):
        enough = f"{labels} labels are enough to change the features themselves"
        return "frozen_with_many", f"{enough}, and what your strategy freezes cannot follow (lesson 01)."
    if probe and s.feature_layer < 3 and not far:
        return "bottom_features", "The inputs are close to the pretraining; its upper layers say more about them."
    if probe:
        fitted = f"C = {s.C:g} for {result.parameters:,} numbers and {labels} labels"
        return "regularization", f"{fitted}: a smaller C holds the head back, a larger one lets it fit (lesson 01)."
    return "below_rung", "The kind of strategy may do; compare rates, steps and batch sizes on the validation data."


FEW, FAR = 50, 1.0


@dataclass(frozen=True)
class _World:
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


def _mirrored_in_grain(counts, seed, part):
    """The digits mirrored, dark on bright, and faint under strong grain."""
    images, labels = _digits(counts, seed, part)
    grain, _ = _grain(0.5)([len(labels)], seed, part)
    turned = torch.rand(len(labels), 1, 1, 1, generator=_generator("turned", seed, part)) < 0.5
    grain = torch.where(turned, grain, grain.transpose(2, 3))
    return (0.35 + 0.3 * (1 - images.flip(3)) + 1.6 * (grain - 0.5)).clamp(0, 1), labels


def _generator(*names) -> torch.Generator:
    return torch.Generator().manual_seed(Random(" ".join(map(str, names))).getrandbits(60))


@functools.cache
def _all_digits(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    data = glyphs.load_digits(split).with_format("torch")
    return data["image"][:], data["label"][:]


WORLDS = {
    "A": _World("text", "text", _reviews("films"), (10, 10), (150, 150), "accuracy", 0.0, 1200, 800_000),
    "B": _World("images", "resnet", _grain(2.0), (5,) * 6, (80,) * 6, "accuracy", 0.0, 1200, 350_000),
    "C": _World("images", "resnet", _mirrored_in_grain, (60,) * 10, (35,) * 10, "accuracy", 0.0, 2000, 350_000),
    "D": _World("text", "text", _reviews("restaurants"), (25, 575), (200, 200), "macro-F1", 0.0, 1200, 20_000),
    "E": _World("images", "resnet_gn", _digits, (20,) * 10, (35,) * 10, "accuracy", 0.0, 1200, 350_000, 0.85),
}


@functools.lru_cache(maxsize=32)
def _data(scenario: Scenario, part: str) -> tuple:
    world = WORLDS[scenario.name]
    return world.draw(scenario.class_counts if part == "train" else world.scored(part), scenario.seed, part)


def _model(strategy: Strategy, scenario: Scenario) -> nn.Module:
    """The network with what the strategy trains switched on; random parts come from torch's generator."""
    classes, pretrained = len(scenario.class_counts), strategy.name != "scratch"
    if scenario.kind == "text":
        model, _ = load_text(task="classification", num_labels=classes, pretrained=pretrained)
        groups, targets = [model.bert.embeddings, *model.bert.encoder.layer], ["query", "value"]
    else:
        model = load_vision(WORLDS[scenario.name].backbone, num_classes=classes, pretrained=pretrained)
        groups = [nn.ModuleList([model.conv1, model.bn1]), model.layer1, model.layer2, model.layer3, model.layer4]
        targets = r".*layer\d.*conv\d"
    if strategy.name == "lora":
        from peft import LoraConfig, get_peft_model

        # peft asks the model about gradient checkpointing in a way that transformers will drop.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        head = [HEADS[scenario.kind]]
        model = get_peft_model(
            model, LoraConfig(r=strategy.r, lora_alpha=2 * strategy.r, target_modules=targets, modules_to_save=head)
        )
    if strategy.name == "partial":
        for position, group in enumerate(groups):
            group.requires_grad_(position in strategy.layers)
    return model


def _trained(strategy: Strategy, scenario: Scenario, x, y) -> nn.Module:
    model = _model(strategy, scenario)
    counts = torch.bincount(y, minlength=len(scenario.class_counts)).clamp(min=1)
    weight = len(y) / (len(counts) * counts) if strategy.class_weights else None
    data = _loader(scenario, x, y, strategy.batch_size)
    total, order = strategy.steps * strategy.batch_size, torch.Generator().manual_seed(scenario.seed)
    if strategy.balanced_batches:
        sampler = WeightedRandomSampler((1 / counts)[y], total, generator=order)
    else:
        sampler = RandomSampler(data.dataset, num_samples=total, generator=order)
    options = dict(
        train_loader=DataLoader(data.dataset, strategy.batch_size, sampler=sampler, collate_fn=data.collate_fn),
        loss_fn=lambda logits, labels: nn.functional.cross_entropy(logits, labels, weight),
        penalty=_penalty(strategy, scenario, model),
        seed=scenario.seed,
        show_progress=False,
    )
    alone = round(strategy.head_first * strategy.steps)
    if alone:
        trained = [p for name, p in model.named_parameters() if p.requires_grad and HEADS[scenario.kind] not in name]
        for p in trained:
            p.requires_grad_(False)
        fit(model, lr=max(strategy.lr, HEAD_RATE[scenario.kind]), max_steps=alone, **options)
        for p in trained:
            p.requires_grad_(True)
    if strategy.steps > alone:
        fit(model, lr=strategy.lr, max_steps=strategy.steps - alone, warmup_steps=0.1, **options)
    return model


def _penalty(strategy: Strategy, scenario: Scenario, model: nn.Module) -> Callable | None:
    if strategy.penalty == "none":
        return None
    if strategy.penalty == "l2sp":
        head = HEADS[scenario.kind]
        start = {name: p.detach().clone() for name, p in model.named_parameters() if head not in name}
        return lambda model: (
            strategy.strength / 2 * sum(((p - start[n]) ** 2).sum() for n, p in model.named_parameters() if n in start)
        )
    old = load_vision(WORLDS[scenario.name].backbone, num_classes="source")
    letters, labels = _letters(500, held_out=False)
    letters, g = _normalized(scenario, letters), torch.Generator().manual_seed(scenario.seed)
    count = max(1, round(strategy.strength * strategy.batch_size))

    def replay(model):
        rows = torch.randint(len(labels), (count,), generator=g)
        features = nn.Sequential(*list(model.children())[:-1], nn.Flatten())(letters[rows])
        return nn.functional.cross_entropy(old.fc(features), labels[rows]) * count / strategy.batch_size

    return replay


def _probe(strategy: Strategy, scenario: Scenario, y: torch.Tensor, part: str) -> torch.Tensor:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    weights = "balanced" if strategy.class_weights else None
    head = LogisticRegression(C=strategy.C, max_iter=2000, class_weight=weights)
    known, asked = (_kept_features(scenario, which)[strategy.feature_layer] for which in ("train", part))
    return torch.from_numpy(make_pipeline(StandardScaler(), head).fit(known, y).predict_proba(asked))


@functools.lru_cache(maxsize=32)
def _kept_features(scenario: Scenario, part: str) -> list[torch.Tensor]:
    return _features(scenario, _data(scenario, part)[0])


def _features(scenario: Scenario, inputs) -> list[torch.Tensor]:
    """Frozen features of each group, bottom to top: means over the tokens of a text or the places of an image."""
    with torch.no_grad():
        if scenario.kind == "text":
            model, parts = load_text()[0], []
            for batch in _loader(scenario, inputs, None, 100):
                mask = batch["attention_mask"].unsqueeze(-1)
                hidden = model(**batch, output_hidden_states=True).hidden_states
                parts.append([(h * mask).sum(1) / mask.sum(1) for h in hidden])
            return [torch.cat(layer) for layer in zip(*parts, strict=True)]
        model = load_vision(WORLDS[scenario.name].backbone)
        maps = [model.relu(model.bn1(model.conv1(_normalized(scenario, inputs))))]
        for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
            maps.append(stage(maps[-1]))
        return [h.mean((2, 3)) for h in maps]


def _loader(scenario: Scenario, x, y, batch_size: int) -> DataLoader:
    if scenario.kind == "text":
        labels = {} if y is None else {"label": y.tolist()}
        return text_loader({"text": x, **labels}, load_text()[1], batch_size)
    return array_loader(_normalized(scenario, x), y, batch_size)


def _normalized(scenario: Scenario, images) -> torch.Tensor:
    spec = load_vision(WORLDS[scenario.name].backbone).input_spec
    return (images - spec.mean[0]) / spec.std[0]


def _letters_kept(model: nn.Module | None, backbone: str) -> float:
    """Share of 400 letters, in fonts the pretraining did not see, that the features tell apart under the old head."""
    old = load_vision(backbone, num_classes="source")
    if model is not None:
        kept = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
        old.load_state_dict({k: v for k, v in kept.state_dict().items() if not k.startswith("fc.")}, strict=False)
    images, labels = _letters(400, held_out=True)
    spec = old.input_spec
    with torch.no_grad():
        said = old.eval()((images - spec.mean[0]) / spec.std[0]).argmax(1)
    return float((said == labels).double().mean())


@functools.cache
def _letters(n: int, held_out: bool) -> tuple[torch.Tensor, torch.Tensor]:
    return glyphs.draw(n, torch.Generator().manual_seed(glyphs.UNSEEN + 7), held_out)


def _macro_f1(y: torch.Tensor, said: torch.Tensor) -> float:
    from sklearn.metrics import f1_score

    even = (1 / torch.bincount(y).clamp(min=1))[y]
    return float(f1_score(y, said, average="macro", sample_weight=even, zero_division=0))
