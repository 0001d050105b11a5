"""Find the lessons and read their sources: cells, exercises and what a student is given of them."""

import copy
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from nbformat import NotebookNode

from course_utils.errors import CourseError

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE_INFO = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python", "pygments_lexer": "ipython3"}
BEGIN_SOLUTION, END_SOLUTION = "### BEGIN SOLUTION", "### END SOLUTION"
BEGIN_HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
SECRET_LENGTH = 12
_FOLDER = re.compile(r"\d\d_\w+")
_CELL_MARK = re.compile(r"# ?%%(?!%)")


@dataclass(frozen=True)
class Lesson:
    """The files of one lesson; `name` is its folder, such as "01_feature_extraction"."""

    name: str
    root: Path

    @property
    def number(self) -> str:
        """The prefix of its verdict ids: "01"."""
        return self.name[:2]

    @property
    def folder(self) -> Path:
        return self.root / "solutions" / self.name

    @property
    def source(self) -> Path:
        """The one file a person edits."""
        return self.folder / f"{self.name}.py"

    @property
    def solution(self) -> Path:
        """The executed notebook with solutions."""
        return self.folder / f"{self.name}.ipynb"

    @property
    def answers(self) -> Path:
        """The folder of wrong and right answers, one file per exercise."""
        return self.folder / "answers"

    @property
    def release(self) -> Path:
        """The notebook a student gets."""
        return self.root / "notebooks" / self.name / f"{self.name}.ipynb"


@dataclass
class Exercise:
    """One solution cell and the cells that check it, visible ones first as in the notebook."""

    name: str
    solution: NotebookNode
    checks: list[NotebookNode] = field(default_factory=list)
    hidden: list[NotebookNode] = field(default_factory=list)

    @property
    def points(self) -> float:
        given = (cell.metadata.nbgrader.get("points", 0) for cell in self.checks + self.hidden)
        return sum(points for points in given if isinstance(points, int | float))


def find_lessons(root: Path, which: str | None = None) -> list[Lesson]:
    """The lessons under `root`/solutions in order, or the one meant by its number ("01") or name.

    Raises:
        CourseError: there is no such lesson; names those there are.
    """
    root = Path(root).resolve()
    folders = sorted((root / "solutions").glob("*/"))
    lessons = [Lesson(f.name, root) for f in folders if _FOLDER.fullmatch(f.name) and (f / f"{f.name}.py").is_file()]
    known = ", ".join(lesson.name for lesson in lessons)
    if not lessons:
        raise CourseError(
            f"No lesson was found in {root / 'solutions'}.",
            "Run this in the course's folder; a lesson is solutions/NN_topic/NN_topic.py (instructor's copy only).",
        )
    if which is None:
        return lessons
    wanted = str(which).strip().rstrip("/").rsplit("/", 1)[-1].removesuffix(".py").removesuffix(".ipynb")
    wanted = wanted.zfill(2) if wanted.isdigit() else wanted
    found = [lesson for lesson in lessons if wanted in (lesson.number, lesson.name)]
    if not found:
        raise CourseError(f"There is no lesson '{which}'.", f"Lessons are: {known}.")
    return found


def read(lesson: Lesson) -> NotebookNode:
    """The lesson's source as a notebook without outputs, hidden tests and solutions included.

    Cell ids are the grade ids, and elsewhere made from the text, so that the same source gives the same notebook and an
    inserted cell leaves the other ids alone. `cell.metadata.course.line` is the cell's line in the source; it is for
    messages and goes into no file (`strip_internal`).
    """
    import jupytext

    text = lesson.source.read_text(encoding="utf-8")
    try:
        notebook = jupytext.reads(text, fmt="py:percent")
    except Exception as error:
        raise CourseError(
            f"{lesson.source} is no readable jupytext file ({(str(error).splitlines() or [type(error).__name__])[0]}).",
            "Check its header and the options behind `# %%`.",
        ) from None
    notebook.metadata = NotebookNode(kernelspec=dict(KERNELSPEC), language_info=dict(LANGUAGE_INFO))
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    lines = [n for n, line in enumerate(text.splitlines(), start=1) if _CELL_MARK.match(line)]
    seen = Counter()
    for index, cell in enumerate(notebook.cells):
        key = grade_id(cell) or "cell-" + hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[key] += 1
        cell.id = key if seen[key] == 1 else f"{key}-{seen[key]}"
        line = lines[index] if len(lines) == len(notebook.cells) else None
        cell.metadata.pop("lines_to_next_cell", None)
        cell.metadata["course"] = NotebookNode(line=line, index=index)
    return notebook


