"""Before grading: find a student's notebook, read it whatever is wrong with it, and say so in words for the student.

Nothing outside the submission's folder is ever opened: links are not followed at any level, and only regular files are
read, none of them larger than the caps below.
"""

import contextlib
import hashlib
import importlib.machinery
import os
import re
import stat
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from nbformat import NotebookNode

from course_utils.authoring.lessons import grade_id
from course_utils.grading.parse import AMBIGUOUS, MISSING, Unusable, parse, printable
from course_utils.grading.rebuild import rebuild, unanswered

MAX_NOTEBOOK = 20_000_000
MAX_FILES, MAX_FILES_BYTES = 100, 10_000_000
MAX_ENTRIES, MAX_CANDIDATES = 2000, 20
FINE, RENAMED, NOTED, TAMPERED = "fine", "renamed", "noted", "tampered"
_READ = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
NOTEBOOK = re.compile(r"\.ipynb(\.(txt|json))?$", re.IGNORECASE)  # as some browsers save it
LITTER = re.compile(r"\..*|~\$.*|.*~|__MACOSX|__pycache__|Icon\r|Thumbs\.db|desktop\.ini|timestamp\.txt", re.IGNORECASE)
_COPY = re.compile(r"^(copy of|kopie von|copie de) |[ _-]*(\(\d+\)|-\d+)$|[ _-]+(copy|kopie|copie|copia)[ _-]?\d*$")


@dataclass(frozen=True)
class Submission:
    """What one student handed in, fit to run.

    Args:
        notebook: the canonical notebook; `metadata.course.flags` tells in plain words what was odd, and
            `metadata.course.not_run` is set to the reason if nothing could be read.
        files: small files from beside the notebook, which it may read.
        kind: one word for a summary: fine, renamed, noted, tampered; not run are: missing, ambiguous, unreadable.
        digest: of all that was handed in; the same digest means that nothing has changed.
    """

    notebook: NotebookNode
    files: dict[str, bytes]
    kind: str
    digest: str


def preflight(folder: Path, reference: NotebookNode, name: str) -> Submission:
    """The submission in `folder`, which is `…/STUDENT/LESSON` and should hold `name`. Never raises.

    `reference` is the lesson's release, or its source with solutions and hidden tests.
    """
    flags: list[str] = []
    seen = hashlib.sha256()
    files, kind, course = {}, FINE, NotebookNode(flags=flags)
    try:
        with _opened(Path(folder)) as at:
            entries = _entries(at, seen)
            files = _extras(at, entries, flags, seen)
            kind = NOTED if flags else FINE
            found, submitted = _find(at, entries, name, reference, flags, seen)
        kind = RENAMED if found != name else NOTED if flags else FINE
        before = len(flags)
        notebook = rebuild(submitted, reference, flags)
        kind = TAMPERED if len(flags) > before else kind
    except (Unusable, OSError) as error:
        if isinstance(error, OSError):  # a file that went away meanwhile, or a disk that fails
            error = Unusable(f"The submission cannot be read ({error.strerror}). Hand it in again.")
        notebook, kind = unanswered(reference), error.kind
        course.not_run = str(error)
        flags.append(str(error).rstrip("."))
    notebook.metadata.course = course
    return Submission(notebook, files, kind, seen.hexdigest())


# --- files ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int | Path]:
    """A descriptor of the folder, reached through no link named like the student or the lesson.

    Where the system has no such descriptors, as on Windows, the path itself after a look at both.
    """
    folder = folder.absolute()
    if os.open not in os.supports_dir_fd:
        if folder.is_symlink() or folder.parent.is_symlink():
            raise Unusable(_LINKED)
        yield folder
        return
    with contextlib.ExitStack() as stack:
        at = None
        for part in (folder.parent.parent, folder.parent.name, folder.name):
            try:
                follow = 0 if at is None else os.O_NOFOLLOW
                at = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | follow, dir_fd=at)
            except FileNotFoundError:
                raise Unusable("Nothing was handed in.", MISSING) from None
            except OSError as error:
                denied = isinstance(error, PermissionError)
                raise Unusable(_denied("the folder") if denied else _LINKED) from None
            stack.callback(os.close, at)
        yield at


