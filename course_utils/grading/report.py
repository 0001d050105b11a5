"""The class at a glance: points per exercise, misconceptions by verdict id, and what a person should look at."""

import csv
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_utils.authoring.answers import is_specific
from course_utils.authoring.lessons import Exercise, exercises, grade_id, is_graded, is_solution
from course_utils.errors import CourseError
from course_utils.grading import gradebook
from course_utils.grading.classroom import release_path, students_of
from course_utils.grading.execute import CELL_TIMEOUT, KERNEL_DIED, NOT_RUN
from course_utils.grading.guard import OUTPUT_LIMIT
from course_utils.grading.ledger import GRADED, WAITING, Ledger, Verdict
from course_utils.settings import replacing

RIGHT, WRONG, NOT_ATTEMPTED, ALTERED, ERROR = "right", "wrong", "not attempted", "altered", "error"
UNFINISHED, SKIPPED = "stopped", "not run"
KINDS = {
    "NotAttempted": NOT_ATTEMPTED,
    "Tampered": ALTERED,
    KERNEL_DIED: UNFINISHED,
    CELL_TIMEOUT: UNFINISHED,
    OUTPUT_LIMIT: UNFINISHED,
    NOT_RUN: SKIPPED,
}
_VERDICT = re.compile(r"(.*?)\s*\[([\w.]+)\]\s*", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """What the checks said about one exercise; `id` is the verdict's, such as "01.masked_mean.pads_averaged"."""

    exercise: str
    kind: str
    id: str
    message: str


@dataclass
class Row:
    """One student: points per exercise (None: not graded), findings, flags, and why a person must look."""

    student: str
    points: dict[str, float] | None
    findings: list[Finding] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    review: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        if self.points is None:
            return "not graded"
        return "needs review" if self.review else "flagged" if self.flags else "graded"

    @property
    def total(self) -> float:
        return sum((self.points or {}).values())

    def ids(self, kind: str = WRONG) -> list[str]:
        return [finding.id for finding in self.findings if finding.kind == kind and finding.id]

    def exercises(self, *kinds: str) -> set[str]:
        return {finding.exercise for finding in self.findings if finding.kind in kinds}


@dataclass
class Report:
    """The rows of a class; `points` holds the points there are per exercise, in the lesson's order."""

    lesson: str
    points: dict[str, float]
    rows: list[Row]

    def misconceptions(self) -> list[tuple[str, int, str]]:
        """(verdict id, number of students, message) of every wrong answer, the most frequent first."""
        counts = Counter(id for row in self.rows for id in row.ids())
        messages = {finding.id: finding.message for row in self.rows for finding in row.findings}
        return [(id, n, messages[id]) for id, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def error_text(output: NotebookNode) -> str:
    """An error output as one line, without a traceback: "SyntaxError: invalid syntax (line 3)"."""
    value = re.sub(r"\x1b\[[\d;]*m", "", output.evalue)
    value = re.sub(r"\([^()]*, line (\d+)\)", r"(line \1)", value).strip()
    return f"{output.ename}: {value}".removesuffix(": ")


def verdicts_of(
    notebook: NotebookNode, lesson_exercises: list[Exercise], points: Mapping[str, float] | None = None
) -> list[Verdict]:
    """What each graded cell of an autograded notebook came to, and each answer cell that stops with an error.

    `points` holds what each graded cell got.
    """
    cells = {grade_id(cell): cell for cell in notebook.cells if grade_id(cell)}
    found = []
    for exercise in lesson_exercises:
        for original in [exercise.solution, *exercise.checks, *exercise.hidden]:
            name = grade_id(original)
            got, most = (points or {}).get(name, 0.0), original.metadata.nbgrader.get("points", 0.0)
            error = next((o for o in cells.get(name, {}).get("outputs", []) if o.output_type == "error"), None)
            if error:
                said = _finding(exercise, error, is_solution(original))
                found.append(Verdict(exercise.name, name, said.kind, said.id, said.message, got, most))
            elif is_graded(original):
                found.append(Verdict(exercise.name, name, RIGHT if got == most else WRONG, points=got, most=most))
    return found


def findings(verdicts: list[Verdict]) -> list[Finding]:
    """What is to be said about an answer: each verdict once, in the lesson's order.

    Where a verdict names the misconception, those that only say that something differs are left out.
    """
    found: dict[tuple, Finding] = {}
    for v in verdicts:
        if v.kind != RIGHT and v.message:
            found.setdefault(
                (v.exercise, v.kind, v.verdict or v.message), Finding(v.exercise, v.kind, v.verdict, v.message)
            )
    explained = {f.exercise for f in found.values() if f.kind == WRONG and is_specific(f.id)}
    return [f for f in found.values() if f.kind != WRONG or is_specific(f.id) or f.exercise not in explained]


def _finding(exercise, output, in_answer):
    kind = KINDS.get(output.ename, WRONG)
    if kind in (UNFINISHED, SKIPPED):
        return Finding(exercise.name, kind, "", output.evalue)
    if in_answer:
        return Finding(exercise.name, ERROR, "", f"Your answer cell stops with {error_text(output)}.")
    verdict = _VERDICT.fullmatch(output.evalue)
    if not verdict:
        return Finding(exercise.name, ERROR, "", f"The check stops with {error_text(output)}.")
    message = verdict[1].strip()
    return Finding(exercise.name, kind, verdict[2], message[:1].upper() + message[1:])


def graded_notebook(lesson: str, course_dir: Path, student: str) -> NotebookNode | None:
    """The student's autograded notebook; None if grading did not reach its end."""
    path = Path(course_dir) / "autograded" / student / lesson / f"{lesson}.ipynb"
    notebook = nbformat.read(path, as_version=4) if path.is_file() else None
    return notebook if notebook and notebook.metadata.get("course", {}).get("graded") else None


def class_report(lesson: str, course_dir: Path) -> Report:
    """Read the class of `course_dir` from its gradebook and its ledger; `lesson` is its full name.

    The points are the gradebook's, so those that a person gave count.

    Raises:
        CourseError: the lesson was not graded here.
    """
    if not release_path(course_dir, lesson).is_file():
        raise CourseError(f"{lesson} was not graded in {course_dir}.", f"Run `course grade {lesson[:2]}` first.")
    todo = exercises(nbformat.read(release_path(course_dir, lesson), as_version=4))
    exercise_of = {grade_id(cell): e.name for e in todo for cell in e.checks + e.hidden}
    with Ledger(course_dir) as ledger:
        entries, verdicts = ledger.entries(lesson), ledger.verdicts(lesson)
    scores = gradebook.scores(course_dir, lesson)
    rows = []
    for student in students_of(lesson, course_dir):
        entry = entries.get(student)
        if entry is None or entry.status != GRADED or student not in scores:
            why = "not asked for so far" if entry is None else entry.error or "see grading.log"
            waits = entry is not None and entry.status == WAITING
            rows.append(Row(student, None, flags=[f"NOT GRADED: {'run it with --resume' if waits else why}"]))
            continue
        points = {exercise.name: 0.0 for exercise in todo}
        for cell, score in scores[student].items():
            points[exercise_of[cell]] += score.points
        row = Row(student, points, findings(verdicts.get(student, [])), list(entry.flags), list(entry.review))
        row.flags += [f"{f.exercise}: the checks no longer worked" for f in row.findings if f.kind == ALTERED]
        stopped = [f for f in row.findings if f.kind == UNFINISHED]
        row.flags += [f"{f.exercise}: {f.message}" for f in stopped]
        rows.append(row)
    return Report(lesson, {exercise.name: exercise.points for exercise in todo}, rows)


def print_report(report: Report, console=None) -> None:
    """Print the class table and the most frequent misconceptions, 120 columns wide at most."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console(width=min(120, Console().width) if Console().is_terminal else 120)
    title = f"{report.lesson}: {len(report.rows)} submissions"
    table = Table(title=title, title_justify="left", box=box.HORIZONTALS, show_lines=True, padding=(0, 1, 0, 0))
    table.add_column("Student", overflow="fold", max_width=20)
    for number, most in enumerate(report.points.values(), start=1):
        table.add_column(Text(f"{number}\n/{most:g}"), justify="right", no_wrap=True)
    table.add_column(f"Total\n/{sum(report.points.values()):g}", justify="right", no_wrap=True)
    table.add_column(Text("Misconceptions\n⚑ what a person should look at"), overflow="fold", ratio=1)
    prefix = report.lesson[:2] + "."
    for row in report.rows:
        marks = [_mark(row, exercise) for exercise in report.points]
        total = "?" if row.points is None else f"{row.total:g}"
        found = [id.removeprefix(prefix) for id in row.ids()] + [f"⚑ {flag}" for flag in row.flags]
        found += [f"⚑ review: {reason}" for reason in row.review]
        table.add_row(Text(row.student), *marks, Text(total, style="bold"), Text("\n".join(found)))
    console.print(table)
    names = ", ".join(f"{number} {name}" for number, name in enumerate(report.points, start=1))
    console.print(Text(f"Exercises: {names}."))
    console.print(Text("– not attempted   ! not run to its end, marked for review in the gradebook"))
    console.print(Text(summary(report)))
    common = report.misconceptions()[:8]
    if common:
        table = Table(title="Most frequent misconceptions", title_justify="left")
        table.add_column("Students", justify="right")
        table.add_column("Verdict", overflow="fold")
        table.add_column("What the student was told", overflow="fold")
        for id, count, message in common:
            table.add_row(str(count), Text(id), Text(message))
        console.print()
        console.print(table)


def summary(report: Report) -> str:
    """How many students are graded, flagged, to be reviewed and not graded, in one line."""
    counts = Counter(row.status for row in report.rows)
    graded = len(report.rows) - counts["not graded"]
    line = f"{graded} of {len(report.rows)} graded"
    parts = [f"{counts[kind]} {kind}" for kind in ("flagged", "needs review") if counts[kind]]
    return f"{line}; of these {', '.join(parts)}." if parts else f"{line}."


def _mark(row, exercise):
    """The points of one exercise as the table shows them; not attempted is not the same as wrong."""
    if row.points is None:
        return "?"
    points = row.points[exercise]
    if exercise in row.exercises(UNFINISHED, SKIPPED):
        return f"{points:g}!"
    return "–" if not points and exercise in row.exercises(NOT_ATTEMPTED) else f"{points:g}"


def write_csv(report: Report, course_dir: Path) -> Path:
    """Write the report to `<lesson>_report.csv` beside the gradebook and return its path."""
    path = Path(course_dir) / f"{report.lesson}_report.csv"
    with replacing(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        head = ["student", "status", "total", "of", *report.points]
        table.writerow([*head, "not_attempted", "unfinished", "misconceptions", "flags", "review"])
        for row in report.rows:
            points = [""] * len(report.points) if row.points is None else [f"{p:g}" for p in row.points.values()]
            total = "" if row.points is None else f"{row.total:g}"
            kinds = [NOT_ATTEMPTED], [UNFINISHED, SKIPPED]
            lists = [*(sorted(row.exercises(*kind)) for kind in kinds), row.ids(), row.flags, row.review]
            of = f"{sum(report.points.values()):g}"
            table.writerow([row.student, row.status, total, of, *points, *("; ".join(items) for items in lists)])
    return path
