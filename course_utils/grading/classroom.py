"""A class folder: nbgrader's course directory with its configuration, the lesson's source and release, submissions."""

import contextlib
import errno
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import nbformat

from course_utils.authoring.lessons import Lesson, read, strip_internal
from course_utils.errors import CourseError
from course_utils.grading import sandbox
from course_utils.grading.execute import ExecuteSubmission, SaveGrades, course_metadata
from course_utils.grading.rebuild import rebuild
from course_utils.grading.work import EXECUTE
from course_utils.settings import replacing

T = TypeVar("T")
# Seconds between attempts where another program, such as formgrader, holds the database.
PAUSES = (0.2, 0.5, 1, 2, 4, 8, 15, 30)
RESUME = "then run the same command with --resume: nothing graded so far is lost."
CONFIG = "nbgrader_config.py"
_CONFIG = '''"""Settings of nbgrader for this class: its commands and formgrader then work as `course grade` does."""

from course_utils.grading.classroom import configure

c = get_config()  # noqa: F821  (nbgrader provides it)
configure(c)
'''
_MAY_MAKE_TABLES = "select has_schema_privilege(current_schema(), 'CREATE') or to_regclass('grade') is not null"
_DATABASE = "c.CourseDirectory.db_url = {!r}\n"


def configure(c) -> None:
    """Let nbgrader's own commands and formgrader rebuild, run and score submissions and write pages as the course does.

    Called by the class folder's `nbgrader_config.py`; what stands below that call there takes precedence.
    """
    from nbgrader.converters import Autograde
    from nbgrader.preprocessors import Execute, GetGrades, NbGraderPreprocessor, SaveAutoGrades

    from course_utils.grading.feedback import FeedbackExporter, FeedbackPage

    class Rebuild(NbGraderPreprocessor):
        """What a submission is made of when it is graded: the reference's cells with the student's answers."""

        def preprocess(self, nb, resources):
            lesson, flags = resources["nbgrader"]["assignment"], []
            nb = rebuild(nb, nbformat.read(source_path(Path.cwd(), lesson), as_version=4), flags)
            course_metadata(nb).flags = flags
            return nb, resources

    sandbox.use()
    ours = {Execute: ExecuteSubmission, SaveAutoGrades: SaveGrades}
    c.Autograde.sanitize_preprocessors = [Rebuild, *Autograde.sanitize_preprocessors.default_args[0]]
    c.Autograde.autograde_preprocessors = [
        ours.get(step, step) for step in Autograde.autograde_preprocessors.default_args[0]
    ]
    c.Execute.kernel_name = sandbox.KERNEL
    c.Execute.update(EXECUTE)
    c.HTMLExporter.sanitize_html = True  # what a student wrote in Markdown must not run in formgrader
    c.GenerateFeedback.preprocessors = [GetGrades, FeedbackPage]
    c.GenerateFeedback.exporter_class = FeedbackExporter


def nbgrader_config(course_dir: Path, lesson: str, student: str = "*", **steps: str):
    """nbgrader's configuration for a lesson in `course_dir`: the folder's own, with this lesson and student.

    `steps` names folders, such as `submitted_directory`.
    """
    from traitlets.config import Config, PyFileConfigLoader

    root = Path(course_dir).resolve()
    config = Config()
    if (root / CONFIG).is_file():
        config.merge(PyFileConfigLoader(CONFIG, path=str(root)).load_config())
    database = config.CourseDirectory.get("db_url") or f"sqlite:///{root / 'gradebook.db'}"
    # A server, unlike SQLite, insists on a course; this is the name that nbgrader's own steps use.
    course = config.CourseDirectory.get("course_id") or "default_course"
    folders = {"source_directory": "source", "release_directory": "release"}
    config.merge(
        Config(
            CourseDirectory={"root": str(root), "db_url": database, "course_id": course}
            | {"assignment_id": lesson, "student_id": student}
            | (folders | steps),
            Autograde={"force": True},
            GenerateAssignment={"force": True},
            GenerateFeedback={"force": True},
            OverwriteCells={"add_missing_cells": True},
        )
    )
    return config


