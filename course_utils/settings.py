"""Profile, device, seeds and paths: everything that differs from one machine to the next."""

import contextlib
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from course_utils.errors import CourseError

T = TypeVar("T")
PROFILES = ("ci", "laptop", "full")


def profile() -> str:
    """Name of the profile in force: `COURSE_PROFILE`, or "laptop".

    `ci` proves that everything runs, `laptop` shows the effects within minutes on two cores, `full` takes public
    models and data sets and wants a GPU.
    """
    name = os.environ.get("COURSE_PROFILE") or "laptop"
    if name not in PROFILES:
        raise CourseError(
            f"COURSE_PROFILE is '{name}', which is no profile.", f"Set it to one of: {', '.join(PROFILES)}."
        )
    return name


def pick(*, ci: T, laptop: T, full: T | None = None) -> T:
    """The size that fits the profile in force; `full` falls back to `laptop`."""
    chosen = {"ci": ci, "laptop": laptop, "full": laptop if full is None else full}
    return chosen[profile()]


def device():
    """The `torch.device` to compute on: `COURSE_DEVICE`, or a GPU where there is one, or the CPU."""
    import torch

    wanted = os.environ.get("COURSE_DEVICE")
    if wanted:
        try:
            return torch.zeros(1, device=wanted).device
        except Exception as error:
            raise CourseError(
                f"COURSE_DEVICE is '{wanted}', which does not work here ({str(error).splitlines()[0]}).",
                "Unset it, or set it to cpu.",
            ) from None
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (all devices)."""
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def home() -> Path:
    """The course's folder: the one that holds `data/`. `COURSE_HOME` overrides the place of the package."""
    folder = Path(os.environ.get("COURSE_HOME") or Path(__file__).resolve().parents[1])
    if not (folder / "data").is_dir():
        raise CourseError(
            f"The course's data folder is missing: {folder / 'data'}.",
            "Install the course from its folder with `pip install -e .`, or set COURSE_HOME to that folder.",
        )
    return folder


def data_dir() -> Path:
    """The folder of embedded data, checkpoints and records."""
    return home() / "data"


def cache_dir() -> Path:
    """A writable folder for results that can be made again: `COURSE_CACHE`, or `~/.cache/transfer-learning-course`."""
    folder = Path(os.environ.get("COURSE_CACHE") or Path.home() / ".cache" / "transfer-learning-course")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CourseError(
            f"The cache folder {folder} cannot be written ({error.strerror}).",
            "Free some space or set COURSE_CACHE to a folder you may write.",
        ) from None
    return folder


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write to the path this yields; it takes the place of `path` only if the block ends without an error.

    Works for a file or a folder (make the folder yourself), so that an interrupted run leaves nothing half-written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".partial-", dir=path.parent))
    try:
        new = scratch / path.name
        yield new
        if new.is_dir() and path.is_dir():
            path.rename(scratch / "replaced")
        os.replace(new, path)
    finally:
        if (scratch / "replaced").exists() and not path.exists():  # interrupted between the two
            (scratch / "replaced").rename(path)
        shutil.rmtree(scratch, ignore_errors=True)


def progress(items: Iterable[T], desc: str, **options) -> Iterable[T]:
    """`items` with a tqdm bar on standard output (a graded cell must not write to standard error)."""
    from tqdm import tqdm

    return tqdm(items, desc=desc, file=sys.stdout, leave=False, dynamic_ncols=True, **options)
