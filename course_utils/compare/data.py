"""What is compared on: texts or images with labels, cleaned, checked and drawn."""

import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from course_utils import settings
from course_utils.datasets import own
from course_utils.errors import CourseError, refuse

BATCH, MAX_TOKENS = 32, 128
MORE_ROWS = "(--max-rows takes more)"


@dataclass(eq=False)
class Data:
    """`inputs`: N texts, or images (N, C, H, W) in [0, 1]; `labels` (N,) count in `names`; equal inputs share a key.

    kind: "text" or "images". model: folder of the backbone.
    """

    kind: str
    inputs: list[str] | np.ndarray
    labels: np.ndarray
    names: list[str]
    keys: list[str]
    model: str

    @functools.cached_property
    def tokens(self) -> int:
        """Texts are cut at as many tokens: what the backbone can read, `MAX_TOKENS` at most."""
        from course_utils.backbones import load_text

        model, tokenizer = load_text(self.model)
        positions = getattr(model.config, "max_position_embeddings", MAX_TOKENS)
        return min(MAX_TOKENS, tokenizer.model_max_length, positions)

    @functools.cached_property
    def normalized(self):
        """The images as the backbone was pretrained on them, a tensor (N, C, H, W)."""
        import torch
        from torchvision.transforms.v2.functional import normalize

        from course_utils.backbones import load_vision

        spec = load_vision(self.model).input_spec
        return normalize(torch.from_numpy(self.inputs), list(spec.mean), list(spec.std))

    def loader(self, rows, tokenizer=None, shuffle=False, seed=0):
        """Batches of those rows, of `BATCH` where they are shuffled to train on."""
        from course_utils.loaders import array_loader, text_loader

        size = min(BATCH, len(rows)) if shuffle else 2 * BATCH
        if self.kind == "text":
            part = {"text": [self.inputs[i] for i in rows], "label": self.labels[rows]}
            return text_loader(part, tokenizer, size, shuffle, seed, self.tokens)
        return array_loader(self.normalized[rows], self.labels[rows], size, shuffle, seed)


def find_backbone(kind: str, model: str | None) -> str:
    """The folder of the backbone, looked up once, so that the hub is asked once."""
    from course_utils.backbones.resolve import resolve
    from course_utils.backbones.vision import EMBEDDED

    embedded = settings.data_dir() / "backbones"
    if kind == "text":
        return resolve(model or os.environ.get("COURSE_TEXT_MODEL"), embedded / "text")
    model = model or os.environ.get("COURSE_VISION_MODEL") or "resnet"
    return str(embedded / model) if model in EMBEDDED else resolve(model, embedded / "resnet")


def read_texts(
    path: Path, text_column: str, label_column: str, max_rows: int, seed: int, model: str
) -> tuple[Data, list[str]]:
    """The rows of a CSV to compare on, and what there is to say of them. Rows with missing values are dropped."""
    table, notes = own.read_csv(path, text_column, label_column), []
    missing = {column: own.is_missing(table[column]) for column in ("text", "label")}
    dropped = missing["text"] | missing["label"]
    if dropped.any():
        told = [f"no {column}: {rows.sum():,}" for column, rows in missing.items() if rows.any()]
        notes.append(f"Rows dropped: {dropped.sum():,} of {len(table):,} ({', '.join(told)}).")
    table = table[~dropped]
    refuse(table.empty, f"No row of {path} has both a text and a label.", "Fill in some.")
    table = table.assign(key=table.text.str.casefold().str.split().str.join(" "))
    names = own.class_names(table.label, path)
    _check_classes(table, f"column '{label_column}'")
    table = _draw(table, max_rows, seed, "rows", notes)
    labels = table.label.map(names.index).to_numpy()
    data = Data("text", table.text.tolist(), labels, names, table.key.tolist(), model)
    return data, notes + _words_known(data)


