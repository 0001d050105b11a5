"""Records of measurements, the claims they support, and the check that lessons state what was measured.

`solutions/NN_topic/measure.py` lists `MEASUREMENTS`; `measure` runs one over its conditions × seeds and writes
`data/records/<id>.json`; a sentence of a lesson that states an effect ends in a marker such as
`[held: 01.full_beats_scratch]`, `[held weakly: …]` or `[did not hold here: …]`, which `check_claims` compares.
"""

import importlib.util
import json
import math
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pandas as pd

from course_utils import settings
from course_utils.errors import CourseError
from course_utils.experiments import mean_interval, run_grid, summarize

HELD, WEAKLY, FAILED = "held", "held weakly", "did not hold here"
MIN_SEEDS = 5
PACKAGES = ("torch", "torchvision", "transformers", "peft", "accelerate", "datasets", "scikit-learn", "numpy")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An effect that a lesson states. `effect(frame)` gives one number per seed in `unit`, paired where it can be.

    It holds where its mean is above `at_least`; a claim that two things are about equal gives `within` instead.
    """

    id: str
    statement: str
    effect: Callable[[pd.DataFrame], pd.Series]
    at_least: float = 0.0
    within: tuple[float, float] | None = None
    unit: str = "points"

    def bound(self) -> dict:
        return {"within": list(self.within)} if self.within else {"at_least": self.at_least}


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """`run(seed=…, **condition)` gives a dict with the `metrics` (or a list of such dicts, told apart by more keys).

    Change `version` whenever the protocol changes: kept results of another version are not used.
    """

    id: str
    protocol: str
    run: Callable
    conditions: Sequence[Mapping]
    seeds: Iterable[int]
    metrics: Sequence[str]
    claims: Sequence[Claim] = ()
    version: str = "1"

    def key(self) -> dict:
        """What must be equal for recorded rows to be results of this measurement."""
        key = {"version": self.version, "conditions": list(self.conditions), "seeds": list(self.seeds)}
        return _json({**key, "metrics": list(self.metrics)})


def verdict(per_seed: Iterable[float], *, at_least: float = 0.0, within: Sequence[float] | None = None) -> str:
    """Held if the whole 95 % interval is above `at_least` (or inside `within`), weakly if only the mean is."""
    mean, low, high = mean_interval(per_seed)
    bottom, top = within or (at_least, math.inf)
    if not bottom < mean < top:
        return FAILED
    return HELD if low > bottom and high < top else WEAKLY


def find_measurements(root: Path | None = None) -> dict[str, Measurement]:
    """All measurements of the lessons' measure.py files, by id."""
    root = Path(root or settings.home() / "solutions")
    files = sorted(root.glob("*/measure.py"))
    if not files:
        raise CourseError(
            f"There is no measure.py below {root}.", "Measuring needs the instructor's copy of the course."
        )
    found: dict[str, Measurement] = {}
    claims: set[str] = set()
    for file in files:
        for measurement in _load(file).MEASUREMENTS:
            names = [c.id for c in measurement.claims]
            twice = claims.intersection(names) | {n for n in names if names.count(n) > 1}
            if measurement.id in found or twice:
                raise CourseError(
                    f"{file} uses an id a second time: {', '.join(twice) or measurement.id}.", "Give each its own."
                )
            claims.update(names)
            found[measurement.id] = measurement
    return found


def measure(name: str, *, fresh: bool = False) -> dict:
    """Run the measurement with that id (or the one with that claim), write its record and return it.

    Finished runs are kept below `settings.cache_dir()`, so that an interrupted measurement goes on where it was;
    `fresh` throws them away first.
    """
    measurement = _named(name)
    cache = settings.cache_dir() / "measure" / measurement.id
    if fresh:
        shutil.rmtree(cache, ignore_errors=True)

    def timed(seed, **condition):
        began = time.perf_counter()
        rows = measurement.run(seed=seed, **condition)
        rows = rows if isinstance(rows, list) else [rows]
        spent = (time.perf_counter() - began) / max(len(rows), 1)
        return [{**row, "run_seconds": spent} for row in rows]

    # The profile and the device change what a run does.
    version = f"{measurement.version} {settings.profile()} {settings.device().type}"
    frame = run_grid(
        timed, measurement.conditions, measurement.seeds, cache=cache, version=version, desc=measurement.id
    )
    absent = [metric for metric in measurement.metrics if metric not in frame]
    if absent:
        raise CourseError(f"{measurement.id} gave no {absent}.", "Return each of `metrics` from `run`.")
    seconds = round(frame.pop("run_seconds").sum(), 1)
    circumstances = {
        "versions": _versions(),
        "hardware": _hardware(),
        "profile": settings.profile(),
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": seconds,
    }
    return _write(measurement, _json(frame.to_dict("records")), circumstances)


def restate(name: str) -> dict:
    """Write the record again from its recorded rows, after a change to claims or wording; nothing is run."""
    measurement = _named(name)
    old = load_record(measurement.id)
    if any(old.get(part) != value for part, value in measurement.key().items()):
        raise CourseError(
            f"The record {measurement.id} was measured with another protocol.", f"Run course measure {measurement.id}."
        )
    return _write(measurement, old["rows"], {k: old[k] for k in ("versions", "hardware", "profile", "date", "seconds")})


