"""From a lesson's source to its two notebooks: the executed solution and nbgrader's release, both proven first."""

import functools
import io
import itertools
import logging
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_utils.authoring.lessons import (
    BEGIN_HIDDEN,
    BEGIN_SOLUTION,
    END_HIDDEN,
    END_SOLUTION,
    LANGUAGE_INFO,
    Lesson,
    find_lessons,
    place,
    read,
    secret_lines,
    strip_internal,
)
from course_utils.authoring.lint import lint, stderr_problems, stub_problems
from course_utils.errors import CourseError
from course_utils.settings import profile, replacing

PACKAGE_HOME = Path(__file__).resolve().parents[2]


def build(lesson: Lesson, *, execute: bool = True, check: bool = False) -> None:
    """Make a lesson's two notebooks: the executed solution and the release.

    Nothing is written unless every rule holds and every cell runs; an interruption leaves the old files.

    Args:
        execute: run the notebook in a kernel. Without it, outputs of unchanged cells are carried over.
        check: write nothing, but compare with the files there, outputs aside.

    Raises:
        CourseError: broken rules, a cell that fails, a leak, or (check) what differs.
    """
    notebook = read(lesson)
    _refuse(lesson, lint(notebook))
    with tempfile.TemporaryDirectory() as folder:
        release = make_release(lesson, notebook, Path(folder))
        problems = find_leaks(lesson, notebook, release) + stub_problems(notebook, nbformat.read(release, as_version=4))
        if problems:
            raise CourseError(
                f"The release of {lesson.name} is not fit for students: " + _listed(problems),
                "Mend the lesson's source.",
            )
        if check:
            _compare(lesson, notebook, nbformat.read(release, as_version=4))
            print(f"{lesson.name}: up to date")
            return
        if execute:
            timings = run(lesson, notebook)
            _refuse(lesson, lint(notebook, timings) + stderr_problems(notebook))
        else:
            _carry_outputs(lesson, notebook)
        with replacing(lesson.solution) as new:
            new.write_text(_text(strip_internal(notebook)), encoding="utf-8")
        with replacing(lesson.release.parent) as new:
            shutil.copytree(release.parent, new)
    print(f"{lesson.name}: wrote {_short(lesson, lesson.solution)} and {_short(lesson, lesson.release)}")


def build_all(root: Path, which: str | None = None, execute: bool = True, check: bool = False) -> None:
    """`build` one lesson or all of them; with `check`, raise what differs over all, leftover releases included."""
    lessons, differing = find_lessons(root, which), []
    for lesson in lessons:
        try:
            build(lesson, execute=execute, check=check)
        except CourseError as error:
            if not check:
                raise
            differing.append(error)
    released = {folder.name for folder in (Path(root) / "notebooks").glob("*/")}
    if check and which is None and (orphans := sorted(released - {lesson.name for lesson in lessons})):
        differing.append(CourseError(f"notebooks/ holds {', '.join(orphans)}, which has no source.", "Delete it."))
    if differing:
        raise CourseError(
            "\n".join(error.what for error in differing), " ".join(dict.fromkeys(e.mend for e in differing))
        )


