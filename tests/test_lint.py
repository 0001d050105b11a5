"""Each rule for lesson notebooks is broken in turn, in a lesson that keeps all of them otherwise."""

from pathlib import Path

import pytest

from course_utils.authoring.lessons import exercises, find_lessons, read, secret_lines, setup_cell, student_source
from course_utils.authoring.lint import lint, stub_problems
from course_utils.errors import CourseError

META = '"schema_version": 3, "task": false'
SOLUTION = f'nbgrader={{"grade": false, "grade_id": "double", "locked": false, "solution": true, {META}}}'
CHECK = (
    f'nbgrader={{"grade": true, "grade_id": "double_check", "locked": true, "points": 40, "solution": false, {META}}}'
)
HIDDEN = (
    f'nbgrader={{"grade": true, "grade_id": "double_hidden", "locked": true, "points": 60, "solution": false, {META}}}'
)
TOY = f'''# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A toy lesson

# %% tags=["setup"]
import numpy as np

from course_utils.checks import check

# %% [markdown]
# ### Exercise 1 · `double`
#
# **Difficulty ●○○ · Importance ●● · 5 minutes · 100 points**
#
# <details><summary>Hint 1</summary>one</details>
# <details><summary>Hint 2</summary>two</details>
# <details><summary>Hint 3</summary>three</details>

# %% {SOLUTION}
def double(x: float) -> float:
    """Twice x."""
    ### BEGIN SOLUTION
    twice_the_value = 2 * x
    return twice_the_value
    ### END SOLUTION

# %% {CHECK} tags=["nbval-check-output"]
with check("01.double") as c:
    c.expect(double(3.0), 6.0, mistakes={{"squared": (9.0, "You squared x.")}})

# %% {HIDDEN}
# Hidden checks run here when your work is graded.
### BEGIN HIDDEN TESTS
with check("01.double") as c:
    for value in np.random.default_rng(0).normal(size=5):
        c.expect(double(float(value)), float(value) + float(value))
### END HIDDEN TESTS

# %% tags=["experiment"]
print("doubled", double(21.0))
'''


def write_toy(root: Path, *replacements: tuple[str, str]):
    """Write the toy lesson, changed, and return it."""
    text = TOY
    for old, new in replacements:
        assert old in text, f"{old!r} is not in the toy lesson"
        text = text.replace(old, new)
    path = root / "solutions" / "01_toy" / "01_toy.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return find_lessons(root, "01")[0]


def broken(root: Path, *replacements: tuple[str, str], timings=None) -> list[str]:
    return [problem.rule for problem in lint(read(write_toy(root, *replacements)), timings)]


