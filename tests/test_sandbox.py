"""Kernels in sandboxes, forked and cold: what they see, what they may use, and that nothing of them is left."""
# ruff: noqa: E501 (cells for kernels)

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

from course_utils.authoring.lessons import find_lessons
from course_utils.errors import CourseError
from course_utils.grading import sandbox
from course_utils.grading.gradebook import scores
from course_utils.grading.ledger import Ledger
from course_utils.grading.limits import MIB, VARIABLE, Limits
from course_utils.grading.made_up import made_up_class
from course_utils.grading.run import grade
from course_utils.grading.sandbox import bubblewrap
from course_utils.grading.sandbox.bubblewrap import ZYGOTE
from course_utils.settings import home

needs_sandbox = pytest.mark.skipif(sandbox.why_not() is not None, reason=str(sandbox.why_not()))
IMPORTS = ["import torch", "from course_utils.checks import check"]


@pytest.fixture(scope="module")
def zygote():
    with sandbox.Zygote(IMPORTS) as started:
        started.wait()
        assert not started.problem
        yield os.environ[ZYGOTE]


@pytest.fixture(params=["forked", "cold"])
def way(request, monkeypatch):
    """Both ways into the sandbox; a test that asks for this runs twice."""
    monkeypatch.setenv("JUPYTER_PATH", "")
    sandbox.use()
    if request.param == "forked":
        monkeypatch.setenv(ZYGOTE, request.getfixturevalue("zygote"))
    else:
        monkeypatch.delenv(ZYGOTE, raising=False)
    return request.param


def run(*sources, cwd=None, timeout=30):
    """Run these cells in one sandboxed kernel. Returns what each printed or its error, and why the sandbox ended."""
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    client = NotebookClient(
        notebook,
        kernel_name=sandbox.KERNEL,
        shutdown_kernel="immediate",
        allow_errors=True,
        timeout=timeout,
        interrupt_on_timeout=True,
        resources={"metadata": {"path": str(cwd)}} if cwd else {},
    )
    ended = []
    create = client.create_kernel_manager
    client.create_kernel_manager = lambda: ended.append(create()) or ended[0]
    try:
        client.execute()
    except DeadKernelError:
        return ["".join(map(said, cell.outputs)) for cell in notebook.cells], ended[0].sandbox_ended
    return ["".join(map(said, cell.outputs)) for cell in notebook.cells]


def said(output):
    return output.get("text") or f"{output.get('ename')}: {output.get('evalue')}"


def limit(monkeypatch, **fields):
    monkeypatch.setenv(VARIABLE, json.dumps(fields))


@needs_sandbox
def test_a_lesson_s_work_goes_as_outside(way):
    cells = [
        "import torch, os\nfrom course_utils.backbones import load_text\nfrom course_utils.checks import check",
        "model, tokenizer = load_text(); print(sum(p.numel() for p in model.parameters()) > 1000)",
        "x = torch.ones(3, requires_grad=True); (x @ x).backward(); print(x.grad.tolist())",
        "open('mine.txt', 'w').write('kept'); print(open('mine.txt').read(), os.getcwd())",
        "from matplotlib.figure import Figure; Figure().savefig('/tmp/a.png'); print(os.path.getsize('/tmp/a.png') > 0)",
    ]
    assert run(*cells) == ["", "True\n", "[2.0, 2.0, 2.0]\n", "kept /home/student\n", "True\n"]