def prepare(lesson: Lesson, course_dir: Path, db: str | None = None) -> None:
    """Put the lesson's source, release and reference cells where nbgrader looks for them; does nothing if up to date.

    `db` is the URL of the gradebook's database if it is no file in the folder; it is kept in `nbgrader_config.py`.

    Raises:
        CourseError: the folder's name does not suit nbgrader, its gradebook cannot be reached or knows another version
            of the lesson.
    """
    import nbgrader.api
    import nbgrader.dbutil
    from alembic.script import ScriptDirectory
    from nbgrader.converters import GenerateAssignment

    course_dir = Path(course_dir).resolve()
    if set("[]*?{}") & set(str(course_dir)):
        raise CourseError(f"nbgrader cannot work in {course_dir}.", "Choose a path without any of [ ] * ? { }.")
    url = _choose_database(course_dir, db)
    source, release = source_path(course_dir, lesson.name), release_path(course_dir, lesson.name)
    text = nbformat.writes(strip_internal(read(lesson))) + "\n"
    known = release.is_file() and source.is_file() and source.read_text("utf-8") == text
    if known and patiently(_in_gradebook, url, lesson.name):
        return
    with replacing(source) as new:
        new.write_text(text, encoding="utf-8")
    # nbgrader would run the command `alembic` for this: slow, and a broken gradebook where it is not on the PATH.
    nbgrader.api.get_alembic_version = ScriptDirectory(nbgrader.dbutil.ALEMBIC_DIR).get_current_head
    nbgrader.api.Gradebook(url).close()
    try:
        with log_to_file(course_dir):
            convert(GenerateAssignment, nbgrader_config(course_dir, lesson.name))
        ids = [[cell.id for cell in nbformat.read(path, as_version=4).cells] for path in (source, release)]
        if ids[0] != ids[1]:
            raise RuntimeError("the cells of source and release differ")
    except (Exception, SystemExit):
        source.unlink(missing_ok=True)
        raise CourseError(
            f"nbgrader could not release {lesson.name} into {course_dir} (details: grading.log there).",
            "If cells were added or removed since the class was graded, use a new folder.",
        ) from None


def _choose_database(course_dir, db):
    """The gradebook's URL after `nbgrader_config.py` was written where it is missing, or ours and names another one."""
    path = course_dir / CONFIG
    if db and db.startswith(("postgresql:", "postgres:")):
        db = "postgresql+psycopg:" + db.split(":", 1)[1]
    wanted = _CONFIG + (_DATABASE.format(db) if db else "")
    text = path.read_text("utf-8") if path.is_file() else ""
    if db:
        _connect(db)
    if not text or (db and text.startswith(_CONFIG) and text != wanted):
        with replacing(path) as new:
            new.write_text(wanted, encoding="utf-8")
            new.chmod(0o600)  # a URL may hold a password
    url = nbgrader_config(course_dir, "x").CourseDirectory.db_url
    if db and url != db:
        raise CourseError(f"{path} names another gradebook: {_shown(url)}.", "Change it there, or leave out --db.")
    if not db and not url.startswith("sqlite"):
        _connect(url)
    return url


def _shown(url):
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)


