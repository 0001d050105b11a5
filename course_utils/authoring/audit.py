"""Hold each lesson's checks against wrong and right answers: `audit(lesson)`.

Every answer runs through the real check cells in a process of its own, forked from one that has run the setup cell.
So an answer may loop, exit or patch what it likes without touching the next one.
"""

import json
import linecache
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import types
from dataclasses import dataclass, field
from pathlib import Path

from course_utils.authoring.answers import Answer, read_answers
from course_utils.authoring.lessons import Lesson, exercises, read, setup_cell, student_source
from course_utils.authoring.lint import python
from course_utils.errors import CourseError

SECONDS = 20
LEAST_WRONG, LEAST_RIGHT = 3, 2


@dataclass(frozen=True)
class Result:
    """What became of an answer. `outcome` is "passed", the title of a verdict's class, "timeout" or "died"."""

    answer: Answer
    outcome: str
    id: str = ""
    message: str = ""

    @property
    def rejected(self) -> bool:
        """Whether a check noticed that the answer is wrong."""
        return self.outcome in ("Wrong", "Tampered")

    @property
    def fault(self) -> str:
        """What is not as the bank demands; empty if all is well."""
        answer, got = self.answer, f"{self.outcome} {self.id}: {self.message}".strip(": ")
        if self.outcome in ("timeout", "died"):
            return got
        if answer.kind in ("right", "reference"):
            return "" if self.outcome == "passed" else f"rejected, though right. {got}"
        if answer.kind == "stub":
            return "" if self.outcome == "NotAttempted" else f"must count as not attempted, but: {got}"
        if self.outcome == "passed":
            return f"accepted, though wrong (expected {answer.verdict})"
        if not self.rejected or self.id != answer.verdict:
            return f"expected {answer.verdict}, but: {got}"
        missing = [text for text in answer.says if _plain(text) not in _plain(self.message)]
        return f"the message lacks {missing[0]!r}. {got}" if missing else ""


@dataclass
class AuditReport:
    """All results of one lesson, and what is wrong with the bank itself."""

    lesson: str
    exercises: list[str]
    results: list[Result] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems and not any(result.fault for result in self.results)

    def of(self, exercise: str, kind: str) -> list[Result]:
        """The results of one exercise and kind of answer."""
        return [r for r in self.results if r.answer.exercise == exercise and r.answer.kind == kind]


def audit(lesson: Lesson, exercise: str | None = None, seconds: float = SECONDS) -> AuditReport:
    """Run the answer bank of a lesson, or of one exercise, through its check cells.

    Args:
        seconds: time an answer has for all check cells of its exercise together.

    Raises:
        CourseError: no such exercise, an unreadable bank, or a setup cell that fails.
    """
    notebook = read(lesson)
    found = {e.name: e for e in exercises(notebook) if e.solution.cell_type == "code"}
    chosen = [name for name in found if exercise in (None, name, f"{lesson.number}.{name}")]
    if not chosen:
        raise CourseError(f"{lesson.name} has no exercise '{exercise}'.", f"Its exercises are: {', '.join(found)}.")
    report, answers = AuditReport(lesson.name, chosen), []
    for name in chosen:
        solution = found[name].solution
        answers.append(Answer(name, "reference", "the lesson's solution", python(solution), lesson.source.name))
        answers.append(Answer(name, "stub", "the untouched stub", student_source(solution), lesson.source.name))
        path = lesson.answers / f"{name}.py"
        bank = list(read_answers(path, lesson.number, python(solution))) if path.is_file() else []
        answers += bank
        for kind, least in (("wrong", LEAST_WRONG), ("right", LEAST_RIGHT)):
            count = sum(answer.kind == kind for answer in bank)
            if count < least:
                report.problems.append(f"{name} has {count} {kind} answers of at least {least} (answers/{name}.py)")
    if exercise is None:
        strays = sorted(p.name for p in lesson.answers.glob("*.py") if p.stem not in found)
        report.problems += [f"answers/{name} belongs to no exercise" for name in strays]
    checks = {
        name: [python(c) for c in notebook.cells if c in found[name].checks + found[name].hidden] for name in chosen
    }
    report.results = _run(python(setup_cell(notebook)), checks, answers, seconds)
    return report


