"""Cells that crash, hang, flood, hide their errors or bend the checks: what is recorded, kernels without a sandbox."""
# ruff: noqa: E501 (cells for kernels)

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_utils.authoring.answers import read_answers
from course_utils.authoring.lessons import exercises, find_lessons, is_graded, read
from course_utils.grading.execute import ExecuteSubmission
from course_utils.grading.suspects import findings, suspects
from course_utils.settings import home

DIES = "import os; os._exit(1)"
STUBBORN = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
SETUP = "import numpy as np\nfrom course_utils.checks import check"
CHECK = "with check('01.f') as c:\n    c.expect(f(2), 4)\n    c.that(np.allclose(f(3), 6), 'three', 'No.')"
# How a cell speaks for its kernel: `show(kind, content)` as output, `reply(content, request)` as answer to a request.
FORGE = """
k = get_ipython().kernel
me, send, shell = k.get_parent('shell'), k.session.send, k.shell_stream.socket
show = lambda kind, content, parent=me: send(k.iopub_socket, kind, content, parent=parent)
def reply(content, parent=me):
    send(shell, 'execute_reply', content, parent=parent, ident=k._parent_ident['shell'])
other = {'header': {'msg_id': 'x'}, 'msg_id': 'x'}
"""
# Changes what the kernel sends: `change(kind, content)` returns other content, or None for nothing.
REWRITE = (
    FORGE
    + """
def sends(stream, kind, content=None, *args, **options):
    content = change(kind, content) if isinstance(content, dict) else content
    return content is not None and send(stream, kind, content, *args, **options)
k.session.send = sends
"""
)
BEND = "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'] if 'check(' in ''.join(lines) else lines)"
RIGHT, WRONG = "def f(x):\n    return 2 * x", "def f(x):\n    return 4"


def cell(name, source, tag=None):
    """A check cell if its name ends like one, an answer cell if it has another name, else one outside the exercises."""
    new = new_code_cell(source, metadata={"tags": [tag] if tag else []})
    if name:
        check = name.endswith(("_check", "_hidden"))
        marks = {"grade": check, "solution": not check, "locked": check, "grade_id": name, "schema_version": 3}
        new.metadata.nbgrader = marks | ({"points": 1} if check else {})
    return new


def run(*cells, controls=None, **options):
    """Run these cells (a source alone is a check cell); returns the notebook and the errors of each, "" for none."""
    cells = [c if isinstance(c, dict) else cell(f"n{n}_check", c) for n, c in enumerate(cells)]
    notebook = new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "", "language": ""}}
    )
    if controls:
        notebook.metadata.course = {"controls": controls}
    options = {"shutdown_kernel": "immediate", "iopub_timeout": 2, "skip_cells_with_tag": "experiment"} | options
    ExecuteSubmission(extra_arguments=["--log-level=ERROR"], **options).preprocess(notebook, {})
    nbformat.validate(notebook)
    nbformat.writes(notebook).encode()
    return notebook, [" ".join(o.ename for o in c.outputs if o.output_type == "error") for c in notebook.cells]


def flags(notebook):
    return notebook.metadata.get("course", {}).get("flags", [])


def exercise(answer, *more, **options):
    """Run one exercise, with a known wrong answer as its control; returns the error of its check and the notebook."""
    cells = [cell(None, SETUP, "setup"), cell("f", answer), *(cell(None, m) for m in more), cell("f_check", CHECK)]
    notebook, errors = run(*cells, controls={"f": WRONG}, **options)
    return errors[-1], notebook


# --- crashes and hangs ------------------------------------------------------------------------------------------------


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
    assert flags(notebook) == []


def test_an_answer_that_ends_python_costs_its_own_checks_only():
    _, errors = run(cell("f", DIES), cell("f_check", "1"), cell("g", "x = 1"), cell("g_check", "x"))
    assert errors == ["KernelDied", "NotRun", "", ""]


def test_an_answer_that_ends_python_when_run_again_is_left_out_of_the_next_kernel(tmp_path):
    once = f"import os, pathlib\nos.mkdir({str(tmp_path / 'x')!r}) if not os.path.exists({str(tmp_path / 'x')!r}) else os._exit(1)"
    notebook, errors = run(
        cell("f", once), cell("f_check", "1"), cell("g", "x = 1"), cell("g_check", DIES), "x", cell("f_hidden", "1")
    )
    assert errors == ["", "", "", "KernelDied", "", "NotRun"]
    assert "Python ended in `f` when run again, which was left out from then on" in flags(notebook)