_LINKED = "The submission's folder is a link or no folder; links are not followed. Hand in the file itself."


def _denied(what):
    return f"{what[:1].upper()}{what[1:]} may not be read by whoever grades. Ask them to mend its permissions."


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    mode: int

    @property
    def shown(self):
        """The name as it may stand in a message."""
        return printable(self.name[:80])


def _entries(at, seen) -> list[_Entry]:
    """What the folder holds, without litter, in order of names."""
    try:
        with os.scandir(at) as found:
            found = [entry for entry in islice(found, MAX_ENTRIES + 1)]
            if len(found) > MAX_ENTRIES:
                raise Unusable(
                    f"The submission holds more than {MAX_ENTRIES} files. Hand in the notebook and what it reads only."
                )
            infos = [(e.name, e.stat(follow_symlinks=False)) for e in found if not LITTER.fullmatch(e.name)]
    except PermissionError:
        raise Unusable(_denied("the folder")) from None
    entries = sorted((_Entry(name, info.st_size, info.st_mode) for name, info in infos), key=lambda entry: entry.name)
    for entry in entries:
        size = entry.size if stat.S_ISREG(entry.mode) else stat.S_IFMT(entry.mode)
        seen.update(f"{entry.name!a} {size}\n".encode())
    return entries


def _bytes(at, entry: _Entry, limit: int, seen) -> bytes:
    """The bytes of a regular file of at most `limit` bytes that has no other name elsewhere."""
    if stat.S_ISLNK(entry.mode):
        raise Unusable(f"{entry.shown} is a link; links are not followed. Hand in the file itself.")
    if not stat.S_ISREG(entry.mode):
        raise Unusable(f"{entry.shown} is no file. Hand in the notebook itself.")
    try:
        file = os.open(entry.name, _READ, dir_fd=at) if isinstance(at, int) else os.open(at / entry.name, _READ)
    except PermissionError:
        raise Unusable(_denied(entry.shown)) from None
    except OSError:
        raise Unusable(f"{entry.shown} cannot be opened. Hand it in again.") from None
    with open(file, "rb") as file:
        info = os.fstat(file.fileno())  # of what was opened, whatever lay there a moment ago
        if not stat.S_ISREG(info.st_mode) or info.st_nlink > 1:
            raise Unusable(f"{entry.shown} is a hard link to a file elsewhere; links are not followed. Hand in a copy.")
        data = file.read(limit + 1) if info.st_size <= limit else None
    if data is None or len(data) > limit:
        raise Unusable(
            f"{entry.shown} is larger than {limit // 1_000_000} MB. Clear the outputs of all cells, save, and hand it "
            "in again."
        )
    seen.update(hashlib.sha256(data).digest())
    return data


def _extras(at, entries, flags, seen) -> dict[str, bytes]:
    """Small files beside the notebook, by name; what is left out is flagged."""
    files, left, room = {}, [], MAX_FILES_BYTES
    for entry in entries:
        if NOTEBOOK.search(entry.name):
            continue
        if _shadows(entry.name):
            flags.append(f"{entry.shown} has the name of a Python package and was left out; give it another name")
        elif stat.S_ISREG(entry.mode) and (len(files) == MAX_FILES or entry.size > room or not _plain(entry.name)):
            left.append(entry.shown)
        elif stat.S_ISDIR(entry.mode):
            flags.append(f"the folder {entry.shown} was left out; put what the notebook reads beside it")
        else:
            try:
                files[entry.name] = _bytes(at, entry, room, seen)
                room -= len(files[entry.name])
            except Unusable as error:
                flags.append(str(error).rstrip("."))
    if left:
        names = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
        most = f"{MAX_FILES} files and {MAX_FILES_BYTES // 1_000_000} MB beside the notebook, with plain names"
        flags.append(f"{names} left out: a submission may hold {most}")
    return files


