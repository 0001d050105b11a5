"""nbgrader's Execute and SaveAutoGrades, so that a crash, a hang or a warning costs only the cell it happened in."""

import copy
import random
from pathlib import Path
from time import monotonic

from jupyter_core.utils import run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils
from nbgrader.preprocessors import SaveAutoGrades
from traitlets import Integer

from course_utils.authoring.lessons import exercises, grade_id, has_tag, is_solution
from course_utils.grading import controls
from course_utils.grading.guard import OUTPUT_LIMIT, Guarded
from course_utils.grading.limits import Limits
from course_utils.grading.suspects import suspects

KERNEL_DIED, CELL_TIMEOUT, NOT_RUN = "KernelDied", "CellTimeout", "NotRun"
UNFINISHED = (KERNEL_DIED, CELL_TIMEOUT, NOT_RUN, OUTPUT_LIMIT)
CONTROLLED, CONTROLLED_SECONDS = 3, 2  # checks that take longer, as those that train, are not run again as controls
LOOP = "Look for a loop that does not end."


def course_metadata(notebook: NotebookNode) -> NotebookNode:
    """What grading notes down in a notebook.

    `flags`; `not_run`: why nothing is executed; `incomplete`: a cell that checks may need was left out; `review`: a
    person must look at all of it, or `doubtful`: at these exercises; `controls`: exercise → a known wrong answer, taken
    out before the notebook is stored; `graded`.
    """
    return notebook.metadata.setdefault("course", NotebookNode())