IN_CHECK = '    c.expect(double(3.0), 6.0, mistakes={"squared": (9.0, "You squared x.")})\n'
VIOLATIONS = {
    "stderr: sys": ((IN_CHECK, IN_CHECK + "    import sys\n    print(1, file=sys.stderr)\n"), "stderr"),
    "stderr: warnings": ((IN_CHECK, IN_CHECK + "    import warnings\n    warnings.warn('x')\n"), "stderr"),
    "stderr: tqdm": ((IN_CHECK, "    from tqdm.auto import tqdm\n" + IN_CHECK), "stderr"),
    "expression": ((IN_CHECK, IN_CHECK + "double(3.0)\n"), "trailing-expression"),
    "seed: torch": ((IN_CHECK, IN_CHECK + "    import torch\n    torch.randn(3)\n"), "seed"),
    "seed: layer": ((IN_CHECK, IN_CHECK + "    from torch import nn\n    nn.Linear(2, 3)\n"), "seed"),
    "seed: after use": ((IN_CHECK, "    np.random.rand(3)\n    np.random.seed(0)\n" + IN_CHECK), "seed"),
    "seed: of another library": (
        (IN_CHECK, IN_CHECK + "    import torch\n    torch.manual_seed(0)\n    np.random.rand(3)\n"),
        "seed",
    ),
    "seed: empty": (("default_rng(0)", "default_rng()"), "seed"),
    "name of an experiment": ((IN_CHECK, IN_CHECK + "    c.expect(trained, 1)\n"), "free-names"),
    "name of the visible check": ((IN_CHECK, IN_CHECK + "want = 6\n"), None),
    "name of another check": (("float(value) + float(value)", "want"), "free-names"),
    "name inside a solution": (("2 * x", "2 * x + offset"), "free-names"),
    "id of a solution": (('"double"', '"Double"'), "grade-id"),
    "id of a check": (("double_check", "test_double"), "grade-id"),
    "id used twice": (("double_hidden", "double_check"), "duplicate-id"),
    "no hidden cell": (("double_hidden", "double_check2"), "no-hidden"),
    "no visible cell": (("double_check", "double_hidden2"), "no-check"),
    "points": (('"points": 60', '"points": 50'), "points"),
    "no comment": (("# Hidden checks run here when your work is graded.\n", ""), "hidden"),
    "open region": (("### END HIDDEN TESTS\n", ""), "hidden"),
    "no region": (("    ### BEGIN SOLUTION\n", ""), "solution"),
    "other exercise's verdicts": (('check("01.double") as c:\n    c', 'check("01.triple") as c:\n    c'), "check-id"),
    "metadata: no points": (('"points": 60, ', ""), "metadata"),
    "metadata: type": (('"points": 60', '"points": "many"'), "metadata"),
    "metadata: version": (('"points": 60, "solution": false, "schema_version": 3',
                           '"points": 60, "solution": false, "schema_version": 2'), "metadata"),
    "metadata: JSON": (('"points": 60,', '"points": 60'), "metadata"),
    "experiment with points": (('tags=["nbval-check-output"]', 'tags=["experiment"]'), "experiment"),
    "authoring": (("import numpy as np", "import numpy as np\nfrom course_utils.authoring import build"), "import"),
    "grading": (("import numpy as np", "import numpy as np\nimport course_utils.grading.execute"), "import"),
    "difficulty": (("Difficulty ●○○", "Difficulty easy"), "heading"),
    "importance": (("Importance ●●", "Importance high"), "heading"),
    "minutes": (("5 minutes · ", ""), "heading"),
    "hints": (("# <details><summary>Hint 3</summary>three</details>\n", ""), "heading"),
    "open details": (("three</details>", "three"), "heading"),
    "no setup": (('tags=["setup"]', ""), "setup"),
    "star import": (("import numpy as np", "import numpy as np\nfrom math import *"), "setup"),
    "syntax": (("c.expect(double(3.0), 6.0,", "c.expect(double(3.0) 6.0,"), "syntax"),
}  # fmt: skip


@pytest.mark.parametrize("name", VIOLATIONS)
def test_each_rule(name, tmp_path):
    replacement, rule = VIOLATIONS[name]
    found = broken(tmp_path, replacement)
    assert found == [] if rule is None else rule in found


def test_a_good_lesson_breaks_no_rule(tmp_path):
    assert broken(tmp_path) == []


@pytest.mark.parametrize(
    "lines",
    [
        "    import torch\n    torch.manual_seed(0)\n    torch.randn(3)\n",
        "    import torch\n    torch.randn(3, generator=torch.Generator().manual_seed(0))\n",
        "    rng = np.random.default_rng(3)\n    rng.normal()\n",
        "    import random\n    random.Random(3).random()\n",
        "    import warnings\n    with warnings.catch_warnings(record=True):\n        double(1.0)\n",
        "    squares = [i * i for i in range(3)]\n    f = lambda a, *b, k=1: (a, b, k)\n",
    ],
)
def test_what_looks_similar_is_allowed(lines, tmp_path):
    assert broken(tmp_path, (IN_CHECK, lines + IN_CHECK)) == []