def run(lesson: Lesson, notebook: NotebookNode) -> dict[str, float]:
    """Execute `notebook` in place in a fresh kernel in an empty folder; seconds of each code cell by its id.

    Raises:
        CourseError: a cell failed; names its place in the source and the error.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    timings, began = {}, {}
    total = sum(cell.cell_type == "code" for cell in notebook.cells)

    def on_start(cell, cell_index):
        began["cell"], began["at"] = cell, time.perf_counter()

    def on_end(cell, cell_index, execute_reply):
        timings[cell.id] = time.perf_counter() - began["at"]
        print(f"  {len(timings):3d}/{total}  {timings[cell.id]:6.1f} s  {place(cell)}", flush=True)

    print(f"{lesson.name}: running in profile {profile()}", flush=True)
    path = os.pathsep.join(filter(None, [str(PACKAGE_HOME), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": folder}},
            record_timing=False, store_widget_state=False, coalesce_streams=True,
            on_cell_execute=on_start, on_cell_executed=on_end, extra_arguments=["--Application.log_level=ERROR"],
        )  # fmt: skip
        try:
            client.execute(env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"})
        except CellExecutionError as error:
            raise CourseError(
                f"{lesson.source}: {place(began['cell'])} failed with {error.ename}: {error.evalue}",
                "Mend that cell and build again; the old notebooks are unchanged.",
            ) from None
        except DeadKernelError:
            raise CourseError(
                f"{lesson.source}: the kernel died in {place(began['cell'])}.",
                "Does it run out of memory, or call exit?",
            ) from None
    notebook.metadata["language_info"] = NotebookNode(LANGUAGE_INFO)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            # A finished progress bar leaves blank text behind.
            cell.outputs = [o for o in cell.outputs if o.output_type != "stream" or o.text.strip()]
    return timings


def make_release(lesson: Lesson, notebook: NotebookNode, folder: Path) -> Path:
    """Have nbgrader make the student's notebook in `folder`, with its own gradebook there; returns its path."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import PyFileConfigLoader

    root = lesson.root if (lesson.root / "nbgrader_config.py").is_file() else PACKAGE_HOME
    config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    config.CourseDirectory.update(
        root=str(folder), db_url=f"sqlite:///{folder / 'gradebook.db'}", assignment_id=lesson.name
    )
    source = folder / config.CourseDirectory.source_directory / lesson.name
    # The whole folder takes part, so that a setting that would let answers through is noticed.
    shutil.copytree(lesson.folder, source, ignore=shutil.ignore_patterns("*.ipynb", ".*", "__pycache__"))
    (source / lesson.solution.name).write_text(_text(strip_internal(notebook)), encoding="utf-8")
    (folder / "gradebook.db").write_bytes(_empty_gradebook())
    log, told = logging.Logger("release", logging.WARNING), io.StringIO()  # its own: nbgrader chatters
    log.addHandler(logging.StreamHandler(told))
    try:
        GenerateAssignment(coursedir=CourseDirectory(config=config, log=log), config=config, log=log).start()
    except (NbGraderException, SystemExit, RuntimeError, ValueError) as error:
        lines = [line for line in told.getvalue().splitlines() if re.match(r"\w*Error: ", line)] or [str(error)]
        raise CourseError(
            f"nbgrader could not make the release of {lesson.name}: {lines[-1]}", "Mend the lesson's source."
        ) from None
    return folder / config.CourseDirectory.release_directory / lesson.name / lesson.release.name


@functools.cache
def _empty_gradebook() -> bytes:
    """A fresh gradebook. nbgrader takes seconds to make one, so that all lessons of a run start from the same."""
    from nbgrader.api import Gradebook

    # nbgrader runs `alembic` by name and leaves a broken gradebook if it is not found.
    old_path = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), old_path])
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "gradebook.db"
            with Gradebook(f"sqlite:///{path}"):
                pass
            return path.read_bytes()
    finally:
        os.environ["PATH"] = old_path


def find_leaks(lesson: Lesson, notebook: NotebookNode, release: Path) -> list[str]:
    """What the release at this path shows that a student must not see; one sentence each."""
    files = sorted(p for p in release.parent.rglob("*") if not p.is_dir())
    if not release.is_file():
        return [f"nbgrader wrote no {release.name}"]
    leaks = [f"it holds a second file, {path.relative_to(release.parent)}" for path in files if path != release]
    secret = secret_lines(lesson, notebook) | {BEGIN_SOLUTION, END_SOLUTION, BEGIN_HIDDEN, END_HIDDEN}
    for cell in nbformat.read(release, as_version=4).cells:
        text = "\n".join(_strings(cell))
        leaks += [f"{place(cell)} shows the secret line `{line}`" for line in sorted(secret) if line in text]
        if cell.get("outputs") or cell.get("execution_count"):
            leaks.append(f"{place(cell)} has outputs")
        if "course" in cell.metadata:
            leaks.append(f"{place(cell)} carries internal metadata")
    return leaks


