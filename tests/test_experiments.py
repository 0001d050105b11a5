"""Grids that resume, intervals against SciPy, pairs by seed."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from course_utils.errors import CourseError
from course_utils.experiments import (
    cell_file,
    labels_needed,
    mean_interval,
    paired_difference,
    run_grid,
    summarize,
)

CONDITIONS = [{"strategy": s, "n": n} for s in ("probe", "full") for n in (20, 50)]


class Runs:
    """Counts its calls, and stops at one of them."""

    def __init__(self, stop_at=None):
        self.calls, self.stop_at = [], stop_at

    def __call__(self, seed, strategy, n):
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        self.calls.append((seed, strategy, n))
        return {"accuracy": np.float32(0.5) + n / 1000, "score": np.int64(seed)}


def test_one_row_per_condition_and_seed():
    frame = run_grid(Runs(), CONDITIONS, range(3))
    assert len(frame) == 12
    assert list(frame.columns) == ["strategy", "n", "seed", "accuracy", "score"]
    assert frame["accuracy"].tolist() == pytest.approx([0.52, 0.55] * 6)
    assert frame["seed"].tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_a_run_may_give_several_rows():
    frame = run_grid(lambda seed, n: [{"layer": i, "accuracy": i / 10} for i in range(n)], [{"n": 2}, {"n": 3}], [0])
    assert frame["layer"].tolist() == [0, 1, 0, 1, 2]
    assert frame["n"].tolist() == [2, 2, 3, 3, 3]


@pytest.mark.parametrize("stop_at", [0, 5, 11])
def test_an_interrupted_grid_runs_only_what_is_missing(tmp_path, capfd, stop_at):
    first = Runs(stop_at)
    with pytest.raises(KeyboardInterrupt):
        run_grid(first, CONDITIONS, range(3), cache=tmp_path)
    said = capfd.readouterr()
    assert f"Stopped: {stop_at} of 12" in said.out and said.err == ""
    second, third = Runs(), Runs()
    frame = run_grid(second, CONDITIONS, range(3), cache=tmp_path)
    assert len(first.calls) + len(second.calls) == 12
    assert set(first.calls).isdisjoint(second.calls)
    again = run_grid(third, CONDITIONS, range(3), cache=tmp_path)
    assert third.calls == []
    pd.testing.assert_frame_equal(frame, again)
    pd.testing.assert_frame_equal(frame, run_grid(Runs(), CONDITIONS, range(3)))
    assert not list(tmp_path.glob(".partial*"))


def test_another_version_condition_or_seed_is_another_cell(tmp_path):
    run_grid(Runs(), CONDITIONS[:1], [0], cache=tmp_path)
    for options in ({"version": "2"}, {"seeds": [1]}, {"conditions": CONDITIONS[1:2]}):
        runs = Runs()
        run_grid(runs, cache=tmp_path, **{"conditions": CONDITIONS[:1], "seeds": [0]} | options)
        assert len(runs.calls) == 1
    same = Runs()
    run_grid(same, [{"n": np.int64(20), "strategy": "probe"}], np.arange(1), cache=tmp_path)
    assert same.calls == []


def test_a_damaged_cell_is_run_again(tmp_path):
    run_grid(Runs(), CONDITIONS[:1], [0], cache=tmp_path)
    kept = cell_file(tmp_path, CONDITIONS[0], 0, "1")
    assert json.loads(kept.read_text())["condition"] == CONDITIONS[0]
    kept.write_text("{")
    runs = Runs()
    run_grid(runs, CONDITIONS[:1], [0], cache=tmp_path)
    assert len(runs.calls) == 1


def test_bad_grids_are_named():
    with pytest.raises(CourseError, match="given twice"):
        run_grid(Runs(), [CONDITIONS[0], dict(reversed(CONDITIONS[0].items()))], [0])
    with pytest.raises(CourseError, match="which is no number"):
        run_grid(lambda seed, model: {}, [{"model": object()}], [0])


@pytest.mark.parametrize("n", [2, 5, 30])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_is_scipy_s(n, level):
    values = np.random.default_rng(n).normal(3, 2, n)
    mean, low, high = mean_interval(values, level)
    want = stats.ttest_1samp(values, 0).confidence_interval(level)
    assert (mean, low, high) == pytest.approx((values.mean(), want.low, want.high))


def test_one_value_has_no_interval_and_none_is_refused():
    mean, low, high = mean_interval([2.0])
    assert mean == 2.0 and math.isnan(low) and math.isnan(high)
    with pytest.raises(CourseError, match="no value"):
        mean_interval([])


def test_summary_keeps_the_order_of_appearance():
    frame = pd.DataFrame({"s": ["b", "a"] * 3, "n": [1] * 6, "seed": [0, 0, 1, 1, 2, 2], "acc": [1, 5, 2, 5, 3, 5]})
    found = summarize(frame, ["s", "n"], "acc")
    assert found["s"].tolist() == ["b", "a"]
    assert found["runs"].tolist() == [3, 3]
    assert found["mean"].tolist() == [2, 5]


def test_pairs_go_by_seed_not_by_row():
    frame = pd.DataFrame(
        {"s": ["a"] * 3 + ["b"] * 3, "seed": [0, 1, 2, 2, 0, 1], "acc": [10.0, 20.0, 30.0, 27.0, 9.0, 18.0]}
    )
    found = paired_difference(frame, "acc", {"s": "a"}, {"s": "b"})
    assert found.to_dict() == {0: 1.0, 1: 2.0, 2: 3.0}
    with pytest.raises(CourseError, match=r"seeds \[2\]"):
        paired_difference(frame.drop(index=2), "acc", {"s": "a"}, {"s": "b"})
    with pytest.raises(CourseError, match="No row has"):
        paired_difference(frame, "acc", {"s": "a"}, {"s": "c"})
    with pytest.raises(CourseError, match="several rows"):
        paired_difference(pd.concat([frame, frame]), "acc", {"s": "a"}, {"s": "b"})
    with pytest.raises(CourseError, match="no column"):
        paired_difference(frame, "accuracy", {"s": "a"}, {"s": "b"})


def test_labels_needed_interpolates_on_the_log_scale():
    assert labels_needed([10, 1000], [0.5, 0.9], 0.7) == pytest.approx(100)
    assert labels_needed([1000, 10], [0.9, 0.5], 0.5) == 10
    assert labels_needed([10, 100, 1000], [0.5, 0.8, 0.7], 0.75) == pytest.approx(10 * 10 ** (0.25 / 0.3))
    assert labels_needed([10, 1000], [0.5, 0.9], 0.95) == math.inf
