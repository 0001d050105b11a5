"""Runs the strategies on a user's own data with stratified k-fold: cached, within a budget."""

import hashlib
import math
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from course_utils import settings
from course_utils.compare.data import BATCH, Data, find_backbone, read_images, read_texts
from course_utils.compare.report import Comparison
from course_utils.errors import CourseError, refuse
from course_utils.experiments import run_grid

# From the cheapest to the dearest: no model, no network, a frozen one, a few trained weights, all of them, in two goes.
STRATEGIES = ("majority", "baseline", "probe", "lora", "full", "gradual")
TRAINED = ("lora", "full", "gradual")
VERSION = "1"  # of the protocol: what was kept under another one is not used


def compare(
    data: str | Path,
    *,
    text_column: str = "text",
    label_column: str = "label",
    strategies: Sequence[str] | None = None,
    folds: int = 5,
    seed: int = 0,
    max_rows: int = 2000,
    max_steps: int | None = None,
    budget_minutes: float | None = None,
    model: str | None = None,
    out: str | Path = "comparison",
) -> Comparison:
    """Run the strategies on your own data with stratified k-fold, recommend one, write tables and figure to `out`.

    data:            a CSV with a column of texts and one of labels, an .npz with images x and labels y, or a folder
                     with one subfolder of images per class.
    strategies:      some of `STRATEGIES`; default: all, for texts without "gradual". "majority" is always among them.
    max_rows:        where there are more, so many are drawn, each class with its share.
    max_steps:       of each training; default 150 or three epochs of batch 32, whichever is more.
    budget_minutes:  no fold is begun that would probably end later; two are always run.
    model:           local folder or hub id of the backbone; default: the embedded one.

    Equal texts or images never stand in training and test of one fold. Finished runs are kept in the cache: after an
    interrupt, or with a larger budget, the same call goes on where it was. Raises CourseError for data or options that
    cannot be used.
    """
    path, out = Path(data), _writable(Path(out))
    least = {"folds": (folds, 2), "max_rows": (max_rows, 4), "max_steps": (max_steps, 1)}
    for option, (value, bound) in least.items():
        refuse(value is not None and value < bound, f"{option} is {value}.", f"Use {bound} or more.")
    refuse(
        budget_minutes is not None and budget_minutes <= 0, f"budget_minutes is {budget_minutes}.", "Use more than 0."
    )
    unknown = sorted(set(strategies or ()) - set(STRATEGIES))
    refuse(bool(unknown), f"There is no strategy '{', '.join(unknown)}'.", f"Choose among: {', '.join(STRATEGIES)}.")
    kind = "images" if path.suffix == ".npz" or path.is_dir() or not (path.suffix or path.exists()) else "text"
    wanted = strategies or [s for s in STRATEGIES if kind == "images" or s != "gradual"]
    wanted = [s for s in STRATEGIES if s in wanted or s == "majority"]
    refuse(len(wanted) < 2, "There is nothing to compare the majority class with.", "Name another strategy.")

    backbone = find_backbone(kind, model)
    if kind == "text":
        rows, notes = read_texts(path, text_column, label_column, max_rows, seed, backbone)
    else:
        rows, notes = read_images(path, max_rows, seed, backbone)
    splits = _splits(rows, folds, seed, notes)
    steps = max_steps or max(150, 3 * math.ceil(len(splits[0][0]) / BATCH))

    def run(fold, strategy):
        from course_utils.compare.strategies import run_fold  # not needed where everything is in the cache

        return run_fold(rows, strategy, *splits[fold], steps, seed + fold)

    conditions = [{"strategy": s, "max_steps": steps if s in TRAINED else 0} for s in wanted]
    frame, done = _grid(run, conditions, len(splits), budget_minutes, _fingerprint(rows, splits, seed))
    if done < len(splits):
        notes.append(
            f"The budget of {budget_minutes:g} minutes was enough for {done} of {len(splits)} folds; the same command"
            " goes on from there."
        )
    accuracy = frame.groupby("strategy").accuracy.mean()
    stuck = [s for s in wanted if s in TRAINED and accuracy[s] < accuracy["majority"] + 0.02]
    if stuck:
        notes.append(
            f"Hardly better than the majority class after {steps} steps: {', '.join(stuck)}. More steps (--max-steps)"
            " may change the verdict."
        )
    counts = Counter(rows.labels.tolist())
    what, uneven = "texts" if kind == "text" else "images", max(counts.values()) > 2 * min(counts.values())
    if uneven:
        notes.append("The classes are uneven (more than 2 to 1): macro-F1 decides, not accuracy.")
    names = {
        "majority": "majority class",
        "baseline": "bag of words" if kind == "text" else "raw pixels",
        "lora": "LoRA",
    }
    trained = " and ".join(", ".join(names.get(s, s) for s in wanted if s in TRAINED).rsplit(", ", 1))
    found = Comparison(
        title=f"{path.name}: {_described(rows, what, counts)}, {len(splits)} stratified folds",
        folds=frame.drop(columns="max_steps").rename(columns={"seed": "fold"}),
        metric="macro_f1" if uneven else "accuracy",
        labels={s: names.get(s, s) for s in wanted},
        planned=len(splits),
        tested=sum(len(test) for _, test in splits[:done]),
        majority=rows.names[counts.most_common(1)[0][0]],
        grounds=f"{done} folds of {len(rows.labels):,} {what}"
        + (f", {steps} steps of batch {BATCH} for {trained}, at learning rates not tuned here" if trained else ""),
        notes=notes,
    )
    found.save(out)
    return found


