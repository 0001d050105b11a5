"""The one writer of the gradebook: nbgrader's own Autograde, given notebooks that have been run already."""

import contextlib
from collections.abc import Iterator
from glob import escape
from pathlib import Path
from typing import NamedTuple

import nbgrader.api
from nbgrader.api import Assignment, BaseCell, Grade, Gradebook, Student, SubmittedAssignment, SubmittedNotebook
from nbgrader.converters import Autograde
from nbgrader.preprocessors import CheckCellMetadata, Execute, SaveAutoGrades

from course_utils.grading.classroom import convert, nbgrader_config, patiently
from course_utils.grading.execute import SaveGrades

# Executed submissions, from which the gradebook can be filled again; `submitted/` stays as the students left it.
STAGED = ".staged"


class _Autograde(Autograde):
    """nbgrader's Autograde without what was done already: the notebook is canonical and has been run.

    It would log a problem and then raise an error that no longer names it; here `problem` keeps the first.
    """

    problem: BaseException | None = None

    def init_destination(self, assignment_id, student_id):
        with self._noted():
            return super().init_destination(assignment_id, student_id)

    def init_assignment(self, assignment_id, student_id):
        with self._noted():
            super().init_assignment(assignment_id, student_id)

    def convert_single_notebook(self, notebook_filename):
        with self._noted():
            self._init_preprocessors()
            super(Autograde, self).convert_single_notebook(notebook_filename)

    @contextlib.contextmanager
    def _noted(self):
        try:
            yield
        except BaseException as problem:
            type(self).problem = problem
            raise


@contextlib.contextmanager
def engine_kept() -> Iterator[None]:
    """nbgrader opens its database ten times per notebook; in this block it keeps what it prepared the first time.

    That is a third of the time that entering a notebook takes.
    """
    tables, before, engines = nbgrader.api.Base.metadata, nbgrader.api.create_engine, {}

    def create_engine(url, **options):
        if url not in engines:
            engines[url] = before(url, **options)
            type(tables).create_all(tables, bind=engines[url])
        return engines[url]

    nbgrader.api.create_engine = create_engine
    tables.create_all = lambda bind: None
    try:
        yield
    finally:
        nbgrader.api.create_engine = before
        del tables.create_all
        for engine in engines.values():
            engine.dispose()


class Score(NamedTuple):
    """What the gradebook holds of a graded cell: its points, a person's included, and those that the checks gave."""

    points: float
    automatic: float
    needs_manual_grade: bool


def scores(course_dir: Path, lesson: str, student: str | None = None) -> dict[str, dict[str, Score]]:
    """The scores in the gradebook by student and graded cell, of one student or of all."""
    found: dict[str, dict[str, Score]] = {}
    with Gradebook(nbgrader_config(course_dir, lesson).CourseDirectory.db_url) as gradebook:
        query = (
            gradebook.db.query(Student.id, BaseCell.name, Grade.score, Grade.auto_score, Grade.needs_manual_grade)
            .select_from(Grade)
            .join(BaseCell, Grade.cell_id == BaseCell.id)
            .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
            .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
            .join(Student, SubmittedAssignment.student_id == Student.id)
            .filter(Assignment.name == lesson)
        )
        for who, cell, points, automatic, look in query.filter(Student.id == student) if student else query:
            found.setdefault(who, {})[cell] = Score(points or 0.0, automatic or 0.0, look)
    return found


def write(course_dir: Path, lesson: str, student: str) -> dict[str, Score]:
    """Enter `.staged/<student>/<lesson>` into the gradebook, as nbgrader does, and write `autograded/`.

    Returns the score of each graded cell. Waits where the database is locked.

    Raises:
        CourseError: the database stays locked or cannot be reached.
        Exception: whatever else went wrong, such as a full disk.
    """
    return patiently(_write, course_dir, lesson, student)


def _write(course_dir, lesson, student):
    config = nbgrader_config(course_dir, lesson, escape(student), submitted_directory=STAGED)
    # The rebuilt notebook has the reference's metadata, which was checked when the lesson was released.
    steps = Autograde.autograde_preprocessors.default_args[0]
    ours = {SaveAutoGrades: SaveGrades}
    config.Autograde.sanitize_preprocessors = [ours.get(s, s) for s in steps if s not in (Execute, CheckCellMetadata)]
    config.Exporter.optimistic_validation = True  # once, and not after each step
    _Autograde.problem = None
    try:
        convert(_Autograde, config)
    except (Exception, SystemExit) as problem:
        raise _Autograde.problem or problem from None
    return scores(course_dir, lesson, student).get(student, {})
