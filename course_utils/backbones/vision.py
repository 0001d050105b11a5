"""Vision backbones: a small torchvision ResNet (BatchNorm or GroupNorm), a small ViT, or any transformers model."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import PyTorchModelHubMixin
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import BasicBlock, ResNet

from course_utils.backbones.resolve import quiet, resolve
from course_utils.errors import CourseError
from course_utils.settings import data_dir

EMBEDDED = ("resnet", "resnet_gn", "vit")


@dataclass(frozen=True)
class InputSpec:
    """What a backbone was pretrained on: statistics per channel of images in [0, 1], side in pixels, channels."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int
    channels: int


class GlyphResNet(ResNet, PyTorchModelHubMixin):
    """torchvision's ResNet for 32-pixel images with one channel: 312k parameters, features (B, 128).

    One BasicBlock per stage, widths 16–32–64–128, a 3×3 stem of stride 2 and no max-pooling (He et al. 2016, section
    4.2, do likewise for small images). Attribute names are torchvision's. `norm` "group" puts GroupNorm (groups of
    4 channels, Wu & He 2018) in place of BatchNorm under the same names. `save_pretrained` and `from_pretrained` come
    from huggingface_hub.
    """

    def __init__(
        self,
        num_classes: int = 37,
        norm: str = "batch",
        mean: tuple[float, ...] = (0.0,),
        std: tuple[float, ...] = (1.0,),
    ):
        layers = {"batch": nn.BatchNorm2d, "group": _group_norm}
        if norm not in layers:
            raise CourseError(f"GlyphResNet has no norm '{norm}'.", 'Take norm="batch" or norm="group".')
        super().__init__(BasicBlock, [1, 1, 1, 1], norm_layer=layers[norm])
        self.inplanes = 16
        self.conv1 = nn.Conv2d(len(mean), 16, 3, stride=2, padding=1, bias=False)
        self.bn1 = layers[norm](16)
        self.maxpool = nn.Identity()
        self.layer1 = self._make_layer(BasicBlock, 16, 1)
        self.layer2 = self._make_layer(BasicBlock, 32, 1, stride=2)
        self.layer3 = self._make_layer(BasicBlock, 64, 1, stride=2)
        self.layer4 = self._make_layer(BasicBlock, 128, 1, stride=2)
        self.fc = nn.Linear(128, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.input_spec = InputSpec(tuple(mean), tuple(std), 32, len(mean))


def _group_norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(width // 4, width)


class TransformersVision(nn.Module):
    """A transformers image classifier (in `.model`) as a plain module: images (B, C, H, W) → logits or features.

    Images of another size are resized and a single channel is repeated, so that the course's 32-pixel images go
    through any checkpoint. Features (B, D) are what the classifier reads: for a ViT the CLS token after the last norm.
    """

    def __init__(self, model: nn.Module, input_spec: InputSpec):
        super().__init__()
        self.model, self.input_spec = model, input_spec

    def forward(self, images: Tensor) -> Tensor:
        spec = self.input_spec
        if images.shape[-2:] != (spec.size, spec.size):
            images = functional.interpolate(images, (spec.size, spec.size), mode="bilinear", antialias=True)
        return self.model(pixel_values=images.expand(-1, spec.channels, -1, -1)).logits.flatten(1)


def load_vision(name: str | None = None, *, num_classes: int | str | None = None, pretrained: bool = True) -> nn.Module:
    """A vision backbone whose forward maps normalized images (B, 1, 32, 32) to logits or features.

    name:        "resnet" (default), "resnet_gn" or "vit", embedded in the course; or a local folder or a hub id. None
                 takes the environment variable COURSE_VISION_MODEL, if set.
    num_classes: a number puts a new, random head on top: logits (B, num_classes). None takes the head off: features
                 (B, D). "source" keeps the head of the pretraining task (for the embedded ones: 37 letters).
    pretrained:  False gives the same architecture with random weights.

    The model carries `.input_spec` (InputSpec), with which to normalize, and is in eval mode, as from_pretrained
    leaves it. New weights come from torch's global generator.
    Raises CourseError for an unknown name and for a folder that holds no model.
    """
    name = str(name or os.environ.get("COURSE_VISION_MODEL") or "resnet")
    folder = Path(_find(name))
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise CourseError(
            f"{folder} holds no readable config.json, so it is no saved model.",
            f"Give a folder written by save_pretrained, or one of: {', '.join(EMBEDDED)}.",
        ) from None
    try:
        load = _load_transformers if "model_type" in config else _load_resnet
        return load(folder, config, num_classes, pretrained).eval()
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, SafetensorError) as error:
        raise CourseError(
            f"The model in {folder} cannot be loaded ({str(error).strip().splitlines()[0][:200]}).",
            f"Give a vision checkpoint written by save_pretrained, or one of: {', '.join(EMBEDDED)}.",
        ) from error


def _find(name: str) -> str:
    """The folder of a name, a path or a hub id."""
    if name in EMBEDDED:
        return str(data_dir() / "backbones" / name)
    if "/" not in name and "\\" not in name and not Path(name).exists():
        raise CourseError(
            f"There is no vision backbone '{name}'.",
            f"Take one of: {', '.join(EMBEDDED)}; or give a local folder or a hub id (owner/model).",
        )

    return resolve(name, data_dir() / "backbones" / "resnet")


def _load_resnet(folder: Path, config: dict, num_classes: int | str | None, pretrained: bool) -> GlyphResNet:
    model = GlyphResNet(**config)
    if pretrained:  # not by from_pretrained, which prints a line
        model.load_state_dict(load_file(folder / "model.safetensors"))
    if num_classes is None:
        model.fc = nn.Identity()
    elif num_classes != "source":
        model.fc = nn.Linear(model.fc.in_features, num_classes)
    return model


def _load_transformers(
    folder: Path, config: dict, num_classes: int | str | None, pretrained: bool
) -> TransformersVision:
    from transformers import AutoConfig, AutoModelForImageClassification

    with quiet():
        if pretrained:
            model = AutoModelForImageClassification.from_pretrained(folder)
        else:
            model = AutoModelForImageClassification.from_config(AutoConfig.from_pretrained(folder))
    head = model.classifier
    linear = head[-1] if isinstance(head, nn.Sequential) else head
    if num_classes is None:
        model.classifier = nn.Identity()
    elif num_classes != "source":
        new = nn.Linear(linear.in_features, num_classes)
        model.classifier = nn.Sequential(*head[:-1], new) if isinstance(head, nn.Sequential) else new
        model.config.num_labels = num_classes
    return TransformersVision(model, _input_spec(folder, config))


def _input_spec(folder: Path, config: dict) -> InputSpec:
    """From preprocessor_config.json; without one, ImageNet's statistics and 224 pixels."""
    file = folder / "preprocessor_config.json"
    processor = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    size = config.get("image_size") or processor.get("crop_size") or processor.get("size") or 224
    if isinstance(size, dict):
        size = size.get("height") or size["shortest_edge"]
    mean, std = processor.get("image_mean", (0.485, 0.456, 0.406)), processor.get("image_std", (0.229, 0.224, 0.225))
    return InputSpec(tuple(mean), tuple(std), int(size), config.get("num_channels", 3))