class ExecuteSubmission(Guarded):
    """Runs a submission to its end whatever its cells do.

    A cell that kills the kernel or does not stop gets an error output named `KernelDied` or `CellTimeout`. What follows
    runs in a fresh kernel, in which the setup cell and the student's cells before it ran again, without those that
    ended a kernel. Where that is not possible, graded cells get an error output named `NotRun`.
    """

    timeout = Integer(help="Seconds for a cell.").tag(config=True)
    setup_timeout = Integer(help="Seconds for a cell tagged `setup`: imports are slow on a busy machine.").tag(
        config=True
    )
    total_timeout = Integer(help="Seconds for one whole notebook; graded cells after that are not run.").tag(
        config=True
    )
    max_restarts = Integer(3, help="Fresh kernels for one notebook; graded cells after that are not run.").tag(
        config=True
    )

    def _timeout_default(self):
        return Limits.from_environment().cell_seconds

    def _setup_timeout_default(self):
        return Limits.from_environment().setup_seconds

    def _total_timeout_default(self):
        return Limits.from_environment().total_seconds

    def preprocess(self, nb, resources, km=None):
        notes = course_metadata(nb)
        self.known_wrong = notes.pop("controls", {})
        self.stopped = notes.get("not_run", "")
        if self.stopped:
            for cell in nb.cells:
                self._not_run(cell, self.stopped)
            return nb, resources
        self.error_on_timeout = _error(CELL_TIMEOUT, f"This cell was stopped after {self.timeout} s. {LOOP}")
        self.timeout_func = lambda cell: self.setup_timeout if has_tag(cell, "setup") else self.timeout
        self.deadline, self.restarts, self.lost = None, 0, ""
        self.nb, self.seconds, self.before = nb, {}, None  # of each cell; what the controls compare with
        place = resources.get("metadata", {}).get("path")
        self._doubt(*(list(found) for found in zip(*suspects(nb, place and Path(place)), strict=True)))
        # Positions of cells: what the present kernel has run, and what no later kernel shall run again.
        self.ran, self.left_out = set(), set()
        self.code = [i for i, cell in enumerate(nb.cells) if self._is_run(cell)]
        self.setups = {i for i, cell in enumerate(nb.cells) if has_tag(cell, "setup")}
        positions = {grade_id(cell): i for i, cell in enumerate(nb.cells) if is_solution(cell)}
        self.answers = {grade_id(c): positions[e.name] for e in exercises(nb) for c in e.checks + e.hidden}
        try:
            return super().preprocess(nb, resources, km)
        except BaseException:
            if self.km is not None:  # nbclient leaves a kernel behind when it is interrupted while that starts
                self._cleanup_kernel()
            raise

    def preprocess_cell(self, cell, resources, index):
        self.deadline = self.deadline or monotonic() + self.total_timeout  # counted from the first cell on
        if not self._is_run(cell):
            return cell, resources
        self._watch_time()
        if self.lost and not self.stopped:
            self._start_again(index)
        answer = self.answers.get(grade_id(cell))
        if self.stopped:
            self._not_run(cell, self.stopped)
        elif answer in self.left_out - self.ran:
            self._not_run(cell, f"{self._name(answer)} did not run to its end.")
        else:
            self._run(cell, index)
        if index == max(self.code, default=0):
            self._finish()
        return cell, resources

    def _run(self, cell, index, again=False):
        """Run a cell. If that costs the kernel, its outputs say so and `self.lost` names the cell."""
        error, start = None, monotonic()
        self.begin(cell)
        try:
            super().preprocess_cell(cell, self.resources, index)
            self.ran.add(index)
            if index in self.setups:
                self.before = run_sync(controls.fingerprint)(self.kc)
        except DeadKernelError:
            if self.kc.cut_off:
                self.note_flood(cell)
            why = getattr(self.km, "sandbox_ended", "") or "For instance it was out of memory, or called `exit`."
            error = _error(KERNEL_DIED, f"Python ended while this cell ran. {why}")
        except (CellTimeoutError, TimeoutError):
            text = f"This cell ran for more than {self.timeout} s and could not be stopped. {LOOP}"
            error = _error(CELL_TIMEOUT, text)
        except Exception as problem:  # a message of the kernel that nobody can read
            error = _error(KERNEL_DIED, f"Python sent what no notebook can hold ({type(problem).__name__}).")
        self.seconds[index] = monotonic() - start
        if self.flooded:  # what else it showed came of being stopped
            first = next(o for o in cell.outputs if o.get("ename") == OUTPUT_LIMIT)
            cell.outputs = [o for o in cell.outputs if o.output_type != "error"] + [first] * (not error)
            error = error and _error(OUTPUT_LIMIT, first.evalue)
        if error:
            cell.outputs.append(new_output(**error))
            self.lost = self._name(index)
            if again or not grade_id(cell):
                notes = course_metadata(self.nb)
                when = " when run again" if again else ""
                flag = f"Python ended in {self.lost}{when}, which was left out from then on"
                notes.flags = [*notes.get("flags", []), flag]
                notes.incomplete = True
        if any(o.get("ename") == CELL_TIMEOUT for o in cell.get("outputs", [])):
            cell.outputs = [o for o in cell.outputs if o.get("ename") != "KeyboardInterrupt"]
        if any(o.get("ename") in UNFINISHED for o in cell.get("outputs", [])):
            self.left_out.add(index)
            if self.setups and self.setups <= self.left_out:
                self.stopped = "the setup cell did not run to its end."

    def _start_again(self, index):
        """A fresh kernel with all that the cell at `index` may need, or else the reason in `self.stopped`."""
        while self.lost and not self.stopped:
            if self.restarts == self.max_restarts:
                self.stopped = f"Python had been started again {self.restarts} times and then ended in {self.lost}."
                return
            self.restarts, self.lost, self.ran, self.before = self.restarts + 1, "", set(), None
            self._cleanup_kernel()
            self.create_kernel_manager()
            try:
                self.start_new_kernel()
                self.start_new_kernel_client()
            except RuntimeError:
                self.create_kernel_manager()  # on leaving, nbclient wants one to clean up
                self.stopped = "Python could not be started again."
            for before in range(index):
                self._watch_time()
                cell = self.nb.cells[before]
                if self.lost or self.stopped:
                    break
                if before in self.left_out or utils.is_grade(cell) or not self._is_run(cell):
                    continue
                self._run(copy.deepcopy(cell), before, again=True)
                self.nb.cells[before] = cell  # its outputs are those of its first run

    def _finish(self):
        """Run the controls, after a crash in a fresh kernel: who bends the judge could end Python to leave no trace."""
        passed = any(utils.is_grade(cell) and self._is_run(cell) and not _errors(cell) for cell in self.nb.cells)
        if passed and self.lost and self.restarts < self.max_restarts:
            self.stopped, self.deadline = "", monotonic() + self.setup_timeout
            self._start_again(len(self.nb.cells))
        if self.kc is not None and not self.lost:
            self._control()
        elif passed:
            self._doubt(["Python ended so often that no controls could be run"])

    def _control(self):
        """Put known wrong answers through the checks that passed, and look whether anything was replaced."""
        asked = {}
        for exercise in exercises(self.nb):
            names = {grade_id(cell) for cell in exercise.checks + exercise.hidden}
            mine = [i for i, cell in enumerate(self.nb.cells) if grade_id(cell) in names]
            answered = any(self.answers[grade_id(self.nb.cells[i])] in self.ran for i in mine)
            fine = answered and not any(_errors(self.nb.cells[i]) for i in mine)
            quick = sum(self.seconds.get(i, 0) for i in mine) < CONTROLLED_SECONDS
            if exercise.name in self.known_wrong and fine and quick:
                asked[exercise.name] = self.known_wrong[exercise.name], [self.nb.cells[i].source for i in mine]
        # Whatever bends the judge bends it for all; a few of them tell, at a fraction of the time.
        asked = dict(random.sample(sorted(asked.items()), min(len(asked), CONTROLLED)))
        try:
            if self.before is not None:
                self._doubt(controls.replaced(self.before, run_sync(controls.fingerprint)(self.kc)))
            passed = run_sync(controls.accepted_wrong)(self.kc, asked)
        except Exception:  # a message of the kernel that nobody can read
            passed = None
        if passed is None:
            self._doubt(["the controls after the last cell did not run to their end"])
        for name in passed or []:  # what bends one check may bend all
            what = f"the checks of `{name}` accept" if name else "this notebook hides errors and accepts"
            self._doubt([f"{what} a known wrong answer in this notebook"])
        if any(count > 1 for count in self.kc.shell_channel.replies.values()):
            self._doubt(["the notebook answered a request twice"])

    def _doubt(self, flags=(), exercises=(None,)):
        """Note what a person must look at: these exercises, or all of them."""
        notes = course_metadata(self.nb)
        if flags:
            notes.flags = [*notes.get("flags", []), *flags]
            notes.review = bool(notes.get("review") or None in exercises)
            notes.doubtful = sorted({*notes.get("doubtful", []), *exercises} - {None})

    def _is_run(self, cell):
        return cell.cell_type == "code" and cell.source.strip() and not has_tag(cell, self.skip_cells_with_tag)

    def _watch_time(self):
        if not self.stopped and monotonic() > self.deadline:
            self.stopped = f"the time limit of {self.total_timeout} s for the whole notebook was over."

    def _name(self, index):
        name = grade_id(self.nb.cells[index])
        return f"`{name}`" if name else "the setup cell" if index in self.setups else "a cell outside the exercises"

    def _not_run(self, cell, why):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if utils.is_grade(cell):
                cell.outputs = [new_output(**_error(NOT_RUN, f"Not run: {why}"))]


