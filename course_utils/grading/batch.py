"""One run of `course grade` over a class: who is kept, who is to be run, and what became of each."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator

import nbformat

from course_utils.authoring.lessons import exercises
from course_utils.errors import CourseError
from course_utils.grading import gradebook
from course_utils.grading.classroom import is_full
from course_utils.grading.execute import course_metadata
from course_utils.grading.ledger import FAILED, GRADED, WAITING, Entry
from course_utils.grading.preflight import FINE, preflight
from course_utils.grading.report import graded_notebook, verdicts_of
from course_utils.grading.work import Job, Outcome
from course_utils.settings import replacing

TIMESTAMP = "timestamp.txt"
NAMED = 8  # students named per kind in the line before grading


class Batch:
    """The course of one command: who is kept, who is done."""

    def __init__(self, lesson, course_dir, reference, ledger, controls):
        self.lesson, self.course_dir, self.reference, self.ledger = lesson, course_dir, reference, ledger
        self.controls = controls  # exercise → a known wrong answer
        self.exercises = exercises(reference)
        self.entries: dict[str, Entry] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.adopt: list[str] = []  # run already, but not in the gradebook
        self.changed: list[str] = []  # graded by this command
        self.waiting: list[Entry] = []

    def plan(self, students, reference_hash, resume, tell) -> list[Job]:
        """Look at every submission; returns what is to be run."""
        for left in (self.course_dir / gradebook.STAGED).glob("*/.partial-*"):  # by a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        before = self.ledger.entries(self.lesson)
        latest = max((entry.batch for entry in before.values()), default=0)
        batch = latest or 1 if resume else latest + 1
        jobs, kinds, kept = [], {}, []
        for student in students:
            folder = self.course_dir / "submitted" / student / self.lesson
            found = preflight(folder, self.reference, f"{self.lesson}.ipynb")
            kinds.setdefault(found.kind, []).append(student)
            extras = found.files | _timestamp(folder, found.notebook)
            digest = hashlib.sha256(f"{found.digest} {extras.get(TIMESTAMP)}".encode()).hexdigest()
            flags = list(course_metadata(found.notebook).flags)
            entry = Entry(self.lesson, student, digest, reference_hash, flags=flags, batch=batch)
            old = before.get(student)
            entry.runs = old.runs if old else 0
            self.entries[student] = entry
            if (
                old
                and old.same(entry)
                and old.status == GRADED
                and graded_notebook(self.lesson, self.course_dir, student)
            ):
                kept.append(student)
                if resume:
                    self.entries[student] = old
                    continue
            if resume and old and old.batch == batch and old.same(entry) and self._staged(entry):
                self.adopt.append(student)
                continue
            course_metadata(found.notebook).update(_stamp(entry), runs=entry.runs + 1, controls=self.controls)
            self.files[student] = extras
            self.waiting.append(entry)
            jobs.append(Job(student, self.lesson, nbformat.writes(found.notebook), found.files))
        tell(f"{len(students)} submissions: {_kinds(kinds)}.")
        if resume:
            tell(f"{len(kept)} were graded earlier and are kept.")
        elif any(entry.status == WAITING for entry in before.values()) and kept:
            tell(f"An earlier run was not finished. This one starts anew; --resume would keep {len(kept)} of them.")
        return jobs

    def adopted(self) -> Iterator[str]:
        """Enter what was run before; yields students."""
        for student in self.adopt:
            self._enter(self.entries[student], self._staged(self.entries[student]))
            yield student

    def done(self, outcome: Outcome) -> str:
        """Store and enter an outcome; returns whose it is."""
        if outcome.refused:
            raise CourseError(f"A worker cannot run submissions: {outcome.refused}", "Mend or stop it, then --resume.")
        if self.waiting:  # not before there is something new to record, so that a command stopped at once loses nothing
            self.ledger.wait(self.waiting)
            self.waiting = []
        entry = self.entries[outcome.student]
        entry.seconds, entry.runs = outcome.seconds, entry.runs + 1
        if outcome.error:
            if is_full(RuntimeError(outcome.error)):
                raise OSError(outcome.error)
            self._fail(entry, outcome.error)
        else:
            notebook = nbformat.from_dict(json.loads(outcome.notebook))
            self._stage(entry.student, outcome.notebook)
            self._enter(entry, notebook)
        return entry.student

    def _stage(self, student, text):
        """Keep an executed notebook so that neither a kill nor a power failure loses it."""
        with replacing(self.course_dir / gradebook.STAGED / student / self.lesson) as folder:
            folder.mkdir()
            for name, data in self.files[student].items():
                (folder / name).write_bytes(data)
            path = folder / f"{self.lesson}.ipynb"
            path.write_text(text, encoding="utf-8")
            _sync(path)
            _sync(folder)
        _sync(folder.parents[1])

    def _staged(self, entry):
        """The stored notebook of this very submission and run; None if there is none."""
        path = self.course_dir / gradebook.STAGED / entry.student / self.lesson / f"{self.lesson}.ipynb"
        try:
            notebook = nbformat.read(path, as_version=4)
        except (OSError, ValueError, nbformat.ValidationError):
            return None
        notes = course_metadata(notebook)
        return notebook if _stamp(entry).items() <= notes.items() else None

    def _enter(self, entry, notebook):
        """Enter a stored notebook into gradebook and ledger."""
        notes = course_metadata(notebook)
        entry.runs, entry.flags = notes.get("runs", entry.runs), list(notes.get("flags", []))
        try:
            scores = gradebook.write(self.course_dir, self.lesson, entry.student)
        except CourseError:
            raise
        except Exception as problem:
            if is_full(problem):
                raise
            self._fail(entry, f"{type(problem).__name__}: {(str(problem).splitlines() or [''])[0]}")
            return
        _sync(self.course_dir / "autograded" / entry.student / self.lesson / f"{self.lesson}.ipynb")
        look = ", ".join(f"`{cell}`" for cell, score in scores.items() if score.needs_manual_grade)
        entry.review = ["see the flags"] if notes.get("review") else [f"to be graded by hand: {look}"] if look else []
        entry.status, entry.error = GRADED, ""
        points = {cell: score.automatic for cell, score in scores.items()}
        self.ledger.record(entry, verdicts_of(notebook, self.exercises, points))
        self.changed.append(entry.student)

    def _fail(self, entry, error):
        entry.status, entry.error = FAILED, error
        self.ledger.record(entry)


def _stamp(entry):
    return {"submission": entry.submission_hash, "reference": entry.reference_hash, "batch": entry.batch}


def _timestamp(folder, notebook) -> dict[str, bytes]:
    """When it was handed in, as the file that nbgrader reads for late penalties."""
    from nbgrader.utils import parse_utc

    path = folder / TIMESTAMP
    try:
        if path.is_symlink() or not path.is_file() or path.resolve().parent != folder.resolve():
            return {}
        with path.open("rb") as file:
            data = file.read(100)
        if data.strip():
            parse_utc(data.decode().strip())
        return {TIMESTAMP: data}
    except (OSError, ValueError, OverflowError):
        notes = course_metadata(notebook)
        notes.flags = [*notes.get("flags", []), f"{TIMESTAMP} holds no time; whether it was late is not known"]
        return {}


def _kinds(kinds):
    """ "3 fine, 2 renamed (ann, bob)" """
    parts = []
    for kind in sorted(kinds, key=lambda kind: (kind != FINE, -len(kinds[kind]))):
        names = kinds[kind][:NAMED] + [f"{len(kinds[kind]) - NAMED} more"] * (len(kinds[kind]) > NAMED)
        parts.append(f"{len(kinds[kind])} {kind}" + (f" ({', '.join(names)})" if kind != FINE else ""))
    return ", ".join(parts)


def _sync(path):
    """Wait until a file or folder is on the disk."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
