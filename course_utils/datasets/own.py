"""Your own data: a CSV of texts, arrays or a folder of images, a data set from the hub; a balanced sample of any."""

import contextlib
import io
from pathlib import Path

import numpy

from course_utils.datasets.glyphs import SIZE, as_dataset
from course_utils.errors import CourseError


def load_csv(path: str | Path, text_column: str = "text", label_column: str = "label"):
    """A CSV file (UTF-8, header in the first row) as a `datasets.Dataset` with `text` (str) and `label` (ClassLabel).

    Labels are taken as text and sorted, so that the same file always gets the same numbering. Raises CourseError for a
    missing, empty or unreadable file, for missing columns or values, and for fewer than two classes.
    """
    import datasets

    table = read_csv(path, text_column, label_column)
    for part, column in (("text", text_column), ("label", label_column)):
        missing = numpy.flatnonzero(is_missing(table[part]))
        if len(missing):
            raise CourseError(
                f"{path} has {len(missing)} empty or NaN values in column '{column}', the first in row "
                f"{missing[0] + 1} below the header.",
                "Fill them in or delete those rows.",
            )
    names = class_names(table["label"], path)
    features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=names))
    index = [names.index(label) for label in table["label"]]
    return datasets.Dataset.from_dict({"text": table["text"].tolist(), "label": index}, features=features)


def read_csv(path: str | Path, text_column: str = "text", label_column: str = "label"):
    """The two columns as a data frame of strings, `text` and `label`, rows with missing values among them.

    Raises CourseError for a missing, empty or unreadable file, for missing columns, and for no rows.
    """
    import pandas

    path = _file(path)
    try:
        table = pandas.read_csv(path, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    except UnicodeDecodeError as error:
        raise CourseError(
            f"{path} is not UTF-8 text (byte {error.start} cannot be read).",
            "Save it as UTF-8; in a spreadsheet choose the format 'CSV UTF-8'.",
        ) from None
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError) as error:
        raise CourseError(
            f"{path} is no table with commas ({str(error).strip()}).",
            "Put quotes around texts that contain commas or line breaks, and the column names in the first row.",
        ) from None
    except (OSError, EOFError) as error:
        raise CourseError(f"{path} cannot be read ({error}).", "Export or copy it again.") from None
    for column in (text_column, label_column):
        if column not in table.columns:
            header = ",".join(map(str, table.columns))
            other = next((mark for mark in (";", "\t", "|") if mark in header), None)
            mend = "Name the columns with text_column=... and label_column=... (--text-column, --label-column)."
            if other:
                mend = f"Its columns are separated by {other!r}: save it separated by commas."
            raise CourseError(f"{path} has no column '{column}'; it has: {header.replace(',', ', ')}.", mend)
    if table.empty:
        raise CourseError(f"{path} has column names but no rows.", "Put one text and its label in each row.")
    return pandas.DataFrame({"text": table[text_column], "label": table[label_column].str.strip()})


def is_missing(values):
    """Which strings of a column stand for no value: blank ones and those that say NaN."""
    return values.str.strip().eq("") | values.str.lower().eq("nan")


def load_npz(path: str | Path, size: int = SIZE, channels: int = 1):
    """Arrays `x` (images) and `y` (labels) of an .npz file as a `datasets.Dataset` with `image` and `label`.

    x: (N, H, W) or (N, H, W, C) with C 1 or 3, uint8 in 0–255 or float in [0, 1]. y: (N,), integers or strings.
    The images come back as float32 (channels, size, size) in [0, 1]: resized, gray from color by luma, color from
    gray by repetition. Raises CourseError for arrays of another shape, type or range, with NaN, or of one class.
    """
    x, y = read_npz(path)
    names = class_names(y.astype(str).tolist(), path, numeric=y.dtype.kind in "iu")
    return as_dataset(resize(x, size, channels), [names.index(label) for label in y.astype(str)], names)


