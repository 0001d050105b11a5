"""The capstone's scenarios: facts that are true, budgets that hold, data that no seed repeats, feedback that fits."""

import math
from dataclasses import replace

import pytest
import torch

from course_utils.checks import Verdict, check
from course_utils.errors import CourseError
from course_utils.scenarios import Strategy, agrees, cost, draw, gap, reaches, run
from course_utils.scenarios.train import problem_of
from course_utils.scenarios.worlds import WORLDS, data


@pytest.mark.parametrize("name", WORLDS)
def test_data_are_what_the_facts_say(name):
    scenario = draw(name, seed=50)
    x, y = data(scenario, "train")
    assert tuple(torch.bincount(y).tolist()) == scenario.class_counts
    counts = torch.bincount(data(scenario, "test")[1])
    assert counts.min() == counts.max()
    other = data(draw(name, seed=51), "train")[0]
    if scenario.kind == "text":
        assert not set(x) & set(data(scenario, "test")[0])
        assert len(set(x) & set(other)) < 0.1 * len(x)
    else:
        assert x.shape[1:] == (1, 32, 32)
        assert 0 <= x.min() < x.max() <= 1
        assert not torch.equal(x, other)
    assert data(draw(name, seed=50), "train")[1].tolist() == y.tolist()


@pytest.mark.parametrize("name", WORLDS)
def test_gap_is_as_stated(name):
    assert gap(name) == pytest.approx(draw(name).gap, abs=0.01)


def test_validation_is_as_skewed_as_the_labels():
    counts = torch.bincount(data(draw("D"), "validation")[1])
    assert counts[1] / counts[0] == pytest.approx(575 / 25, rel=0.05)


def test_cost_counts_what_is_stored():
    assert cost(Strategy("probe"), draw("D")) == (129, 600)
    assert cost(Strategy("probe", feature_layer=1), draw("B")) == (17 * 6, 30)
    text = cost(Strategy("lora", r=8, steps=10, batch_size=4), draw("D"))
    assert text == (8 * 8 * 256 + 258, 40)  # query and value of four layers, and the head
    assert cost(Strategy("partial", layers=()), draw("B"))[0] == 129 * 6
    assert cost(Strategy("full"), draw("B"))[0] > 300_000


@pytest.mark.parametrize(
    ("name", "strategy", "slug"),
    [
        ("A", Strategy("Probe"), "unknown_name"),
        ("A", Strategy("full", penalty="replay"), "unknown_penalty"),
        ("B", Strategy("full", penalty="EWC"), "unknown_penalty"),
        ("B", Strategy("full", steps=0), "bad_number"),
        ("B", Strategy("partial", layers=[5]), "unknown_layer"),
        ("D", Strategy("full"), "over_parameters"),
        ("E", Strategy("full", steps=61), "over_samples"),
    ],
)
def test_what_cannot_be_trained_is_said_and_scores_nothing(name, strategy, slug):
    assert problem_of(strategy, draw(name))[0] == slug
    result = run(strategy, draw(name))
    assert (result.score, result.samples) == (0.0, 0)
    assert result.problem
    with pytest.raises(Verdict, match=f"Scenario {name}: your strategy") as caught, check("08.choose") as c:
        agrees(c, strategy, draw(name))
    assert caught.value.id == f"08.choose.{slug}"


def test_unknown_scenario():
    with pytest.raises(CourseError, match="no scenario 'F'"):
        draw("F")


def test_accuracy_flatters_where_classes_are_skewed():
    plain, weighted = (run(Strategy("probe", C=0.01, class_weights=w), draw("D")) for w in (False, True))
    assert plain.accuracy > 0.9 > weighted.accuracy
    assert weighted.score == weighted.macro_f1 > plain.macro_f1 + 0.1


def test_a_frozen_network_keeps_every_letter_and_two_steps_are_repeatable():
    frozen = run(Strategy("probe"), draw("E"))
    assert frozen.source == run(Strategy("probe", C=0.01), draw("E", seed=1)).source > 0.9
    two = Strategy("full", steps=2, batch_size=4, penalty="replay", strength=0.5)
    once = run(two, draw("E"))
    run.cache_clear()
    assert run(two, draw("E")) == once
    assert math.isnan(run(two, draw("C")).source)


@pytest.mark.parametrize("name", ["lora", "partial", "scratch"])
def test_every_kind_trains_on_images_and_words(name):
    for scenario in ("A", "B"):
        result = run(Strategy(name, steps=2, batch_size=4, layers=(4,), head_first=0.5), draw(scenario))
        assert result.samples == 8
        assert 0 < result.score < 1


def test_feedback_names_what_was_reached_and_the_idea():
    with pytest.raises(Verdict) as caught, check("08.choose") as c:
        reaches(c, lambda scenario: Strategy("probe", C=0.1), "B", 0, 0.99)
    assert caught.value.id == "08.choose.top_features"
    for part in ("Scenario B: accuracy", "new test data", "needs 99%", "gap of 1.2"):
        assert part in caught.value.message


def test_a_scenario_made_up_is_still_held_to_its_budget():
    small = replace(draw("B"), max_parameters=50)
    assert problem_of(Strategy("probe"), small)[0] == "over_parameters"