def test_slow_cells(tmp_path):
    assert broken(tmp_path, timings={"double_check": 2.5}) == ["slow"]
    assert broken(tmp_path, timings={"double_check": 1.5, "cell-of-an-experiment": 60.0}) == []
    trains = ('tags=["nbval-check-output"]', 'tags=["trains", "nbval-check-output"]')
    assert broken(tmp_path, trains, timings={"double_check": 9.0}) == []
    assert broken(tmp_path, trains, timings={"double_check": 11.0}) == ["slow"]


def test_problems_name_the_line(tmp_path):
    lesson = write_toy(tmp_path, (IN_CHECK, IN_CHECK + "double(3.0)\n"))
    line = 1 + next(n for n, text in enumerate(lesson.source.read_text().splitlines()) if "double_check" in text)
    assert f"double_check (line {line})" in str(lint(read(lesson))[0])


@pytest.mark.parametrize(
    ("stub", "what"),
    [
        ("def double(x: float, y=1) -> float:", "signature"),
        ("def double(x: float) -> int:", "signature"),
        ("def twice(x: float) -> float:", "different names"),
    ],
)
def test_stub_must_match(stub, what, tmp_path):
    notebook = read(write_toy(tmp_path))
    release = read(
        write_toy(
            tmp_path, ("def double(x: float) -> float:", stub), ("return twice_the_value", "raise NotImplementedError")
        )
    )
    assert what in " ".join(stub_problems(notebook, release))


def test_stub_must_keep_docstring_raise_and_annotate(tmp_path):
    todo = ("return twice_the_value", "raise NotImplementedError")
    notebook = read(write_toy(tmp_path))
    assert stub_problems(notebook, read(write_toy(tmp_path, todo))) == []
    assert "docstring" in stub_problems(notebook, read(write_toy(tmp_path, todo, ("Twice x.", "Half of x."))))[0]
    assert (
        "does not raise"
        in stub_problems(notebook, read(write_toy(tmp_path, ("return twice_the_value", "return 0"))))[0]
    )
    bare = read(write_toy(tmp_path, (") -> float:", "):")))
    assert "no return annotation" in stub_problems(bare, read(write_toy(tmp_path, (") -> float:", "):"), todo)))[0]


def test_reading_is_deterministic_and_ids_survive_an_insertion(tmp_path):
    first, again = read(write_toy(tmp_path)), read(write_toy(tmp_path))
    assert first == again
    longer = read(write_toy(tmp_path, ("# # A toy lesson\n", "# # A toy lesson\n\n# %% [markdown]\n# More.\n")))
    assert set(cell.id for cell in first.cells) < set(cell.id for cell in longer.cells)
    assert len({cell.id for cell in longer.cells}) == len(longer.cells) == len(first.cells) + 1


def test_exercises_and_what_a_student_gets(tmp_path):
    lesson = write_toy(tmp_path)
    notebook = read(lesson)
    (exercise,) = exercises(notebook)
    assert (exercise.name, exercise.points, len(exercise.checks), len(exercise.hidden)) == ("double", 100, 1, 1)
    stub = student_source(exercise.solution)
    assert "twice_the_value" not in stub and "Twice x." in stub and "raise NotImplementedError()" in stub
    assert student_source(exercise.hidden[0]).strip() == "# Hidden checks run here when your work is graded."
    assert "import numpy" in setup_cell(notebook).source
    secret = secret_lines(lesson, notebook)
    assert "return twice_the_value" in secret and 'with check("01.double") as c:' not in secret


def test_lessons_are_found_by_number_and_name(tmp_path):
    write_toy(tmp_path)
    for which in ("01", "1", "01_toy", "solutions/01_toy/", "01_toy.py", None):
        assert [lesson.name for lesson in find_lessons(tmp_path, which)] == ["01_toy"]
    with pytest.raises(CourseError, match="no lesson '02'.*01_toy"):
        find_lessons(tmp_path, "02")
    with pytest.raises(CourseError, match="No lesson was found"):
        find_lessons(tmp_path / "elsewhere")
