"""nbgrader's Execute and SaveAutoGrades, so that a crash, a hang or a warning costs only the cell it happened in."""

import copy
from time import monotonic

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils
from nbgrader.preprocessors import Execute, SaveAutoGrades
from traitlets import Integer

KERNEL_DIED, CELL_TIMEOUT, NOT_RUN = "KernelDied", "CellTimeout", "NotRun"
UNFINISHED = (KERNEL_DIED, CELL_TIMEOUT, NOT_RUN)
LOOP = "Look for a loop that does not end."


def course_metadata(notebook: NotebookNode) -> NotebookNode:
    """What grading notes down in a notebook: `flags`, `not_run` (why nothing is executed) and `graded`."""
    return notebook.metadata.setdefault("course", NotebookNode())


class ExecuteSubmission(Execute):
    """Runs a submission to its end whatever its cells do.

    A cell that kills the kernel or does not stop gets an error output named `KernelDied` or `CellTimeout`. Once there
    is no kernel to go on with, each graded cell gets one named `NotRun`; what ran before keeps its points.
    """

    total_timeout = Integer(600, help="Seconds for one whole notebook; graded cells after that are not run.").tag(
        config=True
    )

    def preprocess(self, nb, resources, km=None):
        self.stopped = course_metadata(nb).get("not_run", "")
        if self.stopped:
            for cell in nb.cells:
                self._not_run(cell)
            return nb, resources
        self.error_on_timeout = _error(CELL_TIMEOUT, f"This cell was stopped after {self.timeout} s. {LOOP}")
        self.deadline = None
        return super().preprocess(nb, resources, km)

    def preprocess_cell(self, cell, resources, index):
        self.deadline = self.deadline or monotonic() + self.total_timeout  # counted from the first cell on
        if not self.stopped and monotonic() > self.deadline:
            self.stopped = f"the time limit of {self.total_timeout} s for the whole notebook was over."
        if self.stopped:
            self._not_run(cell)
            return cell, resources
        where = f"`{cell.metadata.nbgrader.grade_id}`" if utils.is_grade(cell) else "a cell before"
        try:
            cell, resources = super().preprocess_cell(cell, resources, index)
        except DeadKernelError:
            self.stopped = f"Python had ended in {where}."
            text = "Python ended while this cell ran, for instance out of memory or by a call to `exit`."
            cell.outputs.append(new_output(**_error(KERNEL_DIED, text)))
        except (CellTimeoutError, TimeoutError):
            # It did not react to the interrupt either, so the kernel is of no further use; it is killed on leaving.
            self.stopped = f"Python could not be stopped in {where}."
            text = f"This cell ran for more than {self.timeout} s and could not be stopped. {LOOP}"
            cell.outputs.append(new_output(**_error(CELL_TIMEOUT, text)))
        if any(o.get("ename") == CELL_TIMEOUT for o in cell.get("outputs", [])):
            cell.outputs = [o for o in cell.outputs if o.get("ename") != "KeyboardInterrupt"]
        return cell, resources

    def _not_run(self, cell):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if utils.is_grade(cell):
                cell.outputs = [new_output(**_error(NOT_RUN, f"Not run: {self.stopped}"))]


class SaveGrades(SaveAutoGrades):
    """Saves the points of each graded cell. Standard error costs none; what never ran is marked for review."""

    def preprocess(self, nb, resources):
        nb, resources = super().preprocess(nb, resources)
        course_metadata(nb).graded = True
        return nb, resources

    def _add_score(self, cell, resources):
        quiet = copy.copy(cell)
        quiet.outputs = [o for o in cell.get("outputs", []) if o.get("name") != "stderr"]
        super()._add_score(quiet, resources)
        if any(o.get("ename") in UNFINISHED for o in quiet.outputs):
            grade_id = cell.metadata.nbgrader.grade_id
            grade = self.gradebook.find_grade(grade_id, self.notebook_id, self.assignment_id, self.student_id)
            grade.needs_manual_grade = True
            self.gradebook.db.commit()


def _error(name, text):
    """The fields of an error output without a traceback worth reading."""
    return {"output_type": "error", "ename": name, "evalue": text, "traceback": [f"\x1b[31m{name}\x1b[0m: {text}"]}
