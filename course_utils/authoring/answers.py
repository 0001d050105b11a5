"""The answer banks: wrong and right answers to each exercise, written out or as edits of the lesson's solution.

# %% wrong squared (by power)       a whole answer, and the verdict it must get
# says: You squared                 what the message must contain (optional, several)
def double(x):
    return x**2

# %% wrong off_by_one               an edit: these lines of the solution, replaced by those
#-    return 2 * x
#+    return 2 * x + 1

# %% right in place                 another right one
# edits: sum                        an edit of the right answer "sum" of the same file instead
#-    return x + x
#+    x += x
#+    return x
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

from course_utils.errors import refuse

_MARK = re.compile(r"# ?%%\s*(.*)")
_HEAD = re.compile(r"wrong\s+(?P<slug>[\w.]+)(?:\s+\((?P<label>.+)\))?|right(?:\s+(?P<right>.+))?")
_NOTE = re.compile(r"#\s*(says|edits):\s*(.*)")


@dataclass(frozen=True)
class Answer:
    """One answer to an exercise: what must become of it, and its code.

    `kind` is "wrong", "right", "reference" (the lesson's own solution) or "stub" (nothing filled in).
    """

    exercise: str
    kind: str
    label: str
    code: str
    where: str
    verdict: str = ""
    says: tuple[str, ...] = ()


# Verdicts that tell what happened, not which idea is missing; they count only where no other explains the same answer.
UNSPECIFIC = ("different", "raises_", "not_defined", "returns_none")


def is_specific(id: str) -> bool:
    """Whether a verdict id names a misconception."""
    return not id.rsplit(".", 1)[-1].startswith(UNSPECIFIC)


def read_answers(path: Path, number: str, solution: str) -> Iterator[Answer]:
    """The answers in a bank file of lesson `number`; `solution` is the source of the exercise's solution cell.

    Raises:
        CourseError: a cell begins with neither `wrong <slug>` nor `right <label>`; an edit fits nowhere or twice.
    """
    cells = []
    for line_number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if mark := _MARK.fullmatch(line.rstrip()):
            cells.append((line_number, mark[1], []))
        elif cells:
            cells[-1][2].append(line)
    written = {title: "\n".join(lines) for _, title, lines in cells if not _is_edit(lines)}
    for line_number, title, lines in cells:
        head, where = _HEAD.fullmatch(title), f"answers/{path.name}:{line_number}"
        refuse(
            not head,
            f"{where} begins a cell with '{title}'.",
            "Begin with `# %% wrong slug (label)` or `# %% right label`.",
        )
        notes = [match.groups() for line in lines if (match := _NOTE.fullmatch(line.rstrip()))]
        says, bases = (tuple(text for kind, text in notes if kind == wanted) for wanted in ("says", "edits"))
        code, slug = "\n".join(lines), head["slug"]
        if _is_edit(lines):
            unknown = [base for base in bases if f"right {base}" not in written]
            refuse(unknown, f"{where} edits '{''.join(unknown)}'.", "Name a right answer of that file, written out.")
            code = edited(written[f"right {bases[0]}"] if bases else solution, lines, where)
        if slug is None:
            yield Answer(path.stem, "right", head["right"] or "", code, where)
        else:
            verdict = slug if "." in slug else f"{number}.{path.stem}.{slug}"
            label = f"{slug} ({head['label']})" if head["label"] else slug
            yield Answer(path.stem, "wrong", label, code, where, verdict, says)


def edited(base: str, lines: list[str], where: str) -> str:
    """`base` with each block of `#-` lines replaced by the `#+` lines behind it.

    Raises:
        CourseError: a block is not found in `base`, or more than once.
    """
    blocks = [(sign, [line[2:] for line in block]) for sign, block in groupby(lines, lambda line: line[:2])]
    text = base.split("\n")
    for (sign, old), (following, new) in pairwise([*blocks, ("", [])]):
        if sign == "#-":
            places = [i for i in range(len(text)) if text[i : i + len(old)] == old]
            refuse(
                len(places) != 1,
                f"{where} edits lines that occur {len(places)} times, beginning with `{old[0].strip()}`.",
                "Give whole lines of the solution, indented as there, and as many as make them unique.",
            )
            text[places[0] : places[0] + len(old)] = new if following == "#+" else []
    return "\n".join(text)


def _is_edit(lines: list[str]) -> bool:
    return any(line.startswith("#-") for line in lines)
