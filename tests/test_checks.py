"""Checks reject what is wrong, say why without a stack trace, and notice when they were patched."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from course_utils import checks
from course_utils.checks import NotAttempted, Tampered, Wrong, check


def verdict(call) -> Wrong:
    """The verdict in which a check that runs `call(c)` ends."""
    with pytest.raises(checks.Verdict) as caught, check("09.toy") as c:
        call(c)
    return caught.value


def student(code: str, name: str):
    """A function as a student's cell defines it."""
    names: dict = {}
    exec(compile(code, "<cell 3>", "exec"), names)
    return names[name]


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (1, 1.0),
        (np.float64(0.5), 0.5),
        (torch.tensor(2.0, requires_grad=True), 2),
        (torch.tensor([1, 2]), [1.0, 2.0]),
        ([torch.tensor([1.0]), torch.tensor([2.0])], [[1.0], [2.0]]),
        ((True, False), [1, 0]),
        (torch.tensor([1.0], dtype=torch.bfloat16), [1.0]),
        ([np.nan, np.inf, -np.inf], [np.nan, np.inf, -np.inf]),
        ({"a": 1, "b": torch.ones(2)}, {"b": np.ones(2), "a": 1}),
        ("text", "text"),
        ([], []),
    ],
)
def test_expect_accepts_equal_values_of_any_kind(got, want):
    with check("09.toy") as c:
        c.expect(got, want)


@pytest.mark.parametrize(
    ("got", "want", "text"),
    [
        (1.0, 2.0, "Your result is off: largest difference 1, 1 of 1 values wrong."),
        ([1.0, 5.0, 3.0], [1.0, 2.0, 3.5], "largest difference 3 at index (1,), 2 of 3 values wrong."),
        (np.ones((2, 1)), np.ones(2), "has shape (2, 1), expected (2,)."),
        (float("nan"), 1.0, "Your result is NaN."),
        ([[1.0, float("nan")]], [[1.0, 2.0]], "contains NaN (first at index (0, 1))."),
        ([1.0], [float("nan")], "is off"),
        ([np.inf], [1.0], "largest difference inf at index (0,)"),
        ({"a": 1, "c": 2}, {"a": 1, "b": 2}, "has other keys (missing: b; too many: c)."),
        ([1, 2], {"a": 1}, "is a list, where a dict is expected."),
        ({"a": 1, "b": [1, 3]}, {"a": 1, "b": [1, 2]}, "at key 'b' is off: largest difference 1 at index (1,)"),
        ("left", "right", "is 'left', which is not expected here."),
        (3, "right", "is 3, which is not expected here."),
        ("text", 1.0, "cannot be compared with numbers of shape ()."),
        ([[1], [1, 2]], [1, 2], "is a list, which cannot be compared"),
        (True, 0, "is off"),
    ],
)
def test_expect_says_how_a_value_differs(got, want, text):
    error = verdict(lambda c: c.expect(got, want))
    assert type(error) is Wrong
    assert error.id == "09.toy.different"
    assert text in error.message
    assert str(error) == f"{error.message} [{error.id}]"


def test_none_asks_for_a_return():
    error = verdict(lambda c: c.expect(None, 1.0, what="The mean"))
    assert error.id == "09.toy.returns_none"
    assert error.message == "The mean is None: does your function end in `return …`?"


@pytest.mark.parametrize(
    ("got", "tol", "accepted"),
    [(1.009, 0.01, True), (1.0201, 0.01, False), (1000 + 0.009, 1e-5, True), (1000 + 0.02, 1e-5, False)],
)
def test_tolerance_is_absolute_plus_relative(got, tol, accepted):
    want = 1.0 if got < 2 else 1000.0
    if accepted:
        with check("09.toy") as c:
            c.expect(got, want, tol=tol)
    else:
        assert verdict(lambda c: c.expect(got, want, tol=tol)).id == "09.toy.different"


