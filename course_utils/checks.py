"""Checks that know why an answer is wrong.

    with check("01.masked_mean") as c:
        got = masked_mean(hidden, mask)
        c.expect(got, want, mistakes={"pads_averaged": (hidden.mean(1), "You averaged over the padding too. …")})
        c.that(torch.equal(got, again), "depends_on_padding", "More padding changed the result. …")

A check ends in one of three ways: silently right, `NotAttempted`, or `Wrong` with the mistake it recognized and the
idea to revisit. Each verdict has a stable id such as `01.masked_mean.pads_averaged`, which reports count.
Wrong values come from tiny cases worked out in the test cell; no reference solution is needed here.
"""

import contextlib
import linecache
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

RED, BOLD, PLAIN = "\x1b[31m", "\x1b[1m", "\x1b[0m"


class Verdict(AssertionError):
    """How a check ended when it did not end well; `id` is stable across wordings of the message."""

    title = "Wrong"

    def __init__(self, id: str, message: str):
        self.id, self.message = id, message
        super().__init__(f"{message} [{id}]")

    def _render_traceback_(self):
        return [f"{RED}{BOLD}{self.title}{PLAIN}: {self.message}", f"({self.id})"]


class Wrong(Verdict):
    """The answer is wrong, and the message says why."""


class NotAttempted(Verdict, NotImplementedError):
    """The exercise still raises NotImplementedError."""

    title = "Not attempted"


class Tampered(Verdict):
    """The checks themselves no longer tell right from wrong."""

    title = "Checks altered"


def check(exercise: str) -> "Check":
    """The context in which one exercise, such as "01.masked_mean", is checked. See the module's docstring."""
    return Check(exercise)


class Check:
    """Collects nothing: the first thing that is wrong ends the check, since later ones often follow from it."""

    def __init__(self, exercise: str):
        self.exercise = exercise

    def __enter__(self) -> "Check":
        self._control()
        return self

    def __exit__(self, kind, error, trace) -> bool:
        if error is None:
            print(f"✓ {self.exercise}: all of these checks passed.")
        elif isinstance(error, NotImplementedError) and not isinstance(error, Verdict):
            message = "replace `raise NotImplementedError()` by your code, run that cell, then run this one again."
            raise NotAttempted(f"{self.exercise}.not_attempted", message) from None
        elif isinstance(error, Exception) and not isinstance(error, Verdict):
            raise Wrong(f"{self.exercise}.{_error_slug(error)}", _explain(error, trace)) from None
        return False

    def expect(
        self,
        got: Any,
        want: Any,
        *,
        what: str = "Your result",
        tol: float = 1e-5,
        mistakes: Mapping[str, tuple[Any, str]] | None = None,
    ) -> None:
        """Raise `Wrong` unless `got` equals `want` up to `tol` (absolute plus relative).

        Args:
            got, want: a number, array, tensor, sequence of numbers, or a dict of these; shapes must agree.
            what: how the message calls the result.
            mistakes: verdict slug → (value that this mistake gives, message that explains it). Each is held against
                `want` first: a comparison that cannot tell them apart would accept anything.
        """
        for slug, (value, _) in (mistakes or {}).items():
            if _difference(value, want, tol) is None:
                self._altered(f"the known mistake '{slug}' is accepted as right")
        difference = _difference(got, want, tol)
        if difference is None:
            return
        for slug, (value, message) in (mistakes or {}).items():
            if _difference(got, value, tol) is None:
                self.fail(slug, message)
        slug = "returns_none" if got is None else "different"
        self.fail(slug, f"{what} {difference}" + ("" if difference.endswith("?") else "."))

    def that(self, condition: Any, slug: str, message: str) -> None:
        """Raise `Wrong` with this verdict unless `condition` holds."""
        if not bool(condition):
            self.fail(slug, message)

    def fail(self, slug: str, message: str) -> None:
        """Raise `Wrong` with this verdict."""
        raise Wrong(f"{self.exercise}.{slug}", message)

    def raises(self, call: Callable[[], Any], error: type[Exception], slug: str, message: str) -> None:
        """Raise `Wrong` unless `call()` raises `error`; the message then ends in what it raised instead."""
        try:
            call()
        except error:
            return
        except (NotImplementedError, Verdict):
            raise
        except Exception as other:
            message += f" Yours raised {type(other).__name__}."
        self.fail(slug, message)

    def own_work(self, function: Any, library: str, slug: str = "library_called") -> None:
        """Raise `Wrong` if `function` names anything from `library`, imported inside it or beforehand."""
        code, names = getattr(function, "__code__", None), getattr(function, "__globals__", {})
        for name in code.co_names if code else ():
            value = names.get(name)
            origin = str(getattr(value, "__module__", None) or getattr(value, "__name__", name))
            if library in (origin.split(".")[0], name.split(".")[0]):
                self.fail(slug, f"You called {library}. Here the point is to write it from its definition.")

    @contextlib.contextmanager
    def unchanged(self, *inputs: Any, slug: str = "input_changed") -> Iterator[None]:
        """Raise `Wrong` if the block writes into one of `inputs` (arrays or tensors)."""
        before = [_array(x).copy() for x in inputs]
        yield
        for old, new in zip(before, inputs, strict=True):
            if not np.array_equal(old, _array(new), equal_nan=True):
                self.fail(slug, "Your function writes into its input. Whoever calls it still needs the original.")

    @contextlib.contextmanager
    def restores_mode(self, module: Any, slug: str = "mode_not_restored") -> Iterator[None]:
        """Raise `Wrong` if the block leaves any part of a `torch.nn.Module` in another train/eval mode."""
        before = [part.training for part in module.modules()]
        yield
        if before != [part.training for part in module.modules()]:
            self.fail(slug, "Your function leaves the model in another train/eval mode than it found it in. "
                      "Remember the mode at the start and set it back at the end.")  # fmt: skip

    def _control(self) -> None:
        """A wrong answer must be rejected by this very object before a right one counts."""
        trials = {
            "expect": lambda: self.expect(1.0, 2.0),
            "expect on arrays": lambda: self.expect(np.ones(3), np.arange(3.0)),
            "that": lambda: self.that(False, "control", ""),
            "raises": lambda: self.raises(lambda: None, ValueError, "control", ""),
        }
        for name, trial in trials.items():
            try:
                trial()
            except Wrong:
                continue
            except Exception:
                pass
            self._altered(f"`{name}` accepts what is wrong")

    def _altered(self, why: str) -> None:
        raise Tampered(
            f"{self.exercise}.checks_altered",
            f"{why}. Something in this notebook changed how values are compared: restart the kernel and run again.",
        )


