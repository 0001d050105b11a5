"""Kernels in sandboxes, for everything that starts kernels through jupyter_client: nbclient, nbgrader, formgrader."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import KernelProvisionerBase

from course_utils.errors import CourseError
from course_utils.grading.limits import Limits
from course_utils.grading.sandbox import bubblewrap, confine
from course_utils.grading.sandbox.watch import Watch

PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
START_SECONDS = 120
MAX_FILES = 100


class SandboxProvisioner(KernelProvisionerBase):
    """Starts each kernel in a sandbox of its own, forked from the zygote where there is one, else from nothing.

    The kernel's sockets lie in the sandbox; clients reach them through /proc/PID/root. So a submission can write
    nowhere but into the sandbox's memory. Files beside the notebook, but no notebooks and links, are copied in.
    """

    pod: subprocess.Popen | None = None  # bubblewrap itself
    init = 0  # process number of the sandbox's first process, whose end is that of all others
    kernel = 0
    link: socket.socket | None = None  # to the zygote; it ends when the kernel does
    watch: Watch | None = None

    @property
    def has_process(self) -> bool:
        return self.pod is not None

    @property
    def reason(self) -> str:
        """Why the sandbox was ended from outside, in words; empty if it was not."""
        return self.watch.reason if self.watch else ""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        limits = Limits.from_environment()
        zygote = os.environ.get(bubblewrap.ZYGOTE)
        try:
            self.link = _connect(zygote) if zygote else None
            self._open(limits, kwargs.get("cwd"))
            manager = self.parent
            manager.transport, manager.ip = "ipc", f"/proc/{self.kernel}/root{confine.SOCKETS}/k"
            for number, port in enumerate(PORTS, start=1):
                setattr(manager, port, number)
            manager.write_connection_file()
            self.connection_info = manager.get_connection_info()
            inside = self.connection_info | {"ip": f"{confine.SOCKETS}/k", "key": manager.session.key.decode()}
            spec = bubblewrap.specification(inside, limits, bubblewrap.sandbox_user(self.init))
            self.kernel = await asyncio.to_thread(self._start, spec)
            self.watch = Watch(self.init, self.kernel, limits)
            await self._until_listening(Path(f"{manager.ip}-{len(PORTS)}").parent)
        except BaseException:
            await self.kill()
            await self.wait()
            raise
        return await super().pre_launch(cmd=[], **kwargs)

    def _open(self, limits, folder):
        """Open the sandbox, with the program in it waiting."""
        # Both read standard input, which ends with this process, whatever moment that is killed in.
        program = ["/usr/bin/cat"] if self.link else [sys.executable, "-I", str(bubblewrap.CONFINE)]
        with contextlib.ExitStack() as opened:
            files = {opened.enter_context(file).fileno(): name for name, file in _files(folder)}
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            try:
                self.pod, self.init = bubblewrap.start(limits, files, program, **pipes)
            except FileNotFoundError:
                self.init = 0
        if not self.init:
            raise CourseError(bubblewrap.why_not() or "bubblewrap ended.", "`course doctor` says more.")
        self.kernel = _only_child(self.init)

    def _start(self, spec):
        """Tell the waiting program, or the zygote, to become the kernel; returns its process number."""
        if not self.link:
            self.pod.stdin.write(json.dumps(spec).encode())
            self.pod.stdin.close()
            return self.kernel
        self.link.sendall(json.dumps(spec | {"pod": self.kernel}).encode() + b"\n")
        answer = self.link.recv(64)
        if not answer.strip().isdigit():
            raise RuntimeError("the zygote could not fork a kernel")
        self.link.setblocking(False)
        return int(answer)

    async def _until_listening(self, folder):
        """Wait for the kernel's sockets: ZeroMQ itself would look again only after a tenth of a second."""
        deadline = time.monotonic() + START_SECONDS
        while not all((folder / f"k-{n}").exists() for n in range(1, len(PORTS) + 1)):
            if await self.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the sandboxed kernel did not start. {self.reason}".strip())
            await asyncio.sleep(0.005)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        return self.connection_info

    async def post_launch(self, **kwargs: Any) -> None:
        self.parent.cleanup_connection_file()  # nobody outside reads it, and it holds the key to the kernel

    async def poll(self) -> int | None:
        if self.pod is None:
            return 0
        if self.link is not None:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                if self.link.recv(1) == b"":
                    self._end()
        return self.pod.poll()

    async def wait(self) -> int | None:
        if self.pod is None:
            return 0
        while self.pod.poll() is None:
            await asyncio.sleep(0.005)
        if self.watch:
            self.watch.stop()
            self.parent.sandbox_ended = self.reason  # for whoever finds the kernel dead; this object is gone by then
        for end in (self.link, self.pod.stdin):
            if end:
                end.close()
        code, self.pod, self.link = self.pod.returncode, None, None
        return code

    async def send_signal(self, signum: int) -> None:
        """An interrupt reaches the kernel only; any other signal ends the sandbox with all that runs in it."""
        if signum != signal.SIGINT:
            self._end()
        elif self.pod is not None and await self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.kernel, signum)

    async def kill(self, restart: bool = False) -> None:
        self._end()
        while self.pod is not None and self.pod.poll() is None:  # moments; jupyter_client would look again after 0.1 s
            await asyncio.sleep(0.002)

    async def terminate(self, restart: bool = False) -> None:
        await self.kill()

    async def cleanup(self, restart: bool = False) -> None:
        self._end()
        await self.wait()

    def _end(self):
        # Until `wait` has reaped it, bubblewrap's number is its own; it takes the sandbox along.
        if self.pod is not None:
            bubblewrap.end(self.pod, self.init)

    def get_shutdown_wait_time(self, recommended: float = 5.0) -> float:
        return 0.0

    def resolve_path(self, path: str) -> str | None:
        return None


def _connect(address):
    """A connection to the zygote; None if it is gone, and then kernels start cold."""
    link = socket.socket(socket.AF_UNIX)
    try:
        link.settimeout(START_SECONDS)
        link.connect(address)
        return link
    except OSError:
        link.close()
        return None


def _files(folder):
    """(name, open copy) of the plain files beside the notebook; no notebook, for hidden tests lie in one there."""
    taken = 0
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name) if folder else []:
        regular = stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)
        if regular and not entry.name.endswith(".ipynb") and taken < MAX_FILES:
            taken += 1
            yield entry.name, open(entry.path, "rb")  # noqa: SIM115 (closed by the caller)


def _only_child(pid):
    """The process that the sandbox's first process started."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.001)
    raise RuntimeError("the sandbox did not start its program")