def test_restarts_are_limited():
    assert run(DIES, DIES, "1", max_restarts=1)[1] == ["KernelDied", "KernelDied", "NotRun"]


def test_without_the_setup_cell_nothing_is_judged():
    assert run(cell(None, DIES, "setup"), "1")[1] == ["KernelDied", "NotRun"]


# --- what a kernel sends ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flood",
    [
        "print('x' * 3_000_000)",
        "while True: print('x' * 1000)",
        "import sys\nfor i in range(5000):\n    print(i); sys.stdout.flush()",
        "from IPython.display import display, Markdown\nwhile True: display('x' * 100_000)",
    ],
)
def test_a_flood_is_stopped_and_the_rest_goes_on(flood):
    notebook, errors = run(flood, "x = 1; print('fine')", output_bytes=1_000_000)
    assert errors == ["OutputLimit", ""]
    assert len(nbformat.writes(notebook)) < 1_200_000 and notebook.cells[1].outputs[0].text == "fine\n"


def test_a_flood_that_cannot_be_interrupted_ends_python():
    stubborn = STUBBORN.replace("pass", "print('x' * 10_000)")
    assert run(stubborn, "print('fine')", output_bytes=1_000_000, timeout=20)[1] == ["OutputLimit", ""]


def test_a_message_larger_than_all_limits_is_recorded():
    huge = "k = get_ipython().kernel\nk.iopub_socket.send_multipart([b'x', b'<IDS|MSG>', bytes(200_000_000)])"
    for flood in ("print('x' * 60_000_000)", huge):
        notebook, errors = run(flood, "print('fine')")
        assert errors == ["OutputLimit", ""] and len(nbformat.writes(notebook)) < 100_000


def test_errors_are_bounded_but_never_left_out():
    error = "show('error', {'ename': 'E', 'evalue': 'x' * 30_000, 'traceback': ['y' * 30_000] * 60})"
    notebook, errors = run(*[f"{FORGE}\nfor _ in range(9): {error}"] * 5, output_bytes=1_000_000)
    assert errors == ["E E E"] * 5 and len(nbformat.writes(notebook)) < 1_200_000


@pytest.mark.parametrize(
    "odd",
    [
        "show('status', {'execution_state': 'busy', 'execution_count': 'x', 'transient': 'x'})",
        "show('stream', {'name': 'stdout', 'text': 'x', 'execution_count': -5})",
        "import json\npack = k.session.pack\nk.session.pack = lambda x: json.dumps(x, default=str).encode()\nshow('stream', {'text': '\\ud800'})\nk.session.pack = pack",
    ],
)
def test_odd_fields_make_no_odd_notebook(odd):
    assert run(FORGE + odd, "print('fine')")[1] == ["", ""]


@pytest.mark.parametrize(
    "garbage", ["k.iopub_socket.send_multipart([b'x', b'garbage'])", "shell.send_multipart([b'', b'garbage'])"]
)
def test_what_is_no_message_is_recorded_or_ignored(garbage):
    assert run(f"{FORGE}\n{garbage}\nassert False", "print('fine')")[1] in (["KernelDied", ""], ["AssertionError", ""])


@pytest.mark.parametrize("flood", ["show('stream', {'text': 'x'}, other)", "reply({'status': 'ok'}, other)"])
def test_messages_that_never_cease_do_not_keep_the_time_from_running_out(flood):
    assert run(f"{FORGE}\nwhile True: {flood}", timeout=2)[1] == ["CellTimeout"]


def test_only_a_reply_that_says_so_is_a_success():
    change = "def change(kind, content):\n    return None if kind == 'error' else content | ({'status': 'great'} if kind == 'execute_reply' else {})"
    assert run(REWRITE + change + "\nassert False", "assert False")[1] == ["AssertionError"] * 2


def test_a_thousand_outputs_arrive_in_full():
    notebook, errors = run("from IPython.display import display\nfor i in range(900): display(i)", iopub_timeout=10)
    assert errors == [""] and len(notebook.cells[0].outputs) == 900


