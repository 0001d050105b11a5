"""Grading on a toy lesson: points, crashes, hangs, warnings, tampering, feedback pages and the class report."""
# ruff: noqa: E501 (cell headers of the toy lesson)

import copy
import csv
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook

from course_utils.authoring.lessons import find_lessons
from course_utils.errors import CourseError
from course_utils.grading.autograde import autograde, nbgrader_config, prepare, release_path
from course_utils.grading.execute import ExecuteSubmission
from course_utils.grading.feedback import feedback
from course_utils.grading.preflight import preflight, rebuild
from course_utils.grading.report import NOT_ATTEMPTED, class_report, graded_notebook, print_report, write_csv

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


def write_toy_lesson(root):
    """A course at `root` whose only lesson, 01_toy, has four exercises of 25 points each, and its answer bank."""
    folder = root / "solutions" / LESSON
    (folder / "answers").mkdir(parents=True)
    cells = [
        EXERCISE.format(name=n, title=t, right=r, first=first, second=second) for n, t, r, first, second in EXERCISES
    ]
    (folder / f"{LESSON}.py").write_text(TOY.format(exercises="".join(cells)))
    for name, _, right, _, _ in EXERCISES:
        (folder / "answers" / f"{name}.py").write_text(BANK.format(name=name, right=right))
    return root


def cell_of(notebook, name):
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == name)


# --- a class, graded once -------------------------------------------------------------------------------------------


def solve(notebook, **answers):
    for name, code in (RIGHT | answers).items():
        cell_of(notebook, name).source = code


def edited_check(nb):
    cell_of(nb, "double_check").source = "pass"
    cell_of(nb, "double_hidden").source = "pass"


def changed_marks(nb):
    cell_of(nb, "double_check").metadata.nbgrader.points = 1000
    cell_of(nb, "square_check").metadata.nbgrader |= {"grade": False, "solution": True, "locked": False}
    cell_of(nb, "negate_check").cell_type = "markdown"
    solve(nb, double="", square="", negate="")


def deleted_checks(nb):
    nb.cells = [
        c for c in nb.cells if not str(c.metadata.get("nbgrader", {}).get("grade_id")).endswith(("_check", "_hidden"))
    ]
    solve(nb, double="def double(x):\n    return x / 2")


def copies(nb):
    """A second check cell, and a copy of the untouched answer cell left at the end, as by copy and paste."""
    backup = copy.deepcopy(cell_of(nb, "double"))
    solve(nb)
    nb.cells += [copy.deepcopy(cell_of(nb, "square_check")), backup]


def bare(nb):
    """As some editors save it: no metadata and no cell ids left."""
    solve(nb)
    for cell in nb.cells:
        cell.metadata, cell.id = {}, nbformat.v4.new_code_cell().id


def helper(nb):
    """A cell of the student's own, which an answer needs, and some markup in what it prints."""
    solve(
        nb,
        double="def double(x):\n    return my_two() * x",
        square="def square(x):\n    print('<script>evil()</script>')\n    return x * x",
    )
    nb.cells.insert(nb.cells.index(cell_of(nb, "double")), new_code_cell("def my_two():\n    return 2\nmy_two()"))
    nb.cells.append(new_markdown_cell("<script>evil()</script>"))


def spy(nb):
    """Prints the source of whatever checks it, hidden tests included."""
    body = "import inspect\n    print(inspect.getsource(inspect.stack()[1].frame))\n    return 2 * x"
    solve(nb, double=f"def double(x):\n    {body}")