def _array(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.double() if value.is_floating_point() else value
        return np.asarray(value.numpy())  # whatever an object that only looks like a tensor returns
    if isinstance(value, list | tuple) and any(hasattr(v, "detach") for v in value):
        return np.stack([_array(v) for v in value])
    return np.asarray(value)


def _difference(got: Any, want: Any, tol: float) -> str | None:
    """None if equal, else the rest of a sentence that begins with the name of the result."""
    if got is None:
        return "is None: does your function end in `return …`?"
    if isinstance(want, Mapping):
        if not isinstance(got, Mapping):
            return f"is a {type(got).__name__}, where a dict is expected"
        if set(got) != set(want):
            missing, extra = sorted(map(str, set(want) - set(got))), sorted(map(str, set(got) - set(want)))
            return f"has other keys (missing: {', '.join(missing) or 'none'}; too many: {', '.join(extra) or 'none'})"
        parts = ((key, _difference(got[key], want[key], tol)) for key in want)
        return next((f"at key '{key}' {text}" for key, text in parts if text), None)
    if isinstance(want, str):
        return None if isinstance(got, str) and got == want else f"is {got!r}, which is not expected here"
    try:
        a, b = _array(got), _array(want)
        a, b = a.astype(float), b.astype(float)
    except (TypeError, ValueError):
        return f"is a {type(got).__name__}, which cannot be compared with numbers of shape {np.shape(want)}"
    if a.shape != b.shape:
        return f"has shape {a.shape}, expected {b.shape}"
    if np.isnan(a).any() and not np.isnan(b).any():
        return f"contains NaN (first at index {_where(np.isnan(a))})" if a.ndim else "is NaN"
    with np.errstate(invalid="ignore"):
        gap = np.where(a == b, 0.0, np.abs(a - b))
        off = ~(gap <= tol + tol * np.abs(b)) & ~(np.isnan(a) & np.isnan(b))
    if not off.any():
        return None
    worst = int(np.argmax(np.nan_to_num(gap, nan=np.inf)))
    place = "" if a.ndim == 0 else f" at index {tuple(int(i) for i in np.unravel_index(worst, a.shape))}"
    return f"is off: largest difference {gap.flat[worst]:.4g}{place}, {off.sum()} of {off.size} values wrong"


def _where(mask: np.ndarray) -> tuple:
    return tuple(int(i) for i in np.argwhere(mask)[0])


def _error_slug(error: Exception) -> str:
    return "not_defined" if _is_undefined(error) else f"raises_{type(error).__name__}"


def _is_undefined(error: Exception) -> bool:
    """A variable of the function itself that is read too early is no name from the cells above."""
    return isinstance(error, NameError) and not isinstance(error, UnboundLocalError)


def _typed(filename: str) -> bool:
    """Whether code was typed rather than generated by a library, as the methods of a dataclass are."""
    return filename.startswith("<") and not filename.startswith(("<string", "<frozen", "<__array"))


def _explain(error: Exception, trace) -> str:
    """Name the error and the student's line it came from, without a stack trace."""
    text = (str(error).strip().splitlines() or [""])[0]
    if _is_undefined(error):
        return f"{text}. Run the cells above first; if you did, the name is misspelt."
    # The first frame is the check cell itself; the last one inside any other cell is the student's own line.
    frames = [f for f, _ in traceback.walk_tb(trace)]
    numbers = [n for _, n in traceback.walk_tb(trace)]
    cells = [
        (frame, number)
        for frame, number in list(zip(frames, numbers, strict=True))[1:]
        if "ipykernel" in frame.f_code.co_filename or _typed(frame.f_code.co_filename)
    ]
    where = ""
    if cells:
        frame, number = cells[-1]
        line = linecache.getline(frame.f_code.co_filename, number).strip()
        where = f" in `{frame.f_code.co_name}`, line {number}" + (f": `{line}`" if line else "")
    return f"your code stopped with {type(error).__name__}{where}: {text}"
