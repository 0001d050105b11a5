"""How the embedded vision backbones were made: learn rendered letters, then pass a probe on handwritten digits."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy
import torch
from torch import nn
from torch.nn import functional

from course_utils.backbones.resolve import quiet
from course_utils.backbones.vision import GlyphResNet, InputSpec, TransformersVision, load_vision
from course_utils.datasets import glyphs
from course_utils.errors import CourseError
from course_utils.settings import cache_dir, device, progress, replacing

# Mean and standard deviation of the pixels of 20,000 glyphs of the training fonts.
MEAN, STD = (0.223,), (0.301,)
# Where the sheets of handwriting begin in the pool (data/digits/README.md).
SHEETS = (0, 130, 256, 386, 516, 646, 776, 906)
SHOTS, DRAWS = 10, 20


@dataclass(frozen=True)
class Recipe:
    """AdamW with OneCycleLR (cosine).

    margin:  points that the probe's gain over raw pixels must exceed with the lower end of its interval (see `gate`).
    distill: learn from the embedded "resnet" (see `Distillation`), not from labels.
    joined:  share of the images that are put together from parts of two (see `join`).
    """

    steps: int
    learning_rate: float
    margin: float
    weight_decay: float = 0.05
    batch_size: int = 128
    warmup: float = 0.1
    label_smoothing: float = 0.1
    distill: bool = False
    joined: float = 0.0


RECIPES = {
    "resnet": Recipe(steps=600, learning_rate=4e-3, margin=3.0),
    "resnet_gn": Recipe(steps=600, learning_rate=4e-3, margin=0.0),
    "vit": Recipe(steps=4000, learning_rate=3e-3, margin=3.0, batch_size=64, distill=True, joined=0.5),
}


def pretrain_vision(name: str, out: str | Path, seed: int = 0, steps: int | None = None) -> dict[str, float]:
    """Pretrain "resnet", "resnet_gn" or "vit" on glyphs and write the checkpoint to the folder `out`.

    Every 100 steps the state goes to the cache folder; a second call after an interruption goes on from there and
    ends in the same weights, bit for bit, on the same machine and number of threads. `steps` shortens the run.

    Nothing is written to `out` unless a linear probe with 10 digits per class clearly beats logistic regression on raw
    pixels (see `gate`): a falling loss alone says little about transfer. Returns the gate's numbers.
    Raises CourseError for an unknown name and for a checkpoint that does not pass.
    """
    if name not in RECIPES:
        raise CourseError(f"There is no vision recipe '{name}'.", f"Take one of: {', '.join(RECIPES)}.")
    recipe = RECIPES[name]
    model, state = train(name, seed, steps or recipe.steps)
    found = gate(model)
    if found["low"] <= recipe.margin:
        raise CourseError(
            f"The {name} did not pass: its probe reaches {found['probe']:.1f} %, raw pixels {found['pixels']:.1f} %; "
            f"the gain's interval begins at {found['low']:.1f} points and must begin above {recipe.margin:g}.",
            f"Train longer or with another seed; {out} was left as it was.",
        )
    with replacing(Path(out)) as folder:
        folder.mkdir()
        save(model, folder)
        card = Path(out) / "README.md"
        if card.exists():
            (folder / "README.md").write_bytes(card.read_bytes())
        for file in folder.iterdir():
            file.chmod(0o644)  # safetensors writes for the owner only, but a class reads these files
    state.unlink()
    return found


def build(name: str) -> nn.Module:
    """The untrained backbone with its head of 37 letters, as in `load_vision`."""
    if name != "vit":
        norm = "group" if name == "resnet_gn" else "batch"
        return GlyphResNet(len(glyphs.CLASSES), norm, MEAN, STD)
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        image_size=glyphs.SIZE,
        patch_size=8,
        num_channels=1,
        hidden_size=96,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=384,
        num_labels=len(glyphs.CLASSES),
        # About 1/sqrt(96). With the customary 0.02 so narrow a ViT learns several times more slowly.
        initializer_range=0.1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return TransformersVision(ViTForImageClassification(config), InputSpec(MEAN, STD, glyphs.SIZE, 1))


def save(model: nn.Module, folder: Path) -> None:
    """Write `model` so that `load_vision(folder)` and its library's from_pretrained read it."""
    if isinstance(model, TransformersVision):
        with quiet():
            model.model.save_pretrained(folder)
        spec = model.input_spec
        processor = {"image_mean": spec.mean, "image_std": spec.std, "size": {"height": spec.size, "width": spec.size}}
        (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=2) + "\n", encoding="utf-8")
    else:
        model.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)  # huggingface_hub's empty form of a card


