"""How much one submission may use. Read by the sandbox, which enforces it, and by what runs the cells."""

import dataclasses
import json
import os
from dataclasses import dataclass

from course_utils.errors import CourseError

VARIABLE = "COURSE_LIMITS"
MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Bounds for one submission; seconds are wall time, bytes are bytes.

    Args:
        cell_seconds: one cell; `setup_seconds` for the setup cell, whose imports are slow on a busy machine.
        total_seconds: all cells of a notebook, restarts of Python included.
        memory_bytes: data of one process (RLIMIT_DATA); all processes of a submission together may hold 1.5 times that.
        processes: processes and threads of a submission.
        file_bytes: one file, and each of the folders that a submission may write to, which live in memory.
        output_bytes: all outputs of a notebook together.
    """

    cell_seconds: int = 30
    setup_seconds: int = 120
    total_seconds: int = 600
    memory_bytes: int = 2048 * MIB
    processes: int = 128
    file_bytes: int = 64 * MIB
    output_bytes: int = 10 * MIB

    def to_environment(self) -> None:
        """Make these the limits of this process and of those it starts."""
        os.environ[VARIABLE] = json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_environment(cls) -> "Limits":
        """The limits in force: those of `COURSE_LIMITS`, a JSON object that may name only some, else the defaults.

        Raises:
            CourseError: `COURSE_LIMITS` is no such object.
        """
        text = os.environ.get(VARIABLE) or "{}"
        try:
            limits = cls(**json.loads(text))
            if wrong := [name for name, value in vars(limits).items() if type(value) is not int or value < 1]:
                raise ValueError(f"{wrong[0]} is no whole number above 0")
            return limits
        except (TypeError, ValueError) as error:
            names = ", ".join(field.name for field in dataclasses.fields(cls))
            raise CourseError(f"{VARIABLE} cannot be used ({error}).", f"Give a JSON object with: {names}.") from None
