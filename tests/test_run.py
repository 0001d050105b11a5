"""`course grade` on a toy lesson: points, crashes, warnings, tampering, feedback pages and the class report."""

import copy
import csv
import re
import shutil
import subprocess
import sys
from datetime import datetime

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.api import Gradebook
from toy_lesson import LESSON, RIGHT, SAFETY, cell_of, command, hand_in, solve, write_toy_lesson

from course_utils.authoring.lessons import find_lessons
from course_utils.errors import CourseError
from course_utils.grading import gradebook
from course_utils.grading.classroom import CONFIG, nbgrader_config, prepare, release_path
from course_utils.grading.ledger import Ledger
from course_utils.grading.report import NOT_ATTEMPTED, class_report, graded_notebook, print_report, write_csv
from course_utils.grading.run import grade

# --- a class, graded once -------------------------------------------------------------------------------------------


def edited_check(nb):
    cell_of(nb, "double_check").source = "pass"
    cell_of(nb, "double_hidden").source = "pass"


def changed_marks(nb):
    cell_of(nb, "double_check").metadata.nbgrader.points = 1000
    cell_of(nb, "square_check").metadata.nbgrader |= {"grade": False, "solution": True, "locked": False}
    cell_of(nb, "negate_check").cell_type = "markdown"
    solve(nb, double="", square="", negate="")


def deleted_checks(nb):
    nb.cells = [
        c for c in nb.cells if not str(c.metadata.get("nbgrader", {}).get("grade_id")).endswith(("_check", "_hidden"))
    ]
    solve(nb, double="def double(x):\n    return x / 2")


def copies(nb):
    """A second check cell, and a copy of the untouched answer cell left at the end, as by copy and paste."""
    backup = copy.deepcopy(cell_of(nb, "double"))
    solve(nb)
    nb.cells += [copy.deepcopy(cell_of(nb, "square_check")), backup]


def bare(nb):
    """As some editors save it: no metadata and no cell ids left."""
    solve(nb)
    for cell in nb.cells:
        cell.metadata, cell.id = {}, nbformat.v4.new_code_cell().id


def helper(nb):
    """A cell of the student's own, which an answer needs, markup in what is printed, and the source of the checks."""
    solve(
        nb,
        double="def double(x):\n    return my_two() * x",
        square="def square(x):\n    print('<script>evil()</script>')\n    return x * x",
        negate="def negate(x):\n    import inspect\n    print(inspect.getsource(inspect.stack()[1][0]))\n    return -x",
    )
    nb.cells.insert(nb.cells.index(cell_of(nb, "double")), new_code_cell("def my_two():\n    return 2\nmy_two()"))
    nb.cells.append(new_markdown_cell("<script>evil()</script>"))


def playground(nb):
    """A cell of the student's own that ends Python and holds a function an answer needs."""
    solve(nb, double="def double(x):\n    return my_two() * x")
    crash = "def my_two():\n    return 2\nimport os\nos._exit(1)"
    nb.cells.insert(nb.cells.index(cell_of(nb, "double")), new_code_cell(crash))