def test_known_mistake_is_named():
    mistakes = {"doubled": (4.0, "You doubled it."), "halved": (1.0, "You halved it."), "nan": (float("nan"), "0 / 0.")}
    for got, slug, message in ((4.0, "doubled", "You doubled it."), (1.0, "halved", "You halved it.")):
        error = verdict(lambda c, got=got: c.expect(got, 2.0, mistakes=mistakes))
        assert (error.id, error.message) == (f"09.toy.{slug}", message)
    assert verdict(lambda c: c.expect(float("nan"), 2.0, mistakes=mistakes)).id == "09.toy.nan"
    assert verdict(lambda c: c.expect(7.0, 2.0, mistakes=mistakes)).id == "09.toy.different"


def test_mistake_that_equals_the_right_answer_is_an_altered_check():
    error = verdict(lambda c: c.expect(2.0, 2.0, mistakes={"same": (2.0, "")}))
    assert type(error) is Tampered and "'same'" in error.message


def test_that_and_fail():
    with check("09.toy") as c:
        c.that(torch.tensor(True), "slug", "message")
    error = verdict(lambda c: c.that(torch.tensor(False), "slug", "message"))
    assert (error.id, error.message) == ("09.toy.slug", "message")
    assert verdict(lambda c: c.fail("other", "text")).id == "09.toy.other"


def test_raises():
    def call(error):
        raise error

    with check("09.toy") as c:
        c.raises(lambda: call(ValueError()), ValueError, "slug", "Raise ValueError.")
    silent = verdict(lambda c: c.raises(lambda: None, ValueError, "slug", "Raise ValueError."))
    other = verdict(lambda c: c.raises(lambda: call(KeyError("k")), ValueError, "slug", "Raise ValueError."))
    assert (silent.id, silent.message) == ("09.toy.slug", "Raise ValueError.")
    assert (other.id, other.message) == ("09.toy.slug", "Raise ValueError. Yours raised KeyError.")
    stub = verdict(lambda c: c.raises(lambda: call(NotImplementedError()), ValueError, "slug", ""))
    assert type(stub) is NotAttempted


def test_unattempted():
    answer = student("def answer():\n    raise NotImplementedError()\n", "answer")
    error = verdict(lambda c: c.expect(answer(), 1))
    assert type(error) is NotAttempted and isinstance(error, NotImplementedError)
    assert error.id == "09.toy.not_attempted"
    assert error.__cause__ is None and error.__suppress_context__


def test_unknown_error_names_the_students_line():
    answer = student("def answer(x):\n    y = x + 1\n    return y.mean()\n", "answer")
    error = verdict(lambda c: answer(1))
    assert error.id == "09.toy.raises_AttributeError"
    assert "stopped with AttributeError in `answer`, line 3" in error.message
    assert "'int' object has no attribute 'mean'" in error.message


def test_generated_code_of_a_library_is_not_the_students_line():
    code = (
        "from dataclasses import dataclass\n@dataclass\nclass Options:\n    n: int\n"
        "    def __post_init__(self):\n        self.__dict__['n'] // 0\n"
    )
    library: dict = {"__name__": "library"}
    exec(compile(code, "/lib/library.py", "exec"), library)
    names = {"Options": library["Options"]}
    exec(compile("def answer():\n    return Options(1)\n", "<cell 3>", "exec"), names)
    error = verdict(lambda c: names["answer"]())
    assert "in `answer`, line 2" in error.message


def test_undefined_name_and_local_read_too_early():
    missing = student("def answer():\n    return nowhere\n", "answer")
    early = student("def answer(xs):\n    for i in xs:\n        pass\n    return i\n", "answer")
    assert verdict(lambda c: missing()).id == "09.toy.not_defined"
    error = verdict(lambda c: early([]))
    assert error.id == "09.toy.raises_UnboundLocalError" and "Run the cells above" not in error.message


@pytest.mark.parametrize("value", [np.ones(3), torch.ones(3), np.array([1.0, np.nan])])
def test_unchanged(value):
    with check("09.toy") as c, c.unchanged(value):
        value + 1

    def write(c):
        with c.unchanged(value):
            value[0] = 5

    assert verdict(write).id == "09.toy.input_changed"


