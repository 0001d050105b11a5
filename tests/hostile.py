"""Submissions of the toy lesson that attack or break a grader, and what must become of each.

An entry is handed in under its name. `points` are those of the four exercises that its honest part deserves; where a trick
cannot be told from a right answer the score stands, and `says` and `review` are what a person gets to see.
"""
# ruff: noqa: E501 (attacks are written as their authors would)

import json
import os
from collections.abc import Callable
from dataclasses import dataclass

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell
from toy_lesson import LESSON, RIGHT, cell_of, solve

ALL, REST, NONE = (25, 25, 25, 25), (0, 25, 25, 25), (0, 0, 0, 0)
FILE = f"{LESSON}.ipynb"


@dataclass(frozen=True)
class Attack:
    """`write(folder, release)` hands it in; `says` must stand in a flag, a review note or a message about it."""

    name: str
    write: Callable
    points: tuple[int, int, int, int] = ALL
    says: str = ""
    review: bool = False
    kernel: bool = True  # whether it needs a sandbox to be harmless


def edited(edit):
    """Hands in the release after `edit(notebook)`."""

    def write(folder, release):
        edit(release)
        (folder / FILE).write_text(nbformat.writes(release), encoding="utf-8")

    return write


def first(code, honest=True):
    """`code` in the first answer cell, above its right answer; the other answers are right."""
    return edited(lambda nb: solve(nb, double=code + ("\n" + RIGHT["double"] if honest else "")))


def own(code, **answers):
    """`code` in a cell of the student's own, above the first answer; all answers right, or as given."""

    def edit(nb):
        solve(nb, **answers)
        nb.cells.insert(nb.cells.index(cell_of(nb, "double")), new_code_cell(code))

    return edited(edit)


def text(content, name=FILE):
    """A file with this text instead of a notebook."""
    return lambda folder, release: (folder / name).write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )


def raw(change):
    """The right answers in a file whose JSON is changed by `change(document)`, which may return another one."""

    def write(folder, release):
        solve(release)
        document = json.loads(nbformat.writes(release))
        document = change(document) or document
        (folder / FILE).write_text(json.dumps(document), encoding="utf-8")

    return write


def beside(name, content, code="pass"):
    """A file beside the notebook."""

    def write(folder, release):
        own(code)(folder, release)
        (folder / name).write_text(content)

    return write


def link(target):
    return lambda folder, release: (folder / FILE).symlink_to(target(folder))


WRONG = "def double(x):\n    return x + 100"
TRY = "try:\n    print({})\nexcept BaseException as error:\n    print(type(error))"


def quiet(code):
    """`code` that must not stop the cell whatever happens to it."""
    return (
        "try:\n"
        + "\n".join("    " + line for line in code.splitlines())
        + "\nexcept Exception as error:\n    print(type(error), error)"
    )


