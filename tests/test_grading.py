"""Running the cells of a notebook, without a class folder and without nbgrader's database."""
# ruff: noqa: E501 (long one-line cells)

from nbformat.v4 import new_code_cell, new_notebook

from course_utils.grading.execute import ExecuteSubmission

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
    assert "Python ended in `f` when run again, which was left out from then on" in notebook.metadata.course.flags


def test_restarts_are_limited():
    assert run(DIES, DIES, "1", max_restarts=1)[1] == ["KernelDied", "KernelDied", "NotRun"]


def test_without_the_setup_cell_nothing_is_judged():
    assert run(cell(None, DIES, "setup"), "1")[1] == ["KernelDied", "NotRun"]
