"""What a fine-tuned backbone still knows of its source task: it goes back under the head it was pretrained with."""

import functools

import numpy as np
import torch
from torch import nn

from course_utils import settings
from course_utils.backbones import load_text, load_vision
from course_utils.datasets import load_glyphs, load_reviews, take
from course_utils.errors import refuse


def masked_lm_loss(model: nn.Module, name: str | None = None, *, domain: str = "films", n: int = 400) -> float:
    """Mean masked-LM loss (nats a token) over n test reviews, 15 % of the tokens masked, the same masks each time.

    `model` is a fine-tuned copy of the text backbone `name` (None: the one in force), with whatever head: only its
    encoder is used, and nothing in it changes.
    Raises CourseError if it is no such copy.
    """
    source, tokenizer = load_text(name, task="mlm")
    encoder = getattr(model, getattr(model, "base_model_prefix", ""), model)
    _put_back(encoder.state_dict(), source.base_model, encoder, "load_text")
    source.to(settings.device()).eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for batch in _masked(tokenizer, domain, n):
            masked = int((batch["labels"] != -100).sum())
            total += source(**batch.to(source.device)).loss.item() * masked
            count += masked
    return total / count


def letter_accuracy(model: nn.Module, name: str = "resnet", *, n: int = 1000) -> float:
    """Share of n rendered letters that the features of `model` still tell apart under the head of the pretraining.

    `model` is a fine-tuned copy of the embedded vision backbone `name`, with whatever head: only its features count,
    and nothing in it changes. The letters are the same ones each time, in fonts that the pretraining did not see.
    Raises CourseError if it is no such copy.
    """
    source = load_vision(name, num_classes="source")
    body = {key: value for key, value in model.state_dict().items() if not key.startswith(("fc.", "model.classifier."))}
    _put_back(body, source, model, f"load_vision('{name}', …)")
    source.to(settings.device()).eval()
    images, labels = _letters(n)
    (mean,), (std,) = source.input_spec.mean, source.input_spec.std
    with torch.no_grad():
        batches = ((images - mean) / std).split(250)
        said = torch.cat([source(batch.to(settings.device())).argmax(1).cpu() for batch in batches])
    return (said == labels).double().mean().item()


def _put_back(weights: dict, source: nn.Module, model: nn.Module, made_by: str) -> None:
    """Copy `weights` over the same ones of `source`, whose head is not among them."""
    wanted = source.state_dict()
    weights = {key: value for key, value in weights.items() if key in wanted}
    absent = [key for key in wanted if key not in weights and not key.startswith(("fc.", "model.classifier."))]
    odd = absent or [key for key, value in weights.items() if value.shape != wanted[key].shape]
    refuse(
        odd,
        f"The {type(model).__name__} is no copy of the backbone: {', '.join(odd[:3])} is missing or of another shape.",
        f"Pass a model made by {made_by}, fine-tuned or not; merge LoRA weights first.",
    )
    source.load_state_dict(weights, strict=False)


@functools.cache
def _letters(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    letters = load_glyphs(n, seed=1, held_out_fonts=True)
    return torch.from_numpy(np.array(letters["image"][:], dtype=np.float32)), torch.tensor(letters["label"][:])


def _masked(tokenizer, domain: str, n: int):
    from transformers import DataCollatorForLanguageModeling

    texts = take(load_reviews(domain, "test"), n, 0)["text"]
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=0)
    encoded = [{"input_ids": tokenizer(text, truncation=True, max_length=64)["input_ids"]} for text in texts]
    return (collate(encoded[start : start + 100]) for start in range(0, n, 100))
