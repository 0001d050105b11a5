"""What lessons claim: the page and table of all claims, and the check that a lesson says what its record says.

A sentence that states an effect ends in a marker such as `[held: 01.full_beats_scratch]`, `[held weakly: …]` or
`[did not hold here: …]`, which `check_claims` compares with the record.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from course_utils.errors import CourseError
from course_utils.records import (
    FAILED,
    HELD,
    WEAKLY,
    Measurement,
    all_claims,
    evaluated,
    find_measurements,
    judge,
    load_record,
    record_files,
)

MIN_SEEDS = 5


def claims_page() -> str:
    """A Markdown page of all recorded claims by lesson, those that did not hold among them."""
    text = [
        "# What the course claims, and what was measured",
        "",
        "Each claim with its mean over the seeds, the 95 % Student t interval and the verdict. *Held*: the whole",
        "interval is on the claimed side. *Held weakly*: the mean is, the whole interval is not. Written by",
        "`course claims --write` from the records in this folder; `course measure <record>` makes a record again.",
    ]
    for lesson, claims in all_claims().groupby("lesson"):
        text += ["", f"## Lesson {lesson}", "", "| claim | mean | 95 % interval | seeds | verdict | record |"]
        text += ["| --- | --- | --- | --- | --- | --- |"]
        for c in claims.itertuples():
            statement = c.statement.replace("|", "\\|")
            text.append(
                f"| {statement} (`{c.claim}`) | {_short(c.mean)} {c.unit} | {_short(c.low)} to {_short(c.high)} "
                f"| {c.seeds} | **{c.verdict}** | [{c.record}]({c.record}.json) |"
            )
    return "\n".join(text) + "\n"


def claims_table():
    """The same claims as a `rich.table.Table` for the terminal."""
    from rich.table import Table

    table = Table("claim", "statement", "mean", "95 % interval", "seeds", "verdict", title="Claims of the course")
    color = {HELD: "green", WEAKLY: "yellow", FAILED: "red"}
    for c in all_claims().itertuples():
        interval = f"{_short(c.low)} to {_short(c.high)}"
        mean, shown = f"{_short(c.mean)} {c.unit}", f"[{color[c.verdict]}]{c.verdict}[/]"
        table.add_row(c.claim, c.statement.replace("[", "\\["), mean, interval, str(c.seeds), shown)
    return table


@dataclass(frozen=True)
class Problem:
    """What `check_claims` found, and where; `level` is "error" or "warning"."""

    where: str
    message: str
    level: str = "error"

    def __str__(self):
        return f"{self.level}: {self.where}: {self.message}"


MARKER = re.compile(rf"\[({WEAKLY}|{HELD}|{FAILED}):\s*([^\]\s]+)\s*\]")
ALMOST_MARKER = re.compile(r"\[[A-Za-z ]+:?\s*\d\d\.[a-z][\w.]*\s*\]")
SOURCE = re.compile(r"\[\d+(?:, ?\d+)*\]")
UNIT = r"\s?(%|(?:percentage )?points?\b|×)"
NUMBER = re.compile(
    r"(?<![\w.,])(\d+(?:,\d{3})*)(\.\d+)?(?:e([+-]?\d+))?(?!\w|\.\d)"
    rf"(?:{UNIT}|(?=(?:\s?[–/-]\s?\d+(?:\.\d+)?)+{UNIT}))?"  # the unit of a range belongs to both its ends
)
ASIDE = re.compile(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]+\$|</?[a-z][^>]*>|95 ?% (?:confidence )?interval", re.S)
LINK_TARGET = re.compile(r"(?<=\])\([^)]*\)")


def check_claims(lesson_files: Iterable[Path]) -> list[Problem]:
    """Compare the records with measure.py, and what the lessons (jupytext .py or .ipynb) state with the records."""
    problems, records = [], {}
    for path in record_files():
        try:
            record = load_record(path.stem)
            problems += _check_record(record, path.stem)
            records[path.stem] = record
        except (CourseError, KeyError, TypeError, AttributeError) as error:
            problems.append(Problem(path.stem, f"is no record ({error!r}). Run course measure {path.stem}."))
    try:
        problems += _check_stale(records, find_measurements())
    except CourseError as error:
        problems.append(Problem("measure.py", str(error), "warning"))
    claims = {claim["id"]: (claim, record) for record in records.values() for claim in record["claims"]}
    stated: set[str] = set()
    for file in lesson_files:
        for where, text in _markdown(Path(file)):
            problems += check_text(text, claims, where)
            stated.update(id for _, id in MARKER.findall(text))
    never = sorted(claims.keys() - stated)
    return problems + [Problem(claims[id][1]["id"], f"no lesson states the claim {id}.", "warning") for id in never]


def check_text(text: str, claims: Mapping[str, tuple[dict, dict]], where: str = "text") -> list[Problem]:
    """Problems of one Markdown text; `claims` maps a claim's id to the claim and its record.

    Checked are numbers with a decimal point or followed by %, points or ×; `code` and formulas are left out. Those
    between a marker and what comes before it (another marker, a source such as `[3]`, or the paragraph's start) must be
    in the record; any other % or points needs a source in its paragraph. A paragraph with ● tells what an exercise is
    worth and is exempt.
    """
    problems = []
    for paragraph in _paragraphs(ASIDE.sub(" ", LINK_TARGET.sub("", text))):
        for almost in ALMOST_MARKER.findall(paragraph):
            if not MARKER.fullmatch(almost):
                problems.append(
                    Problem(where, f"{almost} is no marker; write [{HELD}: …], [{WEAKLY}: …] or [{FAILED}: …].")
                )
        start = 0
        for mark in re.finditer(f"{MARKER.pattern}|{SOURCE.pattern}", paragraph):
            sentence, start = paragraph[start : mark.start()], mark.end()
            if mark[1] and mark[2] in claims:
                problems += _check_sentence(sentence, mark[1], *claims[mark[2]], where)
            elif mark[1]:
                problems.append(Problem(where, f"{mark[0]} names a claim without a record."))
        loose = [shown for shown, _, _, unit in _numbers(paragraph[start:]) if unit and unit != "×"]
        if loose and not SOURCE.search(paragraph) and "●" not in paragraph:
            problems.append(Problem(where, f"number without a record or a source: {', '.join(loose)}."))
    return problems


def _check_sentence(sentence: str, stated: str, claim: dict, record: dict, where: str) -> list[Problem]:
    problems = []
    if claim["verdict"] != stated:
        problems.append(Problem(where, f"the text says [{stated}: {claim['id']}], the record '{claim['verdict']}'."))
    known = _known(claim, record)
    for shown, value, digits, unit in _numbers(sentence):
        if (digits > 0 or unit) and not _among(value, digits, unit, *known):
            problems.append(Problem(where, f"{shown} is not among the numbers of the record {record['id']}."))
    return problems


def _check_record(record: dict, id: str) -> list[Problem]:
    problems = []
    if record["id"] != id:
        problems.append(Problem(id, f"has the id {record['id']}, which is not its file's name."))
    if record["profile"] == "ci":
        problems.append(Problem(id, "was measured with the profile ci, which only proves that everything runs."))
    for claim in record["claims"]:
        judged = judge(claim["per_seed"], claim.get("at_least", 0.0), claim.get("within"))
        for name in [name for name, value in judged.items() if claim[name] != value]:
            found = f"its seeds give {name} {judged[name]}, not {claim[name]}"
            problems.append(Problem(id, f"{claim['id']} was edited: {found}. Run course measure {id}."))
        if len(claim["per_seed"]) < MIN_SEEDS:
            n = len(claim["per_seed"])
            problems.append(Problem(id, f"{claim['id']} rests on {n} seeds; it needs at least {MIN_SEEDS}."))
    return problems


def _check_stale(records: dict, measurements: dict[str, Measurement]) -> list[Problem]:
    problems = [
        Problem(id, "no measure.py has this measurement; delete the record or put the measurement back.")
        for id in sorted(records.keys() - measurements.keys())
    ]
    for id, measurement in measurements.items():
        if id not in records:
            problems.append(Problem(id, f"not measured yet: run course measure {id}.", "warning"))
            continue
        differs = [part for part, value in measurement.key().items() if records[id].get(part) != value]
        if differs:
            problems.append(Problem(id, f"stale ({', '.join(differs)}): run course measure {id}."))
            continue
        try:
            now = evaluated(measurement, records[id]["rows"])
        except Exception as error:
            problems.append(Problem(id, f"its rows do not fit measure.py ({error!r}): run course measure {id}."))
            continue
        differs = [part for part, value in now.items() if records[id][part] != value]
        if differs:
            problems.append(Problem(id, f"stale ({', '.join(differs)}): run course measure {id} --restate."))
    return problems


def _known(claim: dict, record: dict) -> tuple[list[float], list[float]]:
    """Absolute values of what was measured, which a text may round, and of the conditions, which it may not."""
    found = [claim["mean"], claim["low"], claim["high"], *claim.get("within", [claim.get("at_least", 0.0)])]
    found += [row[k] for row in record["summary"] for k in ("mean", "low", "high")]
    conditions = json.dumps(record["conditions"], ensure_ascii=False)
    set_up = re.findall(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?", conditions)
    return [abs(v) for v in found if v is not None], [float(v) for v in set_up]


def _numbers(text: str) -> list[tuple[str, float, int, str | None]]:
    """As printed, value, digits after the point, and unit of each number."""
    found = []
    for m in NUMBER.finditer(text):
        exponent = int(m[3] or 0)
        value = float(f"{m[1].replace(',', '')}{m[2] or ''}e{exponent}")
        found.append((m[0].strip(), value, len((m[2] or ".")[1:]) - exponent, m[4] or m[5]))
    return found


def _among(value: float, digits: int, unit: str | None, measured: list[float], set_up: list[float]) -> bool:
    """Whether a measured number is printed so with that many digits, or a number of a condition is this one."""
    scales = (1,) if unit == "×" else (1, 100)  # shares may be printed in percent
    return any(abs(k * s - value) <= 0.5000001 * 10.0**-digits for k in measured for s in scales) or any(
        math.isclose(k * s, value) for k in set_up for s in scales
    )


def _paragraphs(text: str) -> list[str]:
    return re.split(r"\n\s*\n|\n(?=\s*(?:[-*+]|\d+\.)\s)", text)


def _markdown(file: Path) -> list[tuple[str, str]]:
    import jupytext

    cells = jupytext.read(file).cells
    return [(f"{file.name}, cell {i}", c.source) for i, c in enumerate(cells, 1) if c.cell_type == "markdown"]


def _short(value: float) -> str:
    return "–" if value is None or value != value else f"{value:.3g}".replace("-", "−")