class Distillation(nn.Module):
    """A ViT that imitates the embedded "resnet" (Hinton et al. 2015, Romero et al. 2015), and what only that needs.

    The CLS token predicts the teacher's standardized features and its soft labels, each through an MLP that is thrown
    away afterwards, so that CLS itself need not specialize (Wang et al. 2022, "Revisiting the transferability of
    supervised pretraining: an MLP perspective"). The ViT's own linear head learns the soft labels, but from a detached
    CLS: it reads the features without forming them. No label is used.
    """

    def __init__(self, student: TransformersVision, seed: int):
        super().__init__()
        self.student = student
        self.teacher = load_vision("resnet", num_classes="source").requires_grad_(False)
        self.teacher_head, self.teacher.fc = self.teacher.fc, nn.Identity()
        self.to_features, self.to_logits = (
            nn.Sequential(nn.Linear(96, 512), nn.BatchNorm1d(512), nn.GELU(), nn.Linear(512, width))
            for width in (self.teacher_head.in_features, self.teacher_head.out_features)
        )
        with torch.no_grad():
            images, _ = glyphs.draw(2000, torch.Generator().manual_seed(seed))
            features = self.teacher((images - MEAN[0]) / STD[0])
        self.register_buffer("mean", features.mean(0))
        self.register_buffer("std", features.std(0) + 0.02)  # features that hardly ever fire must not dominate

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The loss for normalized images (B, 1, 32, 32)."""
        with torch.no_grad():
            features = self.teacher(images)
            labels = self.teacher_head(features).softmax(1)
        cls = self.student.model.vit(pixel_values=images).last_hidden_state[:, 0]
        loss = functional.mse_loss(self.to_features(cls), (features - self.mean) / self.std)
        loss = loss + functional.cross_entropy(self.to_logits(cls), labels)
        return loss + functional.cross_entropy(self.student.model.classifier(cls.detach()), labels)


def join(images: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Put `share` of the images (B, 1, S, S) together from two, cut along a random line: shapes that are no letter.

    CutMix (Yun et al. 2019) with a half-plane. The teacher has an opinion on any shape, so no label is needed.
    """
    n, size = len(images), images.shape[-1]
    other = images[torch.randperm(n, generator=generator)]
    angle = torch.rand(n, 1, 1, 1, generator=generator) * 2 * torch.pi
    offset = torch.rand(n, 1, 1, 1, generator=generator) * 0.8 - 0.4
    whole = torch.rand(n, 1, 1, 1, generator=generator) >= share
    x = torch.linspace(-1, 1, size)
    kept = angle.cos() * x + angle.sin() * x[:, None] > offset
    return torch.where(kept | whole, images, other)


