"""Ends a sandbox whose processes together hold too much: limits of Linux count each process alone."""

import contextlib
import os
import signal
import threading
from pathlib import Path

from course_utils.grading.limits import MIB, Limits
from course_utils.grading.sandbox import confine

EVERY = 0.2  # seconds
MAX_INODES = 20_000
FOLDERS = ("/tmp", "/dev/shm", confine.HOME, confine.SOCKETS)


class Watch(threading.Thread):
    """Looks at the sandbox of process `init` until it ends or `stop` is called; `reason` says why it was ended."""

    def __init__(self, init: int, kernel: int, limits: Limits):
        super().__init__(daemon=True)
        self.init, self.kernel, self.limits = init, kernel, limits
        self.reason = ""
        self._stopped = threading.Event()
        self._process = os.pidfd_open(init)  # a number could be given to another process by then
        self.start()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        try:
            while not self._stopped.wait(EVERY):
                self.reason = self._excess()
                if self.reason:
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(self._process, signal.SIGKILL)
                    return
        finally:
            os.close(self._process)

    def _excess(self):
        processes = _family(self.init) | _family(self.kernel)
        if len(processes) > self.limits.processes:
            return f"It ran more than {self.limits.processes} processes."
        most = self.limits.memory_bytes * 3 // 2
        # The quick count takes pages that processes share several times; the slow one is asked when that is too much.
        if sum(map(_memory, processes)) > most and sum(map(_own_memory, processes)) > most:
            return f"It held more than {most // MIB} MB of memory."
        with contextlib.suppress(OSError):
            used = (os.statvfs(f"/proc/{self.kernel}/root{folder}") for folder in FOLDERS)
            if sum(fs.f_files - fs.f_ffree for fs in used) > MAX_INODES:
                return f"It made more than {MAX_INODES} files."
        return ""


def _family(pid):
    """The process and all its descendants."""
    found, new = set(), [pid]
    while new:
        each = new.pop()
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{each}/task"):
                new += map(int, Path(f"/proc/{each}/task/{task}/children").read_text().split())
            found.add(each)
    return found


def _memory(pid):
    """Bytes of anonymous and shared memory in a process."""
    return _sum(f"/proc/{pid}/status", "RssAnon", "RssShmem")


def _own_memory(pid):
    """The same, with a page that n processes share counted as an nth of a page."""
    return _sum(f"/proc/{pid}/smaps_rollup", "Pss_Anon", "Pss_Shmem")


def _sum(path, *keys):
    with contextlib.suppress(OSError):
        lines = dict(line.split(":", 1) for line in Path(path).read_text().splitlines() if ":" in line)
        return sum(int(lines[key].split()[0]) * 1024 for key in keys if key in lines)
    return 0