@pytest.mark.parametrize("training", [True, False])
def test_restores_mode(training):
    model = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Dropout()).train(training)
    with check("09.toy") as c, c.restores_mode(model):
        model.train(not training)
        model.train(training)

    def part(c):
        with c.restores_mode(model):
            model[1].train(not training)

    assert verdict(part).id == "09.toy.mode_not_restored"


@pytest.mark.parametrize(
    "code",
    [
        "from sklearn.metrics import f1_score\ndef answer(y):\n    return f1_score(y, y)\n",
        "from sklearn.metrics import f1_score as mine\ndef answer(y):\n    return mine(y, y)\n",
        "from sklearn import metrics\ndef answer(y):\n    return metrics.f1_score(y, y)\n",
        "import sklearn.metrics\ndef answer(y):\n    return sklearn.metrics.f1_score(y, y)\n",
        "def answer(y):\n    from sklearn.metrics import f1_score\n    return f1_score(y, y)\n",
    ],
)
def test_own_work_notices_a_library_however_imported(code):
    answer = student(code, "answer")
    assert verdict(lambda c: c.own_work(answer, "sklearn")).id == "09.toy.library_called"


def test_own_work_accepts_other_libraries_and_callables_without_code():
    answer = student("import numpy as np\ndef answer(y):\n    return np.mean(y)\n", "answer")
    with check("09.toy") as c:
        c.own_work(answer, "sklearn")
        c.own_work(len, "sklearn")


ANYTHING_IS_EQUAL = {
    "numpy.abs": lambda patch: patch.setattr(np, "abs", lambda x: np.zeros_like(x)),
    "_difference": lambda patch: patch.setattr(checks, "_difference", lambda *a: None),
    "expect": lambda patch: patch.setattr(checks.Check, "expect", lambda *a, **k: None),
    "that": lambda patch: patch.setattr(checks.Check, "that", lambda *a, **k: None),
    "raises": lambda patch: patch.setattr(checks.Check, "raises", lambda *a, **k: None),
    "fail": lambda patch: patch.setattr(checks.Check, "fail", lambda *a, **k: None),
    "broken": lambda patch: patch.setattr(checks.Check, "expect", lambda *a, **k: 1 / 0),
}


@pytest.mark.parametrize("what", ANYTHING_IS_EQUAL)
def test_negative_control_notices_patched_comparisons(what, monkeypatch):
    with monkeypatch.context() as patch:
        ANYTHING_IS_EQUAL[what](patch)
        with pytest.raises(Tampered) as caught, check("09.toy"):
            pytest.fail("the block must not be reached")
    assert caught.value.id == "09.toy.checks_altered"
    assert "restart the kernel" in caught.value.message


def test_passing_prints_one_line(capsys):
    with check("09.toy") as c:
        c.expect(1, 1)
    assert capsys.readouterr().out == "✓ 09.toy: all of these checks passed.\n"


def test_keyboard_interrupt_passes_through():
    with pytest.raises(KeyboardInterrupt), check("09.toy"):
        raise KeyboardInterrupt


IPYTHON = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="nocolor")
shell.run_cell("from course_utils.checks import check\\ndef answer(x):\\n    return x.mean()")
shell.run_cell("with check('09.toy') as c:\\n    c.expect(1.0, 2.0, mistakes={'half': (1.0, 'You halved it.')})")
shell.run_cell("with check('09.toy') as c:\\n    answer(1)")
"""


def test_ipython_shows_the_message_without_a_stack_trace():
    run = subprocess.run([sys.executable, "-c", IPYTHON], capture_output=True, text=True, timeout=60)
    shown = run.stdout + run.stderr
    assert "You halved it." in shown and "(09.toy.half)" in shown
    assert "AttributeError in `answer`, line 3: `return x.mean()`" in shown
    assert "Traceback" not in shown and "checks.py" not in shown
