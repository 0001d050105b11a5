"""What became of each submission, and each check's verdict: a SQLite file, `grading.db`, beside the gradebook."""

import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path

FILE = "grading.db"
WAITING, GRADED, FAILED = "waiting", "graded", "failed"
_TABLES = """
create table if not exists submissions (
    lesson text, student text, submission_hash text, reference_hash text, status text, review text, flags text,
    error text, seconds real, finished_at text, runs integer not null default 0, batch integer not null default 0,
    primary key (lesson, student));
create table if not exists verdicts (
    lesson text, student text, exercise text, cell text, kind text, verdict text, message text, points real, most real);
create index if not exists of_student on verdicts (lesson, student);
"""


@dataclass
class Entry:
    """A row of `submissions`.

    `status` is waiting, graded or failed, `error` says why it failed, `review` why a person must look. `runs` counts
    how often the submission was executed. `batch` is the run of the command from which on it waits for a grade.
    """

    lesson: str
    student: str
    submission_hash: str = ""
    reference_hash: str = ""
    status: str = WAITING
    review: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0
    finished_at: str = ""
    runs: int = 0
    batch: int = 0

    def same(self, other: "Entry") -> bool:
        """Whether both are about the same submission, held against the same reference."""
        return (self.submission_hash, self.reference_hash) == (other.submission_hash, other.reference_hash)


@dataclass(frozen=True)
class Verdict:
    """A row of `verdicts`: what a graded cell, or an answer cell that stops with an error, came to.

    `kind` is "right" or one of `report`'s; `verdict` an id such as "01.masked_mean.pads_averaged" if there is one.
    """

    exercise: str
    cell: str
    kind: str
    verdict: str = ""
    message: str = ""
    points: float = 0.0
    most: float = 0.0


class Ledger:
    """The file `grading.db` of a class folder; made if missing. Each method is one transaction."""

    def __init__(self, course_dir: Path):
        self.db = sqlite3.connect(Path(course_dir) / FILE, timeout=60)
        self.db.executescript(_TABLES)

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_) -> None:
        self.db.close()

    def entries(self, lesson: str) -> dict[str, Entry]:
        """The rows of a lesson by student."""
        names = [f.name for f in fields(Entry)]
        rows = self.db.execute(f"select {', '.join(names)} from submissions where lesson = ?", [lesson])
        found = (Entry(**dict(zip(names, row, strict=True))) for row in rows)
        return {e.student: e for e in found if not self._read(e)}

    @staticmethod
    def _read(entry):
        entry.review, entry.flags = json.loads(entry.review), json.loads(entry.flags)

    def verdicts(self, lesson: str) -> dict[str, list[Verdict]]:
        """The verdicts of a lesson by student, each student's in the lesson's order."""
        names = ", ".join(f.name for f in fields(Verdict))
        found: dict[str, list[Verdict]] = {}
        for student, *row in self.db.execute(
            f"select student, {names} from verdicts where lesson = ? order by rowid", [lesson]
        ):
            found.setdefault(student, []).append(Verdict(*row))
        return found

    def wait(self, entries: Iterable[Entry]) -> None:
        """These wait for a grade from now on."""
        with self.db:
            for entry in entries:
                self._put(entry)

    def record(self, entry: Entry, verdicts: Iterable[Verdict] = ()) -> None:
        """A submission is graded, or failed, with these verdicts in place of earlier ones."""
        entry.finished_at = time.strftime("%Y-%m-%d %H:%M:%S")
        with self.db:
            self._put(entry)
            self.db.execute("delete from verdicts where lesson = ? and student = ?", [entry.lesson, entry.student])
            self.db.executemany(
                "insert into verdicts values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(entry.lesson, entry.student, *astuple(verdict)) for verdict in verdicts],
            )

    def _put(self, entry):
        values = [json.dumps(v, ensure_ascii=False) if isinstance(v, list) else v for v in astuple(entry)]
        marks = ", ".join("?" * len(values))
        names = ", ".join(f.name for f in fields(Entry))
        self.db.execute(f"insert or replace into submissions ({names}) values ({marks})", values)
