"""Which strategy for your own data? Strategies side by side, cross-validated, and a recommendation with its grounds."""

from course_utils.compare.report import Comparison
from course_utils.compare.run import STRATEGIES, compare

__all__ = ["STRATEGIES", "Comparison", "compare"]
