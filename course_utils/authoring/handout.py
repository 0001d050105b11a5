"""Pack what a student gets into one zip file, and prove that no solution is in it."""

import fnmatch
import zipfile
from collections.abc import Iterator
from pathlib import Path

from course_utils.errors import CourseError

FILES = ("README.md", "pyproject.toml", "constraints.txt", "Makefile", "transfer_learning_course.pth")
FOLDERS = ("course_utils", "data", "notebooks")
INSTRUCTORS = ("course_utils/authoring/*", "course_utils/grading/*", "course_utils/backbones/pretrain_*")
LITTER = ("__pycache__", ".ipynb_checkpoints", ".*", "*.pyc")
TEXT = (".py", ".ipynb", ".md", ".json", ".txt", ".toml", ".csv", "")
WHOLE_SOLUTION = 40


def handout(out: Path, root: Path) -> str:
    """Write the student's copy of the course in `root` to the zip file `out`; returns a sentence on what was written.

    The same course gives the same bytes.

    Raises:
        CourseError: something that belongs into it is missing, or something of a solution would be in it.
    """
    from course_utils.settings import replacing

    root, out = Path(root).resolve(), Path(out)
    missing = [name for name in (*FILES, *FOLDERS) if not (root / name).exists()]
    if missing:
        raise CourseError(f"{root} lacks {', '.join(missing)}.", "A handout needs all of them.")
    paths = sorted(_paths(root))
    leaks = list(_leaks(root, paths))
    if leaks:
        raise CourseError(
            "The handout would give solutions away: " + "".join(f"\n  - {leak}" for leak in leaks),
            "`course build` makes the notebooks anew; course_utils must hold no answer.",
        )
    with replacing(out) as new, zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            # A fixed date: the course's state, not the time of packing, decides the bytes.
            entry = zipfile.ZipInfo(f"transfer-learning-course/{path.as_posix()}", (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, (root / path).read_bytes())
    return f"Wrote {out}: {len(paths)} files, {out.stat().st_size / 1e6:.1f} MB."


def _paths(root: Path) -> Iterator[Path]:
    """The files of a handout, relative to `root`."""
    yield from map(Path, FILES)
    for folder in FOLDERS:
        for path in (root / folder).rglob("*"):
            relative = path.relative_to(root)
            litter = any(fnmatch.fnmatch(part, pattern) for part in relative.parts for pattern in LITTER)
            instructors = any(fnmatch.fnmatch(relative.as_posix(), pattern) for pattern in INSTRUCTORS)
            if path.is_file() and not path.is_symlink() and not litter and not instructors:
                yield relative


def _leaks(root: Path, paths: list[Path]) -> Iterator[str]:
    """What of the solutions the files show.

    In a notebook no secret line may appear. Other files may share a line such as `optimizer.step()` with a solution,
    but not a whole solution.
    """
    from course_utils.authoring.build import find_leaks
    from course_utils.authoring.lessons import exercises, find_lessons, place, read, split_regions

    lessons = find_lessons(root)
    released = {lesson.release for lesson in lessons}
    for path in paths:
        if path.parts[0] == "notebooks" and root / path not in released:
            yield f"{path} is the release of no lesson"
    others = {p: _lines((root / p).read_text(encoding="utf-8", errors="replace")) for p in paths
              if p.parts[0] != "notebooks" and p.suffix in TEXT}  # fmt: skip
    for lesson in lessons:
        notebook = read(lesson)
        if lesson.release.is_file():
            yield from (
                f"{lesson.release.relative_to(root)}: {leak}" for leak in find_leaks(lesson, notebook, lesson.release)
            )
        for exercise in exercises(notebook):
            for cell in (exercise.solution, *exercise.hidden):
                body = _lines("\n".join(split_regions(cell.source)[1]))
                if len(body) >= WHOLE_SOLUTION:
                    yield from (
                        f"{path} holds all that is secret in {place(cell)}"
                        for path, text in others.items()
                        if body in text
                    )


def _lines(text: str) -> str:
    """The text without indentation, empty lines and comments."""
    stripped = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in stripped if line and not line.startswith("#"))
