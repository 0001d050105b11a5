"""A toy lesson for tests: four exercises of 25 points each, its answer bank, and what a class does with it."""
# ruff: noqa: E501 (cell headers of the toy lesson)

import os
import subprocess
import sys

import nbformat

from course_utils.authoring.lessons import find_lessons
from course_utils.grading import sandbox
from course_utils.grading.classroom import prepare, release_path

TOY = """# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A toy lesson

# %% tags=["setup"]
import warnings

import numpy as np

from course_utils.checks import check
{exercises}
# %% tags=["experiment"]
raise RuntimeError("an experiment must not run when grading")
"""
EXERCISE = '''
# %% [markdown]
# ## {title}

# %% nbgrader={{"grade": false, "grade_id": "{name}", "locked": false, "schema_version": 3, "solution": true, "task": false}}
def {name}(x: np.ndarray) -> np.ndarray:
    """{title}."""
    ### BEGIN SOLUTION
    return {right}
    ### END SOLUTION

# %% nbgrader={{"grade": true, "grade_id": "{name}_check", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}} tags=["nbval-check-output"]
with check("01.{name}") as c:
    c.expect({name}(np.array([1.0, 2.0])), np.array({first}), mistakes={{"halved": (np.array([0.5, 1.0]), "You <b>halved</b> it.")}})

# %% nbgrader={{"grade": true, "grade_id": "{name}_hidden", "locked": true, "points": 15, "schema_version": 3, "solution": false, "task": false}}
# Hidden checks run here when your work is graded.
### BEGIN HIDDEN TESTS
with check("01.{name}") as c:
    top_secret = np.array([3.0, -1.0])
    c.expect({name}(top_secret), np.array({second}))
### END HIDDEN TESTS
'''
BANK = '''"""Wrong and right answers to 01.{name}."""
# %% wrong halved
# says: halved
def {name}(x):
    return x / 2

# %% wrong different
def {name}(x):
    return x + 100

# %% wrong raises_ValueError
def {name}(x):
    raise ValueError("no")

# %% right in one expression
{name} = lambda x: {right}

# %% right with a copy
def {name}(x):
    y = x.copy()
    return {right}
'''
EXERCISES = [
    ("double", "Twice the input", "2 * x", "[2.0, 4.0]", "[6.0, -2.0]"),
    ("square", "The square of the input", "x * x", "[1.0, 4.0]", "[9.0, 1.0]"),
    ("negate", "The input with the other sign", "-x", "[-1.0, -2.0]", "[-3.0, 1.0]"),
    ("successor", "One more than the input", "x + 1", "[2.0, 3.0]", "[4.0, 0.0]"),
]
RIGHT = {name: f"def {name}(x):\n    return {right}" for name, _, right, _, _ in EXERCISES}
LESSON = "01_toy"
# What `course grade` is given besides: kernels are sandboxed wherever that is possible.
SAFETY = ["--unsafe"] if sandbox.why_not() else []


def write_toy_lesson(root):
    """A course at `root` whose only lesson, 01_toy, has four exercises of 25 points each, and its answer bank."""
    folder = root / "solutions" / LESSON
    (folder / "answers").mkdir(parents=True)
    (root / "data").mkdir()
    cells = [
        EXERCISE.format(name=n, title=t, right=r, first=first, second=second) for n, t, r, first, second in EXERCISES
    ]
    (folder / f"{LESSON}.py").write_text(TOY.format(exercises="".join(cells)))
    for name, _, right, _, _ in EXERCISES:
        (folder / "answers" / f"{name}.py").write_text(BANK.format(name=name, right=right))
    return root


def command(root, *args):
    """How to start the `course` command on the course at `root`: the arguments of `subprocess.Popen`."""
    env = {**os.environ, "COURSE_HOME": str(root), "COLUMNS": "120"}
    line = [sys.executable, "-c", "from course_utils.cli import main; main()", *map(str, args)]
    return {"args": line, "env": env, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


def cell_of(notebook, name):
    """The cell of a notebook with this grade id."""
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == name)


def solve(notebook, **answers):
    """Write right answers into a release, or those given."""
    for name, code in (RIGHT | answers).items():
        cell_of(notebook, name).source = code


def hand_in(folder, student, text, name=f"{LESSON}.ipynb"):
    """Put a file into a student's submission; returns its path."""
    path = folder / "submitted" / student / LESSON / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def toy_class(root, answers):
    """A course at `root` and its class folder, in which each of `answers` (dicts for `solve`) was handed in, as s0, s1 …"""
    folder = write_toy_lesson(root) / "class"
    folder.mkdir()
    prepare(find_lessons(root, "01")[0], folder)
    for number, mine in enumerate(answers):
        notebook = nbformat.read(release_path(folder, LESSON), as_version=4)
        solve(notebook, **mine)
        hand_in(folder, f"s{number}", nbformat.writes(notebook))
    return root, folder