def read_images(path: Path, max_rows: int, seed: int, model: str) -> tuple[Data, list[str]]:
    """The images of a folder or an .npz to compare on, and what there is to say of them. Broken ones are left out."""
    from course_utils.backbones import load_vision
    from course_utils.backbones.vision import EMBEDDED

    spec, notes = load_vision(model).input_spec, []
    x, labels = own.read_npz(path) if path.suffix == ".npz" else own.list_image_folder(path)
    labels, where = np.asarray(labels), "the array y" if path.suffix == ".npz" else "the folder"
    names = own.class_names(labels.astype(str).tolist(), path, numeric=labels.dtype.kind in "iu")
    table = pd.DataFrame({"label": labels.astype(str), "key": np.arange(len(labels)).astype(str)})
    _check_classes(table, where)
    table = _draw(table, max_rows, seed, "images", notes)
    if path.suffix == ".npz":
        images = list(own.resize(x[table.index], spec.size, spec.channels))
    else:
        images = [own.read_image(x[i], spec.size, spec.channels) for i in table.index]
    broken = [x[i] for i, image in zip(table.index, images, strict=True) if image is None]
    if broken:
        notes.append(f"Images left out because they cannot be read: {len(broken):,}, the first is {broken[0]}.")
    table = table[[image is not None for image in images]]
    for name in names:
        refuse(name not in table.label.values, f"No image of class '{name}' can be read.", "Save them again as PNG.")
    images = np.stack([image for image in images if image is not None])
    table = table.assign(key=[hashlib.sha256(image.tobytes()).hexdigest() for image in images])
    _check_classes(table, where)
    if images.mean() > 0.5 and Path(model).name in EMBEDDED:
        notes.append("The images are bright; the embedded backbones know bright strokes on black. Try inverted ones.")
    return Data("images", images, table.label.map(names.index).to_numpy(), names, table.key.tolist(), model), notes


def _check_classes(table: pd.DataFrame, where: str) -> None:
    """Each class needs two samples that are not equal: one to train on and one to test on."""
    distinct = table.drop_duplicates(["label", "key"]).groupby("label").size()
    refuse(
        len(distinct) > max(2, len(table) / 2),
        f"There are {len(distinct):,} different labels for {len(table):,} samples ({where}).",
        "A label is the name of a class with several samples; is this the column of the classes?",
    )
    lone = distinct.index[distinct < 2].tolist()
    if lone:
        equal = " that is no copy" if (table.label == lone[0]).sum() > 1 else ""
        others = f" So {'has' if len(lone) == 2 else 'have'} {', '.join(lone[1:6])}{' …' * (len(lone) > 6)}."
        raise CourseError(
            f"Class '{lone[0]}' has only one sample{equal}, which cannot be in training and in test."
            + others * (len(lone) > 1),
            "Add samples (five or more per class are better), merge it with another class, or delete its rows.",
        )


def _draw(table: pd.DataFrame, n: int, seed: int, what: str, notes: list[str]) -> pd.DataFrame:
    """At most n rows, each class with its share and at least two different samples; in the order of the file."""
    if len(table) <= n:
        return table
    shuffled = table.sample(frac=1, random_state=seed)
    by_class = shuffled.groupby("label")
    place = by_class.cumcount() / by_class["key"].transform("size")
    new = ~shuffled.duplicated(["label", "key"])
    place[new & (new.groupby(shuffled.label).cumsum() <= 2)] = -1
    refuse((place < 0).sum() > n, f"{n} rows are too few for {table.label.nunique()} classes.", "Raise max_rows.")
    notes.append(f"{n:,} of {len(table):,} {what} are used, each class with its share {MORE_ROWS}.")
    return table.loc[place.sort_values(kind="stable").index[:n]].sort_index()


def _words_known(data: Data) -> list[str]:
    """How well the backbone's tokenizer knows these texts, and how many it has to cut."""
    from course_utils.backbones import load_text
    from course_utils.backbones.resolve import quiet

    tokenizer, some, notes = load_text(data.model)[1], data.inputs[:1000], []
    with quiet():
        ids = tokenizer(some)["input_ids"]
    cut = sum(len(each) > data.tokens for each in ids) / len(ids)
    if cut > 0.05:
        notes.append(f"{100 * cut:.0f} % of the texts are longer than {data.tokens} tokens and are cut there.")
    count = sum(map(len, ids))
    unknown = sum(each.count(tokenizer.unk_token_id) for each in ids) / count
    words = max(1, sum(len(text.split()) for text in some))
    spaced = sum(map(len, some)) / words < 12  # not so in Chinese or Japanese
    if unknown > 0.05:
        notes.append(f"{100 * unknown:.0f} % of the tokens are unknown to the backbone: try another one with --model.")
    elif spaced and count / words > 2:
        notes.append(
            f"The backbone breaks a word into {count / words:.1f} pieces on average, so it knows few of these words:"
            " try another one with --model."
        )
    return notes