def _connect(url):
    """Raises CourseError if the database cannot be used."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

    try:
        engine = create_engine(url)
        with engine.connect() as connection:
            usable = engine.dialect.name != "postgresql" or connection.execute(text(_MAY_MAKE_TABLES)).scalar()
        engine.dispose()
    except ModuleNotFoundError as error:
        mend = "pip install -c constraints.txt -e '.[postgres]'"
        raise CourseError(f"This gradebook needs the package {error.name}.", mend) from None
    except (ArgumentError, NoSuchModuleError) as error:
        mend = "Give one such as postgresql://USER@HOST/DATABASE."
        raise CourseError(f"--db is no URL of a database ({error}).", mend) from None
    except OperationalError as error:
        said = str(error.orig).strip().splitlines()[-1]
        name = make_url(url).database
        mend = "Start the server, or mend the URL. Passwords belong into ~/.pgpass."
        if "does not exist" in said and f'"{name}"' in said and "database" in said:
            mend = f"Make it, on the server as its administrator: createdb {name}"
        raise CourseError(f"The gradebook {_shown(url)} cannot be opened: {said}.", mend) from None
    if not usable:
        mend = "Make the database belong to that user: createdb --owner=USER DATABASE."
        raise CourseError(f"The user of {_shown(url)} may not make tables in it.", mend)


def _in_gradebook(url, lesson):
    from nbgrader.api import Gradebook, MissingEntry

    if url.startswith("sqlite:///") and not os.path.exists(url.removeprefix("sqlite:///").partition("?")[0]):
        return False
    try:
        with Gradebook(url) as gradebook:
            gradebook.find_notebook(lesson, lesson)
            return True
    except MissingEntry:
        return False


def patiently(function: Callable[..., T], *args) -> T:
    """Call a function that uses the gradebook; again, after a pause, where the database is locked or away.

    Raises:
        CourseError: it stays so for a minute.
    """
    from sqlalchemy.exc import OperationalError

    for pause in (*PAUSES, None):
        try:
            return function(*args)
        except OperationalError as problem:
            if is_full(problem):
                raise
            if pause is None:
                said = str(problem.orig).strip().splitlines()[0]
                mend = f"Close the program that uses it, {RESUME}"
                raise CourseError(f"The gradebook could not be used for a minute: {said}.", mend) from None
            time.sleep(pause)


def is_full(problem: BaseException | None) -> bool:
    """Whether a full disk is behind an error."""
    while problem is not None:
        if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "disk is full" in str(problem) or "No space left on device" in str(problem):
            return True
        problem = problem.__cause__ or problem.__context__
    return False


def source_path(course_dir: Path, lesson: str) -> Path:
    """A lesson's notebook with solutions and hidden tests, the one that submissions are rebuilt from."""
    return Path(course_dir) / "source" / lesson / f"{lesson}.ipynb"


def release_path(course_dir: Path, lesson: str) -> Path:
    """The released notebook of a lesson, the one that students got."""
    return Path(course_dir) / "release" / lesson / f"{lesson}.ipynb"


def students_of(lesson: str, course_dir: Path) -> list[str]:
    """Who handed something in: the names of the folders `submitted/<student>/<lesson>`."""
    return sorted(path.parent.name for path in (Path(course_dir) / "submitted").glob(f"*/{lesson}"))


def convert(converter, config) -> None:
    """Run one of nbgrader's converters."""
    from nbgrader.coursedir import CourseDirectory
    from sqlalchemy.exc import SAWarning

    # nbgrader 0.9.6 has SQLAlchemy warn about the order in which it adds a submission; the rows are right.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)
        converter(coursedir=CourseDirectory(config=config), config=config).start()


@contextlib.contextmanager
def log_to_file(course_dir: Path) -> Iterator[None]:
    """What nbgrader logs goes to `grading.log`, and nothing of it on the screen."""
    from traitlets.log import get_logger

    log = get_logger()
    handler = logging.FileHandler(Path(course_dir) / "grading.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
    handler.handleError = lambda record: None  # a full disk is reported once, by whoever needs it
    before = log.level, log.propagate
    # Its gradebook logs by itself, and would do so on the screen.
    for each in (log, logging.getLogger()):
        each.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        for each in (log, logging.getLogger()):
            each.removeHandler(handler)
        with contextlib.suppress(OSError):
            handler.close()
        log.level, log.propagate = before
