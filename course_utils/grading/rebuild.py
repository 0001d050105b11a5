"""The canonical notebook: the reference's graded cells with a student's answers in them, and what they had changed."""

import copy
import functools
from collections import Counter

from nbformat import NotebookNode

from course_utils.authoring.lessons import (
    BEGIN_HIDDEN,
    BEGIN_SOLUTION,
    grade_id,
    has_tag,
    is_graded,
    is_solution,
    student_source,
)

MISSING = "# This answer cell is missing from the submission."
NO_MARKS = "no cell carries the marks of an exercise any more; all were run in their order, and the checks after them"


def rebuild(submitted: NotebookNode, reference: NotebookNode, flags: list[str]) -> NotebookNode:
    """`reference` with the code of `submitted` in its answer cells and the student's own cells where they stood.

    Check cells, points, grade flags, order and metadata come from the reference, which may be the release or the source
    with solutions and hidden tests; no solution of it stays. Of several copies of an answer cell the first that is not
    the untouched stub counts, and the others run where they stand as they did for the student. What differed is
    appended to `flags`.
    """
    anchors = {grade_id(cell): cell for cell in reference.cells if grade_id(cell)}
    plain = {cell.id: cell for cell in reference.cells if not grade_id(cell)}
    texts = {_text(cell.source): cell.id for cell in plain.values()}
    ids = {cell.get("id") for cell in submitted.cells}
    found: dict[str, NotebookNode] = {}
    between: dict[str | None, list[NotebookNode]] = {None: []}
    place, used, copies = None, set(), Counter()
    for cell in submitted.cells:
        name = grade_id(cell) if grade_id(cell) in anchors else cell.get("id")
        if name in anchors and name not in found:
            found[name], place = cell, name
            between[place] = []
            continue
        if name in anchors:
            copies[name] += 1
            if not is_solution(anchors[name]):
                continue
            if _text(found[name].source) in ("", _text(released(anchors[name]))):
                found[name] = cell  # only the untouched stub stood there
                continue
        # Editors that know no cell ids drop them; the text then tells which cell it is.
        if name not in plain and texts.get(_text(cell.source)) not in ids:
            name = texts.get(_text(cell.source))
        between[place].append(_own_cell(cell, None if name in used else plain.get(name)))
        used.add(name)

    notebook = copy.deepcopy(reference)
    notebook.cells = []
    setup = next((cell for cell in reference.cells if has_tag(cell, "setup")), None)
    if setup and setup.id not in used:
        flags.append("the setup cell is missing; the original was put back")
    runs = {_text(cell.source) for cells in between.values() for cell in cells if cell.cell_type == "code"}
    if setup and _text(setup.source) not in runs:
        notebook.cells.append(copy.deepcopy(setup))
        notebook.cells[0].id = "original-setup"
    notebook.cells += between[None]
    for name, original in anchors.items():
        cell = copy.deepcopy(original)
        mine = found.get(name)
        if is_solution(original):
            # Without the student's cell there is no stub either: it would overwrite what they define elsewhere.
            cell.source = mine.source if mine else MISSING
        notebook.cells += [cell, *between.get(name, [])]
    for number, cell in enumerate(notebook.cells, start=1):
        cell.setdefault("id", f"own-cell-{number}")
    flags += _differences(anchors, found, copies) if found else [NO_MARKS]
    return notebook


def unanswered(reference: NotebookNode) -> NotebookNode:
    """The notebook of somebody from whom nothing could be read: no answer, and no stub or solution either."""
    submitted = copy.deepcopy(reference)
    submitted.cells = [cell for cell in submitted.cells if not is_solution(cell)]
    return rebuild(submitted, reference, [])


def released(cell: NotebookNode) -> str:
    """The source of a cell of the reference as students got it."""
    secret = BEGIN_SOLUTION in cell.source or BEGIN_HIDDEN in cell.source
    return _released(cell.source, is_solution(cell)) if secret else cell.source


@functools.lru_cache(maxsize=1000)
def _released(source, solution):
    marks = {"nbgrader": {"solution": solution, "grade": not solution, "grade_id": "x"}}
    return student_source(NotebookNode(cell_type="code", source=source, metadata=marks))


def _text(source):
    """A source for comparison: editors differ in line ends and in the blanks that close a line."""
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


def _own_cell(cell, original):
    """A cell outside the exercises: the student's text, the reference's metadata if it is one of its cells."""
    kind = cell.cell_type if cell.cell_type in ("code", "raw") else "markdown"
    new = NotebookNode(cell_type=kind, metadata=NotebookNode(), source=cell.source)
    if kind == "code":
        new |= {"outputs": [], "execution_count": None}
    if original:
        new.id, new.metadata = original.id, copy.deepcopy(original.metadata)
    elif has_tag(cell, "experiment"):
        new.metadata.tags = ["experiment"]
    return new


def _differences(anchors, found, copies):
    """What was changed about the cells that a student should leave alone."""
    for name, count in copies.items():
        which = "the first answer in them was graded" if is_solution(anchors[name]) else "the original was run"
        yield f"`{name}` exists {count + 1} times; {which}"
    for name, original in anchors.items():
        mine = found.get(name)
        kind = "check" if is_graded(original) else "answer" if is_solution(original) else "locked"
        if mine is None:
            yield f"{kind} cell `{name}` was deleted"
            continue
        if not is_solution(original) and _text(mine.source) != _text(released(original)):
            yield f"{kind} cell `{name}` was edited"
        if mine.cell_type != original.cell_type:
            yield f"`{name}` is no longer a {original.cell_type} cell"
        old, new = original.metadata.nbgrader, mine.metadata.get("nbgrader") or {}
        if "points" in old and "points" in new and new["points"] != old["points"]:
            yield f"the points of `{name}` were changed from {old['points']:g} to {str(new['points'])[:20]}"
        if new and any(bool(new.get(key)) != bool(old.get(key)) for key in ("grade", "solution", "locked")):
            yield f"the grading marks of `{name}` were changed"
    if list(found) != [name for name in anchors if name in found]:
        yield "cells were moved; the original order was restored"
