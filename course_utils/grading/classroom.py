"""A class folder: nbgrader's course directory with its configuration, the lesson's source and release, submissions."""

import logging
import warnings
from pathlib import Path

import nbformat

from course_utils.authoring.lessons import Lesson, read, strip_internal
from course_utils.errors import CourseError
from course_utils.grading.execute import ExecuteSubmission, SaveGrades
from course_utils.settings import replacing


def nbgrader_config(course_dir: Path, lesson: str, student: str = "*", **steps: str):
    """nbgrader's configuration for a lesson in `course_dir`; `steps` names folders, such as `submitted_directory`."""
    from nbgrader.converters import Autograde
    from nbgrader.preprocessors import Execute, SaveAutoGrades
    from traitlets.config import Config

    ours = {Execute: ExecuteSubmission, SaveAutoGrades: SaveGrades}
    chain = [ours.get(step, step) for step in Autograde.autograde_preprocessors.default_args[0]]
    root = Path(course_dir).resolve()
    return Config(
        CourseDirectory={
            "root": str(root),
            # Whoever finds the database locked by another process waits instead of giving up after 5 s.
            "db_url": f"sqlite:///{root / 'gradebook.db'}?timeout=60",
            "assignment_id": lesson,
            "student_id": student,
            **steps,
        },
        Autograde={"autograde_preprocessors": chain, "force": True},
        GenerateAssignment={"force": True},
        GenerateFeedback={"force": True},
        OverwriteCells={"add_missing_cells": True},
        Execute={
            "shutdown_kernel": "immediate",
            "skip_cells_with_tag": "experiment",
            "iopub_timeout": 10,
            "extra_arguments": ["--log-level=ERROR"],
        },
    )


def prepare(lesson: Lesson, course_dir: Path) -> None:
    """Put the lesson's source, release and reference cells where nbgrader looks for them; does nothing if up to date.

    Raises:
        CourseError: the folder's name does not suit nbgrader, or its gradebook knows another version of the lesson.
    """
    import nbgrader.api
    import nbgrader.dbutil
    from alembic.script import ScriptDirectory
    from nbgrader.converters import GenerateAssignment

    course_dir = Path(course_dir).resolve()
    if set("[]*?{}") & set(str(course_dir)):
        raise CourseError(f"nbgrader cannot work in {course_dir}.", "Choose a path without any of [ ] * ? { }.")
    source = source_path(course_dir, lesson.name)
    text = nbformat.writes(strip_internal(read(lesson))) + "\n"
    if release_path(course_dir, lesson.name).is_file() and source.is_file() and source.read_text("utf-8") == text:
        return
    with replacing(source) as new:
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, encoding="utf-8")
    config = nbgrader_config(course_dir, lesson.name)
    # nbgrader would run the command `alembic` for this: slow, and a broken gradebook where it is not on the PATH.
    nbgrader.api.get_alembic_version = ScriptDirectory(nbgrader.dbutil.ALEMBIC_DIR).get_current_head
    nbgrader.api.Gradebook(config.CourseDirectory.db_url, "").close()
    try:
        convert(GenerateAssignment, config, course_dir)
    except (Exception, SystemExit):
        source.unlink(missing_ok=True)
        raise CourseError(
            f"nbgrader could not release {lesson.name} into {course_dir} (details: grading.log there).",
            "If cells were added or removed since the class was graded, use a new folder.",
        ) from None


def release_path(course_dir: Path, lesson: str) -> Path:
    """The released notebook of a lesson, the one that students got."""
    return Path(course_dir) / "release" / lesson / f"{lesson}.ipynb"


def source_path(course_dir: Path, lesson: str) -> Path:
    """A lesson's notebook with solutions and hidden tests, the one that submissions are rebuilt from."""
    return Path(course_dir) / "source" / lesson / f"{lesson}.ipynb"


def students_of(lesson: str, course_dir: Path) -> list[str]:
    """Who handed something in: the names of the folders `submitted/<student>/<lesson>`."""
    return sorted(path.parent.name for path in (Path(course_dir) / "submitted").glob(f"*/{lesson}"))


def convert(converter, config, course_dir):
    """Run one of nbgrader's converters with its log in `grading.log` and none on the screen."""
    from nbgrader.coursedir import CourseDirectory
    from sqlalchemy.exc import SAWarning
    from traitlets.log import get_logger

    log = get_logger()
    handler = logging.FileHandler(course_dir / "grading.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        # nbgrader 0.9.6 has SQLAlchemy warn about the order in which it adds a submission; the rows are right.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)
            converter(coursedir=CourseDirectory(config=config), config=config).start()
    finally:
        log.removeHandler(handler)
        handler.close()
        log.level, log.propagate = before
