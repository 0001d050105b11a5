"""The demo class, on a toy lesson and on lesson 01."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from toy_lesson import SAFETY, command, write_toy_lesson

from course_utils.authoring.lessons import exercises, find_lessons, read
from course_utils.errors import CourseError
from course_utils.grading.demo import MARKER, demo
from course_utils.grading.report import NOT_ATTEMPTED, SKIPPED, UNFINISHED

ROOT = Path(__file__).resolve().parents[1]
KERNEL = "-m ipykernel" if SAFETY else "/usr/bin/cat"  # what the command that opens a kernel's sandbox runs in it


def hold(report):
    """What must be true of the demo class whatever the lesson."""
    rows = {row.student: row for row in report.rows}
    assert len(rows) >= 7 and sum(report.points.values()) == 100
    assert all(row.points is not None for row in rows.values())
    assert rows["ada-all-right"].total == rows["ben-own-style"].total == 100
    names = list(report.points)
    first, rest = names[: len(names) // 2], names[len(names) // 2 :]
    assert rows["chen-half-done"].total == sum(report.points[name] for name in first)
    assert rows["chen-half-done"].exercises(NOT_ATTEMPTED) == set(rest)
    for student in ("dina-misconceptions", "emil-misconceptions"):
        assert rows[student].total < 100 and len(rows[student].ids()) >= 3
    assert report.misconceptions()[0][1] == 2
    crash = rows["fay-kernel-dies"]
    assert crash.flags and crash.total == 100 - report.points[rest[0]]
    assert crash.exercises(UNFINISHED, SKIPPED) == {rest[0]}
    assert rows["gus-tampered"].total == report.points[names[0]] and len(rows["gus-tampered"].flags) == 3


def test_demo_on_a_toy_lesson(tmp_path, capsys):
    root, out = write_toy_lesson(tmp_path / "course"), tmp_path / "demo-class"
    out.mkdir()
    (out / MARKER).touch()
    (out / "left from an earlier run").touch()
    hold(demo(out, root=root, jobs=2))
    printed = capsys.readouterr().out
    assert "Most frequent misconceptions" in printed and max(map(len, printed.splitlines()[:-6])) <= 120
    assert {path.name for path in out.iterdir()} == {
        *(MARKER, ".staged", "autograded", "feedback", "release", "source", "submitted", "nbgrader_config.py"),
        *("gradebook.db", "grading.db", "grading.lock", "grading.log", "01_toy_report.csv"),
    }
    assert len(list(out.glob("feedback/*/01_toy/01_toy.html"))) == 7
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_demo_leaves_a_folder_alone_that_is_not_its_own(tmp_path):
    root = write_toy_lesson(tmp_path / "course")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").touch()
    with pytest.raises(CourseError, match="is no demo class"):
        demo(tmp_path / "thesis", root=root)
    assert (tmp_path / "thesis" / "chapter1.tex").exists()


def running(mark):
    """Command lines of the live processes that have `mark` in their environment, by process id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def left(mark):
    """Those of `running` that matter: bubblewrap killed while it opens a sandbox leaves a child that waits for ever."""
    return {number: line for number, line in running(mark).items() if not line.startswith("bwrap")}


def wait_for(what, seconds):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    return what()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("whom", "sign"),
    [("group", "forkserver"), ("group", KERNEL), ("parent", KERNEL), ("parent, by force", KERNEL)],
)
def test_a_demo_stopped_while_processes_run_leaves_none_and_no_folder(tmp_path, whom, sign):
    root, mark = write_toy_lesson(tmp_path / "course"), f"COURSE_CACHE={tmp_path / 'cache'}"
    start = command(root, "demo", "--out", tmp_path / "demo-class", "--jobs", 2)
    start["env"]["COURSE_CACHE"] = str(tmp_path / "cache")
    with subprocess.Popen(**start, start_new_session=True) as process:
        try:
            assert wait_for(lambda: sum(sign in line for line in running(mark).values()) >= 2, 60)
            if whom == "group":
                os.killpg(process.pid, signal.SIGINT)
            else:
                process.send_signal(signal.SIGINT if whom == "parent" else signal.SIGKILL)
            _, said = process.communicate(timeout=30)
            assert wait_for(lambda: not left(mark), 10), left(mark)
            if whom == "parent, by force":
                return
            assert process.returncode == 130
            assert len(said.strip().splitlines()) == 1 and said.strip().startswith("Stopped."), said
            assert [path.name for path in tmp_path.iterdir()] == ["course"]
        finally:
            for number in running(mark):
                os.kill(number, signal.SIGKILL)


def test_a_lesson_without_answers_is_said_to_be_so(tmp_path):
    root = write_toy_lesson(tmp_path / "course")
    for path in (root / "solutions" / "01_toy" / "answers").iterdir():
        path.unlink()
    with pytest.raises(CourseError, match="too few wrong answers"):
        demo(tmp_path / "demo-class", root=root)


@pytest.mark.slow
def test_demo_on_lesson_01(tmp_path):
    lesson = find_lessons(ROOT, "01")[0]
    missing = [e.name for e in exercises(read(lesson)) if not (lesson.answers / f"{e.name}.py").is_file()]
    if missing:
        pytest.skip(f"no answers yet to {', '.join(missing)}")
    hold(demo(tmp_path / "demo-class", root=ROOT, jobs=2))