CLASS = {
    "right": solve,
    "stub": lambda nb: None,
    "late": lambda nb: None,
    "crash": lambda nb: solve(nb, negate="def negate(x):\n    import os\n    os._exit(1)"),
    "playground": playground,
    "warns": lambda nb: solve(
        nb,
        double="def double(x):\n    warnings.warn('honest')\n    return 2 * x",
        square="def square(x)\n    return x * x",
    ),
    "halved": lambda nb: solve(nb, double="def double(x):\n    return x / 2"),
    "edited_check": edited_check,
    "changed_marks": changed_marks,
    "deleted_checks": deleted_checks,
    "copies": copies,
    "helper": helper,
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A lesson, a class folder with its release, and a function that hands in an edited release."""
    root = write_toy_lesson(tmp_path_factory.mktemp("course"))
    folder = root / "class"
    folder.mkdir()
    lesson = find_lessons(root, "01")[0]
    prepare(lesson, folder)
    return lesson, folder


@pytest.fixture(scope="module")
def release(course):
    return nbformat.read(release_path(course[1], LESSON), as_version=4)


@pytest.fixture(scope="module")
def graded(course, release):
    """The class folder and the finished `course grade` of CLASS and of three files that are no proper submission."""
    lesson, folder = course
    for student, edit in CLASS.items():
        notebook = copy.deepcopy(release)
        edit(notebook)
        hand_in(folder, student, nbformat.writes(notebook))
    hand_in(folder, "broken", "{not json")
    stripped = copy.deepcopy(release)
    bare(stripped)
    hand_in(folder, "renamed", nbformat.writes(stripped), "my homework (2).ipynb")
    (folder / "submitted" / "linked" / LESSON).mkdir(parents=True)
    (folder / "submitted" / "linked" / LESSON / f"{LESSON}.ipynb").symlink_to(
        folder / "source" / LESSON / f"{LESSON}.ipynb"
    )
    done = subprocess.run(**command(lesson.root, "grade", "01", "--folder", folder, "--jobs", 2, *SAFETY), timeout=300)
    return folder, done


@pytest.fixture(scope="module")
def rows(graded):
    return {row.student: row for row in class_report(LESSON, graded[0]).rows}


def page(graded, student):
    return (graded[0] / "feedback" / student / LESSON / f"{LESSON}.html").read_text()


@pytest.mark.parametrize(
    ("student", "points"),
    [
        ("right", [25, 25, 25, 25]),
        ("stub", [0, 0, 0, 0]),
        ("crash", [25, 25, 0, 25]),
        ("playground", [0, 25, 25, 25]),
        ("warns", [25, 0, 25, 25]),
        ("halved", [0, 25, 25, 25]),
        ("edited_check", [0, 0, 0, 0]),
        ("changed_marks", [0, 0, 0, 25]),
        ("deleted_checks", [0, 25, 25, 25]),
        ("copies", [25, 25, 25, 25]),
        ("helper", [25, 25, 25, 25]),
        ("renamed", [25, 25, 25, 25]),
        ("broken", [0, 0, 0, 0]),
        ("linked", [0, 0, 0, 0]),
    ],
)
def test_points(rows, student, points):
    assert list(rows[student].points.values()) == points


@pytest.mark.parametrize(
    ("student", "names"),
    [
        ("crash", {"negate_check", "negate_hidden"}),
        ("playground", {"double_check", "double_hidden"}),
        ("halved", set()),
    ],
)
def test_what_a_dead_kernel_may_have_cost_is_left_to_a_person(graded, student, names):
    with Gradebook(nbgrader_config(graded[0], LESSON).CourseDirectory.db_url, "") as gradebook:
        grades = gradebook.find_submission_notebook(LESSON, LESSON, student).grades
        assert {grade.name for grade in grades if grade.needs_manual_grade} >= names


def test_feedback_on_a_dead_kernel_names_the_exercise_only(graded):
    text = page(graded, "crash")
    assert "<strong>75</strong> of 100" in text and "Python ended while this cell ran" in text
    assert text.count("<td>to revisit</td>") == 1 and text.count("<td>right</td>") == 3


def test_everyone_is_graded_and_it_is_said_who_handed_in_what_before_anything_runs(graded, rows):
    done, lines = graded[1], [line for line in graded[1].stdout.splitlines() if not line.startswith("WARNING")]
    assert done.returncode == 0, done.stderr
    assert lines[0].startswith(f"{len(CLASS) + 3} submissions: ")
    assert "5 tampered (changed_marks, " in lines[0] and "2 unreadable (broken, linked)" in lines[0]
    assert "01.double.halved" in done.stdout and "Most frequent misconceptions" in done.stdout
    assert all(row.points is not None for row in rows.values())
    assert f"{len(rows)} of {len(rows)} graded" in done.stdout


def test_who_kills_the_grading_process_is_recorded_and_costs_no_one_else(course, tmp_path, release):
    """Unsandboxed: its code then runs in a kernel whose parent is that process."""
    lesson, _ = course
    kill = "import os, signal\n    os.kill(os.getppid(), signal.SIGKILL)\n    os._exit(1)"
    for number in range(5):
        notebook = copy.deepcopy(release)
        solve(notebook, **({"double": f"def double(x):\n    {kill}"} if number == 1 else {}))
        hand_in(tmp_path, f"s{number}", nbformat.writes(notebook))
    done = subprocess.run(
        **command(lesson.root, "grade", "01", "--folder", tmp_path, "--jobs", 2, "--unsafe"), timeout=120
    )
    assert done.returncode == 0 and "UNSANDBOXED" in done.stdout, done.stderr
    rows = {row.student: row for row in class_report(LESSON, tmp_path).rows}
    assert [row.total for row in rows.values()] == [100, 0, 100, 100, 100]
    assert rows["s1"].status == "needs review" and any("killed each time" in flag for flag in rows["s1"].flags)
    with Ledger(tmp_path) as ledger:
        assert {entry.runs for entry in ledger.entries(LESSON).values()} == {1}


def test_nobody_handed_in(course, tmp_path):
    done = subprocess.run(**command(course[0].root, "grade", "01", "--folder", tmp_path / "empty"), timeout=60)
    assert done.returncode == 1 and "Nobody handed in 01_toy" in done.stderr and "Traceback" not in done.stderr
    assert str(tmp_path / "empty") in done.stderr and not (tmp_path / "empty").exists()


@pytest.mark.parametrize(
    ("student", "words"),
    [
        ("edited_check", "`double_check` was edited"),
        ("changed_marks", "points of `double_check` were changed from 10 to 1000"),
        ("changed_marks", "grading marks of `square_check` were changed"),
        ("changed_marks", "`negate_check` is no longer a code cell"),
        ("deleted_checks", "`double_hidden` was deleted"),
        ("copies", "`square_check` exists 2 times"),
        ("renamed", "my homework (2).ipynb instead of"),
        ("broken", "cannot be read as a notebook"),
        ("linked", "links are not followed"),
        ("crash", "negate: Python ended"),
        ("playground", "Python ended in a cell outside the exercises"),
    ],
)
def test_flags_in_plain_words(rows, student, words):
    assert any(words in flag for flag in rows[student].flags), rows[student].flags


@pytest.mark.parametrize("student", ["right", "stub", "warns", "halved"])
def test_nothing_is_held_against_honest_work(rows, student):
    assert rows[student].flags == []


def test_submissions_stay_as_they_were(graded, release):
    text = (graded[0] / "submitted" / "stub" / LESSON / f"{LESSON}.ipynb").read_text()
    assert nbformat.reads(text, as_version=4) == release


def test_wrong_is_not_the_same_as_not_attempted(rows):
    assert rows["stub"].ids() == [] and rows["stub"].exercises(NOT_ATTEMPTED) == set(RIGHT)
    assert rows["halved"].ids() == ["01.double.halved"] and not rows["halved"].exercises(NOT_ATTEMPTED)


def test_feedback_shows_verdict_and_points_but_no_hidden_test(graded):
    text = page(graded, "halved")
    assert "<strong>75</strong> of 100" in text and "01.double.halved" in text
    assert "You &lt;b&gt;halved&lt;/b&gt; it." in text
    for student in CLASS.keys() | {"broken", "renamed", "linked"}:
        assert not re.search(r"top_secret|HIDDEN TESTS|Traceback \(most", page(graded, student)), student


def test_what_hidden_checks_print_stays_off_the_page(graded):
    notebook = graded_notebook(LESSON, graded[0], "helper")
    assert "top_secret = " in str(cell_of(notebook, "negate_hidden").outputs)
    assert "top_secret" not in page(graded, "helper")


def test_feedback_runs_no_script(graded):
    text = page(graded, "helper")
    assert "&lt;script&gt;" in text and "<script" not in text and "default-src 'none'" in text


def test_feedback_names_a_syntax_error(graded):
    assert "SyntaxError" in page(graded, "warns") and "line 1" in page(graded, "warns")


def test_class_report_counts_students_and_is_written_as_csv(graded, capsys):
    report = class_report(LESSON, graded[0])
    counts = {id: count for id, count, _ in report.misconceptions()}
    assert counts["01.double.halved"] == 2
    print_report(report)
    printed = capsys.readouterr().out
    assert "01.double.halved" in printed and max(map(len, printed.splitlines())) <= 120
    with write_csv(report, graded[0]).open() as file:
        table = {row["student"]: row for row in csv.DictReader(file)}
    assert table["right"]["total"] == "100" and table["right"]["status"] == "graded"
    assert (
        table["stub"]["not_attempted"] == "double; negate; square; successor"
        and table["crash"]["unfinished"] == "negate"
    )


def test_grading_again_replaces_the_grade(course, graded, rows, release):
    lesson, folder = course
    assert rows["late"].total == 0
    notebook = copy.deepcopy(release)
    solve(notebook)
    hand_in(folder, "late", nbformat.writes(notebook))
    hand_in(folder, "too late", nbformat.writes(notebook))
    assert [result.error for result in grade(lesson, folder, ["late"], unsafe=bool(SAFETY))] == [""]
    new = {row.student: row for row in class_report(LESSON, folder).rows}
    shutil.rmtree(folder / "submitted" / "too late")
    assert new["late"].total == 100
    assert new["too late"].points is None and "NOT GRADED" in new["too late"].flags[0]


def test_who_did_not_hand_in_is_named(course):
    with pytest.raises(CourseError, match="nobody-here handed in"):
        grade(*course, ["nobody-here"])


def test_glob_characters_in_the_class_folder_are_refused(course, tmp_path):
    (tmp_path / "class[1]").mkdir()
    with pytest.raises(CourseError, match="nbgrader cannot work in"):
        prepare(course[0], tmp_path / "class[1]")


def test_nbgraders_own_command_rebuilds_and_sandboxes_too(graded, release, tmp_path):
    folder = tmp_path / "class"
    shutil.copytree(graded[0], folder)
    notebook = copy.deepcopy(release)
    edited_check(notebook)
    solve(
        notebook,
        square="def square(x):\n    import socket\n    print(socket.gethostname())\n    return x * x",
        double="",
    )
    hand_in(folder, "stub", nbformat.writes(notebook))
    line = [shutil.which("nbgrader"), "autograde", LESSON, "--student", "stub", "--force"]
    if SAFETY:
        line.append("--Execute.kernel_name=python3")
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    scores = gradebook.scores(folder, LESSON, "stub")["stub"]
    assert sum(score.points for score in scores.values()) == 75 and not scores["double_check"].points
    page = nbformat.read(folder / "autograded" / "stub" / LESSON / f"{LESSON}.ipynb", as_version=4)
    assert SAFETY or "sandbox" in str(cell_of(page, "square_check").outputs)
    assert "`double_check` was edited" in str(page.metadata.course.flags)


def test_a_late_penalty_of_the_class_folder_counts(course, release, tmp_path):
    """nbgrader's own: a plugin named in its configuration, and the time in `timestamp.txt`."""
    lesson, _ = course
    prepare(lesson, tmp_path)
    (tmp_path / "late.py").write_text(
        "from nbgrader.plugins import BasePlugin\n"
        "class Half(BasePlugin):\n"
        "    def late_submission_penalty(self, student_id, score, total_seconds_late):\n"
        "        return score / 2\n"
    )
    with (tmp_path / CONFIG).open("a") as config:
        config.write(
            f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nc.AssignLatePenalties.plugin_class = 'late.Half'\n"
        )
    notebook = copy.deepcopy(release)
    solve(notebook)
    for student, when in {"late": "2020-01-03 12:00:00 UTC", "early": "2020-01-01 12:00:00 UTC", "odd": "soon"}.items():
        hand_in(tmp_path, student, nbformat.writes(notebook))
        hand_in(tmp_path, student, when, "timestamp.txt")
    url = nbgrader_config(tmp_path, LESSON).CourseDirectory.db_url
    with Gradebook(url) as book:
        book.update_or_create_assignment(LESSON, duedate=datetime(2020, 1, 2))
    grade(lesson, tmp_path, unsafe=bool(SAFETY), pages=False)
    with Gradebook(url) as book:
        found = {s.student_id: s.notebooks[0].late_submission_penalty for s in book.assignment_submissions(LESSON)}
    assert found == {"late": 50, "early": None, "odd": None}
    flags = {row.student: row.flags for row in class_report(LESSON, tmp_path).rows}
    assert flags == {"late": [], "early": [], "odd": ["timestamp.txt holds no time; whether it was late is not known"]}


def test_whoever_grades_waits_for_no_torch(course):
    """Workers start in an instant because they import little."""
    code = "import course_utils.grading.run, sys; print('torch' in sys.modules, 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_without_a_sandbox_grading_is_refused(course, release, tmp_path):
    hand_in(tmp_path, "ann", nbformat.writes(release))
    start = command(course[0].root, "grade", "01", "--folder", tmp_path)
    start["env"]["PATH"] = str(tmp_path)  # no bubblewrap there
    done = subprocess.run(**start, timeout=60)
    assert done.returncode == 1 and "cannot be sandboxed" in done.stderr and "--unsafe" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["submitted"]
