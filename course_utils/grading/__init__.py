"""Grading a class on nbgrader: preflight, execution, feedback and the class report. No notebook imports this."""
