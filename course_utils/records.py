"""Measurements, their records, and the claims that these support.

`solutions/NN_topic/measure.py` lists `MEASUREMENTS`; `measure` runs one over its conditions × seeds and writes
`data/records/<id>.json`. What lessons say of them is the matter of `claims.py`.
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
        known = ", ".join(r["id"] for r in all_records()) or "none"
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
        for r in all_records()
        for c in r["claims"]
    ]
    columns = ["lesson", "claim", "statement", "mean", "low", "high", "unit", "seeds", "verdict", "record"]
    return pd.DataFrame(rows, columns=columns).sort_values("claim", ignore_index=True)


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


def record_files() -> list[Path]:
    return sorted(record_path("x").parent.glob("*.json"))


def all_records() -> list[dict]:
    return [load_record(path.stem) for path in record_files()]


def judge(per_seed: Mapping, at_least: float, within) -> dict:
    mean, low, high = (_rounded(v) for v in mean_interval(per_seed.values()))
    held = verdict(per_seed.values(), at_least=at_least, within=within)
    return _json({"mean": mean, "low": low, "high": high, "verdict": held})


def evaluated(measurement: Measurement, rows: list[dict]) -> dict:
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
        judged = judge(per_seed, claim.at_least, claim.within)
        claims.append({**text, **claim.bound(), "per_seed": per_seed, **judged})
    return _json({"protocol": _one_line(measurement.protocol), "summary": summary, "claims": claims})


def _write(measurement: Measurement, rows: list[dict], circumstances: dict) -> dict:
    rows = [{k: _rounded(v) for k, v in row.items()} for row in rows]
    record = {"id": measurement.id, "rows": rows, **measurement.key(), **evaluated(measurement, rows), **circumstances}
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
