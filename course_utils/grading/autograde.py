"""Grade the submissions of a lesson with nbgrader, in parallel, so that no submission stops the others."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from course_utils.authoring.lessons import Lesson
from course_utils.errors import CourseError
from course_utils.grading.classroom import convert, nbgrader_config, prepare, release_path, students_of
from course_utils.grading.execute import course_metadata
from course_utils.grading.preflight import preflight
from course_utils.settings import replacing

# Submissions as preflight made them fit to run; `submitted/` stays as the students left it.
STAGED = ".staged"


@dataclass(frozen=True)
class Result:
    """How grading one submission went: `error` says why there is no grade, `flags` what a person should look at."""

    student: str
    flags: list[str] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0


def grade_class(lesson: Lesson, course_dir: Path, students: Iterable[str] | None = None, jobs: int | None = None):
    """Grade as `autograde` does, write feedback pages and the CSV, print the report; returns the `report.Report`.

    Raises:
        CourseError: as `autograde` does, and when a submission could not be graded; all others are graded by then.
    """
    # These read what grading left behind and import this module for it.
    from course_utils.grading.feedback import feedback
    from course_utils.grading.report import class_report, print_report, write_csv

    results = autograde(lesson, course_dir, students, jobs)
    pages = feedback(lesson.name, course_dir, [result.student for result in results])
    report = class_report(lesson.name, course_dir)
    table = write_csv(report, course_dir)
    print()
    print_report(report)
    print(f"\nFeedback pages: {Path(course_dir) / 'feedback'}   Report: {table}")
    failed = [f"{r.student} ({r.error or 'no feedback page'})" for r in results if r.error or r.student not in pages]
    if failed:
        raise CourseError(f"Not graded: {'; '.join(failed)}.", "grading.log in the class folder says more.")
    return report


def autograde(
    lesson: Lesson,
    course_dir: Path,
    students: Iterable[str] | None = None,
    jobs: int | None = None,
    tell: Callable[[str], None] = lambda line: print(line, flush=True),
) -> list[Result]:
    """Grade `submitted/<student>/<lesson>/<lesson>.ipynb` in `course_dir` and record the points in its gradebook.

    Args:
        students: whom to grade; everyone who handed in by default. Graded again if graded before.
        jobs: processes; by default one per core, at most 4.
        tell: called with one line of text whenever a submission is done.

    Raises:
        CourseError: nothing was handed in, or a named student did not hand in.
    """
    course_dir = Path(course_dir).resolve()
    handed_in = students_of(lesson.name, course_dir)
    students = list(dict.fromkeys(students or handed_in))
    missing = [student for student in students if student not in handed_in]
    if missing or not students:
        raise CourseError(
            f"{', '.join(missing) or 'Nobody'} handed in {lesson.name}.",
            f"Submissions are expected as {course_dir}/submitted/STUDENT/{lesson.name}/{lesson.name}.ipynb.",
        )
    prepare(lesson, course_dir)
    jobs = max(1, min(jobs or min(4, os.cpu_count() or 1), len(students)))
    results = _in_processes(students, jobs, lesson.name, course_dir, tell, last_chance=False)
    # A process that was killed takes its pool along, the guiltless included: each of these gets one of its own.
    for student in [s for s in students if s not in results]:
        results |= _in_processes([student], 1, lesson.name, course_dir, tell, last_chance=True)
    return [results[student] for student in students]


def _in_processes(students, jobs, lesson, course_dir, tell, last_chance):
    """Results by student; without those in whose time a process was killed, unless it is their last chance."""
    results, queue, others = {}, list(students), set(multiprocessing.active_children())
    while queue:
        pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)
        flying, broken = {}, False
        try:
            while flying or (queue and not broken):
                # No more than `jobs` at a time, so that a killed process puts only those under suspicion.
                while queue and not broken and len(flying) < jobs:
                    try:
                        with _ctrl_c_ignored():  # by the processes that this starts, from their first moment on
                            flying[pool.submit(_work, lesson, course_dir, queue[0])] = queue[0]
                        del queue[0]
                    except BrokenProcessPool:
                        broken = True
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    student = flying.pop(future)
                    try:
                        result = future.result()
                    except BrokenProcessPool:
                        broken = True
                        if not last_chance:
                            continue
                        result = Result(student, error="the grading process was killed while this submission ran")
                    results[student] = result
                    tell(f"  {student}: {f'NOT GRADED: {result.error}' if result.error else f'{result.seconds:.0f} s'}")
        except BaseException:
            with _ctrl_c_ignored():
                _end(set(multiprocessing.active_children()) - others)
            raise
        finally:
            pool.shutdown(cancel_futures=True)
    return results


@contextlib.contextmanager
def _ctrl_c_ignored():
    main = threading.current_thread() is threading.main_thread()  # no other may set handlers
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGINT, before)


def _end(workers):
    """End these processes and their kernels now."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(5)
        worker.kill()


def _start_worker():
    # One thread per kernel, or two kernels on two cores get in each other's way.
    os.environ["OMP_NUM_THREADS"] = "1"
    # Ctrl-C reaches all processes of a terminal; the parent decides. Ignored it would stay in the kernels, unlike this.
    signal.signal(signal.SIGINT, lambda *_: None)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent():
    """End this process if its parent was killed; its kernel then does so by itself."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _work(lesson, course_dir, student):
    """`grade_one`; a SIGTERM ends the process within moments, its kernel first."""

    def stop(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would disturb the cleaning up
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        return grade_one(lesson, course_dir, student)
    except KeyboardInterrupt:
        os._exit(1)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def grade_one(lesson: str, course_dir: Path, student: str) -> Result:
    """Grade one submission in this process. Never raises; what goes wrong is in the result's `error`."""
    from glob import escape

    from nbgrader.converters import Autograde

    start = time.monotonic()
    flags: list[str] = []
    try:
        release = nbformat.read(release_path(course_dir, lesson), as_version=4)
        notebook = preflight(course_dir / "submitted" / student / lesson, release, f"{lesson}.ipynb").notebook
        flags = list(course_metadata(notebook).flags)
        with replacing(course_dir / STAGED / student / lesson / f"{lesson}.ipynb") as staged:
            nbformat.write(notebook, staged)
        convert(Autograde, nbgrader_config(course_dir, lesson, escape(student), submitted_directory=STAGED), course_dir)
        error = ""
    except (Exception, SystemExit) as problem:
        error = f"{type(problem).__name__}: {(str(problem).splitlines() or [''])[0]}"
    return Result(student, flags, error, time.monotonic() - start)
