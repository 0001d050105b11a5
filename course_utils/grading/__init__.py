"""Grading a class on nbgrader: preflight, execution, feedback and the class report. No notebook imports this."""

import sys

# jsonschema, which nbformat needs, builds a grammar for international web addresses from this package whenever it is
# imported: two seconds in each process that grades, for a check that notebooks have no use for. It does without.
sys.modules.setdefault("rfc3987_syntax", None)