def record_path(id: str) -> Path:
    """Where the record with that measurement id lies."""
    return settings.data_dir() / "records" / f"{id}.json"


def load_record(id: str) -> dict:
    """The record with that measurement id."""
    try:
        return json.loads(record_path(id).read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(r["id"] for r in _records()) or "none"
        raise CourseError(f"There is no record '{id}'.", f"Records there are: {known}.") from None
    except ValueError as error:
        raise CourseError(f"{record_path(id)} is no JSON ({error}).", f"Run course measure {id}.") from None


def record_frame(id: str) -> pd.DataFrame:
    """The rows of that record: condition, seed and metrics, one row per run."""
    return pd.DataFrame(load_record(id)["rows"])


def all_claims() -> pd.DataFrame:
    """Every recorded claim, by id: lesson, claim, statement, mean, low, high, unit, seeds, verdict, record."""
    rows = [
        {"lesson": c["id"].split(".")[0], "claim": c["id"], **c, "seeds": len(c["per_seed"]), "record": r["id"]}
        for r in _records()
        for c in r["claims"]
    ]
    columns = ["lesson", "claim", "statement", "mean", "low", "high", "unit", "seeds", "verdict", "record"]
    return pd.DataFrame(rows, columns=columns).sort_values("claim", ignore_index=True)


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
    for path in _record_files():
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
        judged = _judge(claim["per_seed"], claim.get("at_least", 0.0), claim.get("within"))
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
            now = _evaluated(measurement, records[id]["rows"])
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


def _load(file: Path):
    spec = importlib.util.spec_from_file_location(f"measure_{file.parent.name}", file)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        module.MEASUREMENTS  # noqa: B018
    except Exception as error:
        raise CourseError(f"{file} cannot be used: {type(error).__name__}: {error}", "Mend that file.") from error
    return module


def _named(name: str) -> Measurement:
    measurements = find_measurements()
    for measurement in measurements.values():
        if name == measurement.id or name in [claim.id for claim in measurement.claims]:
            return measurement
    raise CourseError(f"There is no measurement or claim '{name}'.", f"Choose one of: {', '.join(measurements)}.")


def _record_files() -> list[Path]:
    return sorted(record_path("x").parent.glob("*.json"))


def _records() -> list[dict]:
    return [load_record(path.stem) for path in _record_files()]


def _judge(per_seed: Mapping, at_least: float, within) -> dict:
    mean, low, high = (_rounded(v) for v in mean_interval(per_seed.values()))
    held = verdict(per_seed.values(), at_least=at_least, within=within)
    return _json({"mean": mean, "low": low, "high": high, "verdict": held})


def _evaluated(measurement: Measurement, rows: list[dict]) -> dict:
    """The parts of a record that follow from its rows and the measurement's wording."""
    frame = pd.DataFrame(rows)
    by = [c for c in frame.columns if c != "seed" and c not in measurement.metrics]
    summary = []
    for metric in measurement.metrics:
        for row in summarize(frame, by, metric).to_dict("records"):
            summary.append({"metric": metric, **{k: _rounded(v) for k, v in row.items()}})
    claims = []
    for claim in measurement.claims:
        per_seed = {str(seed): _rounded(float(value)) for seed, value in claim.effect(frame).items()}
        text = {"id": claim.id, "statement": _one_line(claim.statement), "unit": claim.unit}
        judged = _judge(per_seed, claim.at_least, claim.within)
        claims.append({**text, **claim.bound(), "per_seed": per_seed, **judged})
    return _json({"protocol": _one_line(measurement.protocol), "summary": summary, "claims": claims})


def _write(measurement: Measurement, rows: list[dict], circumstances: dict) -> dict:
    rows = [{k: _rounded(v) for k, v in row.items()} for row in rows]
    record = {"id": measurement.id, "rows": rows, **measurement.key(), **_evaluated(measurement, rows), **circumstances}
    with settings.replacing(record_path(measurement.id)) as new:
        new.write_text(_text(record), encoding="utf-8")
    return record


def _text(record: dict) -> str:
    """JSON with sorted keys, lists of objects with one object a line."""
    parts = []
    for name, value in sorted(record.items()):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines = ",\n  ".join(json.dumps(item, sort_keys=True, ensure_ascii=False) for item in value)
            parts.append(f'"{name}": [\n  {lines}\n ]')
        else:
            parts.append(f'"{name}": {json.dumps(value, sort_keys=True, ensure_ascii=False)}')
    return "{\n " + ",\n ".join(parts) + "\n}\n"


def _json(value):
    """As it comes back from JSON: tuples are lists, nan and infinity are None."""
    if isinstance(value, Mapping):
        return {str(k): _json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_json(v) for v in value]
    if hasattr(value, "tolist"):
        return _json(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _rounded(value):
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _short(value: float) -> str:
    return "–" if value is None or value != value else f"{value:.3g}".replace("-", "−")


def _versions() -> dict:
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}} | {
        "course": metadata.version("transfer-learning-course")
    }


def _hardware() -> dict:
    import torch

    names = re.findall(r"model name\s*:\s*(.+)", _cpuinfo())
    gpu = torch.cuda.get_device_name() if settings.device().type == "cuda" else None
    cpu = names[0] if names else platform.processor() or platform.machine()
    return {"cpu": cpu, "gpu": gpu, "cores": os.cpu_count(), "threads": torch.get_num_threads()}


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