def read_npz(path: str | Path) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The arrays x and y of the file as they are, checked as `load_npz` says (but for the number of classes)."""
    path = _file(path)
    try:
        with numpy.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:
        raise CourseError(
            f"{path} cannot be read as .npz ({str(error).splitlines()[0] if str(error) else type(error).__name__}).",
            "Write it with numpy.savez(path, x=images, y=labels), no object arrays.",
        ) from None
    if not {"x", "y"} <= arrays.keys():
        raise CourseError(
            f"{path} holds the arrays {', '.join(arrays) or '(none)'}, but not both x and y.",
            "Write it with numpy.savez(path, x=images, y=labels).",
        )
    x, y = arrays["x"], arrays["y"]
    _check_images(x, path)
    if y.shape != (len(x),):
        raise CourseError(
            f"{path} has {len(x)} images, but y has the shape {y.shape}.",
            "Give one label per image, in the same order.",
        )
    if y.dtype.kind not in "iuUS":
        raise CourseError(f"The labels y in {path} are {y.dtype}.", "Give integers or strings.")
    return x, y


def load_image_folder(path: str | Path, size: int = SIZE, channels: int = 1):
    """A folder with one subfolder of images per class, as a `datasets.Dataset` with `image` and `label`.

    Images are resized to (channels, size, size), float32 in [0, 1]. Strokes should be bright on dark, as the embedded
    backbones know them. Raises CourseError for a missing folder, no class subfolders, an empty or single class, and an
    unreadable image.
    """
    files, labels = list_image_folder(path)
    names = class_names(labels, path)
    images = []
    for file in files:
        image = read_image(file, size, channels)
        if image is None:
            raise CourseError(f"{file} cannot be read as an image.", "Delete it or save it again as PNG.")
        images.append(image)
    return as_dataset(numpy.stack(images), [names.index(label) for label in labels], names)


def list_image_folder(path: str | Path) -> tuple[list[str], list[str]]:
    """Files and class names (those of the subfolders), one each per image; nothing is read.

    Raises CourseError for a missing folder, no class subfolders and an empty class.
    """
    from torchvision.datasets import ImageFolder

    path = Path(path)
    mend = f"Arrange the images as {path}/<class>/<image>.png, at least two classes."
    if not path.is_dir():
        raise CourseError(f"There is no folder {path}.", mend)
    try:
        folder = ImageFolder(path)
    except FileNotFoundError as error:
        subfolders = any(child.is_dir() for child in path.iterdir())
        what = str(error).splitlines()[0] if subfolders else f"{path} has no class subfolders."
        raise CourseError(what, mend) from None
    return [file for file, _ in folder.samples], [folder.classes[target] for target in folder.targets]


def read_image(file: str | Path, size: int = SIZE, channels: int = 1) -> numpy.ndarray | None:
    """The image as float32 (channels, size, size) in [0, 1]; None if it cannot be read."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            image = image.convert("L" if channels == 1 else "RGB").resize((size, size), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return numpy.asarray(image, dtype=numpy.float32).reshape(size, size, -1).transpose(2, 0, 1) / 255


def load_hub(
    name: str, split: str = "train", config: str | None = None, embedded: str = "load_reviews() or load_digits()"
):
    """Split `split` of the data set `name` from the Hugging Face hub or from a folder, by `datasets.load_dataset`.

    Columns are those of the data set. With HF_HUB_OFFLINE=1 only what was downloaded before is taken. Raises
    CourseError, naming the `embedded` alternative, if the hub does not answer or has no such data set or split.
    """
    import datasets
    from huggingface_hub import HfApi, constants

    silent = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            if not Path(name).exists() and not constants.HF_HUB_OFFLINE:
                # Asked first, because it is a single request with a timeout, where load_dataset tries again and again.
                HfApi().dataset_info(name, timeout=5)
            return datasets.load_dataset(name, config, split=split)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise CourseError(
            f"The data set '{name}' (split '{split}') could not be loaded ({reason}).",
            f"Check the name and the network, or take what the course embeds: {embedded}.",
        ) from None
    finally:
        if not silent:
            datasets.enable_progress_bars()