class SaveGrades(SaveAutoGrades):
    """Saves the points of each graded cell. Standard error costs none; what never ran is marked for review."""

    def preprocess(self, nb, resources):
        # What fails may fail for want of a cell that was left out.
        notes = course_metadata(nb)
        self.incomplete = notes.get("incomplete", False)
        doubtful = [e for e in exercises(nb) if notes.get("review") or e.name in notes.get("doubtful", [])]
        self.doubtful = {grade_id(cell) for e in doubtful for cell in e.checks + e.hidden}
        nb, resources = super().preprocess(nb, resources)
        course_metadata(nb).graded = True
        return nb, resources

    def _add_score(self, cell, resources):
        quiet = copy.copy(cell)
        quiet.outputs = [o for o in cell.get("outputs", []) if o.get("name") != "stderr"]
        super()._add_score(quiet, resources)
        errors = _errors(quiet)
        unsure = any(self.incomplete or name in UNFINISHED for name in errors)
        if unsure or (grade_id(cell) in self.doubtful and not errors):
            grade = self.gradebook.find_grade(grade_id(cell), self.notebook_id, self.assignment_id, self.student_id)
            grade.needs_manual_grade = True
            self.gradebook.db.commit()


def _errors(cell):
    return [output.ename for output in cell.outputs if output.output_type == "error"]


def _error(name, text):
    """The fields of an error output without a traceback worth reading."""
    return {"output_type": "error", "ename": name, "evalue": text, "traceback": [f"\x1b[31m{name}\x1b[0m: {text}"]}