def strip_internal(notebook: NotebookNode) -> NotebookNode:
    """A copy without the metadata that only the authoring tools use."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        cell.metadata.pop("course", None)
    return notebook


def place(cell: NotebookNode) -> str:
    """How a message calls a cell: "masked_mean_check (line 40)"."""
    where = cell.metadata.get("course", {})
    name = grade_id(cell) or (f"cell {where['index']}" if "index" in where else cell.get("id", "a cell"))
    return f"{name} (line {where['line']})" if where.get("line") else name


def grade_id(cell: NotebookNode) -> str | None:
    """The cell's nbgrader id, or None."""
    meta = cell.metadata.get("nbgrader")
    return meta.get("grade_id") if isinstance(meta, dict) else None


def is_solution(cell: NotebookNode) -> bool:
    """Whether a student writes in this cell."""
    return bool((cell.metadata.get("nbgrader") or {}).get("solution"))


def is_graded(cell: NotebookNode) -> bool:
    """Whether this cell gives points."""
    return bool((cell.metadata.get("nbgrader") or {}).get("grade"))


def has_tag(cell: NotebookNode, tag: str) -> bool:
    """Whether the cell carries this tag."""
    return tag in cell.metadata.get("tags", [])


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """The notebook's exercises in order, each with its `<name>_check…` and `<name>_hidden…` cells."""
    found = [Exercise(grade_id(cell), cell) for cell in notebook.cells if is_solution(cell)]
    for cell in filter(is_graded, notebook.cells):
        for exercise in found:
            kind = re.fullmatch(re.escape(str(exercise.name)) + r"_(check|hidden)\d*", grade_id(cell) or "")
            if kind:
                (exercise.checks if kind[1] == "check" else exercise.hidden).append(cell)
    return found


def setup_cell(notebook: NotebookNode) -> NotebookNode:
    """The cell tagged `setup`, which holds the imports of every graded cell.

    Raises:
        CourseError: there is none, or more than one.
    """
    found = [cell for cell in notebook.cells if cell.cell_type == "code" and has_tag(cell, "setup")]
    if len(found) != 1:
        raise CourseError(
            f"The lesson has {len(found)} cells tagged `setup`.", 'Tag exactly one: `# %% tags=["setup"]`.'
        )
    return found[0]


def student_source(cell: NotebookNode) -> str:
    """The cell's source as a student gets it: stub for the solution, no hidden tests. nbgrader does the work."""
    from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions

    cell = copy.deepcopy(cell)
    try:
        cell, _ = ClearSolutions(enforce_metadata=False).preprocess_cell(cell, {"language": "python"}, 0)
        cell, _ = ClearHiddenTests(enforce_metadata=False).preprocess_cell(cell, {}, 0)
    except RuntimeError as error:
        raise CourseError(
            f"In {place(cell)}: {error}.", "Close each `### BEGIN …` by its `### END …` and do not nest them."
        ) from None
    return cell.source


def taught(path: str | Path) -> SimpleNamespace:
    """What a lesson defines in its setup, solution and `protocol` cells, for the `measure.py` beside its source.

    So a measurement runs the very functions that the lesson shows. `path` is any file in the lesson's folder.
    """
    folder = Path(path).resolve().parent
    notebook = read(Lesson(folder.name, folder.parents[1]))
    names: dict = {"__name__": folder.name}
    for cell in notebook.cells:
        if cell.cell_type == "code" and (is_solution(cell) or has_tag(cell, "setup") or has_tag(cell, "protocol")):
            exec(compile(cell.source, f"<{place(cell)}>", "exec"), names)
    return SimpleNamespace(**names)


def split_regions(source: str) -> tuple[list[str], list[str]]:
    """The lines of a cell a student sees, and those inside solution and hidden-test regions (markers in neither)."""
    seen, secret, inside = [], [], False
    for line in source.split("\n"):
        if any(marker in line for marker in (BEGIN_SOLUTION, BEGIN_HIDDEN, END_SOLUTION, END_HIDDEN)):
            inside = BEGIN_SOLUTION in line or BEGIN_HIDDEN in line
        else:
            (secret if inside else seen).append(line.strip())
    return seen, secret


def secret_lines(lesson: Lesson, notebook: NotebookNode) -> set[str]:
    """Lines of solutions, hidden tests and answer banks (12 characters or more) that no student may see."""
    seen, secret = [], []
    for cell in notebook.cells:
        a, b = split_regions(cell.source)
        seen, secret = seen + a, secret + b
    for path in [*sorted(lesson.answers.rglob("*.py")), *sorted(lesson.folder.glob("measure*.py"))]:
        secret += [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    visible = "\n".join(seen)
    return {line for line in secret if len(line) >= SECRET_LENGTH and line not in visible}
