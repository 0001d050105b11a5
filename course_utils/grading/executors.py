"""Where submissions run: processes of this machine, or a Dask cluster. Both are a `concurrent.futures.Executor`."""

import contextlib
import importlib.util
import ipaddress
import multiprocessing
import multiprocessing.forkserver
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from dataclasses import dataclass
from urllib.parse import urlsplit

from course_utils.errors import CourseError
from course_utils.grading import sandbox
from course_utils.grading.work import Job, Outcome, killed, run_job

PRELOAD = ("course_utils.grading.work", "course_utils.grading.feedback")
KILLED = "the grading process was killed each time this submission ran"
CONNECT_SECONDS = "10s"


@dataclass(frozen=True)
class Workers:
    """How to reach `count` workers: `open` gives an executor of at most that many, `function` runs a job there."""

    count: int
    open: Callable[[int], AbstractContextManager[Executor]]
    function: Callable[[Job], Outcome]

    def opened(self) -> AbstractContextManager[Executor]:
        return self.open(self.count)


# --- processes --------------------------------------------------------------------------------------------------------


def processes(jobs: int) -> Workers:
    """`jobs` processes of this machine, forked from one that has imported what they need, and begins to do so now."""
    if os.name == "posix":
        multiprocessing.set_forkserver_preload(list(PRELOAD))
        with _ctrl_c_ignored():  # by it and what it forks, from their first moment on
            multiprocessing.forkserver.ensure_running()
    return Workers(jobs, _pool, _in_process)


@contextlib.contextmanager
def _pool(jobs: int) -> Iterator[Executor]:
    """A pool whose processes end at once, their kernels first, if the block ends with an error."""
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    others = set(multiprocessing.active_children())
    pool = _Pool(jobs, mp_context=context, initializer=_start_worker, initargs=(dict(os.environ),))
    try:
        try:
            pool.submit(os.getpid).result()
        except BrokenProcessPool:
            mend = "A script that grades must do so under `if __name__ == '__main__':`."
            raise CourseError("Processes for grading end as soon as they start.", mend) from None
        yield pool
    except BaseException:
        with _ctrl_c_ignored():
            _end(set(multiprocessing.active_children()) - others)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


class _Pool(ProcessPoolExecutor):
    def submit(self, function, /, *args, **options):
        with _ctrl_c_held():  # this starts processes, and half of that would be none of them
            return super().submit(function, *args, **options)


@contextlib.contextmanager
def _ctrl_c_held():
    """A Ctrl-C within this block takes effect at its end."""
    if threading.current_thread() is not threading.main_thread():  # no other may set handlers
        yield
        return
    arrived = []
    before = signal.signal(signal.SIGINT, lambda *_: arrived.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if arrived:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _ctrl_c_ignored():
    main = threading.current_thread() is threading.main_thread()  # no other may set handlers
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGINT, before)


def _end(workers):
    """End these processes and their kernels now."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(5)
        worker.kill()


def _start_worker(environment):
    os.environ.clear()  # the process they are forked from may have started for an earlier pool
    os.environ.update(environment)
    # One thread per kernel, or two kernels on two cores get in each other's way.
    os.environ["OMP_NUM_THREADS"] = "1"
    # Ctrl-C reaches all processes of a terminal; the parent decides. Ignored it would stay in the kernels, unlike this.
    signal.signal(signal.SIGINT, lambda *_: None)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent():
    """End this process if its parent was killed; its kernel then does so by itself."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _in_process(job):
    """`run_job`; a SIGTERM ends the process within moments, its kernel first."""

    def stop(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would disturb the cleaning up
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        return run_job(job)
    except KeyboardInterrupt:
        os._exit(1)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


# --- a cluster --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def cluster(address: str, sandboxed: bool) -> Iterator[Workers]:
    """The workers of the Dask scheduler at `address`.

    Raises:
        CourseError: it cannot be reached, would be reached unencrypted, has no workers, or one of them cannot grade.
    """
    if importlib.util.find_spec("distributed") is None:
        mend = "pip install -c constraints.txt -e '.[cluster]'"
        raise CourseError("--scheduler needs the package distributed.", mend)
    from distributed import Client

    url = urlsplit(address)
    if url.scheme not in ("tcp", "tls") or not url.hostname:
        raise CourseError(f"{address} is no address of a scheduler.", "Give one such as tls://HOST:8786.")
    if url.scheme == "tcp" and not _loopback(url.hostname):
        raise CourseError(
            f"{address} would send submissions, hidden tests and code to run unencrypted and to whoever answers.",
            "Use tls://, with certificates in DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__CLIENT__CERT, …__CLIENT__KEY.",
        )
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        mend = "Start `dask scheduler` there and check address, port and certificates."
        raise CourseError(f"No scheduler answers at {address} ({said}).", mend) from None
    try:
        threads = client.nthreads()
        if not threads:
            raise CourseError(f"The scheduler at {address} has no workers.", f"Start some: dask worker {address}")
        for worker, reason in client.run(_fitness, sandboxed, on_error="return").items():
            if reason:
                mend = "Mend or stop it; its environment must be the same as here."
                raise CourseError(f"The worker {worker} cannot grade: {reason}", mend)

        @contextlib.contextmanager
        def opened(jobs):
            executor = client.get_executor(pure=False)  # a submission run again is run again
            try:
                yield executor
            finally:
                executor.shutdown(wait=False)

        yield Workers(sum(threads.values()), opened, run_job)
    finally:
        client.close(5)


def _loopback(host):
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _fitness(sandboxed):
    """Why this worker cannot grade; None if it can."""
    return sandbox.why_not() if sandboxed else None


# --- jobs -------------------------------------------------------------------------------------------------------------


def outcomes(jobs: Iterable[Job], workers: Workers) -> Iterator[Outcome]:
    """The outcome of each job, as they come. A job that kills its worker twice has one too.

    A killed process takes its pool along. Which job killed it is not known, so those that ran each get a process of
    their own; the others start again together.
    """
    queue = deque(jobs)
    while queue:
        suspects = yield from _together(queue, workers)
        for job in suspects:
            if (yield from _together(deque([job]), workers, most=1)):
                yield killed(job, KILLED)


def _together(queue, workers, most=None):
    """Yield outcomes of the jobs in `queue`, which empties; returns those that ran when a process was killed."""
    most = most or workers.count
    flying: dict = {}
    with workers.open(most) as executor:
        while queue or flying:
            try:
                # A waiting one for each that runs, so that no worker is idle while the caller writes.
                while queue and len(flying) < 2 * most:
                    flying[executor.submit(workers.function, queue[0])] = queue[0]
                    queue.popleft()
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    outcome = _outcome(future, flying[future])
                    del flying[future]
                    yield outcome
            except BrokenProcessPool:
                wait(flying)
                done = [future for future in flying if not future.exception()]
                yield from (future.result() for future in done)
                # Jobs start in the order in which they were submitted.
                left = [job for future, job in flying.items() if future not in done]
                queue.extendleft(reversed(left[most:]))
                return left[:most]
    return []


def _outcome(future, job):
    try:
        return future.result()
    except Exception as problem:
        if type(problem).__name__ == "KilledWorker":  # Dask has tried it on several workers by now
            return killed(job, KILLED)
        if isinstance(problem, BrokenProcessPool):
            raise
        said = (str(problem).splitlines() or [""])[0]
        raise CourseError(
            f"The connection to the workers was lost ({type(problem).__name__}: {said}).",
            "Mend it, then run the same command with --resume: nothing graded so far is lost.",
        ) from None
