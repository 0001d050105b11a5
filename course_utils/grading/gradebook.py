"""The one writer of the gradebook: nbgrader's own Autograde, given notebooks that have been run already."""

import contextlib
import errno
import functools
import time
from collections.abc import Iterator
from glob import escape
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.preprocessors import CheckCellMetadata, ClearOutput, Execute, SaveAutoGrades
from sqlalchemy.exc import OperationalError

from course_utils.errors import CourseError
from course_utils.grading.classroom import convert, nbgrader_config
from course_utils.grading.execute import SaveGrades

# Executed submissions, from which the gradebook can be filled again; `submitted/` stays as the students left it.
STAGED = ".staged"
# Seconds between attempts where another program, such as formgrader, holds the database.
PAUSES = (0.2, 0.5, 1, 2, 4, 8, 15, 30)
RESUME = "then run the same command with --resume: nothing graded so far is lost."


class _Autograde(Autograde):
    """nbgrader's Autograde, which would log a problem and then raise an error that no longer names it."""

    problem: BaseException | None = None

    def init_destination(self, assignment_id, student_id):
        with self._noted():
            return super().init_destination(assignment_id, student_id)

    def init_assignment(self, assignment_id, student_id):
        with self._noted():
            super().init_assignment(assignment_id, student_id)

    def convert_single_notebook(self, notebook_filename):
        with self._noted():
            super().convert_single_notebook(notebook_filename)

    @contextlib.contextmanager
    def _noted(self):
        try:
            yield
        except BaseException as problem:
            type(self).problem = problem
            raise


@contextlib.contextmanager
def engine_kept() -> Iterator[None]:
    """nbgrader opens its database some ten times per notebook. Within this block it keeps what it once prepared."""
    import nbgrader.api

    before, engines = nbgrader.api.create_engine, {}

    @functools.wraps(before)
    def create_engine(url, **options):
        if url not in engines:
            engines[url] = before(url, **options)
        return engines[url]

    nbgrader.api.create_engine = create_engine
    try:
        yield
    finally:
        nbgrader.api.create_engine = before
        for engine in engines.values():
            engine.dispose()


def write(course_dir: Path, lesson: str, student: str) -> dict[str, tuple[float, float, bool]]:
    """Enter `.staged/<student>/<lesson>` into the gradebook, as nbgrader does, and write `autograded/`.

    Returns for each graded cell its automatic points, the points there are, and whether a person must look. Waits where
    the database is locked.

    Raises:
        CourseError: the database stays locked or cannot be reached.
        Exception: whatever else went wrong, such as a full disk.
    """
    for pause in (*PAUSES, None):
        try:
            return _write(course_dir, lesson, student)
        except OperationalError as problem:
            if is_full(problem):
                raise
            if pause is None:
                said = str(problem.orig).strip().splitlines()[0]
                mend = f"Close the program that uses it, {RESUME}"
                raise CourseError(f"The gradebook could not be written for a minute: {said}.", mend) from None
            time.sleep(pause)


def _write(course_dir, lesson, student):
    config = nbgrader_config(course_dir, lesson, escape(student), submitted_directory=STAGED)
    # The rebuilt notebook has the reference's metadata, which was checked when the lesson was released.
    config.Autograde.sanitize_preprocessors = _steps("sanitize", {ClearOutput, CheckCellMetadata})
    config.Autograde.autograde_preprocessors = _steps("autograde", {Execute, CheckCellMetadata})
    _Autograde.problem = None
    try:
        convert(_Autograde, config)
    except (Exception, SystemExit) as problem:
        raise _Autograde.problem or problem from None
    with Gradebook(config.CourseDirectory.db_url, "") as gradebook:
        found = gradebook.find_submission_notebook(lesson, lesson, student).grades
        return {g.name: (g.auto_score or 0.0, g.max_score, g.needs_manual_grade) for g in found}


def _steps(which, without):
    steps = getattr(Autograde, f"{which}_preprocessors").default_args[0]
    return [{SaveAutoGrades: SaveGrades}.get(step, step) for step in steps if step not in without]


def is_full(problem: BaseException | None) -> bool:
    """Whether a full disk is behind an error."""
    while problem is not None:
        if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "disk is full" in str(problem) or "No space left on device" in str(problem):
            return True
        problem = problem.__cause__ or problem.__context__
    return False
