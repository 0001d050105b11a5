"""Conditions × seeds → one tidy table: cached, resumable, summarized with Student t intervals."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from course_utils import settings
from course_utils.errors import CourseError


def run_grid(
    run: Callable,
    conditions: Iterable[Mapping],
    seeds: Iterable[int],
    *,
    cache: Path | str | None = None,
    version: str = "1",
    desc: str = "",
) -> pd.DataFrame:
    """Call `run(seed=seed, **condition)` for each condition and seed: one row per call, condition and seed first.

    `run` returns a dict of metrics, or a list of such dicts where one call gives several rows. Seeds are the outer
    loop, so that an interrupted grid holds whole seeds. With `cache` (a folder) each finished call is kept there as
    a small JSON file, found again by condition, seed and `version` (change it with the protocol): a second call
    runs only what is missing, an interrupt loses nothing that is finished.
    """
    conditions, seeds = [dict(c) for c in conditions], list(seeds)
    cells = [(condition, seed) for seed in seeds for condition in conditions]
    _refuse_clashes(conditions)
    rows: dict[str, list[dict]] = {}
    missing = []
    for condition, seed in cells:
        kept = cell_file(cache, condition, seed, version) if cache else None
        if kept and (found := _read(kept)) is not None:
            rows[cell_key(condition, seed, version)] = found
        else:
            missing.append((condition, seed, kept))
    done = 0
    try:
        for condition, seed, kept in settings.progress(missing, desc or "runs") if missing else ():
            result = run(seed=seed, **condition)
            result = _plain(result if isinstance(result, list) else [result])
            key = cell_key(condition, seed, version)
            if kept:
                with settings.replacing(kept) as new:
                    text = {"condition": condition, "seed": seed, "version": version, "rows": result}
                    new.write_text(json.dumps(text, sort_keys=True) + "\n", encoding="utf-8")
                result = _read(kept)
            rows[key] = result
            done += 1
    except KeyboardInterrupt:
        kept_where = f" are kept in {cache}; run again to do the rest" if cache else " are lost without a cache"
        print(f"Stopped: {done} of {len(missing)} missing runs are finished and{kept_where}.")
        raise
    return pd.DataFrame(
        [
            {**condition, "seed": seed, **row}
            for condition, seed in cells
            for row in rows[cell_key(condition, seed, version)]
        ]
    )


def cell_key(condition: Mapping, seed: int, version: str) -> str:
    """What names one cell: equal for equal values, whatever their order or NumPy type."""
    text = json.dumps([_plain(dict(condition)), int(seed), version], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def cell_file(cache: Path | str, condition: Mapping, seed: int, version: str) -> Path:
    """Where `run_grid` keeps that cell."""
    return Path(cache) / f"{cell_key(condition, seed, version)}.json"


def mean_interval(values: Iterable[float], level: float = 0.95) -> tuple[float, float, float]:
    """Mean and the ends of its Student t interval, x̄ ± t·s/√n; with fewer than two values the ends are nan."""
    from scipy import stats

    values = np.asarray(list(values), dtype=float)
    if not len(values):
        raise CourseError("There is no value to take the mean of.", "Pass one value per seed.")
    mean = float(values.mean())
    if len(values) < 2:
        return mean, math.nan, math.nan
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return mean, mean - half, mean + half


def summarize(frame: pd.DataFrame, by: str | list[str], value: str, level: float = 0.95) -> pd.DataFrame:
    """One row per group of the columns `by`, in order of appearance: number of runs, mean, interval's low and high."""
    by = [by] if isinstance(by, str) else list(by)
    _need(frame, [*by, value])
    rows = []
    for key, values in frame.groupby(by, sort=False, dropna=False)[value]:
        mean, low, high = mean_interval(values, level)
        rows.append({**dict(zip(by, key, strict=True)), "runs": len(values), "mean": mean, "low": low, "high": high})
    return pd.DataFrame(rows, columns=[*by, "runs", "mean", "low", "high"])


def paired_difference(frame: pd.DataFrame, value: str, a: Mapping, b: Mapping) -> pd.Series:
    """`value` under condition `a` minus `value` under condition `b`, one number per seed (the index).

    `a` and `b` name the columns that matter, such as `{"strategy": "full", "n": 50}`; each must leave one row a seed.
    """
    _need(frame, ["seed", value, *a, *b])
    of_a, of_b = (_by_seed(frame, value, condition) for condition in (a, b))
    unpaired = sorted(set(of_a.index) ^ set(of_b.index))
    if unpaired:
        raise CourseError(
            f"{dict(a)} and {dict(b)} cannot be paired: only one of them has the seeds {unpaired}.",
            "Run both conditions on the same seeds.",
        )
    return (of_a - of_b).sort_index()


def labels_needed(n: Iterable[float], accuracy: Iterable[float], target: float) -> float:
    """Number of labels at which a learning curve first reaches `target`, linear in log n between its points.

    inf if it never does; the smallest n if it starts above. To compare two strategies, divide their numbers.
    """
    points = sorted(zip(n, accuracy, strict=True))
    if not points or points[0][0] <= 0:
        raise CourseError("A learning curve needs points with n above 0.", "Pass the numbers of labels and accuracies.")
    if points[0][1] >= target:
        return float(points[0][0])
    for (n0, y0), (n1, y1) in zip(points, points[1:], strict=False):
        if y1 >= target:
            return float(n0 * (n1 / n0) ** ((target - y0) / (y1 - y0)))
    return math.inf


def _by_seed(frame, value, condition) -> pd.Series:
    chosen = frame
    for column, wanted in condition.items():
        chosen = chosen[chosen[column] == wanted]
    if chosen.empty:
        raise CourseError(f"No row has {dict(condition)}.", "Check the names and values of the condition.")
    if chosen["seed"].duplicated().any():
        raise CourseError(
            f"{dict(condition)} has several rows for one seed.", "Name more columns, until one row a seed is left."
        )
    return chosen.set_index("seed")[value]


def _need(frame, columns) -> None:
    absent = [c for c in columns if c not in frame.columns]
    if absent:
        raise CourseError(f"The table has no column {absent}; it has {list(frame.columns)}.", "Use one of these.")


def _refuse_clashes(conditions: list[dict]) -> None:
    keys = [cell_key(c, 0, "") for c in conditions]
    if len(set(keys)) < len(keys):
        twice = conditions[next(i for i, k in enumerate(keys) if k in keys[:i])]
        raise CourseError(f"The condition {twice} is given twice.", "List each condition once.")


def _plain(value):
    """Numbers of NumPy and torch as Python's, so that JSON can hold them."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise CourseError(
        f"A condition or result holds {value!r}, which is no number, text or list of these.",
        "Name it by a text, and make the object inside of run.",
    )


def _read(path: Path) -> list[dict] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["rows"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