CLASS = {
    "right": solve,
    "stub": lambda nb: None,
    "crash": lambda nb: solve(nb, negate="def negate(x):\n    import os\n    os._exit(1)"),
    "warns": lambda nb: solve(nb, double="def double(x):\n    warnings.warn('honest')\n    return 2 * x"),
    "halved": lambda nb: solve(nb, double="def double(x):\n    return x / 2"),
    "syntax": lambda nb: solve(nb, double="def double(x)\n    return 2 * x"),
    "edited_check": edited_check,
    "changed_marks": changed_marks,
    "deleted_checks": deleted_checks,
    "copies": copies,
    "bare": bare,
    "helper": helper,
    "spy": spy,
    # Its code runs in the kernel, whose parent is the grading process.
    "assassin": lambda nb: solve(
        nb, double="def double(x):\n    import os, signal\n    os.kill(os.getppid(), signal.SIGKILL)\n    os._exit(1)"
    ),
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A lesson, a class folder with its release, and a function that hands in an edited release."""
    root = write_toy_lesson(tmp_path_factory.mktemp("course"))
    folder = root / "class"
    folder.mkdir()
    lesson = find_lessons(root, "01")[0]
    prepare(lesson, folder)
    return lesson, folder


@pytest.fixture(scope="module")
def release(course):
    return nbformat.read(release_path(course[1], LESSON), as_version=4)


@pytest.fixture(scope="module")
def graded(course, release):
    """The class folder and the results of grading everyone in CLASS and three files that are no proper submission."""
    lesson, folder = course
    for student, edit in CLASS.items():
        notebook = copy.deepcopy(release)
        edit(notebook)
        hand_in(folder, student, nbformat.writes(notebook))
    hand_in(folder, "broken", "{not json")
    solved = copy.deepcopy(release)
    solve(solved)
    hand_in(folder, "renamed", nbformat.writes(solved), "my homework (2).ipynb")
    (folder / "submitted" / "linked" / LESSON).mkdir(parents=True)
    (folder / "submitted" / "linked" / LESSON / f"{LESSON}.ipynb").symlink_to(
        folder / "source" / LESSON / f"{LESSON}.ipynb"
    )
    results = {result.student: result for result in autograde(lesson, folder, jobs=2)}
    feedback(LESSON, folder)
    return folder, results


def hand_in(folder, student, text, name=f"{LESSON}.ipynb"):
    path = folder / "submitted" / student / LESSON / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(scope="module")
def rows(graded):
    return {row.student: row for row in class_report(LESSON, graded[0]).rows}


def page(graded, student):
    return (graded[0] / "feedback" / student / LESSON / f"{LESSON}.html").read_text()


@pytest.mark.parametrize(
    ("student", "points"),
    [
        ("right", [25, 25, 25, 25]),
        ("stub", [0, 0, 0, 0]),
        ("warns", [25, 25, 25, 25]),
        ("halved", [0, 25, 25, 25]),
        ("syntax", [0, 25, 25, 25]),
        ("edited_check", [0, 0, 0, 0]),
        ("changed_marks", [0, 0, 0, 25]),
        ("deleted_checks", [0, 25, 25, 25]),
        ("copies", [25, 25, 25, 25]),
        ("bare", [25, 25, 25, 25]),
        ("helper", [25, 25, 25, 25]),
        ("renamed", [25, 25, 25, 25]),
        ("broken", [0, 0, 0, 0]),
        ("linked", [0, 0, 0, 0]),
    ],
)
def test_points(rows, student, points):
    assert list(rows[student].points.values()) == points


def test_dead_kernel_keeps_what_ran_and_asks_for_review(graded, rows):
    assert rows["crash"].points == {"double": 25, "square": 25, "negate": 0, "successor": 0}
    assert "negate" in rows["crash"].flags[0] and "Python ended" in rows["crash"].flags[0]
    with Gradebook(nbgrader_config(graded[0], LESSON).CourseDirectory.db_url, "") as gradebook:
        grades = gradebook.find_submission_notebook(LESSON, LESSON, "crash").grades
        review = {grade.name for grade in grades if grade.needs_manual_grade}
    assert review == {"negate_check", "negate_hidden", "successor_check", "successor_hidden"}


def test_a_killed_grading_process_costs_no_one_else(graded, rows):
    folder, results = graded
    assert "grading process" in results["assassin"].error
    assert rows["assassin"].points is None and rows["assassin"].flags
    assert [student for student, result in results.items() if result.error] == ["assassin"]


@pytest.mark.parametrize(
    ("student", "words"),
    [
        ("edited_check", "`double_check` was edited"),
        ("changed_marks", "points of `double_check` were changed from 10 to 1000"),
        ("changed_marks", "grading marks of `square_check` were changed"),
        ("changed_marks", "`negate_check` is no longer a code cell"),
        ("deleted_checks", "`double_hidden` was deleted"),
        ("copies", "`square_check` exists 2 times"),
        ("renamed", "my homework (2).ipynb instead of"),
        ("broken", "cannot be read as a notebook"),
        ("linked", "links are not followed"),
    ],
)
def test_flags_in_plain_words(graded, student, words):
    assert any(words in flag for flag in graded[1][student].flags), graded[1][student].flags


@pytest.mark.parametrize("student", ["right", "stub", "warns", "halved", "helper"])
def test_nothing_is_held_against_honest_work(graded, student):
    assert graded[1][student].flags == []


def test_submissions_stay_as_they_were(graded, release):
    text = (graded[0] / "submitted" / "stub" / LESSON / f"{LESSON}.ipynb").read_text()
    assert nbformat.reads(text, as_version=4) == release


def test_wrong_is_not_the_same_as_not_attempted(rows):
    assert rows["stub"].ids() == [] and rows["stub"].exercises(NOT_ATTEMPTED) == set(RIGHT)
    assert rows["halved"].ids() == ["01.double.halved"] and not rows["halved"].exercises(NOT_ATTEMPTED)


def test_feedback_shows_verdict_and_points_but_no_hidden_test(graded):
    text = page(graded, "halved")
    assert "<strong>75</strong> of 100" in text and "01.double.halved" in text
    assert "You &lt;b&gt;halved&lt;/b&gt; it." in text
    for student in CLASS.keys() - {"assassin"} | {"broken", "renamed", "linked"}:
        assert not re.search(r"top_secret|HIDDEN TESTS|Traceback \(most", page(graded, student)), student


def test_what_hidden_checks_print_stays_off_the_page(graded):
    notebook = graded_notebook(LESSON, graded[0], "spy")
    assert "top_secret = " in str(cell_of(notebook, "double_hidden").outputs)
    assert "top_secret" not in page(graded, "spy")


def test_feedback_runs_no_script(graded):
    text = page(graded, "helper")
    assert "&lt;script&gt;" in text and "<script" not in text and "default-src 'none'" in text


def test_feedback_names_a_syntax_error(graded):
    assert "SyntaxError" in page(graded, "syntax") and "line 1" in page(graded, "syntax")


def test_class_report_counts_students_and_is_written_as_csv(graded, capsys):
    report = class_report(LESSON, graded[0])
    counts = {id: count for id, count, _ in report.misconceptions()}
    assert counts["01.double.halved"] == 2
    print_report(report)
    printed = capsys.readouterr().out
    assert "01.double.halved" in printed and max(map(len, printed.splitlines())) <= 120
    with write_csv(report, graded[0]).open() as file:
        table = {row["student"]: row for row in csv.DictReader(file)}
    assert table["right"]["total"] == "100" and table["assassin"]["total"] == ""
    assert (
        table["stub"]["not_attempted"] == "double; negate; square; successor"
        and table["crash"]["unfinished"] == "negate; successor"
    )


def test_grading_again_replaces_the_grade(course, graded, release):
    lesson, folder = course
    notebook = copy.deepcopy(release)
    solve(notebook)
    hand_in(folder, "late", nbformat.writes(release))
    hand_in(folder, "late2", nbformat.writes(notebook))
    autograde(lesson, folder, ["late"], jobs=1)
    hand_in(folder, "late", nbformat.writes(notebook))
    autograde(lesson, folder, ["late"], jobs=1)
    rows = {row.student: row for row in class_report(LESSON, folder).rows}
    assert rows["late"].total == 100
    assert rows["late2"].points is None and "NOT GRADED" in rows["late2"].flags[0]
    for student in ("late", "late2"):
        (folder / "submitted" / student / LESSON / f"{LESSON}.ipynb").unlink()
        (folder / "submitted" / student / LESSON).rmdir()


def test_who_did_not_hand_in_is_named(course):
    with pytest.raises(CourseError, match="nobody-here handed in"):
        autograde(*course, ["nobody-here"])


def test_glob_characters_in_the_class_folder_are_refused(course, tmp_path):
    (tmp_path / "class[1]").mkdir()
    with pytest.raises(CourseError, match="nbgrader cannot work in"):
        prepare(course[0], tmp_path / "class[1]")


# --- preflight, without running anything ------------------------------------------------------------------------------


def test_untouched_release_is_rebuilt_as_it_is(release):
    flags = []
    assert rebuild(copy.deepcopy(release), release, flags).cells == release.cells
    assert flags == []


def test_a_changed_setup_cell_runs_after_the_original(release):
    submitted, flags = copy.deepcopy(release), []
    setup = next(cell for cell in submitted.cells if "setup" in cell.metadata.get("tags", []))
    setup.source += "\nimport math"
    rebuilt = rebuild(submitted, release, flags)
    sources = [cell.source for cell in rebuilt.cells if "import numpy" in cell.source]
    assert len(sources) == 2 and sources[1].endswith("import math") and "import math" not in sources[0]
    assert flags == []


def test_an_experiment_is_not_run_even_without_its_tag(release):
    submitted = copy.deepcopy(release)
    for cell in submitted.cells:
        cell.metadata.pop("tags", None)
    assert [c for c in rebuild(submitted, release, []).cells if "an experiment" in c.source][0].metadata.tags == [
        "experiment"
    ]


def test_a_tag_cannot_keep_a_check_from_running(release):
    submitted = copy.deepcopy(release)
    cell_of(submitted, "double_check").metadata.tags = ["experiment"]
    assert cell_of(rebuild(submitted, release, []), "double_check") == cell_of(release, "double_check")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}',
     '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code", "metadata": {"nbgrader": [], "tags": 3}, "source": "1", "outputs": []}]}',
     '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code", "metadata": {"nbgrader": {"grade_id": []}}, "source": "1", "outputs": []}]}',
     "[" * 100_000],
)  # fmt: skip
def test_malformed_files_give_a_gradable_notebook_and_a_flag(release, tmp_path, text):
    (tmp_path / "x.ipynb").write_text(text)
    notebook = preflight(tmp_path, release, "x.ipynb")
    assert notebook.metadata.course.not_run or notebook.cells
    assert notebook.metadata.course.flags
    assert [cell_of(notebook, f"{name}_check") for name in RIGHT]


# --- execution, without nbgrader's database ---------------------------------------------------------------------------


def run(*sources, **options):
    """Run these graded cells; returns the names of the errors of each, "" for none."""
    cells = []
    for n, source in enumerate(sources):
        marks = {
            "grade": True,
            "solution": False,
            "locked": True,
            "points": 1,
            "grade_id": f"c{n}",
            "schema_version": 3,
        }
        cells.append(new_code_cell(source, metadata={"nbgrader": marks}))
    notebook = new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "", "language": ""}}
    )
    options = {"shutdown_kernel": "immediate", "iopub_timeout": 2} | options
    ExecuteSubmission(**options).preprocess(notebook, {})
    return [" ".join(o.ename for o in cell.outputs if o.output_type == "error") for cell in notebook.cells]


def test_a_loop_is_stopped_and_the_next_cell_runs():
    assert run("while True: pass", "1", timeout=2) == ["CellTimeout", ""]


def test_a_loop_that_ignores_interrupts_ends_the_run():
    stubborn = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    assert run("1", stubborn, "1", timeout=2) == ["", "CellTimeout", "NotRun"]


def test_the_whole_notebook_has_a_time_limit():
    assert run("import time; time.sleep(1.5)", "1", total_timeout=1) == ["", "NotRun"]


def test_a_dead_kernel_is_recorded():
    assert run("1", "import os; os._exit(1)", "1") == ["", "KernelDied", "NotRun"]
