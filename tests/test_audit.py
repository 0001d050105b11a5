"""The audit must notice every way in which a check, or an answer bank, can be wrong."""

import io

import pytest
from rich.console import Console
from test_lint import IN_CHECK, write_toy

from course_utils.authoring.answers import edited, read_answers
from course_utils.authoring.audit import audit, report_table
from course_utils.errors import CourseError

GOOD = """\"\"\"Answers to 01.double.\"\"\"
# %% wrong squared
# says: You squared
def double(x):
    return x * x

# %% wrong different (half)
# says: largest difference
def double(x):
    return x / 2

# %% wrong 01.double.returns_none
def double(x):
    2 * x

# %% right sum
def double(x):
    return x + x

# %% right shift
def double(x):
    return 4 * x / 2
"""
BAD = """
# %% wrong squared (a right answer)
def double(x):
    return x + x

# %% wrong plus_one
def double(x):
    return x + 1

# %% wrong squared (another text)
# says: never said
def double(x):
    return x * x

# %% right squared
def double(x):
    return x * x

# %% wrong loops
def double(x):
    while True:
        pass

# %% wrong exits
import os
def double(x):
    os._exit(0)

# %% wrong kills
import os, signal
def double(x):
    os.kill(os.getpid(), signal.SIGKILL)

# %% wrong sys_exit
def double(x):
    raise SystemExit

# %% wrong checks_altered
from course_utils import checks
checks.Check.fail = checks.Check.that = checks.Check.expect = lambda *a, **k: None
np.random.default_rng = lambda seed: 1 / 0
def double(x):
    return 0

# %% wrong squared (after all these)
def double(x):
    return x * x
"""


def run(root, bank, *changes, **options):
    lesson = write_toy(root, *changes)
    lesson.answers.mkdir(exist_ok=True)
    (lesson.answers / "double.py").write_text(bank)
    return audit(lesson, **options)


def shown(report) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(report_table(report))
    return console.file.getvalue()


def test_a_good_bank(tmp_path):
    report = run(tmp_path, GOOD, exercise="double")
    assert report.ok and shown(report).count("3/3") == 2 and shown(report).count("2/2") == 2
    assert {r.answer.label: r.id for r in report.of("double", "wrong")} == {
        "squared": "01.double.squared",
        "different (half)": "01.double.different",
        "01.double.returns_none": "01.double.returns_none",
    }
    assert [r.outcome for r in report.of("double", "stub")] == ["NotAttempted"]


def test_every_kind_of_fault_is_noticed_and_harms_no_other_answer(tmp_path):
    report = run(tmp_path, GOOD + BAD, seconds=3)
    faults = {f"{r.answer.kind} {r.answer.label}": r.fault for r in report.results if r.fault}
    expected = {
        "wrong squared (a right answer)": "accepted, though wrong (expected 01.double.squared)",
        "wrong plus_one": "expected 01.double.plus_one, but: Wrong 01.double.different: Your result is off",
        "wrong squared (another text)": "the message lacks 'never said'. Wrong 01.double.squared: You squared x.",
        "right squared": "rejected, though right. Wrong 01.double.squared",
        "wrong loops": "did not end within 3 s",
        "wrong exits": "exit code 0",
        "wrong kills": "exit code -9",
        "wrong sys_exit": "SystemExit",
    }
    assert set(faults) == set(expected)
    for name, text in expected.items():
        assert text in faults[name]
    assert not report.ok
    table = shown(report)
    line = (GOOD + BAD).splitlines().index("# %% wrong plus_one") + 1
    assert f"answers/double.py:{line}" in table and "7/12" in table and "5/12" in table


def test_checks_that_accept_too_much_are_noticed(tmp_path):
    report = run(
        tmp_path,
        GOOD,
        (IN_CHECK, "    double(3.0)\n"),
        ("c.expect(double(float(value)), float(value) + float(value))", "double(float(value))"),
    )
    assert [r.fault[:8] for r in report.of("double", "wrong")] == ["accepted"] * 3 and not report.ok


