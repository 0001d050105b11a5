"""A class of attackers and three honest students, graded at once by the real command: scores, flags, side effects."""

import copy
import hashlib
import os
import re
import socket
import subprocess
import threading
import time
import uuid
from pathlib import Path

import nbformat
import psutil
import pytest
from hostile import ALL, ATTACKS
from nbgrader.api import Gradebook
from toy_lesson import LESSON, SAFETY, command, solve, write_toy_lesson

from course_utils.authoring.lessons import find_lessons
from course_utils.grading import sandbox
from course_utils.grading.classroom import nbgrader_config, prepare, release_path
from course_utils.grading.ledger import Ledger
from course_utils.grading.report import class_report
from course_utils.settings import home

SANDBOXED = sandbox.why_not() is None
HONEST = ["honest ann", "honest bob", "honest cem"]
LIMITS = (
    '{"cell_seconds": 3, "setup_seconds": 20, "total_seconds": 20, "memory_bytes": 700000000, "processes": 64,'
    ' "file_bytes": 20000000, "output_bytes": 400000}'
)
SECRET = uuid.uuid4().hex
MARKER = uuid.uuid4().hex
TAKEN = [attack for attack in ATTACKS if SANDBOXED or not attack.kernel]
skipped = pytest.mark.skipif(not SANDBOXED, reason=f"attacks that run need a sandbox: {sandbox.why_not()}")
each = pytest.mark.parametrize(
    "attack", [pytest.param(a, id=a.name, marks=[skipped] if a.kernel else []) for a in ATTACKS]
)


def digest(folder, without=()):
    """A hash of all names, types and contents below a folder."""
    found = hashlib.sha256()
    for path in sorted(Path(folder).rglob("*")):
        if not any(part in without for part in path.relative_to(folder).parts):
            found.update(f"{path} {path.lstat().st_mode}\n".encode(errors="surrogateescape"))
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 10**8:
                found.update(path.read_bytes())
    return found.hexdigest()


def state(root, outside):
    """Everything that grading must leave alone: hashes of the course, the class's inputs and the package."""
    found = {name: digest(root / "class" / name) for name in ("submitted", "source", "release")}
    found["course"] = digest(root, without={"class"})
    found["package"] = digest(home() / "course_utils", without={"__pycache__"})
    return found | {"outside": sorted(os.listdir(outside))}


class Listeners:
    """Sockets outside that nothing inside may reach."""

    def __init__(self, outside):
        self.all = [socket.create_server(("127.0.0.1", 0))]
        self.port = self.all[0].getsockname()[1]
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("127.0.0.1", self.port))
        self.all.append(datagrams)
        for address in (f"\0{MARKER}", str(outside / "socket")):
            self.all.append(socket.socket(socket.AF_UNIX))
            self.all[-1].bind(address)
            self.all[-1].listen()

    def reached(self):
        reached = []
        for each in self.all:
            each.settimeout(0.05)
            try:
                reached.append(each.recv(1) if each.type == socket.SOCK_DGRAM else each.accept())
            except TimeoutError:
                continue
        return reached