def report_table(report: AuditReport):
    """The report for rich to print: a table with one row per exercise, and below it each fault in full."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, title=f"Answers to {report.lesson}")
    for heading in ("exercise", "wrong rejected", "with the intended message", "right accepted", "stub, solution"):
        table.add_column(heading, justify="left" if heading == "exercise" else "right", no_wrap=heading == "exercise")
    for name in report.exercises:
        wrong, right = report.of(name, "wrong"), report.of(name, "right")
        frame = report.of(name, "reference") + report.of(name, "stub")
        good = [[r.rejected for r in wrong], *([not r.fault for r in group] for group in (wrong, right, frame))]
        cells = [f"{sum(g)}/{len(g)}" if all(g) else f"[bold red]{sum(g)}/{len(g)}[/]" for g in good]
        table.add_row(name, *cells)
    lines = list(report.problems)
    for fault, a in ((result.fault, result.answer) for result in report.results if result.fault):
        lines.append(f"{a.exercise}, {a.kind} {a.label} ({a.where}): {fault}")
    return Group(table, *map(Text, lines or [f"All {len(report.results)} answers end as they should."]))


def _plain(text: str) -> str:
    return " ".join(text.split())


def _run(setup: str, checks: dict[str, list[str]], answers: list[Answer], seconds: float) -> list[Result]:
    """Have one worker run all answers: importing what the setup cell needs takes longer than dozens of them."""
    # One thread: a process that has started a thread pool cannot be forked safely.
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(filter(None, [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, **single, "TOKENIZERS_PARALLELISM": "false", "MPLBACKEND": "agg", "PYTHONPATH": path}
    jobs = [{"cells": [a.code, *checks[a.exercise]], "name": a.label} for a in answers]
    order = json.dumps({"setup": setup, "jobs": jobs, "seconds": seconds})
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", __name__]
        worker = subprocess.run(command, input=order, env=env, cwd=folder, capture_output=True, text=True)
    reply = worker.stdout.rpartition("\n\0")[2]
    if worker.returncode or not reply:
        last = (worker.stderr.strip() or "it ended without a word").splitlines()[-1]
        raise CourseError(f"The setup cell failed: {last}", "Run it in a notebook to see why.")
    return [Result(answer, **result) for answer, result in zip(answers, json.loads(reply), strict=True)]


def _serve() -> None:
    """Run in the worker: take the order from stdin, print the results as the last thing on stdout."""
    order = json.loads(sys.stdin.read())
    # Classes of an answer must be found in `__main__`, as they are in a notebook.
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__dict__["display"] = print
    _execute(order["setup"], "<setup cell>", main.__dict__)
    results = [_in_fork(job, order["seconds"], main.__dict__) for job in order["jobs"]]
    print("\n\0" + json.dumps(results), flush=True)
    os._exit(0)  # threads that a setup cell left running must not hold up the end


def _in_fork(job: dict, seconds: float, namespace: dict) -> dict:
    """Run one answer and its check cells in a forked process; an outcome in any case."""
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        signal.alarm(int(seconds) + 5)  # ends an endless answer even if this worker is killed first
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        os.write(writable, json.dumps(_outcome(job, namespace)).encode() + b"\n")
        os._exit(0)
    os.close(writable)
    reply, message = b"", ""
    if select.select([readable], [], [], seconds)[0]:
        with os.fdopen(readable, "rb") as pipe:
            reply = pipe.readline()
    else:
        os.close(readable)
        threads = len(os.listdir("/proc/self/task")) if sys.platform == "linux" else threading.active_count()
        hint = f" (the setup cell started {threads - 1} threads, which may be why)" if threads > 1 else ""
        message = f"did not end within {seconds:g} s{hint}"
    for target in (lambda: os.killpg(child, signal.SIGKILL), lambda: os.kill(child, signal.SIGKILL)):
        try:
            target()
        except OSError:
            continue
    _, status = os.waitpid(child, 0)
    if reply.endswith(b"\n"):
        return json.loads(reply)
    if message:
        return {"outcome": "timeout", "message": message}
    code = os.waitstatus_to_exitcode(status)
    return {"outcome": "died", "message": f"the process ended (exit code {code}) without a verdict"}


def _outcome(job: dict, namespace: dict) -> dict:
    """The verdict of the first check cell that ends in one; as in a notebook, checks run even if the answer fails."""
    from course_utils.checks import Verdict

    for index, source in enumerate(job["cells"]):
        try:
            _execute(source, f"<ipykernel {'check' if index else 'answer'} cell {index or ''}>", namespace)
        except Verdict as verdict:
            return {"outcome": type(verdict).__name__, "id": verdict.id, "message": verdict.message}
        except BaseException as error:
            if index or not isinstance(error, Exception):
                part = "a check cell" if index else "the answer"
                return {"outcome": "died", "message": f"{part} stopped with {type(error).__name__}: {error}"}
    return {"outcome": "passed"}


def _execute(source: str, name: str, namespace: dict) -> None:
    """Run a cell so that its lines show in messages, as in a notebook."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), namespace)


if __name__ == "__main__":
    _serve()