def _writable(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            return out
    except OSError as error:
        raise CourseError(f"Nothing can be written to {out} ({error.strerror}).", "Name another folder.") from None


def _splits(rows: Data, folds: int, seed: int, notes: list[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(training rows, test rows) per fold, stratified; rows with the same key stay together."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    table = pd.DataFrame({"label": rows.labels, "key": rows.keys})
    distinct = table.drop_duplicates().groupby("label").size()
    if distinct.max() < folds:
        folds = int(distinct.max())
        notes.append(f"Only {folds} folds: no class has more different samples.")
    few = distinct.index[distinct < folds].tolist()
    if few:
        told = ", ".join(f"'{rows.names[i]}' ({distinct[i]})" for i in few[:5]) + " …" * (len(few) > 5)
        notes.append(f"Classes with fewer than {folds} different samples are missing from some folds: {told}.")
    repeated, kind = len(table) - table.key.nunique(), StratifiedKFold
    if repeated:
        kind, torn = StratifiedGroupKFold, int((table.drop_duplicates().groupby("key").size() > 1).sum())
        told = f"; {torn:,} have other labels than their originals" if torn else ""
        notes.append(
            f"Copies among the samples: {repeated:,}. They stay in one fold, so that none leaks into a test{told}."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with fewer samples than folds: noted above
        made = kind(folds, shuffle=True, random_state=seed).split(table.key, table.label, table.key)
        return [(train, test) for train, test in made if len(test)]


def _described(rows: Data, what: str, counts: Counter) -> str:
    shown = [f"{rows.names[i]}: {100 * n / len(rows.labels):.0f} %" for i, n in counts.most_common(4)]
    more = f", {len(counts) - 4} more" if len(counts) > 4 else ""
    return f"{len(rows.labels):,} {what}, {len(counts)} classes ({', '.join(shown)}{more})"


def _fingerprint(rows: Data, splits: list, seed: int) -> str:
    """Changes with everything that a result depends on, but for strategy, fold and steps."""
    files = sorted(file for file in Path(rows.model).iterdir() if file.is_file())
    parts = [VERSION, settings.device().type, str(seed), rows.kind, *rows.names]
    parts += [f"{file.resolve()} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
    digest = hashlib.sha256("\0".join(parts).encode())
    for text in rows.inputs if rows.kind == "text" else rows.keys:
        digest.update(text.encode() + b"\0")
    for array in (rows.labels, *(test for _, test in splits)):
        digest.update(array.tobytes())
    return digest.hexdigest()


def _grid(run, conditions: list, folds: int, budget: float | None, version: str) -> tuple[pd.DataFrame, int]:
    """The rows of all folds that are finished, and their number: fewer than asked where the budget (minutes) ends."""
    begun: dict[int, float] = {}  # those not in the cache, with the time

    def within_budget(seed, strategy, **_):
        if seed not in begun:
            now = time.monotonic()
            last = now - max(begun.values(), default=now)
            begun[seed] = now
            if budget and seed >= 2 and now + last - min(begun.values()) > 60 * budget:
                raise _OutOfTime
        return run(seed, strategy)

    options = {"cache": settings.cache_dir() / "compare", "version": version, "desc": "comparing"}
    try:
        return run_grid(within_budget, conditions, range(folds), **options), folds
    except _OutOfTime:
        done = max(begun)
        return run_grid(within_budget, conditions, range(done), **options), done


class _OutOfTime(Exception):
    """Another fold would end after the budget."""
