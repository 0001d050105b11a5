"""`course collect`: what students handed in, from the zips of an LMS into nbgrader's folders."""

import contextlib
import filecmp
import re
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path, PurePosixPath

from course_utils.errors import CourseError
from course_utils.grading.layouts import LAYOUTS, Item, Owner, by_owner, is_notebook
from course_utils.grading.parse import printable
from course_utils.grading.preflight import LITTER, MAX_FILES, MAX_NOTEBOOK
from course_utils.grading.unzip import BadZip, TooLarge, Zip, is_regular
from course_utils.settings import replacing

MAX_ENTRIES, MAX_BYTES = 20_000, 2_000_000_000
# A notebook and what it may read take less; the greatest zip bounds the memory that its list of files takes.
MAX_ENTRIES_OF_ONE, MAX_BYTES_OF_ONE, MAX_ZIP_OF_ONE, MAX_DEPTH = 2_000, 100_000_000, 30_000_000, 10
NEW, REPLACED, UNCHANGED, KEPT, REFUSED = "new", "replaced", "unchanged", "kept", "NOT COLLECTED"
ZIP_MEND = "Nothing was collected. Download it again from the LMS, or take out what the message names."
_BAD = re.compile(r'[/\\:*?"<>|\[\]{}]')
_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass
class Row:
    """What became of one student's submission; `student` is the name of the folder."""

    student: str
    state: str = NEW
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, why: str) -> None:
        """Not to be collected, and why."""
        self.state = REFUSED
        self.notes.insert(0, why)


def collect(
    lesson: str, zips: Iterable[Path], folder: Path, *, replace: bool = False, dry_run: bool = False
) -> list[Row]:
    """Put what students handed in into `folder`/submitted/STUDENT/LESSON, each student's at once or not at all.

    A submission that is there already and differs is kept unless `replace`. With `dry_run` nothing is written.

    Raises:
        CourseError: a zip cannot be used, or none holds a submission, and nothing is written; or the disk is full.
    """
    zips, submitted = [*map(Path, zips)], Path(folder).resolve() / "submitted"
    try:
        with contextlib.ExitStack() as stack:
            # On the disk of the class folder, so that a student's files arrive by renaming them.
            near = None if dry_run else next(path for path in (submitted, *submitted.parents) if path.is_dir())
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".partial-", dir=near)))
            items: dict[Owner, list[Item]] = defaultdict(list)
            rows: dict[Owner, tuple[Row, Path]] = {}
            for path in zips:
                with _named(path):
                    opened = stack.enter_context(Zip(path, MAX_ENTRIES, MAX_BYTES))
                    for owner, item in by_owner(opened, lesson):
                        items[owner].append(item)
            for number, (owner, mine) in enumerate(items.items()):
                staged = scratch / str(number) / lesson
                rows[owner] = _unpack(mine, Row(safe_name(owner.name)), staged), staged
            if not rows:
                raise CourseError(f"No submission was found in {', '.join(map(str, zips))}.", f"Known are: {LAYOUTS}.")
            for row, staged in rows.values():
                sharing = [str(owner) for owner, (other, _) in rows.items() if _same(other.student, row.student)]
                if len(sharing) > 1:
                    row.refuse(f"{' and '.join(sharing)} would share the folder {row.student}; put them in by hand")
                if row.state != REFUSED:
                    _deliver(row, staged, submitted, replace, dry_run)
    except OSError as error:
        raise CourseError(
            f"The submissions cannot be written ({error.strerror}: {error.filename or submitted}).",
            "Mend that and run it again; students who are there already stay as they are.",
        ) from None
    return sorted((row for row, _ in rows.values()), key=lambda row: row.student.casefold())


@contextlib.contextmanager
def _named(path):
    """What is wrong with this zip of the class, as an error for whoever collects."""
    try:
        yield
    except BadZip as problem:
        raise CourseError(f"{path} {problem}.", ZIP_MEND) from None


def safe_name(name: str) -> str:
    """A name as a folder or a file may have it on any system, and as nbgrader takes it."""
    name = unicodedata.normalize("NFC", name)
    name = "".join("_" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in _BAD.sub("_", name))
    name = re.sub(r"^\.+|[. ]+$", lambda found: "_" * len(found[0]), name.lstrip())
    stem, dot, ending = name.rpartition(".") if len(name.encode()) > 150 else (name, "", "")
    if len(ending) > 10 or not stem:
        stem, dot, ending = name, "", ""
    name = stem.encode()[:150].decode(errors="ignore") + dot + ending
    return f"_{name}" if not name or _WINDOWS.fullmatch(name) else name


def _same(one, other):
    """Whether some system takes two names for one."""
    fold = [unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold()) for name in (one, other)]
    return fold[0] == fold[1]


# --- one student ------------------------------------------------------------------------------------------------------


