"""`course grade --scheduler` on a real scheduler and real workers, encrypted, one of them killed in the middle."""

import contextlib
import copy
import os
import signal
import socket
import subprocess
import sys
import time

import nbformat
import pytest
from toy_lesson import LESSON, SAFETY, command, hand_in, solve, toy_class

from course_utils.authoring.lessons import find_lessons
from course_utils.grading.classroom import prepare, release_path
from course_utils.grading.ledger import Ledger
from course_utils.grading.report import class_report

pytest.importorskip("distributed")
trustme = pytest.importorskip("trustme")
STUDENTS = 8


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    wait = {"double": "def double(x):\n    import time\n    time.sleep(1)\n    return 2 * x"}
    return toy_class(tmp_path_factory.mktemp("course"), [wait if number < 2 else {} for number in range(STUDENTS)])


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Environment variables that name certificates of an authority made for this test."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "own.pem")
    names = {"CA_FILE": "ca.pem"}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        names |= {f"{role}__CERT": "own.pem", f"{role}__KEY": "own.pem"}
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(folder / file) for name, file in names.items()}


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def dask(environment, *args):
    """Run `dask …`; it and what it starts are gone afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *map(str, args)],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def cluster(tls, tmp_path_factory):
    """The address of a scheduler with two workers, and the workers' processes."""
    port, scratch = free_port(), tmp_path_factory.mktemp("dask")
    address, once = f"tls://127.0.0.1:{port}", {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with contextlib.ExitStack() as stack:
        options = ["--host", "127.0.0.1", "--protocol", "tls", "--port", port, "--no-dashboard"]
        stack.enter_context(dask(tls | once, "scheduler", *options))
        options = ["--nthreads", 1, "--no-dashboard", "--local-directory", scratch]
        workers = [stack.enter_context(dask(tls, "worker", address, *options)) for _ in range(2)]
        yield address, workers


def grade(course, environment, *options):
    start = command(course[0], "grade", "01", "--folder", course[1], *SAFETY, *options)
    start["env"] |= environment
    return subprocess.Popen(**start)


def children(pid):
    return [int(n) for n in open(f"/proc/{pid}/task/{pid}/children").read().split()]


def test_a_class_is_graded_although_a_worker_is_killed(course, cluster, tls):
    address, workers = cluster
    deadline = time.monotonic() + 60
    process = grade(course, tls, "--scheduler", address)
    while time.monotonic() < deadline and process.poll() is None:
        if any((course[1] / ".staged").glob("*/*/*.ipynb")):
            break
        time.sleep(0.05)
    for child in children(workers[0].pid):  # its nanny starts another
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, said + errors
    rows = class_report(LESSON, course[1]).rows
    assert [row.total for row in rows] == [100] * STUDENTS
    with Ledger(course[1]) as ledger:
        assert {entry.runs for entry in ledger.entries(LESSON).values()} == {1}
    assert len(list(course[1].glob("feedback/*/*/*.html"))) == STUDENTS


def test_who_kills_every_worker_is_recorded(course, cluster, tls, tmp_path):
    root, folder = course[0], tmp_path / "class"
    prepare(find_lessons(root, "01")[0], folder)
    release = nbformat.read(release_path(folder, LESSON), as_version=4)
    kill = "def double(x):\n    import os, signal\n    os.kill(os.getppid(), signal.SIGKILL)\n    os._exit(1)"
    for student, answers in {"killer": {"double": kill}, "right": {}}.items():
        notebook = copy.deepcopy(release)
        solve(notebook, **answers)
        hand_in(folder, student, nbformat.writes(notebook))
    done = grade((root, folder), tls, "--scheduler", cluster[0], "--unsafe", "--no-feedback")
    said, errors = done.communicate(timeout=120)
    assert done.returncode == 0, said + errors
    killer, right = class_report(LESSON, folder).rows
    assert right.total == 100 and not right.flags
    assert killer.total == 0 and killer.review and any("killed each time" in flag for flag in killer.flags)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("tcp://192.0.2.1:8786", "unencrypted"),
        ("nowhere", "no address of a scheduler"),
        ("tcp://127.0.0.1:{port}", "No scheduler answers"),
    ],
)
def test_what_cannot_work_is_said_in_two_lines(course, address, says):
    process = grade(
        course, {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s"}, "--scheduler", address.format(port=free_port())
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and says in errors and "What to do:" in errors
    assert len(errors.strip().splitlines()) == 2


def test_a_scheduler_without_workers_is_said_to_have_none(course, tls):
    port = free_port()
    options = ["--host", "127.0.0.1", "--protocol", "tls", "--port", port, "--no-dashboard"]
    with dask(tls, "scheduler", *options):
        process = grade(course, tls, "--scheduler", f"tls://127.0.0.1:{port}")
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "has no workers" in errors
