"""One kind of error for what a user can mend: it names the problem and the mend, and shows no stack trace."""


class CourseError(Exception):
    """A problem the user can mend.

    Shown as `what` and `mend` only, in notebooks (through IPython's `_render_traceback_`) and by the `course` command.
    """

    def __init__(self, what: str, mend: str = ""):
        self.what, self.mend = what, mend
        super().__init__(f"{what} {mend}".strip())

    def _render_traceback_(self):
        return [f"{type(self).__name__}: {self.what}", *([f"What to do: {self.mend}"] if self.mend else [])]


def refuse(condition: bool, what: str, mend: str) -> None:
    """Raise `CourseError(what, mend)` if the condition holds."""
    if condition:
        raise CourseError(what, mend)
