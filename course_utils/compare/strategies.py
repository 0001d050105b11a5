"""How `course compare` trains: each strategy on one fold of texts or images, at the rates the lessons measured."""

import contextlib
import functools
import io
import time
import warnings

import numpy as np
import torch
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional

from course_utils import settings
from course_utils.backbones import load_text, load_vision
from course_utils.backbones.vision import TransformersVision
from course_utils.compare.data import Data
from course_utils.training import fit, predict

LARGE = 20_000_000
# Texts: best on validation data (record 01.learning_rates). Images: from a small trial with the ResNet on the pool of
# digits, read on the folds it was scored on. "gradual" takes the rate of "full", and "head" in its first stage, which
# trains the new head alone; neither was tuned.
RATES = {
    "text": {"full": 3e-4, "gradual": 3e-4, "lora": 5e-3, "head": 1e-2},
    "images": {"full": 3e-3, "gradual": 3e-3, "lora": 3e-3, "head": 3e-3},
}
# Above LARGE parameters: Devlin et al. (2019, appendix A.3) for BERT, Hu et al. (2022, appendix D) for LoRA.
LARGE_RATES = {"full": 5e-5, "gradual": 5e-5, "lora": 5e-4, "head": 1e-3}
ATTENTION = {"query", "value", "q_lin", "v_lin", "q_proj", "v_proj", "query_proj", "value_proj", "Wqkv", "qkv"}
HEADS = {"classifier", "pre_classifier", "pooler", "score", "fc"}


def run_fold(data: Data, strategy: str, train, test, max_steps: int, seed: int) -> dict:
    """Train on the rows `train`, score on `test`: accuracy, macro_f1, trained parameters, seconds of training and test.

    `strategy`: "majority" (always the most frequent class), "baseline" (bag of words, or raw pixels, with logistic
    regression), "probe" (frozen features with logistic regression), "lora" (peft, rank 8), "full" (everything),
    "gradual" (a third of the steps for the head alone, the others for everything).
    """
    with _quiet():
        settings.seed_everything(seed)
        began = time.perf_counter()
        if strategy in ("majority", "baseline", "probe"):
            predicted, parameters, before = _linear(data, strategy, train, test)
        else:
            predicted, parameters, before = *_tuned(data, strategy, train, test, max_steps, seed), 0.0
        seconds = time.perf_counter() - began + before
    truth = data.labels[test]
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro_f1": float(f1_score(truth, predicted, average="macro", zero_division=0)),
        "parameters": parameters,
        "seconds": seconds,
    }


def _linear(data: Data, strategy: str, train, test) -> tuple[np.ndarray, int, float]:
    """Predictions, parameters, and the seconds that the features took when they were made for all folds."""
    before = 0.0
    scaled = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    if strategy == "majority":
        model, x = DummyClassifier(strategy="most_frequent"), np.zeros((len(data.labels), 1))
    elif strategy == "probe":
        known = _frozen.cache_info().hits
        x, seconds = _frozen(data)
        model, before = scaled, seconds if _frozen.cache_info().hits > known else 0.0
    elif data.kind == "text":
        # Single characters and signs count as words too, so that no text is empty in any script.
        words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", max_features=50_000)
        model = make_pipeline(words, LogisticRegression(C=10.0, max_iter=2000))
        x = np.array(data.inputs, dtype=object)
    else:
        images, side = torch.from_numpy(data.inputs), min(32, data.inputs.shape[-1])
        small = functional.interpolate(images, (side, side), mode="bilinear", antialias=True)
        model, x = scaled, small.flatten(1).numpy()
    model.fit(x[train], data.labels[train])
    regression = model[-1] if strategy != "majority" else None
    parameters = regression.coef_.size + regression.intercept_.size if regression else 0
    return model.predict(x[test]), parameters, before


@functools.lru_cache(maxsize=1)
def _frozen(data: Data) -> tuple[np.ndarray, float]:
    """Features (N, D) of the untouched backbone, and the seconds that took; no fold changes them.

    Of a text: the mean of the last layer over its tokens. Texts of one length go together, without padding.
    """
    began, everything = time.perf_counter(), np.arange(len(data.labels))
    if data.kind == "images":
        model = load_vision(data.model).to(settings.device())
        return predict(model, data.loader(everything))[0].numpy(), time.perf_counter() - began
    encoder, tokenizer = load_text(data.model)
    means = _TokenMean(encoder).to(settings.device())
    lengths = np.array([len(i) for i in tokenizer(data.inputs, truncation=True, max_length=data.tokens)["input_ids"]])
    features = np.empty((len(lengths), encoder.config.hidden_size), dtype=np.float32)
    for length in np.unique(lengths):
        rows = everything[lengths == length]
        features[rows] = predict(means, data.loader(rows, tokenizer))[0].numpy()
    return features, time.perf_counter() - began


class _TokenMean(nn.Module):
    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, **batch):
        return self.encoder(**batch).last_hidden_state.mean(1)


def _tuned(data: Data, strategy: str, train, test, max_steps: int, seed: int) -> tuple[np.ndarray, int]:
    tokenizer = None
    if data.kind == "text":
        model, tokenizer = load_text(data.model, task="classification", num_labels=len(data.names))
    else:
        model = load_vision(data.model, num_classes=len(data.names))
    large = sum(p.numel() for p in model.parameters()) > LARGE
    rates = LARGE_RATES if large else RATES[data.kind]
    if strategy == "lora":
        model = _with_lora(model)
    batches = data.loader(train, tokenizer, shuffle=True, seed=seed)
    options = {"warmup_steps": 0.1, "seed": seed, "show_progress": False}
    first = max_steps // 3 if strategy == "gradual" else 0
    if first:
        backbone = [p for name, p in model.named_parameters() if not HEADS & set(name.split("."))]
        for parameter in backbone:
            parameter.requires_grad_(False)
        fit(model, batches, lr=rates["head"], max_steps=first, **options)
        for parameter in backbone:
            parameter.requires_grad_(True)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    fit(model, batches, lr=rates[strategy], max_steps=max_steps - first, **options)
    return predict(model, data.loader(test, tokenizer))[0].argmax(1).numpy(), parameters


def _with_lora(model: nn.Module) -> nn.Module:
    """Low-rank updates beside query and value, or beside the convolutions where there is no attention; a new head."""
    from peft import LoraConfig, get_peft_model

    inner = model.model if isinstance(model, TransformersVision) else model

    def last_names(kind):
        return {name.rsplit(".", 1)[-1] for name, module in inner.named_modules() if isinstance(module, kind)}

    linear, convolutions = last_names(nn.Linear), {name for name in last_names(nn.Conv2d) if not name.isdigit()}
    targets = sorted(linear & ATTENTION or convolutions) or "all-linear"
    heads = sorted({name for name, _ in inner.named_children()} & HEADS)
    adapted = get_peft_model(inner, LoraConfig(r=8, lora_alpha=16, target_modules=targets, modules_to_save=heads))
    if inner is model:
        return adapted
    model.model = adapted
    return model


@contextlib.contextmanager
def _quiet():
    """Warnings of rare classes, unfinished regressions and of peft, and `fit`'s word on an interrupt, are not shown."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