@needs_sandbox
def test_nothing_of_the_grader_is_seen(way, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADER_SECRET", "swordfish")
    (tmp_path / "gradebook.db").write_text("points")
    look = f"""
import os
for path in ({str(tmp_path / "gradebook.db")!r}, {str(home() / "solutions")!r}, {str(home() / "tests")!r}, "/etc/passwd"):
    print(os.path.exists(path), end=" ")
print(any("swordfish" in open(f"/proc/{{p}}/environ").read() for p in ("self", "thread-self")), "GRADER_SECRET" in os.environ)
print(max(int(p) for p in os.listdir("/proc") if p.isdigit()) < 50, len(os.listdir("/sys")) if os.path.exists("/sys") else 0)
"""
    assert run(look) == ["False False False False False False\nTrue 0\n"]


@needs_sandbox
def test_there_is_no_network(way):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        [text] = run(f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=2)")
        with pytest.raises(TimeoutError):
            server.accept()
    assert "ConnectionRefusedError" in text


@needs_sandbox
def test_no_right_is_left(way):
    look = """
import ctypes, os
lines = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(*(lines[k].strip().strip("0") or "none" for k in ("CapInh", "CapPrm", "CapEff", "CapAmb")), os.getuid() != 0)
print(lines["NoNewPrivs"].strip(), lines["Seccomp"].strip())
libc = ctypes.CDLL(None, use_errno=True)
calls = {"unshare": (0x10000000,), "ptrace": (16, 1, 0, 0), "memfd_create": (b"x", 0), "setns": (0, 0), "shmget": (0, 4096, 512)}
print(*(getattr(libc, name)(*args) for name, args in calls.items()))
for family in (40, 38):
    try: print(libc.socket(family, 1, 0))
    except OSError as error: print(error)
for path in ("/x", "/etc/x", "/usr/x", "/dev/x", "/proc/sys/kernel/core_pattern"):
    try: open(path, "w"); print("written", path)
    except OSError: pass
"""
    assert run(look) == ["none none none none True\n1 2\n-1 -1 -1 -1 -1\n-1\n-1\n"]


@needs_sandbox
def test_too_much_memory_is_an_error_of_the_cell(way, monkeypatch):
    limit(monkeypatch, memory_bytes=1500 * MIB)
    errors = run("x = bytearray(3 * 2**30)", "print('goes on')")
    assert errors[0].startswith("MemoryError") and errors[1] == "goes on\n"


@needs_sandbox
def test_memory_that_no_limit_of_linux_counts_ends_the_sandbox(way, monkeypatch):
    limit(monkeypatch, memory_bytes=600 * MIB)
    shared = "import mmap, time; m = mmap.mmap(-1, 2**30)\nfor i in range(0, 2**30, 2**20): m[i:i + 2**20] = b'x' * 2**20\ntime.sleep(20)"
    outputs, reason = run(shared)
    assert "held more than 900 MB" in reason


@needs_sandbox
def test_processes_are_limited(way, monkeypatch):
    limit(monkeypatch, processes=40)
    bomb = """
import os, time
try:
    for n in range(200):
        if os.fork() == 0:
            time.sleep(20); os._exit(0)
except OSError as error:
    print(n < 40, type(error).__name__)
"""
    assert run(bomb) == ["True BlockingIOError\n"]


@needs_sandbox
def test_files_and_folders_are_limited(way, monkeypatch):
    limit(monkeypatch, file_bytes=2 * MIB)
    fill = "for folder in ('/tmp', '/dev/shm', '.', '/run/kernel'):\n    try: open(folder + '/big', 'wb').write(b'x' * 2**23)\n    except OSError as error: print(error.strerror)"
    assert run(fill)[0].count("\n") == 4
    outputs, reason = run("import time\nfor n in range(50_000): open(f'/tmp/{n}', 'w')\ntime.sleep(20)")
    assert "more than 20000 files" in reason


@needs_sandbox
def test_an_interrupt_stops_the_cell_and_keeps_the_kernel(way):
    assert run("x = 1", "while True: pass", "print(x)", timeout=2)[2] == "1\n"


@needs_sandbox
def test_nothing_survives_the_sandbox(way):
    marker = uuid.uuid4().hex
    daemon = f"""
import os, signal, subprocess, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.execv(sys.executable, ["python", "-c", "import time; time.sleep(300)", "{marker}"])
    os._exit(0)
print("started")
"""
    assert run(daemon) == ["started\n"]
    deadline = time.monotonic() + 5
    while running(marker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not running(marker)


def running(marker):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (folder / "cmdline").read_bytes() and int(folder.name) != os.getpid():
                found.append(folder.name)
        except OSError:
            continue
    return found


@needs_sandbox
def test_files_beside_the_notebook_come_along_but_no_notebook_and_no_link(way, tmp_path):
    (tmp_path / "helper.py").write_text("value = 3")
    (tmp_path / "numpy.py").write_text("raise SystemExit")
    (tmp_path / "hidden.ipynb").write_text("tests")
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "fifo")
    look = "import os, numpy, helper; print(helper.value, sorted(f for f in os.listdir() if f != '__pycache__'))"
    assert run(look, cwd=tmp_path) == ["3 ['helper.py', 'numpy.py']\n"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fifo", "helper.py", "hidden.ipynb", "link.txt", "numpy.py"]


@needs_sandbox
def test_forks_of_one_zygote_draw_different_numbers(zygote, monkeypatch):
    sandbox.use()
    monkeypatch.setenv(ZYGOTE, zygote)
    draw = "import random, numpy, torch; print(random.random(), numpy.random.rand(), torch.rand(1).item())"
    first, second = run(draw)[0].split(), run(draw)[0].split()
    assert all(a != b for a, b in zip(first, second, strict=True))


@needs_sandbox
def test_a_zygote_with_threads_says_so_and_kernels_start_cold(monkeypatch):
    sandbox.use()
    thread = "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    with sandbox.Zygote([thread]) as zygote:
        zygote.wait()
        assert "started 1 threads" in zygote.problem and not os.environ[ZYGOTE]
        assert run("print(1)") == ["1\n"]


@needs_sandbox
def test_without_its_zygote_a_kernel_starts_cold(monkeypatch):
    sandbox.use()
    with sandbox.Zygote([]) as zygote:
        zygote.wait()
        zygote.process.kill()
        zygote.process.wait()
        assert run("print(1)") == ["1\n"]


@needs_sandbox
def test_a_killed_grader_takes_its_sandboxes_and_its_zygote_along(tmp_path):
    marker = uuid.uuid4().hex
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_sandbox import run, sandbox
sandbox.use()
with sandbox.Zygote([]) as zygote:
    zygote.wait()
    run("import os, sys; os.spawnv(os.P_NOWAIT, sys.executable, ['python', '-c', 'import time; time.sleep(300)', '{marker}'])", "import time; time.sleep(300)", timeout=300)
"""
    grader = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 60
    while not running(marker)[1:] and time.monotonic() < deadline:  # the first is the script itself
        time.sleep(0.05)
    assert len(running(marker)) > 1
    grader.kill()
    grader.wait()
    while running(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(marker)


def test_a_missing_bubblewrap_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install bubblewrap" in bubblewrap.why_not.__wrapped__()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
def test_a_bubblewrap_that_is_not_allowed_to_is_quoted(monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.path.dirname(shutil.which('sh'))}")
    assert "No permissions to create a new namespace" in bubblewrap.why_not.__wrapped__()


def test_limits_come_from_the_environment(monkeypatch):
    limit(monkeypatch, processes=7)
    assert Limits.from_environment() == Limits(processes=7)
    for wrong in ('{"procesess": 7}', '{"processes": "7"}', '{"processes": 0}', "7", "{"):
        monkeypatch.setenv(VARIABLE, wrong)
        with pytest.raises(CourseError, match="COURSE_LIMITS cannot be used"):
            Limits.from_environment()


@needs_sandbox
def test_a_class_gets_the_same_scores_forked_and_cold(tmp_path):
    lesson = find_lessons(home(), "01")[0]
    folder = made_up_class(lesson, tmp_path / "class", 4, hostile=False)
    found = []
    for cold in (False, True):
        assert not any(result.error for result in grade(lesson, folder, jobs=2, cold=cold, pages=False))
        with Ledger(folder) as ledger:
            verdicts = ledger.verdicts(lesson.name)
        found.append({student: (scores(folder, lesson.name)[student], rows) for student, rows in verdicts.items()})
    assert len(found[0]) == 4 and found[0] == found[1]
