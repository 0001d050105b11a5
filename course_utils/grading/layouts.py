"""Whose file is this? How Moodle, Canvas and people lay out the submissions in a zip."""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from course_utils.grading.parse import printable
from course_utils.grading.preflight import NOTEBOOK, key
from course_utils.grading.unzip import Zip

LAYOUTS = "the zips of Moodle and Canvas, STUDENT/x.ipynb, STUDENT/LESSON/x.ipynb, STUDENT.ipynb, STUDENT_LESSON.ipynb"
TIMESTAMP = "timestamp.txt"  # nbgrader's own, when it was handed in
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?P<plugin>[a-z]+)(_(?P<file>.*))?")
_CANVAS = re.compile(r"(?P<name>.+?)(?P<late>_LATE)?_(?P<id>\d+)_(?P<upload>\d+)_(?P<file>.+)")
_AGAIN = re.compile(r"-\d+(?=\.(ipynb|zip)$)", re.IGNORECASE)  # Canvas marks further attempts so
_HANDED_IN = re.compile(r"\.(ipynb(\.(txt|json))?|zip)$", re.IGNORECASE)


@dataclass(frozen=True)
class Owner:
    """A student as the zip names them; `id` tells those of the same name apart where the LMS gives one."""

    name: str
    id: str = ""

    def __str__(self):
        return printable(f"{self.name} ({self.id})" if self.id else self.name)


@dataclass(frozen=True)
class Item:
    """A file in a zip: the path below its student, and the number of its upload, greater if later."""

    parts: tuple[str, ...]
    info: zipfile.ZipInfo
    zip: Zip
    upload: int = 0
    late: bool = False


def by_owner(opened: Zip, lesson: str) -> Iterator[tuple[Owner, Item]]:
    """The files of a class's zip that belong to a student and may belong to the lesson.

    Raises:
        BadZip: a path leads out of the zip.
    """
    members = _without_top([*opened.members(keep={TIMESTAMP})], lesson)
    moodle = [_MOODLE.fullmatch(parts[0]) for parts, _ in members]
    # Participant_1, Participant_2, …: where Moodle hides the names, only the numbers differ.
    nameless = all(moodle) and len({found["name"] for found in moodle}) == 1 < len({found["id"] for found in moodle})
    in_lessons = any(len(parts) > 2 and key(parts[1]) == key(lesson) for parts, _ in members)
    for parts, info in members:
        file, stamp, more = parts[-1], parts[-1].lower() == TIMESTAMP, {}
        if found := _MOODLE.fullmatch(parts[0]):
            owner = Owner(f"{found['name']}_{found['id']}" if nameless else found["name"], found["id"])
            rest = parts[1:] or (found["file"],)
            if found["plugin"] != "file" or not rest[0]:
                continue
        elif len(parts) == 1:
            owner, rest, more = _flat(file, lesson)
        elif len(parts) > 2 and key(parts[1]) == key(lesson):
            owner, rest, stamp = Owner(parts[0]), parts[2:], stamp and len(parts) > 3
        else:
            owner, rest = Owner(parts[0]), parts[1:]
            if in_lessons and len(rest) > 1:  # of another lesson
                continue
        # Only nbgrader's own folders say by it when something was handed in; elsewhere a student may have written it.
        if owner and not stamp:
            yield owner, Item(rest, info, opened, **more)


def _flat(file, lesson):
    """Whose file at the top this is, its name without what that says, and what else is known; None for nobody's."""
    canvas = _CANVAS.fullmatch(file)
    stem = _HANDED_IN.sub("", file)
    named = re.fullmatch(rf"(.+?)[ _-]+{re.escape(lesson)}", stem, re.IGNORECASE)
    # `ann_2025_01_toy.ipynb` looks like Canvas's too.
    if canvas and (not named or key(canvas["file"]) == key(f"{lesson}.ipynb")):
        more = {"upload": int(canvas["upload"]), "late": bool(canvas["late"])}
        return Owner(canvas["name"], canvas["id"]), (_AGAIN.sub("", canvas["file"]),), more
    if stem == file or key(stem) == key(lesson):
        return None, (), {}
    return Owner(named[1] if named else stem), (lesson + file[len(stem) :],), {}


def _without_top(members, lesson):
    """The members without the one folder that all of them lie in, unless that folder is a student."""
    tops = {parts[0] for parts, _ in members}
    if len(tops) != 1 or any(len(parts) == 1 for parts, _ in members) or _MOODLE.fullmatch(min(tops)):
        return members
    inner = [(parts[1:], info) for parts, info in members]
    if min(tops).casefold() == "submitted":
        return inner
    wanted = [parts for parts, _ in inner if _HANDED_IN.search(parts[-1])] or [parts for parts, _ in inner]
    files = {parts[0] for parts in wanted if len(parts) == 1}
    if not files:  # EXPORT/STUDENT/x.ipynb, or STUDENT/LESSON/x.ipynb
        lessons = all(key(parts[0]) == key(lesson) for parts in wanted)
    else:  # EXPORT/STUDENT.ipynb, or STUDENT/x.ipynb
        owners = [_flat(file, lesson)[0] for file in files]
        lessons = None in owners or (len(owners) == 1 and owners[0].name == _HANDED_IN.sub("", min(files)))
    if lessons and not any(_MOODLE.fullmatch(parts[0]) for parts in wanted):
        return members
    return _without_top(inner, lesson) if {parts[0].casefold() for parts, _ in inner} == {"submitted"} else inner


def is_notebook(parts: tuple[str, ...]) -> bool:
    """Whether a path names a notebook."""
    return NOTEBOOK.search(parts[-1]) is not None
