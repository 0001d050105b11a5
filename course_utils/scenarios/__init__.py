"""The capstone's five blind scenarios: what is known of each, and `run`, which trains a strategy within its budgets.

    scenario = draw("A")
    run(Strategy("probe", C=0.1), scenario).score

Every seed draws labels, validation data and test data afresh.
"""

from course_utils.scenarios.facts import Result, Scenario, Strategy
from course_utils.scenarios.feedback import agrees, reaches
from course_utils.scenarios.train import cost, gap, run
from course_utils.scenarios.worlds import draw

__all__ = ["Result", "Scenario", "Strategy", "agrees", "cost", "draw", "gap", "reaches", "run"]
