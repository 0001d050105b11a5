"""Made-up students: what a class hands in, from a lesson's solutions and its answer bank."""

import copy
import random
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_utils.authoring.answers import is_specific, read_answers
from course_utils.authoring.lessons import Lesson, exercises, grade_id, has_tag, is_solution, read, student_source
from course_utils.errors import CourseError
from course_utils.grading.classroom import prepare, release_path

# Some students break their kernels, on purpose or not.
HOSTILE = [
    "import os; os._exit(1)",
    "import ctypes; ctypes.string_at(0)",
    "x = bytearray(8 * 2**30)",
    "print('x' * 50_000_000)",
    "import os\nwhile True:\n    os.fork()",
    "import torch; torch.equal = torch.allclose = lambda *args, **kwargs: True",
]


def make_submissions(lesson: Lesson, release: NotebookNode) -> dict[str, NotebookNode]:
    """What each made-up student hands in, made from the lesson's solutions and its answer bank."""
    right, wrong, reference, stubs = {}, {}, {}, {}
    for exercise in exercises(read(lesson)):
        path = lesson.answers / f"{exercise.name}.py"
        bank = list(read_answers(path, lesson.number, exercise.solution.source)) if path.is_file() else []
        reference[exercise.name] = exercise.solution.source
        stubs[exercise.name] = student_source(exercise.solution)
        right[exercise.name] = next((a.code for a in bank if a.kind == "right"), exercise.solution.source)
        wrong[exercise.name] = [a for a in bank if a.kind == "wrong" and is_specific(a.verdict)]
    names, told = list(reference), [name for name, answers in wrong.items() if answers]
    if len(told) < 2:
        raise CourseError(f"{lesson.answers} holds too few wrong answers for a class.", "Add some for each exercise.")
    half = len(names) // 2
    # Two students who share their first misconception and differ in the others, as classes do.
    dina = {name: wrong[name][0].code for name in told[:3]}
    emil = {name: wrong[name][-1 if name != told[0] else 0].code for name in [told[0], *told[-3:]]}
    crash = {names[half]: stubs[names[half]].replace("raise NotImplementedError()", "__import__('os')._exit(1)")}
    return {
        "ada-all-right": fill(release, reference),
        "ben-own-style": fill(release, right),
        "chen-half-done": fill(release, {name: reference[name] for name in names[:half]}),
        "dina-misconceptions": fill(release, reference | dina),
        "emil-misconceptions": fill(release, reference | emil),
        "fay-kernel-dies": fill(release, reference | crash),
        "gus-tampered": _tamper(fill(release, {names[0]: reference[names[0]]}), release),
    }


def fill(release, answers):
    """The release with these answers in its solution cells."""
    notebook = copy.deepcopy(release)
    for cell in notebook.cells:
        code = answers.get(grade_id(cell))
        if code is not None:
            marks = ("### BEGIN SOLUTION", "### END SOLUTION", "# says:")
            lines = [line for line in code.splitlines() if not line.strip().startswith(marks)]
            cell.source = "\n".join(lines).strip()
    return notebook


def _tamper(notebook, release):
    """Edit the second exercise's check, raise the points of the third's and delete a graded cell of the fourth's."""
    checks = [exercise.checks[0].metadata.nbgrader.grade_id for exercise in exercises(release) if exercise.checks]
    for cell in notebook.cells:
        if grade_id(cell) == checks[1 % len(checks)]:
            cell.source = "print('all good')"
        elif grade_id(cell) == checks[2 % len(checks)]:
            cell.metadata.nbgrader.points *= 10
    notebook.cells = [cell for cell in notebook.cells if grade_id(cell) != checks[3 % len(checks)]]
    return notebook


def made_up_class(lesson: Lesson, folder: Path, students: int, hostile: bool) -> Path:
    """A new class folder with submissions drawn from the answer bank: right, differently right, wrong and missing.

    Their experiments are left out. With `hostile`, every tenth student's first answer breaks its kernel or its checks.
    """
    draw = random.Random(0)
    folder.mkdir(parents=True)
    prepare(lesson, folder)
    release = nbformat.read(release_path(folder, lesson.name), as_version=4)
    answers = {}
    for exercise in exercises(read(lesson)):
        bank = read_answers(lesson.answers / f"{exercise.name}.py", lesson.number, exercise.solution.source)
        choices = {"right": [exercise.solution.source], "wrong": []}
        for answer in bank:
            choices[answer.kind].append(answer.code)
        answers[exercise.name] = choices | {"stub": [student_source(exercise.solution)]}
    for number in range(students):
        notebook = copy.deepcopy(release)
        notebook.cells = [cell for cell in release.cells if not has_tag(cell, "experiment")]
        mine = {}
        for name, choices in answers.items():
            kind = draw.choices(["right", "wrong", "stub"], [0.7, 0.2, 0.1])[0]
            mine[name] = draw.choice(choices[kind] or choices["right"])
        notebook = fill(notebook, mine)
        if hostile and number % 10 == 9:
            next(filter(is_solution, notebook.cells)).source = draw.choice(HOSTILE)
        path = folder / "submitted" / f"student-{number:03}" / lesson.name / f"{lesson.name}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    return folder
