"""`course doctor`: what a bug report needs, and what is missing here."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from course_utils import __version__, settings
from course_utils.errors import CourseError

NEEDED = (
    "torch",
    "torchvision",
    "transformers",
    "peft",
    "datasets",
    "scikit-learn",
    "accelerate",
    "jupyterlab",
    "nbval",
)
GRADING = ("nbgrader", "jupytext", "alembic", "SQLAlchemy", "nbclient", "nbconvert")
SEVERAL = {"distributed": "cluster", "psycopg": "postgres"}
TESTS = ("pytest", "playwright", "ruff")
GIB = 2**30


def report(more: Iterable[tuple[str, str, str, str]] = ()) -> bool:
    """Print the report; False if something that every user needs is missing.

    `more` holds further rows (level, what, found, what to do); level is "ok", "optional" or "missing".
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "", "what", "found", "what to do", title=f"transfer-learning-course {__version__}", title_justify="left"
    )
    well = True
    for level, what, found, mend in [*_findings(), *more]:
        well &= level != "missing"
        mark = {"ok": "[green]✓[/]", "optional": "[yellow]–[/]", "missing": "[red]✗[/]"}[level]
        table.add_row(mark, what, found, mend)
    Console(width=None if os.isatty(1) else 140).print(table)
    return well


def _findings() -> Iterator[tuple[str, str, str, str]]:
    python = platform.python_version_tuple()
    level = "ok" if (int(python[0]), int(python[1])) >= (3, 11) else "missing"
    yield (
        level,
        "Python",
        f"{platform.python_version()} on {platform.platform()}",
        "" if level == "ok" else "Use 3.11 or newer.",
    )
    for packages, wanted, mend in (
        (NEEDED, "missing", "pip install -c constraints.txt -e ."),
        (GRADING, "optional", "Instructors: pip install -c constraints.txt -e '.\\[grading]'"),
        *(
            ((name,), "optional", f"To grade on several machines: pip install -c constraints.txt -e '.\\[{extra}]'")
            for name, extra in SEVERAL.items()
        ),
        (TESTS, "optional", "For the tests: pip install -c constraints.txt -e '.\\[test]'"),
    ):
        for name in packages:
            try:
                yield "ok", name, importlib.metadata.version(name), ""
            except importlib.metadata.PackageNotFoundError:
                yield wanted, name, "not installed", mend
    yield from _torch()
    for name, probe in (("profile", settings.profile), ("data folder", _data), ("cache folder", settings.cache_dir)):
        try:
            yield "ok", name, str(probe()), ""
        except CourseError as error:
            yield "missing", name, error.what, error.mend
    free = shutil.disk_usage(Path.home()).free / GIB
    yield (
        ("ok" if free > 1 else "missing"),
        "free disk space",
        f"{free:.1f} GiB",
        "" if free > 1 else "Free at least 1 GiB.",
    )
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    yield ("ok", "browser for the tests", chromium, "") if chromium else (
        "optional", "browser for the tests", "none found", "Debian, Ubuntu: apt-get install chromium")  # fmt: skip


def _torch() -> Iterator[tuple[str, str, str, str]]:
    try:
        import torch
        import torchvision  # noqa: F401

        from course_utils import torchvision_repair
    except Exception as error:
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        yield "missing", "torch with torchvision", text, "Install both again: pip install -c constraints.txt -e ."
        return
    state = (
        "as installed" if torchvision_repair.repaired() is None else "repaired: its CUDA extension does not load here"
    )
    yield "ok", "torch with torchvision", state, ""
    yield "ok", "cores and threads", f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads", ""
    yield (
        "ok",
        "device",
        str(settings.device()),
        "" if torch.cuda.is_available() else "No GPU is needed for the laptop profile.",
    )


def _data() -> Path:
    folder = settings.data_dir()
    absent = [
        part for part in ("backbones/text", "backbones/resnet", "reviews", "records") if not (folder / part).is_dir()
    ]
    if absent:
        raise CourseError(f"{folder} lacks {', '.join(absent)}.", "Get the course's folder again.")
    return folder
