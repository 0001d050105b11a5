"""`course demo`: a made-up class hands in a lesson, is graded with nbgrader and gets feedback pages and a report."""

import copy
import time
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_utils.authoring.answers import is_specific, read_answers
from course_utils.authoring.lessons import Lesson, exercises, find_lessons, grade_id, read, student_source
from course_utils.errors import CourseError
from course_utils.grading import sandbox
from course_utils.grading.classroom import prepare, release_path
from course_utils.grading.feedback import page_path
from course_utils.grading.report import Report, class_report, print_report, write_csv
from course_utils.grading.run import grade
from course_utils.settings import home, replacing

MARKER = ".course-demo"


def demo(
    out: Path = Path("demo-class"), *, lesson: str = "01", jobs: int | None = None, root: Path | None = None
) -> Report:
    """Make a class in `out` with a lesson of `root` (the course), grade it, print its report, say where the pages are.

    `out` appears only when all of it is done; a second run replaces it as a whole.

    Raises:
        CourseError: `out` holds something else, the lesson has no answer bank, or a submission was not graded.
    """
    start, out = time.monotonic(), Path(out).resolve()
    if out.exists() and not (out / MARKER).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise CourseError(f"{out} exists and is no demo class.", "Choose another folder with --out.")
    found = find_lessons(root or home(), lesson)[0]
    with replacing(out) as folder:
        folder.mkdir()
        (folder / MARKER).write_text("Made by `course demo`, which replaces this folder when it runs again.\n")
        print(f"1/4 Releasing {found.name} with nbgrader …", flush=True)
        prepare(found, folder)
        release = nbformat.read(release_path(folder, found.name), as_version=4)
        submissions = make_submissions(found, release)
        print(f"2/4 Writing {len(submissions)} submissions …", flush=True)
        for student, notebook in submissions.items():
            path = folder / "submitted" / student / found.name / f"{found.name}.ipynb"
            path.parent.mkdir(parents=True)
            nbformat.write(notebook, path)
        print("3/4 Running and grading them, a kernel each, and writing feedback pages …", flush=True)
        reason = sandbox.why_not()
        if reason:
            print("    Not sandboxed (`course doctor` says why); these submissions are the course's own.", flush=True)
        # Whose kernel dies needs several and takes longest: started last, it would run alone at the end.
        students = sorted(submissions, key=lambda student: "dies" not in student)
        results = grade(found, folder, students, jobs=jobs, unsafe=bool(reason), tell=_only_students)
        print("4/4 Writing the report …\n", flush=True)
        report = class_report(found.name, folder)
        table = write_csv(report, folder)
        failed = [f"{r.student} ({r.error})" for r in results if r.error]
        if failed:
            raise CourseError(f"Not everyone was graded: {'; '.join(failed)}.", "")
    print_report(report)
    page = page_path(out, found.name, sorted(submissions)[0])
    print(f"\nFeedback pages: {out}/feedback, such as {page}")
    print(f"Report: {out / table.relative_to(folder)}   Gradebook: {out / 'gradebook.db'}")
    print(f"Done in {time.monotonic() - start:.0f} s.")
    return report


def _only_students(line):
    if line.startswith(" "):
        print(line, flush=True)


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
        "ada-all-right": _fill(release, reference),
        "ben-own-style": _fill(release, right),
        "chen-half-done": _fill(release, {name: reference[name] for name in names[:half]}),
        "dina-misconceptions": _fill(release, reference | dina),
        "emil-misconceptions": _fill(release, reference | emil),
        "fay-kernel-dies": _fill(release, reference | crash),
        "gus-tampered": _tamper(_fill(release, {names[0]: reference[names[0]]}), release),
    }


def _fill(release, answers):
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
