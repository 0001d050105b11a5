"""The command that opens a sandbox: what a submission sees of this machine, and whether that works here."""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import course_utils
from course_utils import settings
from course_utils.grading.limits import Limits
from course_utils.grading.sandbox import confine

CONFINE = Path(confine.__file__)
# Where the zygote listens that forks kernels for this process and its children; empty: kernels start cold.
ZYGOTE = "COURSE_ZYGOTE"
PASSED_ON = ("COURSE_PROFILE", "COURSE_TEXT_MODEL", "COURSE_VISION_MODEL", "COURSE_HOME")


def as_root() -> bool:
    """Whether sandboxes are opened by root, who becomes a user of its own in each instead of using a user namespace.

    Linux does not count the processes of root, and nobody but root can choose a user.
    """
    return os.geteuid() == 0


def command(limits: Limits, files: Mapping[int, str], info: int, program: list[str]) -> list[str]:
    """The bubblewrap command that runs `program` in a new sandbox.

    In it are the system's /usr, Python's environment, `course_utils` and `data`, all read-only; three folders in memory
    that may be written, of `limits.file_bytes` each; no network, no other process.

    Args:
        files: open file descriptor → name of the file to make of it in the home folder.
        info: descriptor to which bubblewrap writes its child's process number.
    """
    size = str(limits.file_bytes)
    rights = ["--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000"]
    if as_root():
        rights = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    apart = [f"--unshare-{what}" for what in ("ipc", "pid", "net", "uts", "cgroup-try")]
    line = ["bwrap", *apart, *rights, "--die-with-parent", "--new-session", "--clearenv"]
    line += ["--hostname", "sandbox", "--info-fd", str(info), "--proc", "/proc", "--dev", "/dev"]
    # First the folders in memory: Python's environment may lie in /tmp itself.
    line += _parents([Path(confine.HOME), Path(confine.SOCKETS)])
    for folder in ("/tmp", confine.HOME, "/dev/shm"):
        line += ["--perms", "1777", "--size", size, "--tmpfs", folder]
    line += ["--perms", "1777", "--size", "65536", "--tmpfs", confine.SOCKETS]
    folders = list(_folders())
    line += _parents(folders)
    for folder in folders:
        line += ["--symlink", os.readlink(folder), str(folder)] if folder.is_symlink() else _read_only(folder)
    for descriptor, name in files.items():
        line += ["--perms", "0644", "--file", str(descriptor), f"{confine.HOME}/{name}"]
    return [*line, "--remount-ro", "/dev", "--remount-ro", "/", "--", *program]


def environment() -> dict[str, str]:
    """The environment variables of a sandboxed kernel; nothing of the grader's but the course's own settings."""
    fixed = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": confine.HOME,
        "USER": "student",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",
        "IPYTHONDIR": "/tmp/ipython",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        # One thread per kernel, or two kernels on two cores get in each other's way.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "JE_ARROW_MALLOC_CONF": "background_thread:false",  # or pyarrow's import starts a thread in the zygote
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "COURSE_DEVICE": "cpu",
        "COURSE_CACHE": "/tmp/course-cache",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)} | fixed


def specification(connection: dict, limits: Limits, user: int | None) -> dict:
    """What `confine.become_kernel` needs to know, fit for JSON."""
    return {"connection": connection, "limits": vars(limits), "env": environment(), "user": user}


def _folders() -> Iterator[Path]:
    for name in ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache", "/etc/fonts"):
        if os.path.lexists(name):
            yield Path(name)
    roots = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]}
    roots |= {Path(course_utils.__file__).parent, settings.data_dir()}
    roots |= {Path(os.environ[name]) for name in PASSED_ON[1:3] if os.path.isabs(os.environ.get(name, ""))}
    for root in sorted(roots):
        if not root.is_relative_to("/usr"):
            yield root


def _parents(folders):
    """bubblewrap would make them for its own user alone."""
    above = {parent for folder in folders for parent in folder.parents} - {Path("/"), Path("/tmp")}
    return [part for parent in sorted(above) for part in ("--perms", "0755", "--dir", str(parent))]


def _read_only(folder):
    return ["--ro-bind", str(folder), str(folder)]


def start(limits: Limits, files: Mapping[int, str], program: list[str], **options) -> tuple[subprocess.Popen, int]:
    """Open a sandbox that runs `program`; returns bubblewrap's process and the number of the first process inside.

    The number is 0 if bubblewrap failed. `options` are those of `subprocess.Popen`.
    """
    reading, writing = os.pipe()
    interrupted, said = None, b""
    try:
        try:
            line = command(limits, files, writing, program)
            # Its first process keeps bubblewrap's own environment, which may be read inside: no secret may be in it.
            plain = {name: os.environ[name] for name in ("PATH", "COURSE_CACHE", *PASSED_ON) if name in os.environ}
            process = subprocess.Popen(line, env=plain, pass_fds=[writing, *files], **options)
        finally:
            os.close(writing)
        while b"}" not in said:
            try:
                more = os.read(reading, 4096)
            except KeyboardInterrupt as problem:  # killed at this moment, bubblewrap would leave its child behind
                interrupted = problem
                continue
            if not more:
                break
            said += more
    finally:
        os.close(reading)
    first = json.loads(said)["child-pid"] if b"}" in said else 0
    if interrupted:
        end(process, first)
        raise interrupted
    return process, first


def end(process: subprocess.Popen, first: int) -> None:
    """End a sandbox with all that runs in it, unless it has ended; nobody may have waited for `process` yet."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(first or process.pid, signal.SIGKILL)
        process.kill()


@functools.cache
def why_not() -> str | None:
    """None if submissions can be sandboxed here, else why not, in one sentence. Tries it."""
    if not sys.platform.startswith("linux"):
        return "Sandboxes need Linux (on other systems: a Linux container or virtual machine)."
    test = "import json, sys; sys.path.insert(0, sys.argv[1]); import confine; spec = json.load(sys.stdin); "
    test += "confine.confine(spec['limits'], spec['user']); import ipykernel, course_utils; print('ready')"
    program = [sys.executable, "-I", "-c", test, str(CONFINE.parent)]
    spec = json.dumps(specification({}, Limits(), sandbox_user(os.getpid())))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    try:
        process, first = start(Limits(), {}, program, **pipes)
    except FileNotFoundError:
        return "bubblewrap is not installed (Debian, Ubuntu: apt-get install bubblewrap)."
    except OSError as error:
        return f"bubblewrap does not start here ({error})."
    try:
        said, problem = process.communicate(spec, timeout=120)
    except subprocess.TimeoutExpired as error:
        return f"bubblewrap does not start here ({error})."
    finally:
        end(process, first)
    if said.strip() == "ready":
        return None
    said = (problem.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
    return f"bubblewrap cannot open a sandbox here: {said}."


def sandbox_user(pid: int) -> int | None:
    """The number of the user that a sandbox opened by root runs as, one for each; None for other people's sandboxes."""
    return 2_000_000_000 + pid if as_root() else None