def _plain(name):
    return re.fullmatch(r"\w[\w .,()+@=-]*", name) and len(os.fsencode(name)) <= 200


def _shadows(name):
    """Whether Python would import this file instead of a package the checks need: `numpy.py` instead of numpy."""
    module, *rest = name.split(".")
    if not rest or rest[-1] not in ("py", "pyc", "so", "pyd") or not module.isidentifier():
        return False
    if module in sys.stdlib_module_names or module in ("sitecustomize", "usercustomize"):
        return True
    spec = importlib.machinery.PathFinder.find_spec(module, [path for path in sys.path if path])
    return spec is not None and spec.origin is not None


# --- which notebook ---------------------------------------------------------------------------------------------------


def _find(at, entries, name, reference, flags, seen) -> tuple[str, NotebookNode]:
    """The name and the cells of the submitted notebook: called `name`, or else like it, or else by its exercises."""
    notebooks = [entry for entry in entries if NOTEBOOK.search(entry.name)]
    if not notebooks:
        others = ", ".join(entry.shown for entry in entries[:3])
        raise Unusable(
            f"The submission holds no notebook{f', only {others}' if others else ''}. Hand in {name}.", MISSING
        )
    group = [entry for entry in notebooks if key(entry.name) == key(name)] or notebooks
    read: dict[bytes | str, _Entry] = {}  # the same bytes twice are no choice to make
    problems: dict[_Entry, Unusable] = {}
    group.sort(key=lambda entry: entry.name != name)
    if len(group) > MAX_CANDIDATES and group[0].name != name:
        raise Unusable(f"The submission holds {len(group)} notebooks, none called {name}. Hand in one.", AMBIGUOUS)
    for entry in group[:MAX_CANDIDATES]:
        try:
            read.setdefault(_bytes(at, entry, MAX_NOTEBOOK, seen), entry)
        except Unusable as error:
            read[entry.name] = entry
            problems[entry] = error
    known = {grade_id(cell) for cell in reference.cells} - {None}
    first = next(iter(read.values()))
    wanted = [first] if first.name == name or len(read) == 1 else list(read.values())
    good = {}
    for data, entry in read.items():
        if entry in wanted and entry not in problems:
            try:
                good[entry] = parse(data, entry.shown)
            except Unusable as error:
                problems[entry] = error
    marks = {entry: {grade_id(cell) for cell in notebook.cells} - {None} for entry, (notebook, _) in good.items()}
    if len(wanted) > 1:
        wanted = [entry for entry in good if marks[entry] & known] or wanted
    if len(wanted) > 1:
        names = ", ".join(entry.shown for entry in wanted[:5])
        raise Unusable(
            f"The submission holds {len(wanted)} notebooks, none called {name}: {names}. Hand in one, called {name}.",
            AMBIGUOUS,
        )
    (chosen,) = wanted
    if chosen in problems:
        raise problems[chosen]
    if marks[chosen] and not marks[chosen] & known:
        raise Unusable(f"{chosen.shown} is the notebook of another lesson. Hand in {name}.", MISSING)
    if chosen.name != name:
        flags.append(f"the file is called {chosen.shown} instead of {name}")
    others = [entry.shown for entry in read.values() if entry is not chosen]
    if others:
        flags.append(f"{chosen.shown} was graded, and not {', '.join(others[:3])}")
    notebook, notes = good[chosen]
    flags += notes
    return chosen.name, notebook


def key(name):
    """A file name without what browsers, file managers and people change about it: case, "(1)", "-Copy2", "Kopie"."""
    stem = unicodedata.normalize("NFKC", NOTEBOOK.sub("", name)).casefold().strip()
    while (shorter := _COPY.sub("", stem).strip()) != stem:
        stem = shorter
    return re.sub(r"[\s_-]+", "_", stem)