def _compare(lesson: Lesson, notebook: NotebookNode, release: NotebookNode) -> None:
    """Raise `CourseError` if the committed notebooks differ from these in more than outputs."""
    differing = [f"{_short(lesson, extra)}: should not be there" for extra in sorted(lesson.release.parent.rglob("*"))
                 if extra != lesson.release and ".ipynb_checkpoints" not in extra.parts]  # fmt: skip
    for path, fresh in ((lesson.solution, strip_internal(notebook)), (lesson.release, release)):
        if not path.is_file():
            differing.append(f"{_short(lesson, path)}: is missing")
            continue
        try:
            there = nbformat.read(path, as_version=4)
        except Exception:
            differing.append(f"{_short(lesson, path)}: is no readable notebook")
            continue
        differing += [f"{_short(lesson, path)}: {difference}" for difference in _differences(there, fresh)]
    if differing:
        raise CourseError(
            f"{lesson.name} differs from its source: " + _listed(differing), f"`course build {lesson.number}` mends it."
        )


def _differences(there: NotebookNode, fresh: NotebookNode) -> Iterator[str]:
    """What differs between two notebooks apart from outputs: cell and first differing line."""
    if (there.metadata, there.nbformat, there.nbformat_minor) != (fresh.metadata, fresh.nbformat, fresh.nbformat_minor):
        yield "the notebook's metadata differ"
    old, new = ({cell.id: cell for cell in nb.cells} for nb in (there, fresh))
    for cell_id in [i for i in new if i not in old] + [i for i in old if i not in new]:
        cell = (new if cell_id in new else old)[cell_id]
        state = "is missing" if cell_id in new else "is not in the source"
        yield f"{place(cell) if cell.metadata.get('nbgrader') else cell_id} {state}: {cell.source.splitlines()[:1]}"
    if list(old) != list(new) and set(old) == set(new):
        yield "the cells are in another order"
    for cell_id in (i for i in new if i in old):
        a, b = old[cell_id], new[cell_id]
        pairs = itertools.zip_longest(a.source.split("\n"), b.source.split("\n"))
        line = next((n for n, (x, y) in enumerate(pairs, start=1) if x != y), None)
        if line:
            lines = a.source.split("\n")
            yield f"{cell_id} differs from line {line} on: {lines[line - 1] if line <= len(lines) else '(end)'!r}"
        elif (a.cell_type, a.metadata) != (b.cell_type, b.metadata):
            yield f"{cell_id} has other metadata or another type"


def _carry_outputs(lesson: Lesson, notebook: NotebookNode) -> None:
    """Copy the outputs of unchanged cells from the solution notebook that is there, if one is."""
    if not lesson.solution.is_file():
        return
    old = {(cell.id, cell.source): cell for cell in nbformat.read(lesson.solution, as_version=4).cells}
    for cell in notebook.cells:
        if cell.cell_type == "code" and (before := old.get((cell.id, cell.source))):
            cell.outputs, cell.execution_count = before.outputs, before.execution_count


def _refuse(lesson: Lesson, problems: list) -> None:
    if problems:
        raise CourseError(f"{_short(lesson, lesson.source)} breaks rules: " + _listed(problems), "Mend the source.")


def _listed(items: list) -> str:
    return "".join(f"\n  - {item}" for item in items)


def _strings(value) -> Iterator[str]:
    """Every string inside a JSON-like value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _text(notebook: NotebookNode) -> str:
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n"


def _short(lesson: Lesson, path: Path) -> str:
    return str(path.relative_to(lesson.root))
