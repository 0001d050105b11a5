"""`course grade` cut off at any point, disturbed or doubled: no student is lost, none is graded twice."""

import os
import shutil
import signal
import sqlite3
import subprocess
import threading

import nbformat
import pytest
from test_demo import KERNEL, left, running, wait_for
from toy_lesson import LESSON, SAFETY, command, solve, toy_class

from course_utils.grading.ledger import FILE, GRADED, Ledger
from course_utils.grading.report import class_report

STUDENTS = 8
WRONG = "def double(x):\n    return x / 2"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The course and the folder of a class that has handed in; what it comes to when nothing disturbs."""
    answers = [{"double": WRONG} if number % 3 == 0 else {} for number in range(STUDENTS)]
    return toy_class(tmp_path_factory.mktemp("course"), answers)


@pytest.fixture
def folder(course, tmp_path):
    return shutil.copytree(course[1], tmp_path / "class")


@pytest.fixture
def grading(course, folder, tmp_path):
    """A function that starts `course grade` on a copy of the class."""

    def start(*options, safety=SAFETY):
        start = command(course[0], "grade", "01", "--folder", folder, "--jobs", 2, *safety, *options)
        start["env"]["COURSE_CACHE"] = mark(tmp_path)
        return subprocess.Popen(**start, start_new_session=True)

    return start


def mark(tmp_path):
    """What the processes of a test have in their environment."""
    return str(tmp_path / "cache")


def finish(process):
    said, errors = process.communicate(timeout=120)
    return process.returncode, said, errors


def recorded(folder):
    """How many submissions the ledger holds a grade for."""
    try:
        with sqlite3.connect(f"file:{folder / FILE}?mode=ro", uri=True) as db:
            return db.execute("select count(*) from submissions where status = ?", [GRADED]).fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def hold(folder):
    """All are graded as they deserve, each by one recorded execution, each with a page."""
    rows = class_report(LESSON, folder).rows
    assert [row.total for row in rows] == [75 if n % 3 == 0 else 100 for n in range(STUDENTS)]
    assert not any(row.flags or row.review for row in rows), rows[0]
    with Ledger(folder) as ledger:
        entries = ledger.entries(LESSON)
    assert len(entries) == STUDENTS and {entry.runs for entry in entries.values()} == {1}
    assert len(list(folder.glob("feedback/*/*/*.html"))) == STUDENTS
    assert not list(folder.rglob(".partial-*"))


POINTS = {
    "first kernel": lambda folder, mark: any(KERNEL in line for line in running(mark).values()),
    "first notebook stored": lambda folder, mark: any(folder.glob(".staged/*/*/*.ipynb")),
    "third grade": lambda folder, mark: recorded(folder) >= 3,
    "feedback": lambda folder, mark: any(folder.glob("feedback/*/*/*.html")),
}


@pytest.mark.parametrize("point", POINTS)
def test_killed_and_resumed(grading, folder, tmp_path, point):
    process = grading()
    assert wait_for(lambda: POINTS[point](folder, mark(tmp_path)), 60)
    process.kill()
    process.communicate(timeout=10)
    assert wait_for(lambda: not left(mark(tmp_path)), 20), left(mark(tmp_path))
    before = recorded(folder)
    code, said, errors = finish(grading("--resume"))
    assert code == 0, errors
    assert f"{before} were graded earlier and are kept" in said
    hold(folder)


def test_stopped_by_ctrl_c_and_resumed(grading, folder, tmp_path):
    process = grading()
    assert wait_for(lambda: recorded(folder) >= 2, 60)
    os.killpg(process.pid, signal.SIGINT)
    code, _, errors = finish(process)
    assert code == 130 and len(errors.strip().splitlines()) == 1 and "--resume" in errors
    assert wait_for(lambda: not left(mark(tmp_path)), 20), left(mark(tmp_path))
    kept = recorded(folder)
    # A run that starts anew says what resuming would keep, and loses nothing if it is stopped before its first grade.
    process = grading()
    said = "".join(
        iter(
            process.stdout.readline,
            f"An earlier run was not finished. This one starts anew; --resume would keep {kept} of them.\n",
        )
    )
    assert f"{STUDENTS} submissions" in said
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert kept <= recorded(folder)
    assert finish(grading("--resume"))[0] == 0
    hold(folder)


def test_a_killed_worker_costs_nobody_anything(grading, folder, tmp_path):
    process = grading()
    assert wait_for(lambda: recorded(folder) >= 2, 60)
    workers = [pid for pid, line in running(mark(tmp_path)).items() if "forkserver" in line]
    os.kill(max(workers), signal.SIGKILL)
    code, _, errors = finish(process)
    assert code == 0, errors
    hold(folder)


def test_graded_anew_without_resume_and_not_at_all_with_it(grading, folder):
    assert finish(grading("--no-feedback"))[0] == 0
    assert not (folder / "feedback").exists()
    code, said, _ = finish(grading("--resume"))
    assert code == 0 and f"{STUDENTS} were graded earlier" in said
    hold(folder)
    changed = folder / "submitted" / "s1" / LESSON / f"{LESSON}.ipynb"
    notebook = nbformat.read(changed, as_version=4)
    solve(notebook, double=WRONG)
    nbformat.write(notebook, changed)
    assert finish(grading("--resume"))[0] == 0
    finish(grading("--student", "s2"))
    with Ledger(folder) as ledger:
        assert {s: entry.runs for s, entry in ledger.entries(LESSON).items() if entry.runs > 1} == {"s1": 2, "s2": 2}
    assert [row.total for row in class_report(LESSON, folder).rows][:3] == [75, 75, 100]


def test_a_second_grader_in_the_same_folder_is_refused(grading, folder):
    first = grading()
    assert wait_for(lambda: recorded(folder) >= 1, 60)
    first.send_signal(signal.SIGSTOP)  # so that it is not done before the second has started
    code, _, errors = finish(grading())
    first.send_signal(signal.SIGCONT)
    assert code == 1 and f"Another process grades in {folder} (process number {first.pid})" in errors
    assert finish(first)[0] == 0
    hold(folder)


def test_a_locked_gradebook_is_waited_for(grading, folder):
    db = sqlite3.connect(folder / "gradebook.db", check_same_thread=False)
    db.execute("begin exclusive")
    process = grading()
    try:
        # SQLite itself waits 5 seconds.
        threading.Timer(8, db.rollback).start()
        code, _, errors = finish(process)
    finally:
        db.close()
    assert code == 0, errors
    hold(folder)


FULL = """
set -e
mount -t tmpfs -o size=8m tmpfs "$1"
cp -a "$2" "$1/class"
sh -c "$3 --no-feedback --student s0" > /dev/null
head -c 90000 /dev/zero > "$1/reserve"
cat /dev/zero > "$1/ballast" 2> /dev/null || true
rm "$1/reserve"
sh -c "$3" > /dev/null && exit 9
rm "$1/ballast"
sh -c "$3 --resume"
cp -a "$1/class" "$4"
"""


def test_a_full_disk_stops_it_and_nothing_is_lost(course, folder, tmp_path):
    root, small = os.geteuid() == 0, tmp_path / "small"
    apart = ["unshare", "-m"] if root else ["unshare", "-Urm"]
    if not shutil.which("unshare") or subprocess.run([*apart, "mount", "-t", "tmpfs", "x", "/mnt"]).returncode:
        pytest.skip("no file system can be mounted here")
    small.mkdir()
    # In a user namespace of its own the course cannot open sandboxes.
    start = command(
        course[0], "grade", "01", "--folder", small / "class", "--jobs", 2, *(SAFETY if root else ["--unsafe"])
    )
    line = " ".join(f"'{part}'" for part in start["args"])
    script = [*apart, "sh", "-c", FULL, "sh", str(small), str(folder), line, str(tmp_path / "after")]
    done = subprocess.run(**{**start, "args": script}, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The disk is full" in done.stderr and "--resume" in done.stderr and "Traceback" not in done.stderr
    with Ledger(tmp_path / "after") as ledger:
        entries = ledger.entries(LESSON)
    assert [e.status for e in entries.values()] == [GRADED] * STUDENTS
    rows = class_report(LESSON, tmp_path / "after").rows
    assert [row.total for row in rows] == [75 if n % 3 == 0 else 100 for n in range(STUDENTS)]