def _unpack(items: list[Item], row: Row, staged: Path) -> Row:
    """Write a student's files to `staged`; what was left out is noted. One whose own zip is bad is refused.

    Raises:
        CourseError: the zip of the class is damaged or a trap.
    """
    staged.mkdir(parents=True)
    if any(item.late for item in items):
        row.notes.append("handed in late")
    with contextlib.ExitStack() as stack:
        files = []
        for number, item in enumerate(_latest(items, row)):
            if item.parts[-1].lower().endswith(".zip"):
                try:
                    files += _within(item, staged.parent.with_name(f"{staged.parent.name}-{number}.zip"), row, stack)
                except BadZip as problem:
                    row.refuse(f"{printable(item.parts[-1])} {problem}")
                    return row
            else:
                files.append(item)
        while files and all(len(item.parts) > 1 and item.parts[0] == files[0].parts[0] for item in files):
            files = [changed(item, parts=item.parts[1:]) for item in files]
        files = sorted(_latest(files, row), key=lambda item: not is_notebook(item.parts))
        for number, item in enumerate(files):
            if len(row.files) == MAX_FILES + 1:
                row.notes.append(f"{len(files) - number} files more were left out")
                break
            try:
                _write(item, staged, row)
            except BadZip as problem:
                if item.zip.path.parent == staged.parents[1]:
                    row.refuse(f"the zip that was handed in {problem}")
                    return row
                raise CourseError(f"{item.zip.path} {problem}.", ZIP_MEND) from None
    if not row.files:
        row.refuse("nothing that can be collected")
    elif not any(is_notebook((name,)) for name in row.files):
        row.notes.append("no notebook")
    return row


def _latest(items: list[Item], row: Row) -> list[Item]:
    """Of several files with one name that of the last upload."""
    named: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        named[unicodedata.normalize("NFC", "/".join(item.parts)).casefold()].append(item)
    for same in named.values():
        same.sort(key=lambda item: item.upload)
        if len(same) > 1:
            row.notes.append(f"{printable(same[-1].parts[-1])}: the last of {len(same)} was taken")
    return [same[-1] for same in named.values()]


def _within(item: Item, place: Path, row: Row, stack: contextlib.ExitStack) -> list[Item]:
    """The files in a zip that a student handed in.

    Raises:
        BadZip: that zip is damaged or a trap.
        CourseError: the zip that it lies in is.
    """
    with _named(item.zip.path):
        try:
            item.zip.copy(item.info, place, MAX_ZIP_OF_ONE)
        except TooLarge:
            row.notes.append(f"{printable(item.parts[-1])} is larger than {MAX_ZIP_OF_ONE // 1_000_000} MB; left out")
            return []
    inner = stack.enter_context(Zip(place, MAX_ENTRIES_OF_ONE, MAX_BYTES_OF_ONE))
    return [Item((*item.parts[:-1], *parts), info, inner, item.upload) for parts, info in inner.members()]


def _write(item: Item, staged: Path, row: Row) -> None:
    """Write one file unless it is a link, too large or too deep, which is noted."""
    name = str(PurePosixPath(*map(safe_name, item.parts)))
    shown, target = printable(name[-80:]), staged / name
    if not is_regular(item.info):
        row.notes.append(f"{shown} is a link or a device; left out")
    elif len(item.parts) > MAX_DEPTH:
        row.notes.append(f"{shown} lies too deep; left out")
    elif name.lower().endswith(".zip"):
        row.notes.append(f"{shown} is a zip in a zip; left out")
    else:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            item.zip.copy(item.info, target, MAX_NOTEBOOK)
            row.files.append(name)
        except TooLarge:
            row.notes.append(f"{shown} is larger than {MAX_NOTEBOOK // 1_000_000} MB; left out")
        except (FileExistsError, NotADirectoryError):
            row.notes.append(f"{shown} has the name of another file; left out")


def _deliver(row: Row, staged: Path, submitted: Path, replace: bool, dry_run: bool) -> None:
    """Put a student's files in their place by renaming; sets the row's state."""
    home = submitted / row.student
    target = home / staged.name
    others = [path.name for path in submitted.iterdir() if _same(path.name, row.student)] if submitted.is_dir() else []
    if others and row.student not in others and not home.exists():
        row.refuse(f"it would share the folder of {printable(others[0])}; rename one of them")
    elif any(path.is_symlink() or (path.exists() and not path.is_dir()) for path in (home, target)):
        row.refuse(f"in {submitted.name} there is a link or a file where its folder should be")
    elif target.exists() and _files(target, staged) == _files(staged) and not _differing(staged, target):
        row.state = UNCHANGED
    elif target.exists() and any(target.iterdir()) and not replace:
        row.state = KEPT
        row.notes.insert(0, "another submission is there; --replace puts this one in its place")
    else:
        row.state = REPLACED if target.exists() else NEW
        if dry_run:
            return
        if target.exists():
            with replacing(target) as new:
                staged.rename(new)
        elif home.exists():
            staged.rename(target)
        else:
            submitted.mkdir(parents=True, exist_ok=True)
            staged.parent.rename(home)


def _files(folder, beside=None):
    """What lies in a folder, without litter that is not `beside`."""
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}
    return {path for path in found if not LITTER.fullmatch(path.name) or not beside or (beside / path).exists()}


def _differing(staged, target):
    return any(
        (target / name).is_symlink() or not filecmp.cmp(staged / name, target / name, shallow=False)
        for name in _files(staged)
    )


def collected_table(rows: list[Row]):
    """What became of each student's submission, as a table of rich."""
    from rich.table import Table
    from rich.text import Text

    table = Table("student", "submission", "files", "notes")
    for row in rows:
        files = ", ".join(row.files[:3]) + (f" and {len(row.files) - 3} more" if len(row.files) > 3 else "")
        cells = printable(row.student), row.state, files, "; ".join(row.notes)
        table.add_row(*map(Text, cells), style={REFUSED: "red", KEPT: "yellow"}.get(row.state))
    return table