def train(name: str, seed: int, steps: int, save_every: int = 100) -> tuple[nn.Module, Path]:
    """The trained model on the CPU, and the file in the cache folder that holds the state of the run."""
    recipe, place = RECIPES[name], device()
    file = cache_dir() / "pretrain" / f"{name}-{seed}-{steps}.pt"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(name).to(place).train()
        # The teacher stays in eval mode.
        learner = Distillation(model, seed).to(place) if recipe.distill else model
        parameters = [parameter for parameter in learner.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, recipe.learning_rate, total_steps=steps, pct_start=recipe.warmup, cycle_momentum=False
        )
        start = 0
        if file.exists():
            state = torch.load(file, map_location=place, weights_only=True)
            if state["recipe"] == asdict(recipe):
                for part, key in ((learner, "model"), (optimizer, "optimizer"), (schedule, "schedule")):
                    part.load_state_dict(state[key])
                start = state["step"]
        bar = progress(range(start, steps), f"pretraining {name}", initial=start, total=steps)
        for step in bar:
            # Each step has a seed of its own, so that going on from step k needs no state of a generator.
            generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
            images, labels = glyphs.draw(recipe.batch_size, generator)
            if recipe.joined:
                images = join(images, recipe.joined, generator)
            output = learner((images.to(place) - MEAN[0]) / STD[0])
            if recipe.distill:
                loss = output
            else:
                loss = functional.cross_entropy(output, labels.to(place), label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            if step % 20 == 0:
                bar.set_postfix(loss=f"{loss.item():.2f}")
            if (step + 1) % save_every == 0 or step + 1 == steps:
                state = {"recipe": asdict(recipe), "step": step + 1, "model": learner.state_dict()}
                state |= {"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
                with replacing(file) as new:
                    torch.save(state, new)
    return model.cpu().eval(), file


def gate(model: nn.Module) -> dict[str, float]:
    """Accuracy in % of a linear probe on the model's features ("probe") and on raw pixels ("pixels"), and their "gain".

    Each of 20 draws deals the pool's eight sheets into two random halves, learns from 10 digits per class of one and
    is judged on the other, so by the handwriting of others. "low" is the lower end of the gain's 95 % interval (t,
    paired by draw). The draws share the sheets, so that the interval is narrower than one for new writers would be. The
    test digits play no part.
    """
    from scipy import stats

    pool = glyphs.load_digits("pool").with_format("torch")[:]
    images, labels = pool["image"], pool["label"].numpy()
    sheet = numpy.searchsorted(SHEETS, numpy.arange(len(labels)), side="right") - 1
    inputs = penultimate(model, images), functional.avg_pool2d(images, 4).flatten(1).numpy()
    scores = []
    for seed in range(DRAWS):
        learned = numpy.isin(sheet, numpy.random.default_rng(seed).permutation(len(SHEETS))[: len(SHEETS) // 2])
        (ours,), (others,) = learned.nonzero(), (~learned).nonzero()
        draw = ours[few(labels[ours], SHOTS, seed)]
        scores.append([probe(x[draw], labels[draw], x[others], labels[others]) for x in inputs])
    found, pixels = numpy.transpose(scores)
    gain = found - pixels
    half = stats.t.ppf(0.975, DRAWS - 1) * gain.std(ddof=1) / DRAWS**0.5
    numbers = {"probe": found.mean(), "pixels": pixels.mean(), "gain": gain.mean(), "low": gain.mean() - half}
    return {key: float(number) for key, number in numbers.items()}


def few(labels: numpy.ndarray, shots: int, seed: int) -> numpy.ndarray:
    """Indices of `shots` random samples of each class."""
    order = numpy.random.default_rng(seed).permutation(len(labels))
    return numpy.concatenate([order[labels[order] == c][:shots] for c in numpy.unique(labels)])


def penultimate(model: nn.Module, images: torch.Tensor) -> numpy.ndarray:
    """What the last linear layer of `model` reads for images in [0, 1]: (N, D), each row of length 1."""
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    seen = []
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        for part in images.split(500):
            model((part - MEAN[0]) / STD[0])
    hook.remove()
    return functional.normalize(torch.cat(seen), dim=1).numpy()


def probe(x, y, other_x, other_y) -> float:
    """Accuracy in % on the second set of a logistic regression fitted to the first."""
    from sklearn.linear_model import LogisticRegression

    return 100 * LogisticRegression(C=10.0, max_iter=2000).fit(x, y).score(other_x, other_y)