# The test replaces @…@ by what only it knows: paths, ports and secrets outside the sandbox.
# fmt: off
ENDS = "Python ended|did not stop|ran for more|stopped after|out of memory|more than"
KERNEL_ENDS = [
    Attack("exits", first("import os; os._exit(0)"), REST, "Python ended", True),
    Attack("calls exit", first("exit()"), REST, "Python ended", True),
    Attack("segfault", first("import ctypes; ctypes.string_at(0)"), REST, "Python ended", True),
    Attack("abort", first("import os; os.abort()"), REST, "Python ended", True),
    Attack("endless loop", first("while True: pass"), REST, "stopped after"),
    Attack("ignores SIGINT", first("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"), REST, "could not be stopped", True),
    Attack("swallows KeyboardInterrupt", first("while True:\n    try:\n        while True: pass\n    except BaseException: pass"), REST, "stopped"),
    Attack("stops itself", first("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"), REST, "could not be stopped", True),
    Attack("loops in the answer", first("def double(x):\n    while True: pass", False), REST, "stopped after", True),
    Attack("exits in the answer", first("import os\ndef double(x): os._exit(0)", False), REST, "Python ended", True),
    Attack("fork bomb", first("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"), REST, ENDS, True),
    Attack("fork bomb of daemons", first("import os\nfor i in range(3000):\n    try:\n        if os.fork() == 0: os.setsid()\n    except OSError: pass\nos._exit(0)"), REST, ENDS, True),
    Attack("thread bomb", first("import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(600,)).start()"), REST, "can't start new thread|RuntimeError|" + ENDS),
    Attack("memory bomb", first("x = []\nwhile True: x.append(bytearray(50_000_000))"), REST, "MemoryError"),
    Attack("shared memory bomb", first("import mmap\nm = [mmap.mmap(-1, 1 << 30) for _ in range(8)]\nfor part in m:\n    for i in range(0, 1 << 30, 4096): part[i] = 1"), REST, ENDS, True),
    Attack("memory bomb of many", first("import os, time\nfor i in range(30):\n    if os.fork() == 0:\n        x = bytearray(os.urandom(1 << 20) * 200); time.sleep(60)\ntime.sleep(60)"), REST, ENDS, True),
    Attack("tmpfs filled", own(quiet("for d in ('/tmp', '/dev/shm', '.'):\n    try: open(d + '/x', 'wb').write(bytes(1 << 30))\n    except OSError as e: print(e)"))),
    Attack("million files", first("import itertools\nfor i in itertools.count():\n    try: open(f'/tmp/{i}', 'w')\n    except OSError: pass"), REST, ENDS, True),
    Attack("file descriptors used up", first("f = []\ntry:\n    while True: f.append(open('/dev/null'))\nfinally: f.clear()"), REST, "Too many open files"),
    Attack("closes all files", first("import os; os.closerange(3, 1000)"), REST, ENDS, True),
    Attack("pipe never read", first("import os\nr, w = os.pipe()\nwhile True: os.write(w, b'x' * 65536)"), REST, "stopped after"),
    Attack("prints 100 MB", first("print('x' * 100_000_000)"), ALL, "printed more"),
    Attack("prints for ever", first("while True: print('x' * 1000)"), REST, "printed more"),
    Attack("million small outputs", first("from IPython.display import display\nfor i in range(1_000_000): display(i)"), REST, "printed more"),
    Attack("huge display", first("from IPython.display import display\ndisplay({'text/plain': 'x' * 30_000_000}, raw=True)"), ALL, "printed more"),
    Attack("endless repr", first("class Endless:\n    def __repr__(self):\n        while True: pass\nprint(Endless())"), REST, "stopped after"),
    Attack("deep recursion", first("def f(): return f()\nf()"), REST, "RecursionError"),
    Attack("deep recursion in C", first("x = []\nfor _ in range(10**6): x = [x]\nrepr(x)"), REST, "RecursionError|" + ENDS),
    Attack("asks for input", first("input('password? ')"), REST, "StdinNotImplementedError|stopped after"),
    Attack("raises SystemExit", first("def double(x): raise SystemExit", False), REST, "SystemExit"),
    Attack("raises KeyboardInterrupt", first("def double(x): raise KeyboardInterrupt", False), REST, "KeyboardInterrupt"),
    Attack("terminates itself", first("import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM); time.sleep(2)"), REST, "Python ended", True),
    Attack("sleeps to the limit", first("import time; time.sleep(2)")),
    Attack("sleeps in many cells", edited(lambda nb: (solve(nb), [nb.cells.insert(2, new_code_cell("import time; time.sleep(2.5)")) for _ in range(12)])), NONE, "time limit", True),
    Attack("kills everybody", first("import os, signal\nos.kill(-1, signal.SIGKILL); os._exit(0)"), REST, "Python ended", True),
    Attack("kills its parent", first("import os, signal\nos.kill(os.getppid(), signal.SIGKILL); os._exit(0)"), REST, "Python ended", True),
]
PROCESSES = [
    Attack("daemon left", own("import os, subprocess, sys\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: os.execv(sys.executable, ['python', '-c', 'import time; time.sleep(600)', '@marker@'])\n    os._exit(0)"), ALL, "starts or ends processes", True),
    Attack("deaf daemon left", own("import subprocess\np = subprocess.Popen(['sh', '-c', 'trap \"\" INT TERM HUP; sleep 600; echo @marker@'], start_new_session=True)"), ALL, "starts or ends processes", True),
    Attack("thread left", own("import threading, time\ndef late():\n    while True: time.sleep(0.05); print('late')\nthreading.Thread(target=late, daemon=True).start()")),
    Attack("atexit", own("import atexit\natexit.register(lambda: open('@outside@/atexit', 'w'))"), ALL, "runs later", True),
    Attack("finalizer", own("class Late:\n    def __del__(self): open('@outside@/del', 'w')\nlate = Late()")),
    Attack("alarm", own("import signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\nsignal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)"), ALL, "runs later", True),
]
READS = [
    Attack("reads the gradebook", own(TRY.format("open('@class@/gradebook.db', 'rb').read()")), ALL, "names the file", True),
    Attack("reads the source", own(TRY.format("open('@class@/source/01_toy/01_toy.ipynb').read()"))),
    Attack("reads the solutions", own(TRY.format("open('@root@/solutions/01_toy/01_toy.py').read()"))),
    Attack("reads its classmates", own(TRY.format("__import__('glob').glob('@class@/submitted/*')")), ALL, "made of text", True),
    Attack("reads the environment", own("import os\nprint('found', '@secret@'[::-1] in str(os.environ), len(os.environ))")),
    Attack("reads other environments", own("import glob\nfor p in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):\n    try: print(p, open(p).read())\n    except OSError: pass"), ALL, "names the file", True),
    Attack("reads shadow and keys", own(TRY.format("open('/etc/shadow').read(), open('/root/.bashrc').read()")), ALL, "names the file", True),
    Attack("searches the disk", own("import glob\nprint(glob.glob('/**/*.ipynb', recursive=True)[:50], glob.glob('/**/gradebook.d*', recursive=True))")),
    Attack("searches its memory", own("needle = '@secret@'[::-1].encode()\nfound = 0\nfor line in open('/proc/self/maps'):\n    a, b = (int(x, 16) for x in line.split()[0].split('-'))\n    try:\n        with open('/proc/self/mem', 'rb') as m:\n            m.seek(a); found += m.read(min(b - a, 1 << 26)).count(needle) * ('[stack]' in line)\n    except (OSError, ValueError, OverflowError): pass\nprint('found', found)"), ALL, "names the file", True),
    Attack("reads the first process", own(TRY.format("open('/proc/1/root/@class@/gradebook.db').read()")), ALL, "names the file", True),
    Attack("lists its sockets", own("import os\nprint(os.listdir('/run/kernel'), open('/run/kernel/connection.json').read())"), ALL, "names the file", True),
    Attack("reads hidden checks in an answer", edited(lambda nb: solve(nb, negate="import inspect\ndef negate(x):\n    raise ValueError(inspect.getsource(inspect.stack()[1][0]).replace(chr(10), ' '))")), (25, 25, 0, 25), "frames"),
    Attack("reads hidden checks in the history", own("pass", negate="def negate(x):\n    raise ValueError(In[-1].replace(chr(10), ' '))"), (25, 25, 0, 25), "reads the code of other cells"),
]
WRITES = [
    Attack("writes the gradebook", own(quiet("import sqlite3\nsqlite3.connect('@class@/gradebook.db').execute('update grade set auto_score = 1000')")), ALL, "names the file", True),
    Attack("writes around", own(quiet("import os\nfor p in ('@class@', '@root@', '/', '/usr', '/etc', '@outside@', os.path.expanduser('~root')):\n    try: open(p + '/owned', 'w').write('x')\n    except OSError: pass")), ALL, "names the file", True),
    Attack("writes up", own("for n in range(1, 12):\n    try: open('../' * n + 'owned', 'w').write('x')\n    except OSError: pass"), ALL, "names the file", True),
    Attack("links to elsewhere", own(quiet("import os\nos.symlink('@class@/gradebook.db', 'link'); os.symlink('/', 'root')\nopen('link', 'w').write('x')")), ALL, "names the file", True),
    Attack("replaces its sockets", own(quiet("import os\nfor n in range(1, 6):\n    os.remove(f'/run/kernel/k-{n}'); os.symlink('@outside@/socket', f'/run/kernel/k-{n}')")), ALL, "names the file", True),
    Attack("start-up files", own("import os\nos.makedirs('/tmp/ipython/profile_default/startup')\nopen('/tmp/ipython/profile_default/startup/x.py', 'w').write('double = 1')\nopen('/home/student/usercustomize.py', 'w').write('1/0')"), ALL, "names the file", True),
    Attack("writes the environment", own("import sys, glob\nfor p in sys.path:\n    try: open(p + '/evil.pth', 'w').write('import os')\n    except OSError: pass")),
]
NETWORK = [
    Attack("connects", own(quiet("import socket\nsocket.create_connection(('127.0.0.1', @port@), 1).send(b'x')")), ALL, "uses the network", True),
    Attack("sends a datagram", own(quiet("import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', @port@))")), ALL, "uses the network", True),
    Attack("abstract socket", own(quiet("import socket\ns = socket.socket(socket.AF_UNIX); s.connect('\\0@marker@'); s.send(b'x')")), ALL, "uses the network", True),
    Attack("socket in a folder", own(quiet("import socket\ns = socket.socket(socket.AF_UNIX); s.connect('@outside@/socket'); s.send(b'x')")), ALL, "uses the network", True),
    Attack("listens", own(quiet("import socket\ns = socket.create_server(('0.0.0.0', 0))")), ALL, "uses the network", True),
    Attack("vsock and packets", own("import ctypes\nlibc = ctypes.CDLL(None)\nprint('sockets', libc.socket(40, 1, 0), libc.socket(17, 3, 0), libc.socket(38, 5, 0))"), ALL, "C functions", True),
    Attack("shell", own("!curl -s http://127.0.0.1:@port@/ ; echo done")),
    Attack("installs a package", own("%pip install --quiet --no-input six==0.0.1")),
]
ESCAPES = [
    Attack("new namespaces", own("import ctypes\nlibc = ctypes.CDLL(None)\nprint('calls', libc.unshare(0x10000000), libc.unshare(0x20000), libc.setns(3, 0))"), ALL, "C functions", True),
    Attack("mounts", own("import ctypes\nlibc = ctypes.CDLL(None)\nprint('calls', libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0), libc.umount2(b'/usr', 2), libc.chroot(b'/tmp'))"), ALL, "C functions", True),
    Attack("ptrace", own("import ctypes\nlibc = ctypes.CDLL(None)\nprint('calls', libc.ptrace(16, 1, 0, 0), libc.ptrace(0, 0, 0, 0))"), ALL, "C functions", True),
    Attack("becomes root", own("import os\nfor f in (os.setuid, os.setgid):\n    try: f(0); print('became root')\n    except OSError as e: print(e)")),
    Attack("devices", own(quiet("import os, stat\nos.mknod('/tmp/disk', 0o600 | stat.S_IFBLK, os.makedev(254, 0)); print(open('/tmp/disk', 'rb').read(10))"))),
    Attack("kernel switches", own("for p in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/proc/self/oom_score_adj', '/sys/kernel/uevent_helper'):\n    try: open(p, 'w').write('|/tmp/x')\n    except OSError as e: print(e)"), ALL, "names the file", True),
    Attack("set-user-id program", own(quiet("import subprocess\nprint(subprocess.run(['su', '-c', 'id'], capture_output=True, timeout=2))")), ALL, "starts or ends", True),
]
SEES = "import sys\ndef double(x):\n    return sys._getframe(1).f_locals.get('want', sys._getframe(1).f_globals.get('top' + '_secret', 0) * 2)"
JUDGE = [
    Attack("patched allclose", own("np.allclose = np.array_equal = lambda *a, **k: True", double=WRONG), REST, "replace", True),
    Attack("patched float", own("import builtins\nbuiltins.float = lambda x=0: 1.0", double=WRONG), NONE, "replace", True),
    Attack("patched isinstance", own("import builtins\nold = isinstance\nbuiltins.isinstance = lambda a, b: True if 'Verdict' in str(b) else old(a, b)", double=WRONG), REST, "replace", True),
    Attack("patched difference", own("import course_utils.checks as k\nk._difference = lambda *a: None", double=WRONG), NONE, "no longer tell|replace|altered", True),
    Attack("patched for this value only", own("import course_utils.checks as k\nold = k._difference\nk._difference = lambda got, want, tol: None if getattr(got, 'max', lambda: 0)() > 99 else old(got, want, tol)", double=WRONG), ALL, "replace", True),
    Attack("patched expect", own("from course_utils.checks import Check\nCheck.expect = lambda *a, **k: None", double=WRONG), NONE, "no longer tell|replace|altered", True),
    Attack("check replaced", own("import contextlib\nfrom unittest import mock\ncheck = lambda name: contextlib.nullcontext(mock.MagicMock())", double=WRONG), ALL, "another meaning", True),
    Attack("exit of the check replaced", own("from course_utils.checks import Check\nCheck.__exit__ = lambda *a: True", double=WRONG), ALL, "replace", True),
    Attack("assertions dropped", own("import ast\nclass Drop(ast.NodeTransformer):\n    def visit_Assert(self, node): return ast.copy_location(ast.Pass(), node)\nget_ipython().ast_transformers.append(Drop())", double=WRONG), REST, "hides errors", True),
    Attack("with dropped", own("import ast\nclass Drop(ast.NodeTransformer):\n    def visit_With(self, node): return ast.copy_location(ast.Pass(), node)\nget_ipython().ast_transformers.append(Drop())", double=WRONG), ALL, "accept a known wrong answer", True),
    Attack("cells rewritten", own("get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'] if any('check(' in l for l in lines) else lines)", double=WRONG), ALL, "accept a known wrong answer", True),
    Attack("tracebacks hidden", own("get_ipython().showtraceback = lambda *a, **k: None", double=WRONG), REST, "reaches into", True),
    Attack("exceptions caught", own("get_ipython().set_custom_exc((BaseException,), lambda *a, **k: None)", double=WRONG), REST, "reaches into", True),
    Attack("errors cleared", own("from IPython.display import clear_output\nget_ipython().events.register('post_run_cell', lambda result: clear_output())", double=WRONG), REST, "reaches into", True),
    Attack("run_cell replaced", own("ip = get_ipython()\nold = ip.run_cell_async\nasync def run(code, *a, **k):\n    return await old('pass' if 'check(' in code else code, *a, **k)\nip.run_cell_async = run", double=WRONG), REST, "the way this notebook runs cells", True),
    Attack("idle forged", own("k = get_ipython().kernel\nget_ipython().events.register('pre_run_cell', lambda info: k.session.send(k.iopub_socket, 'status', {'execution_state': 'idle'}, parent=k.get_parent('shell')))", double=WRONG), REST, "reaches into", True),
    Attack("reply forged", own("k = get_ipython().kernel\ndef forge(info):\n    k.session.send(k.shell_streams[0] if hasattr(k, 'shell_streams') else k.shell_stream, 'execute_reply', {'status': 'ok', 'execution_count': 1, 'payload': [], 'user_expressions': {}}, parent=k.get_parent('shell'), ident=k._parent_ident if hasattr(k, '_parent_ident') and not isinstance(k._parent_ident, dict) else None)\nget_ipython().events.register('pre_run_cell', forge)", double=WRONG), REST, "reaches into", True),
    Attack("display forged", own("from IPython.display import display, update_display\nk = get_ipython().kernel\nk.session.send(k.iopub_socket, 'error', {'ename': 3, 'evalue': [], 'traceback': {}}, parent=k.get_parent('shell'))\nk.session.send(k.iopub_socket, 'execute_result', {'data': {'text/plain': '1000'}, 'metadata': 7}, parent=k.get_parent('shell'))"), ALL, "reaches into", True),
    Attack("comm messages", own("from comm import create_comm\nc = create_comm(target_name='jupyter.widget', data={'state': {'_model_module': '@jupyter-widgets/output', '_model_name': 'OutputModel', 'msg_id': get_ipython().kernel.get_parent('shell')['header']['msg_id']}})\nc.send({'state': {'x': 'y' * 1000}})"), ALL, "reaches into", True),
    Attack("widget state", own("import ipywidgets as w\nfrom IPython.display import display\nout = w.Output()\ndisplay(out, w.HTML('<script>evil()</script>'))\nwith out: print('x')")),
    Attack("a number as score", edited(lambda nb: (solve(nb, double=WRONG), cell_of(nb, "double_check").__setitem__("source", "1e9"))), REST, "`double_check` was edited"),
    Attack("sees the caller's frame", first(SEES, False), (15, 25, 25, 25), "frames of whoever calls", True),
    Attack("searches memory for values", first("import gc\ndef double(x):\n    return 2 * x if gc.get_objects() else x", False), ALL, "searches Python's memory", True),
    Attack("seeds", own("import random\nrandom.seed(0); np.random.seed(0)\nrandom.seed = np.random.seed = lambda *a: None"), ALL, "replace", True),
    Attack("reads the clock", own("import time, sys\nstart = time.time()\nsys.settrace(lambda *a: None)"), ALL, "hooks into Python", True),
    Attack("liar object", first("class Liar:\n    shape = (2,)\n    def detach(self): return self\n    cpu = numpy = double = detach\n    def is_floating_point(self): return True\n    def astype(self, *a): return self\n    def __array_ufunc__(self, *a, **k): return np.zeros(2)\n    def __sub__(self, o): return np.zeros(2)\n    __rsub__ = __sub__\n    def __eq__(self, o): return np.ones(2, bool)\ndouble = lambda x: Liar()", False), REST),
    Attack("array that equals all", first("class Liar(np.ndarray):\n    def __array_ufunc__(self, *a, **k): return np.zeros(2)\n    def astype(self, *a, **k): return self\ndouble = lambda x: np.zeros(2).view(Liar)", False), REST),
    Attack("tells grading from validating", own("import os\ngraded = 'NBGRADER_EXECUTION' in os.environ", double="def double(x):\n    return 2 * x if not graded else 0 * x")),
    Attack("magics", own("%reset_selective -f nothing\n%cd /tmp\n%env FOO=1\n%load_ext autoreload\n%autoreload 2\n%matplotlib inline")),
    Attack("resets everything", own("%reset -f"), NONE, ""),
]
CELLS = [
    Attack("deleted checks", edited(lambda nb: (solve(nb, double=WRONG), nb.__setitem__("cells", [c for c in nb.cells if "_check" not in str(c.metadata.get("nbgrader", {}).get("grade_id"))]))), REST, "was deleted", kernel=False),
    Attack("doubled checks", edited(lambda nb: (solve(nb), nb.cells.append(cell_of(nb, "double_check")))), ALL, "exists 2 times", kernel=False),
    Attack("changed points", edited(lambda nb: (solve(nb), cell_of(nb, "double_check").metadata.nbgrader.__setitem__("points", 10**9))), ALL, "points of `double_check` were changed", kernel=False),
    Attack("nonsense points", edited(lambda nb: (solve(nb), cell_of(nb, "double_check").metadata.nbgrader.__setitem__("points", "NaN"))), ALL, "points of `double_check` were changed", kernel=False),
    Attack("not graded", edited(lambda nb: (solve(nb, double=WRONG), cell_of(nb, "double_check").metadata.nbgrader.update(grade=False, solution=True, locked=False))), REST, "grading marks", kernel=False),
    Attack("check as Markdown", edited(lambda nb: (solve(nb, double=WRONG), cell_of(nb, "double_check").__setitem__("cell_type", "markdown"))), REST, "no longer a code cell", kernel=False),
    Attack("answer as Markdown", edited(lambda nb: (solve(nb), cell_of(nb, "double").__setitem__("cell_type", "markdown"))), ALL, "no longer a code cell", kernel=False),
    Attack("hidden checks pasted in", edited(lambda nb: (solve(nb, double=WRONG), cell_of(nb, "double_hidden").__setitem__("source", "### BEGIN HIDDEN TESTS\npass\n### END HIDDEN TESTS"))), REST, "was edited", kernel=False),
    Attack("check tagged experiment", edited(lambda nb: (solve(nb, double=WRONG), cell_of(nb, "double_check").metadata.__setitem__("tags", ["experiment"]))), REST, kernel=False),
    Attack("answers moved", edited(lambda nb: (solve(nb), nb.cells.reverse())), ALL, "cells were moved", kernel=False),
    Attack("5000 cells", edited(lambda nb: (solve(nb), nb.cells.extend(new_code_cell("1") for _ in range(5000)))), NONE, "more than", True, kernel=False),
    Attack("stolen ids", edited(lambda nb: (solve(nb, double=WRONG), [nb.cells.append(new_code_cell("1", id=i)) for i in ("original-setup", "x")])), REST, kernel=False),
    Attack("setup replaced", edited(lambda nb: (solve(nb, double=WRONG), [c.__setitem__("source", "import numpy as np\nclass check:\n    def __init__(self, n): pass\n    def __enter__(self): return self\n    def __exit__(self, *a): return True\n    def expect(self, *a, **k): pass") for c in nb.cells if "setup" in c.metadata.get("tags", [])])), ALL, "another meaning", True),
]
FILES = [
    Attack("another kernel", raw(lambda d: d["metadata"].update(kernelspec={"name": "bash", "display_name": "x", "language": "bash"})), ALL, "language bash", kernel=False),
    Attack("a kernel of its own", raw(lambda d: d["metadata"].update(kernelspec={"name": "../../evil", "display_name": "x", "language": "python"})), ALL, kernel=False),
    Attack("format 3", raw(lambda d: {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": [{**c, "input": "".join(c["source"])} for c in d["cells"]]}]}), ALL, "notebook format 3", kernel=False),
    Attack("format 99", raw(lambda d: d.update(nbformat=99)), ALL, "notebook format 99", kernel=False),
    Attack("huge number", raw(lambda d: d["metadata"].update(x=float("1e308"))), ALL, kernel=False),
    Attack("old outputs", raw(lambda d: [c.update(outputs=[{"output_type": "display_data", "data": {"text/html": "<script>evil()</script>"}, "metadata": {}}]) for c in d["cells"] if c["cell_type"] == "code"] and None), ALL, kernel=False),
    Attack("not JSON", text("{not json"), NONE, "cannot be read", True, kernel=False),
    Attack("empty", text(""), NONE, "is empty", True, kernel=False),
    Attack("binary", text(bytes(range(256)) * 100), NONE, "cannot be read", True, kernel=False),
    Attack("web page", text("<!DOCTYPE html><script>evil()</script>"), NONE, "web page", True, kernel=False),
    Attack("deeply nested", text("[" * 200_000), NONE, "cannot be read", True, kernel=False),
    Attack("many brackets", text('{"cells": [' + "[]," * 1_500_000 + "[]]}"), NONE, "cannot be read", True, kernel=False),
    Attack("long number", text('{"cells": ' + "9" * 1_000_000 + "}"), NONE, "cannot be read", True, kernel=False),
    Attack("1 GB", lambda folder, release: os.truncate(_touched(folder / FILE), 10**9), NONE, "larger than", True, kernel=False),
    Attack("link to the solution", link(lambda folder: folder.parents[2] / "source" / LESSON / FILE), NONE, "is a link", True, kernel=False),
    Attack("link to passwd", link(lambda folder: "/etc/passwd"), NONE, "is a link", True, kernel=False),
    Attack("link to nothing", link(lambda folder: "/nowhere"), NONE, "is a link", True, kernel=False),
    Attack("folder is a link", lambda folder, release: (folder.rmdir(), folder.symlink_to(folder.parents[2] / "source" / LESSON)), NONE, "link", True, kernel=False),
    Attack("pipe", lambda folder, release: os.mkfifo(folder / FILE), NONE, "is no file", True, kernel=False),
    Attack("folder as notebook", lambda folder, release: (folder / FILE).mkdir(), NONE, "is no file", True, kernel=False),
    Attack("renamed", lambda folder, release: (own("pass")(folder, release), (folder / FILE).rename(folder / f"{LESSON} (1).ipynb")), ALL, "instead of", kernel=False),
    Attack("two notebooks", lambda folder, release: (own("pass")(folder, release), (folder / FILE).rename(folder / "a.ipynb"), own("2")(folder, release), (folder / FILE).rename(folder / "b.ipynb")), NONE, "holds 2 notebooks", True, kernel=False),
    Attack("nothing", lambda folder, release: None, NONE, "holds no notebook", True, kernel=False),
    Attack("litter", lambda folder, release: (own("pass")(folder, release), (folder / ".DS_Store").write_bytes(b"x"), (folder / "__MACOSX").mkdir(), (folder / f"._{FILE}").write_bytes(b"\0")), ALL, kernel=False),
    Attack("numpy beside it", beside("numpy.py", "raise SystemExit"), ALL, "name of a Python package"),
    Attack("course_utils beside it", beside("course_utils.py", "check = None"), ALL, "name of a Python package"),
    Attack("helper beside it", beside("my_helper.py", "def two():\n    return 2", "import my_helper\nassert my_helper.two() == 2")),
    Attack("spoken file name", beside("<img src=x onerror=evil()>.txt", "x"), ALL, "left out"),
]
PAGES = [
    Attack("HTML output", own("from IPython.display import HTML, display\ndisplay(HTML('<script>evil()</script><img src=x onerror=evil()>'))")),
    Attack("JavaScript", own("%%javascript\nevil()")),
    Attack("SVG and LaTeX", own("from IPython.display import SVG, Latex, display\ndisplay(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"><script>evil()</script></svg>'), Latex('$x$'))")),
    Attack("Markdown", edited(lambda nb: (solve(nb), nb.cells.append(new_markdown_cell("<script>evil()</script>[x](javascript:evil())<img src=x onerror=evil()>"))))),
    Attack("message", first("def double(x):\n    raise ValueError('<script>evil()</script>\\x1b[31m')", False), REST, "ValueError"),
    Attack("printed", own("print('<script>evil()</script>\\x1b]0;evil\\x07')")),
    Attack("<img src=x onerror=evil()>", own("pass")),
    Attack("O'Brien; drop table", own("pass")),
    Attack("名前 Zoë 🎓", own("pass")),
]
# fmt: on
ATTACKS = [*KERNEL_ENDS, *PROCESSES, *READS, *WRITES, *NETWORK, *ESCAPES, *JUDGE, *CELLS, *FILES, *PAGES]


def _touched(path):
    path.touch()
    return path