class Peak(threading.Thread):
    """The most processes and memory of a process and its descendants."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.processes, self.memory, self.done = pid, 0, 0, threading.Event()
        self.start()

    def run(self):
        while not self.done.wait(0.2):
            try:
                family = psutil.Process(self.pid).children(recursive=True)
            except psutil.Error:
                return
            sizes = []
            for process in family:
                try:
                    memory = process.memory_info()
                    sizes.append(memory.rss - memory.shared)
                except psutil.Error:
                    continue
            self.processes, self.memory = max(self.processes, len(family)), max(self.memory, sum(sizes))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """The graded class, what the command said, and what was measured before, meanwhile and after."""
    root = write_toy_lesson(tmp_path_factory.mktemp("course"))
    folder, outside = root / "class", tmp_path_factory.mktemp("outside")
    folder.mkdir()
    outside.chmod(0o777)
    lesson = find_lessons(root, "01")[0]
    prepare(lesson, folder)
    release = nbformat.read(release_path(folder, LESSON), as_version=4)
    listeners = Listeners(outside)
    known = {"class": folder, "root": root, "outside": outside, "secret": SECRET[::-1], "marker": MARKER}
    known["port"] = listeners.port
    for attack in TAKEN:
        place = folder / "submitted" / attack.name / LESSON
        place.mkdir(parents=True)
        attack.write(place, copy.deepcopy(release))
        for path in place.glob("*") if not place.is_symlink() else ():
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 10**7:
                data = path.read_bytes()
                for key, value in known.items():
                    data = data.replace(f"@{key}@".encode(), str(value).encode())
                path.write_bytes(data)
    for student in HONEST:
        notebook = copy.deepcopy(release)
        solve(notebook)
        place = folder / "submitted" / student / LESSON
        place.mkdir(parents=True)
        (place / f"{LESSON}.ipynb").write_text(nbformat.writes(notebook))
    before = state(root, outside)
    temporary = set(os.listdir("/tmp")), set(os.listdir("/dev/shm"))
    start = command(root, "grade", "01", "--folder", folder, "--jobs", 2, *SAFETY)
    start["env"] |= {"COURSE_LIMITS": LIMITS, "GRADER_SECRET": SECRET}
    with subprocess.Popen(**start) as process:
        peak = Peak(process.pid)
        said, wrong = process.communicate(timeout=900)
        peak.done.set()
    time.sleep(0.5)
    after = state(root, outside)
    new = set(os.listdir("/tmp")) - temporary[0], set(os.listdir("/dev/shm")) - temporary[1]
    reached = listeners.reached()
    for each in listeners.all:
        each.close()
    rows = {row.student: row for row in class_report(LESSON, folder).rows}
    return {
        "folder": folder, "rows": rows, "said": said, "wrong": wrong, "code": process.returncode, "before": before,
        "after": after, "new": new, "reached": reached, "peak": peak,
    }  # fmt: skip


def about(row):
    return "\n".join([*row.flags, *row.review, *(finding.message for finding in row.findings)])


@each
def test_the_honest_part_gets_its_points(outcome, attack):
    row = outcome["rows"][attack.name]
    assert tuple(row.points.values()) == attack.points, about(row)


@each
def test_what_a_person_is_told(outcome, attack):
    row = outcome["rows"][attack.name]
    assert re.search(attack.says, about(row)), about(row)
    assert bool(row.review) == attack.review, row.review
    if not attack.says:
        assert not row.flags


@pytest.mark.parametrize("student", HONEST)
def test_honest_students_notice_nothing(outcome, student):
    row = outcome["rows"][student]
    assert tuple(row.points.values()) == ALL and not row.flags and not row.review


def test_everybody_has_a_grade_and_the_command_ends_well(outcome):
    assert outcome["code"] == 0, outcome["wrong"]
    assert "Traceback" not in outcome["said"] + outcome["wrong"]
    assert all(row.points is not None for row in outcome["rows"].values())
    assert len(outcome["rows"]) == len(TAKEN) + len(HONEST)


def test_nothing_outside_has_changed(outcome):
    assert outcome["after"] == outcome["before"]


def test_nothing_was_reached(outcome):
    assert outcome["reached"] == []


def test_no_process_is_left(outcome):
    deadline = time.monotonic() + 5
    while (left := processes_with(MARKER)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def processes_with(text):
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if process.pid != os.getpid() and text in " ".join(process.info["cmdline"] or []):
            found.append(process.info["cmdline"])
    return found


def test_no_temporary_file_is_left(outcome):
    ours = re.compile(r"course-|zygote-|owned|torch|x$" + r"|tmp\w+\.json" * SANDBOXED)
    assert [name for names in outcome["new"] for name in names if ours.match(name)] == []


def test_the_machine_was_not_strained(outcome):
    assert outcome["peak"].processes < 400 and outcome["peak"].memory < 6 * 2**30


def test_the_gradebook_holds_what_the_checks_gave_and_no_more(outcome):
    with Gradebook(nbgrader_config(outcome["folder"], LESSON).CourseDirectory.db_url, "") as gradebook:
        for student, row in outcome["rows"].items():
            submission = gradebook.find_submission(LESSON, student)
            assert submission.max_score == 100 and submission.score == row.total <= 100
    with Ledger(outcome["folder"]) as ledger:
        assert {entry.runs for entry in ledger.entries(LESSON).values()} == {1}


def test_no_secret_is_found_anywhere(outcome):
    for path in outcome["folder"].rglob("*"):
        if path.is_file() and not path.is_symlink() and "submitted" not in path.parts:
            data = path.read_bytes()
            assert SECRET.encode() not in data, path
            assert b"root:x:" not in data and b"root:*:" not in data, path


def test_feedback_runs_no_script_and_tells_no_hidden_check(outcome):
    pages = list((outcome["folder"] / "feedback").rglob("*.html"))
    assert len(pages) == len(outcome["rows"])
    for page in pages:
        text = page.read_text()
        assert not re.search(r"<script|<svg|<[^>]*\son\w+\s*=|<a[^>]*href=.?javascript", text, re.IGNORECASE), page
        assert not re.search(r"top_secret|HIDDEN TESTS|Traceback \(most", text), page


def test_formgrader_s_pages_run_no_script(outcome):
    """What formgrader shows of an autograded notebook, by the exporter and configuration that it uses."""
    from nbconvert.exporters import HTMLExporter

    config = nbgrader_config(outcome["folder"], LESSON)
    for student in ("HTML output", "JavaScript", "SVG and LaTeX", "Markdown", "message", "printed"):
        if student not in outcome["rows"]:
            continue
        path = outcome["folder"] / "autograded" / student / LESSON / f"{LESSON}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        body, _ = HTMLExporter(config=config, template_name="basic").from_notebook_node(notebook)
        assert not re.search(r"<script[^>]*>\s*evil|<[^>]*\son\w+\s*=\s*.?evil|href=.?javascript", body), student
