"""What a grading process does with one submission. It needs the course and no class folder, so any host will do."""

import atexit
import os
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from course_utils.grading import sandbox
from course_utils.grading.execute import ExecuteSubmission, course_metadata
from course_utils.grading.limits import Limits
from course_utils.grading.sandbox.bubblewrap import ZYGOTE

EXECUTE = {
    "shutdown_kernel": "immediate",
    "skip_cells_with_tag": "experiment",
    "iopub_timeout": 10,
    "extra_arguments": ["--log-level=ERROR"],
}
# Set where the process that started this one has seen that sandboxes work here.
CHECKED = "COURSE_SANDBOX_WORKS"


@dataclass(frozen=True)
class Job:
    """One submission, fit to run: the canonical notebook as JSON, hidden tests in it.

    `imports` are the import statements of the lesson's setup cell, for the zygote.
    """

    student: str
    lesson: str
    notebook: str
    files: dict[str, bytes] = field(default_factory=dict)
    kernel: str = sandbox.KERNEL
    limits: Limits = field(default_factory=Limits)
    imports: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The executed notebook as JSON; or `error`, why there is none; or `refused`, why this host can run none at all."""

    student: str
    notebook: str = ""
    error: str = ""
    refused: str = ""
    seconds: float = 0.0


def run_job(job: Job) -> Outcome:
    """Run a submission in this process. Never raises."""
    start = time.monotonic()
    try:
        if job.kernel == sandbox.KERNEL:
            reason = None if CHECKED in os.environ else sandbox.why_not()
            if reason:
                return Outcome(job.student, refused=reason)
            sandbox.use()
            _zygote(job.imports)
        job.limits.to_environment()
        return Outcome(job.student, _executed(job), seconds=time.monotonic() - start)
    except Exception as problem:
        error = f"{type(problem).__name__}: {(str(problem).splitlines() or [''])[0]}"
        return Outcome(job.student, error=error, seconds=time.monotonic() - start)


def killed(job: Job, why: str) -> Outcome:
    """The outcome of a job that no process survives: a notebook none of whose cells ran, left to a person."""
    notebook = nbformat.reads(job.notebook, as_version=4)
    notes = course_metadata(notebook)
    notes.not_run = why
    notes.flags = [*notes.get("flags", []), why]
    notes.review = True
    ExecuteSubmission(**EXECUTE).preprocess(notebook, {})
    return Outcome(job.student, nbformat.writes(notebook))


def _executed(job):
    notebook = nbformat.reads(job.notebook, as_version=4)
    with tempfile.TemporaryDirectory(prefix="course-") as folder:
        for name, data in job.files.items():
            Path(folder, name).write_bytes(data)
        step = ExecuteSubmission(kernel_name=job.kernel, **EXECUTE)
        notebook, _ = step.preprocess(notebook, {"metadata": {"path": folder}})
    return nbformat.writes(notebook)


_lock = threading.Lock()


def _zygote(imports):
    """Start a zygote of this process's own where nobody has decided about one, as on a cluster's worker."""
    with _lock:
        if ZYGOTE in os.environ:
            return
        zygote = sandbox.Zygote(list(imports)).__enter__()
        atexit.register(zygote.__exit__, None, None, None)
        zygote.wait()
