"""Before grading: find a student's notebook, note what is odd, and put their code into the reference's cells."""

import copy
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from course_utils.authoring.lessons import grade_id, has_tag, is_graded, is_solution
from course_utils.grading.execute import course_metadata

MAX_BYTES = 50_000_000


def preflight(folder: Path, release: NotebookNode, name: str) -> NotebookNode:
    """The notebook to grade for the submission in `folder`, which should hold `name`.

    Its `metadata.course.flags` tells in plain words what was odd. If nothing can be read, it is the release with
    `metadata.course.not_run` set to the reason.
    """
    flags = []
    try:
        path = _find(Path(folder), name, flags)
        submitted = _read(path)
        try:
            notebook = rebuild(submitted, release, flags)
        except Exception as error:
            raise _Unusable(f"the cells of {path.name} make no sense ({type(error).__name__})") from None
    except _Unusable as error:
        notebook = copy.deepcopy(release)
        course_metadata(notebook).not_run = f"{error}."
        flags.append(str(error))
    course_metadata(notebook).flags = flags
    return notebook


def rebuild(submitted: NotebookNode, release: NotebookNode, flags: list[str]) -> NotebookNode:
    """`release` with the code of `submitted` in its answer cells and the student's own cells where they stood.

    Check cells, points, grade flags and order come from the release; a copy of an answer cell stays where it is and
    runs as it did for the student. What differed is appended to `flags`.
    """
    anchors = {grade_id(cell): cell for cell in release.cells if grade_id(cell)}
    plain = {cell.id: cell for cell in release.cells if not grade_id(cell)}
    found: dict[str, NotebookNode] = {}
    between: dict[str | None, list[NotebookNode]] = {None: []}
    place, used, copies = None, set(), []
    for cell in submitted.cells:
        name = grade_id(cell) if grade_id(cell) in anchors else cell.get("id")
        if name in anchors and name not in found:
            found[name], place = cell, name
            between[place] = []
            continue
        if name in anchors:
            copies.append(name)
            if not is_solution(anchors[name]):
                continue
        between[place].append(_own_cell(cell, None if name in used else plain.get(name)))
        used.add(name)

    notebook = copy.deepcopy(release)
    notebook.cells = []
    setup = next((cell for cell in release.cells if has_tag(cell, "setup")), None)
    if setup and setup.id not in used:
        flags.append("the setup cell is missing; the original was put back")
    if setup and all(cell.source != setup.source for cells in between.values() for cell in cells):
        notebook.cells.append(copy.deepcopy(setup))
        notebook.cells[0].id = "original-setup"
    notebook.cells += between[None]
    for name, original in anchors.items():
        cell = copy.deepcopy(original)
        mine = found.get(name)
        if is_solution(original):
            # Without the student's cell there is no stub either: it would overwrite what they define elsewhere.
            cell.source = mine.source if mine else "# This answer cell is missing from the submission."
        notebook.cells += [cell, *between.get(name, [])]
    flags += _differences(anchors, found, copies)
    return notebook


class _Unusable(Exception):
    """No notebook can be read from the submission; the text says why."""


def _find(folder, name, flags):
    """The submitted notebook; nothing outside the folder is ever opened."""
    files = [] if folder.is_symlink() or folder.parent.is_symlink() else sorted(folder.glob("*.ipynb"))
    links = [f for f in files if f.is_symlink()]
    usable = [f for f in files if not f.is_symlink() and f.is_file()]
    if links:
        flags.append(f"{links[0].name} is a link; links are not followed")
    exact = [f for f in usable if f.name == name]
    if not exact and len(usable) == 1:
        flags.append(f"the file is called {usable[0].name} instead of {name}")
    if not exact and len(usable) != 1:
        what = f"{len(usable)} notebooks, none called {name}" if usable else "no notebook"
        raise _Unusable(f"the submission holds {what}")
    return (exact or usable)[0]


def _read(path):
    if path.stat().st_size > MAX_BYTES:
        raise _Unusable(f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB")
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        if not all(isinstance(c.source, str) and isinstance(c.metadata, dict) for c in notebook.cells):
            raise ValueError("a cell without source")
    except Exception as error:
        raise _Unusable(f"{path.name} cannot be read as a notebook ({type(error).__name__})") from None
    return notebook


def _own_cell(cell, original):
    """A cell outside the exercises: the student's text, the release's metadata if it is one of the release's cells."""
    new = (new_code_cell if cell.cell_type == "code" else new_markdown_cell)(cell.source)
    if original:
        new.id, new.metadata = original.id, copy.deepcopy(original.metadata)
    elif has_tag(cell, "experiment"):
        new.metadata.tags = ["experiment"]
    return new


def _differences(anchors, found, copies):
    """What was changed about the cells that a student should leave alone."""
    for name in dict.fromkeys(copies):
        yield f"`{name}` exists {copies.count(name) + 1} times"
    for name, original in anchors.items():
        mine = found.get(name)
        kind = "check" if is_graded(original) else "answer" if is_solution(original) else "locked"
        if mine is None:
            yield f"{kind} cell `{name}` was deleted"
            continue
        if not is_solution(original) and mine.source.strip() != original.source.strip():
            yield f"{kind} cell `{name}` was edited"
        if mine.cell_type != original.cell_type:
            yield f"`{name}` is no longer a {original.cell_type} cell"
        old, new = original.metadata.nbgrader, mine.metadata.get("nbgrader") or {}
        if "points" in old and "points" in new and new["points"] != old["points"]:
            yield f"the points of `{name}` were changed from {old['points']:g} to {new['points']}"
        if new and any(bool(new.get(key)) != bool(old.get(key)) for key in ("grade", "solution", "locked")):
            yield f"the grading marks of `{name}` were changed"
    if list(found) != [name for name in anchors if name in found]:
        yield "cells were moved; the original order was restored"
