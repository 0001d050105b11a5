"""Train a strategy in a scenario, within its budgets, and score it."""

import functools
import math
import warnings
from collections.abc import Callable

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, RandomSampler, WeightedRandomSampler

from course_utils import settings
from course_utils.backbones import load_text, load_vision
from course_utils.datasets import glyphs
from course_utils.datasets.reviews import generate_unlabeled
from course_utils.loaders import array_loader, text_loader
from course_utils.scenarios.facts import Result, Scenario, Strategy
from course_utils.scenarios.worlds import WORLDS, data, draw, letters
from course_utils.training import fit, predict

NAMES = ("scratch", "probe", "full", "partial", "lora")
PENALTIES = ("none", "l2sp", "replay")
HEADS = {"text": "classifier", "images": "fc"}
HEAD_RATE = {"text": 1e-2, "images": 3e-3}


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
    (x, y), (scored_x, scored_y) = data(scenario, "train"), data(scenario, part)
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
    loader = _loader(scenario, x, y, strategy.batch_size)
    total, order = strategy.steps * strategy.batch_size, torch.Generator().manual_seed(scenario.seed)
    if strategy.balanced_batches:
        sampler = WeightedRandomSampler((1 / counts)[y], total, generator=order)
    else:
        sampler = RandomSampler(loader.dataset, num_samples=total, generator=order)
    options = dict(
        train_loader=DataLoader(loader.dataset, strategy.batch_size, sampler=sampler, collate_fn=loader.collate_fn),
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
    pictures, labels = letters(500, held_out=False)
    pictures, g = _normalized(scenario, pictures), torch.Generator().manual_seed(scenario.seed)
    count = max(1, round(strategy.strength * strategy.batch_size))

    def replay(model):
        rows = torch.randint(len(labels), (count,), generator=g)
        features = nn.Sequential(*list(model.children())[:-1], nn.Flatten())(pictures[rows])
        return nn.functional.cross_entropy(old.fc(features), labels[rows]) * count / strategy.batch_size

    return replay


def _probe(strategy: Strategy, scenario: Scenario, y: torch.Tensor, part: str) -> torch.Tensor:
    weights = "balanced" if strategy.class_weights else None
    head = LogisticRegression(C=strategy.C, max_iter=2000, class_weight=weights)
    known, asked = (_kept_features(scenario, which)[strategy.feature_layer] for which in ("train", part))
    return torch.from_numpy(make_pipeline(StandardScaler(), head).fit(known, y).predict_proba(asked))


@functools.lru_cache(maxsize=32)
def _kept_features(scenario: Scenario, part: str) -> list[torch.Tensor]:
    return _features(scenario, data(scenario, part)[0])


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
    images, labels = letters(400, held_out=True)
    spec = old.input_spec
    with torch.no_grad():
        said = old.eval()((images - spec.mean[0]) / spec.std[0]).argmax(1)
    return float((said == labels).double().mean())


def _macro_f1(y: torch.Tensor, said: torch.Tensor) -> float:
    even = (1 / torch.bincount(y).clamp(min=1))[y]
    return float(f1_score(y, said, average="macro", sample_weight=even, zero_division=0))