def test_a_solution_that_fails_its_checks_is_noticed(tmp_path):
    report = run(tmp_path, GOOD, ("2 * x", "x * x"))
    assert "rejected, though right" in report.of("double", "reference")[0].fault and not report.ok


def test_a_bank_that_is_too_small_or_misnamed(tmp_path):
    report = run(tmp_path, GOOD.partition("# %% wrong 01.double.returns_none")[0])
    assert report.problems == [
        "double has 2 wrong answers of at least 3 (answers/double.py)",
        "double has 0 right answers of at least 2 (answers/double.py)",
    ]
    assert not report.ok and report.problems[0] in shown(report)
    lesson = write_toy(tmp_path)
    (lesson.answers / "double.py").rename(lesson.answers / "duble.py")
    assert "answers/duble.py belongs to no exercise" in audit(lesson).problems


def test_bad_input(tmp_path):
    with pytest.raises(CourseError, match="no exercise 'triple'.*double"):
        run(tmp_path, GOOD, exercise="triple")
    with pytest.raises(CourseError, match="double.py:2 begins a cell with 'worng squared'"):
        run(tmp_path, GOOD.replace("wrong squared", "worng squared"))
    with pytest.raises(CourseError, match="setup cell failed: ModuleNotFoundError.*nowhere"):
        run(tmp_path, GOOD, ("import numpy as np", "import numpy as np\nimport nowhere"))


def test_reading_a_bank(tmp_path):
    (tmp_path / "double.py").write_text(GOOD)
    answers = list(read_answers(tmp_path / "double.py", "01", ""))
    assert [(a.kind, a.label, a.verdict, a.says) for a in answers] == [
        ("wrong", "squared", "01.double.squared", ("You squared",)),
        ("wrong", "different (half)", "01.double.different", ("largest difference",)),
        ("wrong", "01.double.returns_none", "01.double.returns_none", ()),
        ("right", "sum", "", ()),
        ("right", "shift", "", ()),
    ]
    assert (
        answers[0].exercise == "double"
        and answers[0].where == "answers/double.py:2"
        and "return x * x" in answers[0].code
    )


SOLUTION = "def double(x):\n    y = x\n    y = y + x\n    return y"
EDITS = """# %% wrong once
#-    y = y + x

# %% wrong thrice (two places)
#-    y = x
#+    y = x
#+    y = y + x

#-    return y
#+    return y * 1

# %% wrong bare
# edits: short
#-    return 2 * x
#+    2 * x

# %% right short
def double(x):
    return 2 * x
"""


def test_an_answer_may_be_an_edit_of_the_solution_or_of_a_right_answer(tmp_path):
    (tmp_path / "double.py").write_text(EDITS)
    code = {a.label: a.code for a in read_answers(tmp_path / "double.py", "01", SOLUTION)}
    assert code["once"] == "def double(x):\n    y = x\n    return y"
    assert code["thrice (two places)"] == ("def double(x):\n    y = x\n    y = y + x\n    y = y + x\n    return y * 1")
    assert code["bare"].strip() == "def double(x):\n    2 * x"


@pytest.mark.parametrize(("line", "count"), [("    z = x", 0), ("y = x", 0), ("    pass", 2)])
def test_an_edit_that_fits_nowhere_or_twice_is_refused(line, count):
    base = SOLUTION + "\n    pass\n    pass"
    with pytest.raises(CourseError, match=f"occur {count} times, beginning with `{line.strip()}`"):
        edited(base, [f"#-{line}", "#+    new"], "answers/double.py:1")


def test_an_edit_of_an_unknown_answer_is_refused(tmp_path):
    (tmp_path / "double.py").write_text(EDITS.replace("edits: short", "edits: long"))
    with pytest.raises(CourseError, match="edits 'long'"):
        list(read_answers(tmp_path / "double.py", "01", SOLUTION))
