"""Grade the submissions of a lesson: preflight, run, enter into the gradebook, feedback, summary. Can be resumed."""

import ast
import contextlib
import hashlib
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from course_utils.authoring.lessons import Lesson, has_tag, read
from course_utils.errors import CourseError
from course_utils.grading import executors, gradebook, sandbox
from course_utils.grading.batch import Batch
from course_utils.grading.classroom import RESUME, is_full, log_to_file, prepare, source_path, students_of
from course_utils.grading.controls import known_wrong
from course_utils.grading.feedback import feedback, page_path
from course_utils.grading.ledger import Ledger
from course_utils.grading.limits import Limits
from course_utils.grading.report import Report, class_report, print_report, write_csv
from course_utils.grading.sandbox.bubblewrap import ZYGOTE
from course_utils.grading.work import CHECKED

UNSAFE_KERNEL = "python3"
PAGES_ALONE = 10  # fewer pages than these are not worth a pool


@dataclass(frozen=True)
class Result:
    """How grading one submission went: `error` says why there is no grade, `flags` what was odd about it."""

    student: str
    flags: list[str]
    error: str = ""
    seconds: float = 0.0


def _tell(line: str) -> None:
    tqdm.write(line)  # above the progress bar
    sys.stdout.flush()


def _bar(students: Iterable[str], count: int) -> Iterable[str]:
    """`students` with a progress bar where somebody sees it."""
    return tqdm(students, "grading", count, unit="student", file=sys.stdout, disable=not sys.stdout.isatty())


def grade_class(lesson: Lesson, course_dir: Path, students: Iterable[str] | None = None, **options) -> Report:
    """Grade as `grade` does with these options, write the CSV, print the report and return it.

    Raises:
        CourseError: as `grade` does, and when a submission could not be graded; all others are graded by then.
    """
    results = grade(lesson, course_dir, students, **options)
    report = class_report(lesson.name, course_dir)
    table = write_csv(report, course_dir)
    print()
    print_report(report)
    print(f"\nFeedback pages: {Path(course_dir) / 'feedback'}   Report: {table}")
    failed = [f"{result.student} ({result.error})" for result in results if result.error]
    if failed:
        mend = "grading.log in the class folder says more; --resume tries only these again."
        raise CourseError(f"Not graded: {'; '.join(failed)}.", mend)
    return report


def grade(
    lesson: Lesson,
    course_dir: Path,
    students: Iterable[str] | None = None,
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    db: str | None = None,
    resume: bool = False,
    unsafe: bool = False,
    cold: bool = False,
    pages: bool = True,
    tell: Callable[[str], None] = _tell,
) -> list[Result]:
    """Grade `submitted/<student>/<lesson>/<lesson>.ipynb` in `course_dir` and record the points in its gradebook.

    Args:
        students: whom to grade; everyone who handed in by default. Graded again if graded before.
        jobs: processes; by default one per core, at most 4.
        scheduler: address of a Dask scheduler whose workers run the submissions instead.
        db: URL of the gradebook's database, by default a SQLite file in the folder.
        resume: keep what an interrupted run has graded.
        unsafe: run submissions with the rights of whoever grades.
        cold: start each kernel from nothing and not from a zygote; slower, the same scores.
        pages: write feedback pages.
        tell: called with one line of text whenever there is something to say.

    Raises:
        CourseError: nothing was handed in, a named student did not hand in, submissions cannot be sandboxed, another
            process grades in this folder, the disk is full, the database or the cluster cannot be reached.
    """
    course_dir = Path(course_dir).resolve()
    jobs = jobs or min(4, os.cpu_count() or 1)
    students, limits = _named(lesson.name, course_dir, students), Limits.from_environment()
    _refuse_unsafe(unsafe, scheduler, tell)
    imports = setup_imports(read(lesson))
    kernel = UNSAFE_KERNEL if unsafe else sandbox.KERNEL
    with (
        _only_one(course_dir),
        _disk_full_said(course_dir),
        _workers(scheduler, jobs, unsafe, cold, imports) as (workers, ready),  # they start meanwhile
    ):
        prepare(lesson, course_dir, db)
        text = source_path(course_dir, lesson.name).read_text("utf-8")
        reference = nbformat.reads(text, as_version=4)
        with log_to_file(course_dir), gradebook.engine_kept(), Ledger(course_dir) as ledger:
            batch = Batch(lesson.name, course_dir, reference, ledger, known_wrong(lesson, reference))
            todo = batch.plan(students, hashlib.sha256(text.encode()).hexdigest(), resume, tell)
            for student in batch.adopted():
                tell(f"  {student}: run earlier, now recorded")
            ready()
            queue = [replace(job, kernel=kernel, limits=limits, imports=imports) for job in todo]
            with contextlib.closing(executors.outcomes(queue, workers)) as outcomes:
                for student in _bar(map(batch.done, outcomes), len(queue)):
                    entry = batch.entries[student]
                    tell(f"  {student}: {f'NOT GRADED: {entry.error}' if entry.error else f'{entry.seconds:.1f} s'}")
        results = [_result(batch.entries[student]) for student in students]
        return _with_pages(lesson.name, course_dir, results, batch.changed, jobs) if pages else results