def test_outputs_are_text_and_pictures_only():
    html = "from IPython.display import HTML, Javascript, display\ndisplay(HTML('<script>alert(1)</script>'), Javascript('alert(1)'), {'image/png': '<script>', 'text/html': 'x', 'text/plain': 'y'}, raw=False)"
    outputs = run(html)[0].cells[0].outputs
    assert len(outputs) == 3 and all(set(output.data) == {"text/plain"} for output in outputs)


@pytest.mark.parametrize(
    "hide",
    [
        "get_ipython().showtraceback = lambda *args, **options: None",
        "get_ipython().set_custom_exc((Exception,), lambda *args, **options: None)",
        "from IPython.display import clear_output\nget_ipython().events.register('post_run_cell', lambda result: clear_output())",
        "from IPython.display import clear_output\nimport threading, time\nthreading.Thread(target=lambda: [(time.sleep(0.01), clear_output()) for _ in range(300)], daemon=True).start()",
    ],
)
def test_a_hidden_error_still_counts(hide):
    assert run(hide, "assert False")[1][1] != ""


def test_a_number_is_no_score():
    notebook, _ = run("1e9")
    assert [output.output_type for output in notebook.cells[0].outputs] == ["display_data"]


@pytest.mark.parametrize(
    "forged",
    [
        "k = get_ipython().kernel; k.session.send(k.iopub_socket, 'status', {'execution_state': 'idle'}, parent=k.get_parent('shell'))\nassert False",
        "k = get_ipython().kernel; k.session.send(k.iopub_socket, 'error', {'ename': 3}, parent=k.get_parent('shell'))",
        "k = get_ipython().kernel; k.session.send(k.iopub_socket, 'stream', {'text': [1, {}]}, parent=k.get_parent('shell'))\nassert False",
        "k = get_ipython().kernel; k.session.send(k.iopub_socket, 'comm_open', {'comm_id': 'a', 'data': {'state': {}}, 'target_name': 'jupyter.widget'}, parent=k.get_parent('shell'))\nassert False",
        "input('?')",
        "get_ipython().run_line_magic('pdb', 'on')\n1 / 0",
        "raise SystemExit",
        "raise KeyboardInterrupt",
        "def f(): return f()\nf()",
    ],
)
def test_odd_messages_and_endings_are_errors_and_nothing_else(forged):
    assert [bool(error) for error in run(forged, "print('fine')", timeout=10)[1]] == [True, False]


def test_a_thread_that_prints_later_changes_no_result():
    late = "import threading, time\nthreading.Thread(target=lambda: [(time.sleep(0.05), print('late')) for _ in range(40)], daemon=True).start()"
    assert run(late, "import time; time.sleep(0.5)")[1] == ["", ""]


# --- controls ---------------------------------------------------------------------------------------------------------


def test_honest_work_raises_no_doubt():
    for answer in (RIGHT, WRONG, "raise NotImplementedError()"):
        error, notebook = exercise(answer)
        assert bool(error) == (answer != RIGHT) and flags(notebook) == [] and "controls" not in notebook.metadata.course


@pytest.mark.parametrize(
    ("trick", "words"),
    [
        ("np.allclose = lambda *args, **options: True", "`numpy.allclose` was replaced"),
        ("import course_utils.checks as k\nk._difference = lambda *args: None", "_difference` was replaced"),
        ("import builtins\nbuiltins.float = lambda x: 1.0", "`builtins.float` was replaced"),
        (
            "import ast\nclass Drop(ast.NodeTransformer):\n    def visit_Assert(self, node): return ast.copy_location(ast.Pass(), node)\nget_ipython().ast_transformers.append(Drop())",
            "this notebook hides errors",
        ),
        (
            "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'] if 'check(' in ''.join(lines) else lines)",
            "the checks of `f` accept a known wrong answer",
        ),
        (
            "import contextlib, unittest.mock as mock\ncheck = lambda name: contextlib.nullcontext(mock.MagicMock())",
            "the checks of `f` accept a known wrong answer",
        ),
    ],
)
def test_a_bent_judge_is_noticed(trick, words):
    for answer in (WRONG, RIGHT):
        error, notebook = exercise(answer, trick)
        assert any(words in flag for flag in flags(notebook)) or error
        assert notebook.metadata.course.review or notebook.metadata.course.doubtful == ["f"]


