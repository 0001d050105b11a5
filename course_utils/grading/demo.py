"""`course demo`: a made-up class hands in a lesson, is graded with nbgrader and gets feedback pages and a report."""

import time
from pathlib import Path

import nbformat

from course_utils.authoring.lessons import find_lessons
from course_utils.errors import CourseError
from course_utils.grading import sandbox
from course_utils.grading.classroom import prepare, release_path
from course_utils.grading.feedback import page_path
from course_utils.grading.made_up import make_submissions
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