def take(dataset, n: int, seed: int, label: str = "label"):
    """`n` rows of `dataset`, drawn at random with the classes as even as `n` allows, in random order.

    Draws with the same seed are nested: the rows for a smaller `n` are among those for a larger one. Raises
    CourseError if the data set, or one of its classes, has too few rows.
    """
    if label not in dataset.column_names:
        raise CourseError(
            f"The data set has no column '{label}'; it has: {', '.join(dataset.column_names)}.",
            "Name the column of the classes with label=...",
        )
    if not 1 <= n <= len(dataset):
        raise CourseError(f"{n} rows were asked for, the data set has {len(dataset)}.", f"Ask for 1 to {len(dataset)}.")
    labels = numpy.asarray(dataset.with_format("numpy")[label][:])
    generator = numpy.random.default_rng(seed)
    order = generator.permutation(len(labels))
    classes = generator.permutation(numpy.unique(labels))
    chosen = []
    for rank, value in enumerate(classes):
        rows, share = order[labels[order] == value], n // len(classes) + (rank < n % len(classes))
        if len(rows) < share:
            raise CourseError(
                f"Class {value} has {len(rows)} rows, an even draw of {n} from {len(classes)} classes needs {share}.",
                f"Ask for at most {len(classes) * min(numpy.unique(labels, return_counts=True)[1])} rows.",
            )
        chosen.append(rows[:share])
    return dataset.select(generator.permutation(numpy.concatenate(chosen)))


def _file(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise CourseError(f"There is no file {path}.", f"Check the path; relative paths start at {Path.cwd()}.")
    if path.stat().st_size == 0:
        raise CourseError(f"{path} is empty.", "Export or copy it again.")
    return path


def class_names(labels, path: str | Path, numeric: bool = False) -> list[str]:
    """The class names in order: of integers by value, of strings by alphabet."""
    names = sorted(set(labels), key=int if numeric else None)
    if len(names) < 2:
        raise CourseError(
            f"{path} has only one class: '{names[0]}'.", "A classifier needs examples of at least two classes."
        )
    return names


def _check_images(x: numpy.ndarray, path: Path) -> None:
    if x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] not in (1, 3)) or 0 in x.shape:
        raise CourseError(
            f"The images x in {path} have the shape {x.shape}.", "Give (N, H, W) or (N, H, W, C) with C 1 or 3."
        )
    if x.dtype != numpy.uint8 and x.dtype.kind != "f":
        raise CourseError(f"The images x in {path} are {x.dtype}.", "Give uint8 in 0–255 or floats in [0, 1].")
    if x.dtype.kind == "f":
        bad = numpy.flatnonzero(~numpy.isfinite(x).reshape(len(x), -1).all(1))
        if len(bad):
            raise CourseError(
                f"{len(bad)} of the images x in {path} hold NaN or infinity, the first at index {bad[0]}.",
                "Mend or drop them.",
            )
        if x.min() < 0 or x.max() > 1:
            raise CourseError(
                f"The images x in {path} range from {x.min():g} to {x.max():g}.",
                "Scale floats to [0, 1], before any normalization with mean and standard deviation.",
            )


def resize(x: numpy.ndarray, size: int, channels: int) -> numpy.ndarray:
    """(N, H, W) or (N, H, W, C), uint8 or float in [0, 1] → float32 (N, channels, size, size) in [0, 1]."""
    import torch
    from torch.nn import functional
    from torchvision.transforms.v2.functional import rgb_to_grayscale

    x = x.astype(numpy.float32) / (255 if x.dtype == numpy.uint8 else 1)
    images = torch.from_numpy(x if x.ndim == 4 else x[..., None]).permute(0, 3, 1, 2)
    if images.shape[1] == 3 and channels == 1:
        images = rgb_to_grayscale(images)
    if images.shape[-2:] != (size, size):
        images = functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
    return images.clamp(0, 1).expand(-1, channels, -1, -1).numpy()