def _result(entry):
    return Result(entry.student, list(entry.flags), entry.error, entry.seconds)


def _named(lesson, course_dir, students):
    handed_in = students_of(lesson, course_dir)
    students = list(dict.fromkeys(students or handed_in))
    missing = [student for student in students if student not in handed_in]
    if missing or not students:
        raise CourseError(
            f"{', '.join(missing) or 'Nobody'} handed in {lesson}.",
            f"Submissions are expected as {course_dir}/submitted/STUDENT/{lesson}/{lesson}.ipynb.",
        )
    odd = [student for student in students if not student.isprintable()]
    if odd:
        raise CourseError(f"The name of a folder in submitted/ is not readable: {odd[0]!a}.", "Rename it.")
    return students


def _refuse_unsafe(unsafe, scheduler, tell):
    if unsafe:
        tell("WARNING: submissions run UNSANDBOXED, with your rights: they can read and change whatever you can.")
    elif not scheduler and sandbox.why_not():
        raise CourseError(
            f"Submissions cannot be sandboxed here. {sandbox.why_not()}",
            "`course doctor` says more. If you trust every student with your files, add --unsafe.",
        )


def setup_imports(reference: NotebookNode) -> tuple[str, ...]:
    """The import statements of the lesson's setup cell."""
    source = next((cell.source for cell in reference.cells if has_tag(cell, "setup")), "")
    with contextlib.suppress(SyntaxError):
        return tuple(ast.unparse(n) for n in ast.parse(source).body if isinstance(n, ast.Import | ast.ImportFrom))
    return ()


@contextlib.contextmanager
def _workers(scheduler, jobs, unsafe, cold, imports):
    """The workers, and a function that waits until they are best used."""
    with contextlib.ExitStack() as stack:
        if scheduler:
            yield stack.enter_context(executors.cluster(scheduler, not unsafe)), lambda: None
            return
        zygote = None
        os.environ[ZYGOTE] = ""
        if not unsafe:
            sandbox.use()
            os.environ[CHECKED] = "1"
        if not (unsafe or cold):
            zygote = stack.enter_context(sandbox.Zygote(list(imports)))
        yield executors.processes(jobs), zygote.wait if zygote else lambda: None


@contextlib.contextmanager
def _only_one(course_dir):
    """Keeps a second grader out of the folder."""
    try:
        import fcntl
    except ImportError:  # on Windows there is no such lock
        yield
        return
    with (course_dir / "grading.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CourseError(
                f"Another process grades in {course_dir} (process number {file.read().strip() or 'unknown'}).",
                "Wait until it is done.",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextlib.contextmanager
def _disk_full_said(course_dir):
    try:
        yield
    except Exception as problem:
        if isinstance(problem, CourseError) or not is_full(problem):
            raise
        raise CourseError("The disk is full.", f"Free some space for {course_dir}, {RESUME}") from None


def _with_pages(lesson, course_dir, results, changed, jobs):
    """Write the pages that are missing or out of date; who gets none has an error."""
    graded = [result.student for result in results if not result.error]
    due = [s for s in graded if s in set(changed) or not page_path(course_dir, lesson, s).is_file()]
    if len(due) < PAGES_ALONE:
        made = feedback(lesson, course_dir, due)
    else:
        try:
            with executors.processes(jobs).opened() as executor:
                made = feedback(lesson, course_dir, due, executor)
        except BrokenExecutor:  # one of its processes was killed
            made = feedback(lesson, course_dir, due)
    missing = set(due) - set(made)
    return [replace(r, error="no feedback page") if r.student in missing else r for r in results]
