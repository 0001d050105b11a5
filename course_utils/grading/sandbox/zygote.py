"""The zygote: one process that has imported a lesson's libraries and forks ready kernels into sandboxes.

A fork takes along one thread only, so the zygote must never have had another: no tensor is computed and no socket of a
kernel opened in it. It starts with an environment and open files that hold nothing of the grader's.
"""

import contextlib
import ctypes
import gc
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from course_utils.grading.sandbox import bubblewrap, confine
from course_utils.grading.sandbox.bubblewrap import ZYGOTE

# What a kernel imports while it starts and for its first traceback. A debugger starts threads and nobody debugs here.
ALWAYS = ["import sys; sys.modules['debugpy'] = None"]
ALWAYS += [
    f"import {module}"
    for module in (
        "numpy",
        "ipykernel.debugger",
        "ipykernel.ipkernel",
        "ipykernel.kernelapp",
        "IPython.core.completerlib",
        "IPython.core.debugger",
        "IPython.core.oinspect",
        "IPython.extensions.storemagic",
        "pygments.formatters.terminal256",
        "pygments.styles.default",
        "stack_data",
        "tornado.locks",
        "tornado.platform.asyncio",
        "tornado.queues",
    )
]
CLONE_NEWUSER, NAMESPACES = 0x10000000, 0x6E020000  # mount, cgroup, uts, ipc, pid and network


class Zygote:
    """Runs a zygote while the block lasts; kernels of this process and its children are then forked from it.

    Args:
        imports: import statements to run in it, such as "from torch import nn".

    `problem` says why it could not start; kernels then start cold, which is slower and else the same.
    """

    def __init__(self, imports: list[str]):
        self.imports, self.problem, self.process, self.folder = imports, "", None, None

    def __enter__(self) -> "Zygote":
        self.folder = tempfile.mkdtemp(prefix="zygote-")
        address = str(Path(self.folder, "socket"))
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-m", __name__, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            env=bubblewrap.environment() | {"TMPDIR": self.folder},  # torch, for one, makes a folder there
            text=True,
        )
        self.process.stdin.write(json.dumps(self.imports) + "\n")
        self.process.stdin.flush()
        os.environ[ZYGOTE] = address
        return self

    def wait(self) -> None:
        """Until it is ready; sets `problem` if it will not be."""
        said = self.process.stdout.readline().strip()
        if said != "ready":
            self.problem = said or "it ended while it started"
            self.stop()

    def stop(self) -> None:
        os.environ[ZYGOTE] = ""  # decided: nobody shall try another
        self.process.kill()

    def __exit__(self, *_) -> None:
        self.stop()
        self.process.wait()
        for end in (self.process.stdin, self.process.stdout):
            end.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def serve(address: str) -> None:
    """Import what standard input names, then fork a kernel per connection; ends when standard input does."""
    for statement in [*ALWAYS, *json.loads(sys.stdin.readline())]:
        with contextlib.suppress(ImportError):
            exec(statement, {})
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        print(f"its imports started {threads - 1} threads", flush=True)
        return
    gc.collect()
    gc.freeze()  # or the first collection in each fork would copy every page
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("ready", flush=True)
    watched = selectors.DefaultSelector()
    watched.register(listener, selectors.EVENT_READ)
    watched.register(sys.stdin, selectors.EVENT_READ)
    while True:
        for key, _ in watched.select():
            if key.fileobj is sys.stdin:  # whoever started this process is gone, perhaps killed
                shutil.rmtree(Path(address).parent, ignore_errors=True)
                return
            link, _ = listener.accept()
            if os.fork() == 0:
                _monitor(link)
            link.close()


def _monitor(link):
    """Join the sandbox of a request, fork the kernel there and hold the connection as long as it runs."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        spec = b""
        while not spec.endswith(b"\n"):
            more = link.recv(65536)
            if not more:
                os._exit(1)
            spec += more
        spec = json.loads(spec)
        _join(spec["pod"])
        kernel = os.fork()
        if kernel == 0:
            _become_kernel(spec)
        link.sendall(b"%d\n" % kernel)
        os.waitpid(kernel, 0)
    finally:
        os._exit(0)


def _join(pid):
    """Enter the namespaces of a process."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    kinds = NAMESPACES if bubblewrap.as_root() else NAMESPACES | CLONE_NEWUSER
    if libc.setns(process, kinds) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _become_kernel(spec):
    try:
        os.setsid()
        nothing = os.open("/dev/null", os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        os.closerange(3, 4096)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        confine.become_kernel(spec)
    finally:
        os._exit(1)


if __name__ == "__main__":
    serve(sys.argv[1])
