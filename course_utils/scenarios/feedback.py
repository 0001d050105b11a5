"""What a check says of a strategy: whether it may be trained, what it reached, and which idea to revisit."""

from collections.abc import Callable

from course_utils.checks import Check
from course_utils.scenarios.facts import Result, Scenario, Strategy
from course_utils.scenarios.train import problem_of, run
from course_utils.scenarios.worlds import draw

FEW, FAR = 50, 0.7


def agrees(c: Check, strategy: Strategy, scenario: Scenario) -> None:
    """Fail check `c` unless `strategy` is one, and can be trained within the budgets of the scenario."""
    told, kind = f"Scenario {scenario.name}: ", type(strategy).__name__
    c.that(strategy is not None, "returns_none", f"{told}choose returned None. Does every way end in `return …`?")
    c.that(isinstance(strategy, Strategy), "not_a_strategy", f"{told}return a Strategy, not a {kind}.")
    slug, text = problem_of(strategy, scenario)
    c.that(not slug, slug, f"{told}your strategy {text}.")


def reaches(c: Check, choose: Callable, name: str, seed: int, least: float, part: str = "test") -> None:
    """Fail check `c` unless what `choose` takes for this draw reaches `least`; the message names an idea to revisit."""
    scenario = draw(name, seed)
    if run(Strategy("full", steps=10**6), scenario).score:
        c.fail("checks_altered", "A strategy far over budget was scored. Restart the kernel and run again.")
    strategy = choose(scenario)
    agrees(c, strategy, scenario)
    result = run(strategy, scenario, part)
    reached = f"Scenario {name}: {scenario.metric} {result.score:.1%} on {'new ' * (part == 'test')}{part} data"
    if result.source < scenario.keep_source:
        kept = f"only {result.source:.1%} of the letters are still told apart; {scenario.keep_source:.0%} are asked for"
        c.fail("forgets_source", f"{reached}, but {kept}. What keeps a network where it was (lessons 03 and 04)?")
    if result.score < least:
        slug, idea = _idea(strategy, scenario, result)
        c.fail(slug, f"{reached}; this rung needs {least:.0%}. {idea}")


def _idea(s: Strategy, scenario: Scenario, result: Result) -> tuple[str, str]:
    """The likeliest reason for a low score, as a slug, and the idea behind it."""
    counts, labels, far = scenario.class_counts, scenario.labels, scenario.gap > FAR
    few, probe = min(counts) * len(counts) <= FEW, s.name == "probe"
    if s.name == "scratch":
        return "from_scratch", f"You start from random weights; {labels} labels are few to learn everything from."
    if max(counts) > 5 * min(counts) and not (s.class_weights or s.balanced_batches):
        share = f"{max(counts) / labels:.0%} of the labels are of one class"
        looks = f"so that naming it nearly always looks right (accuracy {result.accuracy:.0%})"
        return "no_class_weights", f"{share}, {looks}. What makes classes count the same (lesson 01)?"
    if not probe and s.layers and s.lr >= 1e-2:
        return "hot_rate", f"A rate of {s.lr:g} overruns what the network knew (lessons 01 and 02)."
    if not probe and s.lr < 3e-4:
        return "cold_rate", f"At a rate of {s.lr:g} the weights hardly move within {s.steps} steps (lesson 02)."
    if not probe and result.samples < scenario.max_samples / 3:
        used = f"{result.samples:,} of {scenario.max_samples:,} samples"
        return "few_steps", f"You show {used} that the budget allows: the network has hardly begun to learn."
    if few and not probe:
        rare = f", {min(counts)} of them of the rare class" if min(counts) < max(counts) else ""
        numbers = f"{result.parameters:,} parameters are set by {labels} labels{rare}"
        return "trains_with_few", f"{numbers}. What can be had without training the network (lesson 01)?"
    if probe and few and far and s.feature_layer > 2:
        unlike = f"The gap of {scenario.gap:.1f} says that these inputs are unlike those of the pretraining"
        return "top_features", f"{unlike}, in which the upper layers are specialized. Which are not (lesson 03)?"
    if s.penalty != "none":
        return "held_too_hard", f"A penalty of {s.strength:g} leaves little room for the new task (lesson 04)."
    if not few and (probe or s.name in ("partial", "lora")):
        enough = f"{labels} labels are enough to change the features themselves"
        return "frozen_with_many", f"{enough}, and what your strategy freezes cannot follow (lesson 01)."
    if probe and s.feature_layer < 3 and not far:
        return "bottom_features", "The inputs are close to the pretraining; its upper layers say more about them."
    if probe:
        fitted = f"C = {s.C:g} for {result.parameters:,} numbers and {labels} labels"
        return "regularization", f"{fitted}: a smaller C holds the head back, a larger one lets it fit (lesson 01)."
    return "below_rung", "The kind of strategy may do; compare rates, steps and batch sizes on the validation data."
