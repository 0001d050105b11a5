"""Every lesson, as it stands in the repository: generated files, answers, claims, and what a student gets."""

import re

import nbclient
import nbformat
import pytest
from conftest import ROOT

from course_utils import claims
from course_utils.authoring import lessons
from course_utils.authoring.audit import audit
from course_utils.authoring.build import build

LESSONS = lessons.find_lessons(ROOT)
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


@each_lesson
def test_generated_files_are_what_the_source_gives(lesson):
    build(lesson, check=True)


@each_lesson
def test_every_answer_gets_its_verdict(lesson):
    report = audit(lesson)
    faults = [f"{r.answer.exercise}, {r.answer.label}: {r.fault}" for r in report.results if r.fault]
    assert report.ok, "\n".join(report.problems + faults)


@each_lesson
def test_release_runs_up_to_the_first_unanswered_exercise(lesson, tmp_path):
    notebook = nbformat.read(lesson.release, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    with pytest.raises(nbclient.exceptions.CellExecutionError) as stopped:
        client.execute()
    assert stopped.value.ename == "NotAttempted"
    ran = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.get("execution_count")]
    exercises = lessons.exercises(lessons.read(lesson))
    assert lessons.grade_id(ran[-1]) == lessons.grade_id(exercises[0].checks[0])


@each_lesson
def test_release_holds_no_answer_and_stands_alone(lesson):
    assert [path.name for path in lesson.release.parent.iterdir()] == [lesson.release.name]
    text = lesson.release.read_text(encoding="utf-8")
    assert "BEGIN SOLUTION" not in text
    assert "BEGIN HIDDEN TESTS" not in text


@each_lesson
def test_no_exercise_is_answered_in_the_package(lesson):
    names = {exercise.name for exercise in lessons.exercises(lessons.read(lesson))}
    for module in (ROOT / "course_utils").rglob("*.py"):
        source = module.read_text(encoding="utf-8")
        # At the start of a line: nbconvert's preprocessors have a method called as an exercise is.
        assert not [name for name in names if re.search(rf"^def {name}\(", source, re.M)], module


def test_every_claim_says_what_its_record_says():
    problems = claims.check_claims([lesson.source for lesson in LESSONS])
    assert not [str(problem) for problem in problems if problem.level == "error"]
    page = ROOT / "data" / "records" / "README.md"
    assert page.read_text(encoding="utf-8") == claims.claims_page()
