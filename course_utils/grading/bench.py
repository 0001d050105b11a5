"""`course bench`: how fast a class is graded, against stock nbgrader, and whether a killed run loses anything."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat
import psutil
from nbformat.v4 import new_code_cell

from course_utils.authoring.lessons import Lesson, grade_id, is_solution, read
from course_utils.errors import CourseError
from course_utils.grading import sandbox
from course_utils.grading.classroom import release_path
from course_utils.grading.gradebook import scores
from course_utils.grading.limits import VARIABLE
from course_utils.grading.made_up import made_up_class
from course_utils.grading.run import setup_imports
from course_utils.settings import data_dir, replacing

RECORDS = "benchmarks"


def bench_grading(lesson: Lesson, students: int = 20, workers: tuple[int, ...] = (1, 2, 4), stock: bool = True) -> Path:
    """Time grading `students` made-up submissions with stock nbgrader and with `course grade`, on this machine.

    All grade the same cells: those of experiments are taken out beforehand, but for the row that has them in. Writes
    `data/benchmarks/grading.json` and prints the table of the instructor guide.

    Raises:
        CourseError: kernels cannot be sandboxed here, or a run did not grade everybody.
    """
    _demand_sandbox()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        master = made_up_class(lesson, Path(scratch, "master"), students, hostile=False)
        own = _own_cpu_seconds(lesson, master)
        limit = sum(own) / (os.cpu_count() or 1)
        rows = [_ours(lesson, master, Path(scratch), jobs, students) for jobs in workers]
        rows.append(_ours(lesson, master, Path(scratch), 2, students, "--cold"))
        if stock:
            rows.append(_stock(lesson, master, Path(scratch), students))
            rows.append(_stock(lesson, master, Path(scratch), min(2, students), experiments=True))
    record = {"lesson": lesson.name, "students": students, "cores": os.cpu_count(), "python": sys.version.split()[0]}
    record |= {"own_cpu_seconds_each": sum(own) / len(own), "limit_seconds": limit, "rows": rows}
    print(table(record))
    return _write(record, "grading.json")


def _write(record, name):
    path = data_dir() / RECORDS / name
    with replacing(path) as new:
        new.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path


def _command(lesson, folder, jobs):
    course = str(Path(sys.executable).parent / "course")
    return [course, "grade", lesson.number, "--folder", str(folder), "--jobs", str(jobs), "--no-feedback"]


def table(record: dict) -> str:
    """The measurements as the Markdown table of the instructor guide."""
    per_stock = next((r["seconds"] / r["students"] for r in record["rows"] if r["what"] == STOCK), None)
    lines = ["| | wall, s | per submission, s | times stock | of the limit | memory, MB |", "|---|--:|--:|--:|--:|--:|"]
    for row in record["rows"]:
        each = row["seconds"] / row["students"]
        limit = record["limit_seconds"] / record["students"]
        times = f"{per_stock / each:.1f}" if per_stock else ""
        memory = f"{row['memory_mb']:.0f}" if row.get("memory_mb") else ""
        lines.append(f"| {row['what']} | {row['seconds']:.1f} | {each:.2f} | {times} | {each / limit:.2f} | {memory} |")
        if row.get("warm_seconds"):
            each = row["warm_seconds"] / row["students"]
            times = f"{per_stock / each:.1f}" if per_stock else ""
            lines.append(
                f"| … without its start | {row['warm_seconds']:.1f} | {each:.2f} | {times} | {each / limit:.2f} | |"
            )
    return "\n".join(lines)


STOCK = "`nbgrader autograde`"


def _demand_sandbox():
    if sandbox.why_not():
        raise CourseError(sandbox.why_not(), "What is measured here is grading in sandboxes.")


def _own_cpu_seconds(lesson, folder):
    """CPU seconds that the cells of each submission take in a kernel with its imports done: what nobody can save."""
    from nbclient import NotebookClient

    sandbox.use()
    clock = "import time; print('CPU', time.process_time())"
    seconds = []
    with sandbox.Zygote(list(setup_imports(read(lesson)))) as zygote:
        zygote.wait()
        for path in sorted((folder / "submitted").glob("*/*/*.ipynb")):
            notebook = nbformat.read(path, as_version=4)
            notebook.cells = [new_code_cell(clock), *notebook.cells, new_code_cell(clock)]
            NotebookClient(
                notebook, kernel_name=sandbox.KERNEL, shutdown_kernel="immediate", allow_errors=True, timeout=60
            ).execute()
            before, after = (
                float(output.text.split()[1])
                for cell in notebook.cells
                for output in cell.get("outputs", [])
                if output.get("text", "").startswith("CPU ")
            )
            seconds.append(after - before)
    return seconds


def _ours(lesson, master, scratch, jobs, students, *options):
    folder = shutil.copytree(master, scratch / f"ours-{jobs}{'-'.join(options)}")
    seconds, memory = _timed([*_command(lesson, folder, jobs), *options])
    with sqlite3.connect(folder / "grading.db") as ledger:
        rows = ledger.execute("select finished_at, seconds from submissions where status = 'graded'").fetchall()
    if len(rows) != students:
        raise CourseError(f"{students - len(rows)} of {students} submissions were not graded.", "Look at grading.log.")
    ends = [time.mktime(time.strptime(at, "%Y-%m-%d %H:%M:%S")) for at, _ in rows]
    warm = max(ends) - min(end - took for end, (_, took) in zip(ends, rows, strict=True))
    what = f"`course grade`, {jobs} worker{'s' if jobs > 1 else ''}" + (", no zygote" if options else "")
    return {"what": what, "students": students, "seconds": seconds, "warm_seconds": warm, "memory_mb": memory}


def _stock(lesson, master, scratch, students, experiments=False):
    folder = scratch / f"stock-{experiments}"
    shutil.copytree(master / "source", folder / "source")
    log = folder / "log"
    line = [sys.executable, "-m", "nbgrader"]
    path = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]  # nbgrader calls `alembic`
    options = {"cwd": folder, "env": os.environ | {"PATH": path}}
    with log.open("w") as file:
        subprocess.run([*line, "generate_assignment", lesson.name], check=True, stdout=file, stderr=file, **options)
    for student in sorted((master / "submitted").iterdir())[:students]:
        shutil.copytree(student, folder / "submitted" / student.name)
        if experiments:
            target = folder / "submitted" / student.name / lesson.name / f"{lesson.name}.ipynb"
            _put_experiments_in(target, nbformat.read(release_path(folder, lesson.name), as_version=4))
    seconds, memory = _timed([*line, "autograde", lesson.name], log=log, **options)
    graded = len(list((folder / "autograded").glob("*/*/*.ipynb")))
    if graded != students:
        raise CourseError(f"Stock nbgrader graded {graded} of {students} submissions.", f"Look at {log}.")
    what = STOCK + (", experiments in" if experiments else "")
    return {"what": what, "students": students, "seconds": seconds, "memory_mb": memory}


def _put_experiments_in(path, release):
    answers = {grade_id(cell): cell.source for cell in nbformat.read(path, as_version=4).cells if is_solution(cell)}
    for cell in filter(is_solution, release.cells):
        cell.source = answers[grade_id(cell)]
    nbformat.write(release, path)


def _timed(line, log=None, **options):
    """Seconds of a command, and the most memory that its processes held at one time, in MB."""
    with open(log or os.devnull, "a") as file:
        start = time.monotonic()
        process = subprocess.Popen(line, stdout=file, stderr=file, **options)
        peak, done = [0.0], threading.Event()

        def watch():
            while not done.wait(2):
                peak[0] = max(peak[0], _memory_mb(process.pid))

        threading.Thread(target=watch, daemon=True).start()
        code = process.wait()
        done.set()
    if code:
        raise CourseError(f"`{' '.join(line[:3])}` ended with status {code}.", "Run it by hand to see why.")
    return time.monotonic() - start, peak[0]


def _memory_mb(pid):
    """Memory of a process and its descendants, a page that n of them share counted once in all."""
    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0.0
    for process in family:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 1e6


def bench_class(lesson: Lesson, students: int = 300, jobs: int = 2) -> Path:
    """Grade a made-up class twice, once left alone and once with a worker and the command killed and resumed.

    A tenth of the students hand in something hostile. Writes `data/benchmarks/class.json`.

    Raises:
        CourseError: kernels cannot be sandboxed here, or the two runs differ in a record or a score.
    """
    _demand_sandbox()
    os.environ[VARIABLE] = '{"cell_seconds": 5}'
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        alone = made_up_class(lesson, Path(scratch, "alone"), students, hostile=True)
        disturbed = shutil.copytree(alone, Path(scratch, "disturbed"))
        seconds, memory = _timed(_command(lesson, alone, jobs))
        print(f"Left alone: {students} students in {seconds:.0f} s.", flush=True)
        events = _disturb(lesson, disturbed, jobs, students)
        records = [_records(folder, lesson) for folder in (alone, disturbed)]
    different = sorted(s for s in records[0].keys() | records[1].keys() if records[0].get(s) != records[1].get(s))
    graded = sum(status == "graded" for status, _ in records[1].values())
    record = {
        "lesson": lesson.name,
        "students": students,
        "hostile": students // 10,
        "jobs": jobs,
        "cores": os.cpu_count(),
        "seconds_left_alone": seconds,
        "memory_mb": memory,
        "events": events,
        "graded": graded,
        "different": different,
    }
    path = _write(record, "class.json")
    print(f"Disturbed: {graded} of {students} graded; different: {', '.join(different) or 'none'}.")
    if different or graded != students:
        raise CourseError("The two runs do not agree.", f"See {path}.")
    return path


def _disturb(lesson, folder, jobs, students):
    """Grade with a worker killed, the command killed, and it interrupted; returns what happened when."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
    events = []
    for share, what in ((0.15, "worker killed"), (0.4, "command killed"), (0.7, "Ctrl-C"), (1.0, "end")):
        line = [*_command(lesson, folder, jobs), "--resume"]
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if what == "worker killed":
            _until(folder, share * students, process)
            victim = next(p for p in psutil.Process(process.pid).children(recursive=True) if _is_worker(p))
            victim.kill()
            events.append({"at": _done(folder), "what": what})
            share, what = 0.25, "command killed"
        if what != "end":
            _until(folder, share * students, process)
            process.send_signal(signal.SIGINT if what == "Ctrl-C" else signal.SIGKILL)
        process.wait()
        events.append({"at": _done(folder), "what": what})
        print(f"  {events[-1]['at']:3} of {students} recorded: {what}", flush=True)
    return events


def _is_worker(process):
    with contextlib.suppress(psutil.Error):
        lines = [" ".join(each.cmdline()) for each in (process, process.parent())]
        return all("multiprocessing.forkserver" in line for line in lines)
    return False


def _until(folder, count, process):
    while _done(folder) < count and process.poll() is None:
        time.sleep(0.2)


def _done(folder):
    with contextlib.suppress(sqlite3.Error), sqlite3.connect(f"file:{folder / 'grading.db'}?mode=ro", uri=True) as db:
        return db.execute("select count(*) from submissions where status = 'graded'").fetchone()[0]
    return 0


def _records(folder, lesson):
    """Student → (status, {cell: points}) as ledger and gradebook have them."""
    with sqlite3.connect(folder / "grading.db") as ledger:
        status = dict(ledger.execute("select student, status from submissions"))
    points = {
        student: {cell: s.points for cell, s in found.items()} for student, found in scores(folder, lesson.name).items()
    }
    return {student: (status[student], points.get(student)) for student in status}
