"""Inside the sandbox: give up every right and become the kernel. Runs as a script there, so only the standard library.

Both ways into the sandbox end here: bubblewrap starts this file with `become_kernel`'s argument on standard input, and
the zygote forks and calls `become_kernel`. So both are confined by the same lines.
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import socket
import sys
from pathlib import Path

SOCKETS = "/run/kernel"
HOME = "/home/student"
PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE, PR_CAPBSET_DROP, LAST_CAPABILITY = 38, 4, 24, 63
# Of the headers seccomp.h, sched.h (CLONE_NEW…) and socket.h; AF_VSOCK, for one, knows no namespaces.
ALLOW, DENY, EQUAL, GREATER_OR_EQUAL, MASKED_EQUAL = 0x7FFF0000, 0x00050000, 4, 5, 7
NEW_NAMESPACES, AF_MAX = 0x7E020000, 64

# What no lesson needs, and what reaches memory that no limit counts, other processes, or the kernel's riskier corners.
FORBIDDEN = """ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd unshare setns mount umount2
pivot_root chroot open_by_handle_at name_to_handle_at fsopen fsmount fspick open_tree move_mount mount_setattr swapon
memfd_create memfd_secret shmget msgget semget mq_open keyctl add_key request_key bpf perf_event_open userfaultfd
io_uring_setup io_uring_enter io_uring_register init_module finit_module kexec_load acct quotactl syslog
fanotify_init vmsplice landlock_create_ruleset"""


def become_kernel(spec: dict) -> None:
    """Confine this process and run the kernel in it; does not return.

    Args:
        spec: `connection` (the connection file's content), `limits` (fields of `Limits`), `env`, and `user`, the number
            of a user to become where this process may choose, else None.
    """
    os.environ.clear()
    os.environ.update(spec["env"])
    os.umask(0o022)
    os.chdir(HOME)
    confine(spec["limits"], spec["user"])
    path = Path(SOCKETS, "connection.json")
    path.write_text(json.dumps(spec["connection"]), encoding="utf-8")
    if "tempfile" in sys.modules:
        sys.modules["tempfile"].tempdir = None  # a fork may find another one than the zygote did
    # Forks of one zygote would all draw the same numbers.
    for library, function in (("random", "seed"), ("numpy.random", "seed"), ("torch", "seed")):
        if library in sys.modules:
            getattr(sys.modules[library], function)()
    sys.modules["debugpy"] = None  # nobody debugs here, and its import takes longer than all the rest
    # A helper beside the notebook can be imported, but takes no library's name.
    sys.path[:] = [*(p for p in sys.path if p not in ("", ".")), HOME]
    sys.argv = ["ipykernel", "-f", str(path), "--IPKernelApp.log_level=40", "--HistoryManager.enabled=False"]
    sys.argv += ["--InteractiveShellApp.ignore_cwd=True"]
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()
    os._exit(0)


def confine(limits: dict, user: int | None) -> None:
    """Limits of resources, no other user's rights, no capabilities, and no system calls that no lesson needs.

    Raises:
        OSError: the machine refused one of them; nothing may run then.
    """
    for what, most in {
        "DATA": limits["memory_bytes"],
        "NPROC": limits["processes"],
        "FSIZE": limits["file_bytes"],
        "CPU": limits["total_seconds"] + limits["setup_seconds"],
        "NOFILE": 512,
        "MSGQUEUE": 0,
        "MEMLOCK": 0,
        "CORE": 0,
    }.items():
        number = getattr(resource, f"RLIMIT_{what}", None)
        if number is not None:
            resource.setrlimit(number, (most, most))
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # refused where there is nothing to drop
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    _call(libc.capset, (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
    _call(libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call(libc.prctl, PR_SET_DUMPABLE, 1, 0, 0, 0)  # its own /proc/self is readable to it, as in any other Python
    _filter_system_calls()


class _Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def _filter_system_calls() -> None:
    """Refuse the calls of FORBIDDEN, new namespaces, and sockets that are no unix or internet ones."""
    lib = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    lib.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Compare)
    ]  # fmt: skip
    rules = lib.seccomp_init(ALLOW)

    def refuse(name, *conditions, error=errno.EPERM):
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number != -1:  # else this version of the library does not know the call
            conditions = (_Compare * len(conditions))(*conditions)
            _call(lib.seccomp_rule_add_array, rules, DENY | error, number, len(conditions), conditions)

    for name in FORBIDDEN.split():
        refuse(name)
    refuse("clone3", error=errno.ENOSYS)  # its flags lie in memory; the C library then takes clone
    for bit in (1 << n for n in range(32) if NEW_NAMESPACES & 1 << n):
        refuse("clone", _Compare(0, MASKED_EQUAL, bit, bit))
    for family in set(range(AF_MAX)) - {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK}:
        refuse("socket", _Compare(0, EQUAL, family, 0))
    refuse("socket", _Compare(0, GREATER_OR_EQUAL, AF_MAX, 0))
    _call(lib.seccomp_load, rules)


def _call(function, *args):
    if function(*args) != 0:
        raise OSError(ctypes.get_errno(), f"{function.__name__}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        become_kernel(json.load(sys.stdin))
