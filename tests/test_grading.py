"""Rebuilding and running submissions of a toy lesson, without a class folder."""
# ruff: noqa: E501 (long one-line notebooks)

import copy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from toy_lesson import LESSON, RIGHT, cell_of, write_toy_lesson

from course_utils.authoring.lessons import find_lessons
from course_utils.grading.classroom import prepare, release_path
from course_utils.grading.execute import ExecuteSubmission
from course_utils.grading.preflight import preflight, rebuild


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    root = write_toy_lesson(tmp_path_factory.mktemp("course"))
    prepare(find_lessons(root, "01")[0], root)
    return nbformat.read(release_path(root, LESSON), as_version=4)


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
    notebook = preflight(tmp_path, release, "x.ipynb").notebook
    assert notebook.metadata.course.get("not_run") or notebook.cells
    assert notebook.metadata.course.flags
    assert [cell_of(notebook, f"{name}_check") for name in RIGHT]


# --- execution, without nbgrader's database ---------------------------------------------------------------------------


DIES = "import os; os._exit(1)"
STUBBORN = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"


def cell(name, source, tag=None):
    """A check cell if its name ends like one, an answer cell if it has another name, else one outside the exercises."""
    new = new_code_cell(source, metadata={"tags": [tag] if tag else []})
    if name:
        check = name.endswith(("_check", "_hidden"))
        marks = {"grade": check, "solution": not check, "locked": check, "grade_id": name, "schema_version": 3}
        new.metadata.nbgrader = marks | ({"points": 1} if check else {})
    return new


def run(*cells, **options):
    """Run these cells (a source alone is a check cell); returns the notebook and the errors of each, "" for none."""
    cells = [c if isinstance(c, dict) else cell(f"n{n}_check", c) for n, c in enumerate(cells)]
    notebook = new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "", "language": ""}}
    )
    options = {"shutdown_kernel": "immediate", "iopub_timeout": 2, "skip_cells_with_tag": "experiment"} | options
    ExecuteSubmission(extra_arguments=["--log-level=ERROR"], **options).preprocess(notebook, {})
    return notebook, [" ".join(o.ename for o in c.outputs if o.output_type == "error") for c in notebook.cells]


def test_a_loop_is_stopped_and_the_next_cell_runs_in_the_same_kernel():
    assert run("x = 1", "while True: pass", "x", timeout=2)[1] == ["", "CellTimeout", ""]


def test_a_loop_that_cannot_be_stopped_costs_nothing_else():
    assert run("x = 1", STUBBORN, "assert 'x' not in globals()", timeout=2)[1] == ["", "CellTimeout", ""]


def test_the_whole_notebook_has_a_time_limit():
    assert run("import time; time.sleep(1.5)", "1", total_timeout=1)[1] == ["", "NotRun"]


def test_after_a_crash_setup_and_answers_run_again_but_no_check_and_no_experiment():
    notebook, errors = run(
        cell(None, "one = 1; print('setup')", "setup"),
        cell(None, "two = 2"),
        cell(None, "three = 3", "experiment"),
        cell("f", "def f(): return one + two"),
        cell("f_check", "four = 4"),
        cell("f_hidden", DIES),
        cell("g", "five = two + f()"),
        cell("g_check", "assert five == 5 and not {'three', 'four'} & globals().keys()"),
    )
    assert errors == ["", "", "", "", "", "KernelDied", "", ""]
    assert [output.text for output in notebook.cells[0].outputs] == ["setup\n"]
    assert "flags" not in notebook.metadata.course


def test_an_answer_that_ends_python_costs_its_own_checks_only():
    _, errors = run(cell("f", DIES), cell("f_check", "1"), cell("g", "x = 1"), cell("g_check", "x"))
    assert errors == ["KernelDied", "NotRun", "", ""]


def test_an_answer_that_ends_python_when_run_again_is_left_out_of_the_next_kernel(tmp_path):
    once = f"import os, pathlib\nos.mkdir({str(tmp_path / 'x')!r}) if not os.path.exists({str(tmp_path / 'x')!r}) else os._exit(1)"
    notebook, errors = run(
        cell("f", once), cell("f_check", "1"), cell("g", "x = 1"), cell("g_check", DIES), "x", cell("f_hidden", "1")
    )
    assert errors == ["", "", "", "KernelDied", "", "NotRun"]
    assert notebook.metadata.course.flags == ["Python ended in `f` when run again, which was left out from then on"]


def test_restarts_are_limited():
    assert run(DIES, DIES, "1", max_restarts=1)[1] == ["KernelDied", "KernelDied", "NotRun"]


def test_without_the_setup_cell_nothing_is_judged():
    assert run(cell(None, DIES, "setup"), "1")[1] == ["KernelDied", "NotRun"]