@pytest.mark.parametrize("end", [DIES, "import time; time.sleep(1.5)"])
def test_who_ends_python_last_is_looked_at_all_the_same(end):
    cells = [cell(None, SETUP, "setup"), cell("f", WRONG), cell(None, BEND), cell("f_check", CHECK)]
    notebook, errors = run(*cells, cell("g", "1"), cell("g_check", end), controls={"f": WRONG}, total_timeout=1)
    assert errors[3] == "" and notebook.metadata.course.review
    assert any("the checks of `f` accept a known wrong answer" in flag for flag in flags(notebook))
    notebook, errors = run(*cells, cell(None, end + "; " + DIES), controls={"f": WRONG}, max_restarts=0)
    assert errors[3] == "" and notebook.metadata.course.review


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("shell.send_multipart([*k._parent_ident['shell'], b'garbage'])", "did not run to their end"),
        ("content['user_expressions'] = {'look': {'data': {'text/plain': '1'}}}", "did not say"),
        ("content['user_expressions'] = {'look': {'data': {'text/plain': '[' * 200_000}}}", "did not say"),
        ("reply({'status': 'ok', 'execution_count': 1})", "answered a request twice"),
    ],
)
def test_whoever_disturbs_the_controls_is_noticed(change, words):
    disturb = f"def change(kind, content):\n    if kind == 'execute_reply' and content.get('user_expressions'):\n        {change}\n    return content"
    error, notebook = exercise(RIGHT, REWRITE + disturb)
    assert error == "" and notebook.metadata.course.review and any(words in flag for flag in flags(notebook))


SUSPICIOUS = [
    "x = !ls\nimport sys\nsys._getframe(0)",
    "%time eval('1')",
    "f?\nimport os as o; o._exit(0)",
    "getattr(os, 'system')('ls')",
    "vars(np)['allclose'] = np.__dict__['equal'] = 1",
    "globals().update(check=1)",
    "f.__globals__['check'] = 1",
    "().__class__.__base__.__subclasses__()",
    "from ctypes import *",
    "from types import SimpleNamespace as check",
    "def f(x):\n    global check\n    check = 1",
    "In[-1]",
    "1\n" * 200_000,
]
INNOCENT = [
    "for _i in range(3): print(_i)",
    "model.eval(); re.compile('x'); torch.compile(f)",
    "self.__dict__['x'] = getattr(torch, name)",
    "%matplotlib inline\n!pip list\nx = %time f(1)",
    "print('f' in globals(), x.__class__.__name__)",
    "this is no Python",
]


def test_what_is_suspicious():
    assert all(list(findings(code)) for code in SUSPICIOUS)
    assert [list(findings(code)) for code in INNOCENT] == [[]] * len(INNOCENT)


def test_modules_beside_the_notebook_are_looked_at(tmp_path):
    (tmp_path / "helper.py").write_text("import sys\n\nsys.settrace(None)")
    (tmp_path / "link.py").symlink_to(tmp_path / "helper.py")
    assert list(suspects(new_notebook(), tmp_path)) == [("helper.py hooks into Python itself (line 3)", None)]


def test_suspicious_code_is_named_with_its_line():
    _, notebook = exercise(RIGHT + "\nimport sys\nsys._getframe(0)")
    assert "`f` looks at the frames of whoever calls it (line 4)" in flags(notebook)
    assert notebook.metadata.course.doubtful == ["f"] and not notebook.metadata.course.review


@pytest.mark.parametrize("lesson", find_lessons(home()), ids=lambda lesson: lesson.number)
def test_no_lesson_and_no_right_answer_is_suspicious(lesson):
    notebook = read(lesson)
    for each in notebook.cells:
        if each.cell_type == "code" and not is_graded(each):
            assert list(findings(each.source)) == []
    for each in exercises(notebook):
        path = lesson.answers / f"{each.name}.py"
        for answer in read_answers(path, lesson.number, each.solution.source) if path.is_file() else ():
            if answer.kind == "right":
                assert list(findings(answer.code)) == []
