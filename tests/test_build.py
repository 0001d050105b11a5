"""Building a lesson: nbgrader and a kernel really run, on a toy lesson."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import pytest
from test_lint import IN_CHECK, write_toy

from course_utils.authoring import build as building
from course_utils.authoring.build import build, build_all, find_leaks
from course_utils.authoring.handout import FILES, handout
from course_utils.authoring.lessons import find_lessons, read
from course_utils.errors import CourseError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A toy lesson, built once with execution."""
    root = tmp_path_factory.mktemp("course")
    lesson = write_toy(root)
    (lesson.folder / "measure.py").write_text("the_protocol_of_a_measurement = 1\n")
    lesson.answers.mkdir()
    (lesson.answers / "double.py").write_text("# %% wrong squared\nan_answer_nobody_may_see = 1\n")
    build(lesson)
    return root


@pytest.fixture
def lesson(built, tmp_path):
    """A copy of the built toy lesson that a test may change."""
    shutil.copytree(built, tmp_path / "course")
    return find_lessons(tmp_path / "course", "01")[0]


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_solution_is_executed_and_release_is_clean(lesson):
    solution, release = (nbformat.read(path, as_version=4) for path in (lesson.solution, lesson.release))
    printed = {cell.id: cell.outputs[0].text for cell in solution.cells if cell.get("outputs")}
    assert "✓ 01.double" in printed["double_check"] and "doubled 42.0\n" in printed.values()
    for notebook, path in ((solution, lesson.solution), (release, lesson.release)):
        nbformat.validate(notebook)
        assert notebook.metadata.kernelspec.name == "python3" and "version" not in notebook.metadata.language_info
        assert not re.search(r"iopub|timestamp|\d{4}-\d\d-\d\dT|lines_to_next_cell|\"course\"", path.read_text())
    assert [p.name for p in lesson.release.parent.rglob("*")] == ["01_toy.ipynb"]
    text = lesson.release.read_text()
    assert not re.search(r"BEGIN|END |twice_the_value|normal\(size|nobody_may_see|protocol_of", text)
    by_id = {cell.id: cell for cell in release.cells}
    assert "raise NotImplementedError()" in by_id["double"].source and "Twice x." in by_id["double"].source
    assert by_id["double_hidden"].source.strip() == "# Hidden checks run here when your work is graded."
    assert all(not c.outputs and c.execution_count is None for c in release.cells if c.cell_type == "code")
    assert by_id["double_check"].metadata.nbgrader.checksum and by_id["double_check"].metadata.tags


def test_building_twice_gives_the_same_bytes(lesson):
    before = files(lesson.root)
    build(lesson)
    assert files(lesson.root) == before


def test_check_passes_and_changes_nothing(lesson, capsys):
    before = files(lesson.root)
    build_all(lesson.root, check=True)
    assert files(lesson.root) == before and "up to date" in capsys.readouterr().out


def test_check_ignores_outputs(lesson):
    edit(lesson.solution, "doubled 42.0", "doubled 43.0")
    build(lesson, check=True)


def test_check_notices_an_edited_release(lesson):
    edit(lesson.release, "raise NotImplementedError()", "pass")
    with pytest.raises(
        CourseError, match=r"notebooks/01_toy/01_toy.ipynb: double differs from line 4 on.*pass"
    ) as error:
        build(lesson, check=True)
    assert "course build 01" in error.value.mend and "solutions/01_toy/01_toy.ipynb" not in error.value.what


def test_check_notices_an_edited_source(lesson):
    edit(lesson.source, "You squared x.", "You squared it.")
    with pytest.raises(CourseError) as error:
        build(lesson, check=True)
    assert error.value.what.count("double_check differs from line 2") == 2


@pytest.mark.parametrize("change", ["points", "new cell", "lost cell", "missing", "stray file", "left over", "broken"])
def test_check_notices(change, lesson):
    if change == "points":
        edit(lesson.release, '"points": 40', '"points": 41')
    elif change == "new cell":
        edit(lesson.source, '# %% tags=["experiment"]', '# %% [markdown]\n# New.\n\n# %% tags=["experiment"]')
    elif change == "lost cell":
        notebook = nbformat.read(lesson.release, as_version=4)
        del notebook.cells[0]
        nbformat.write(notebook, lesson.release)
    elif change == "missing":
        lesson.solution.unlink()
    elif change == "stray file":
        (lesson.release.parent / "solution.py").write_text("")
    elif change == "left over":
        (lesson.root / "notebooks" / "02_gone").mkdir()
    elif change == "broken":
        lesson.release.write_text("{")
    expected = {"points": "other metadata", "new cell": "New.", "lost cell": "A toy lesson", "missing": "is missing",
                "stray file": "solution.py: should not", "left over": "02_gone", "broken": "no readable"}  # fmt: skip
    with pytest.raises(CourseError) as error:
        build_all(lesson.root, check=True)
    assert expected[change] in error.value.what


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("raise NotImplementedError()", "return twice_the_value", "secret line `return twice_the_value`"),
        ("# # A toy", "# ### BEGIN SOLUTION", "BEGIN SOLUTION"),
        ("A toy lesson", "an_answer_nobody_may_see = 1", "nobody_may_see"),
        ("A toy lesson", "the_protocol_of_a_measurement = 1", "the_protocol"),
        ("A toy lesson", "for value in np.random.default_rng(0).normal(size=5):", "default_rng"),
        ('"tags": [', '"hint": "twice_the_value = 2 * x", "tags": [', "twice_the_value = 2 * x"),
        ('"tags": [', '"course": {"line": 3}, "tags": [', "internal metadata"),
        ('"execution_count": null', '"execution_count": 3', "has outputs"),
    ],
)
def test_leak_check_notices(old, new, what, lesson):
    assert find_leaks(lesson, read(lesson), lesson.release) == []
    edit(lesson.release, old.removeprefix("# ") if old.startswith("# #") else old, new.removeprefix("# "))
    assert any(what in leak for leak in find_leaks(lesson, read(lesson), lesson.release))


def test_a_second_file_in_the_release_is_a_leak(lesson):
    before = files(lesson.root)
    (lesson.folder / "picture.txt").write_text("")
    with pytest.raises(CourseError, match="second file, picture.txt"):
        build(lesson)
    (lesson.folder / "picture.txt").unlink()
    assert files(lesson.root) == before


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("2 * x", "2 * x / 0", r"double_check \(line \d+\) failed with Wrong: your code .* ZeroDivisionError"),
        ("doubled", 'doubled", np.nope, "', r"cell \d+ \(line \d+\) failed with AttributeError"),
        ('print("doubled"', 'import warnings; warnings.warn("careful"); print("doubled"', "writes to standard error"),
        (IN_CHECK, "    import os, time\n    time.sleep(2.2)\n" + IN_CHECK, r"took 2\.\d s"),
        ('print("doubled"', 'import os; os._exit(3); print("doubled"', "kernel died in cell"),
        ('"points": 60', '"points": 61', "101 points"),
        (") -> float:", "):", "no return annotation"),
        ("    ### BEGIN SOLUTION\n", "    ### BEGIN SOLUTION\n    ### BEGIN SOLUTION\n", "nested"),
    ],
)  # fmt: skip
def test_a_failing_build_says_where_and_leaves_the_old_files(old, new, what, lesson):
    edit(lesson.source, old, new)
    before = files(lesson.root)
    with pytest.raises(CourseError, match=what):
        build(lesson)
    assert files(lesson.root) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_build_leaves_the_old_files(error, lesson, monkeypatch):
    def interrupted(*_):
        raise error

    edit(lesson.source, "You squared x.", "You squared it.")
    before = files(lesson.root)
    monkeypatch.setattr(building, "run", interrupted)
    with pytest.raises(error):
        build(lesson)
    assert files(lesson.root) == before


def test_ctrl_c_while_a_cell_runs(lesson):
    edit(lesson.source, 'print("doubled"', 'import time; time.sleep(60); print("doubled"')
    before = files(lesson.root)
    code = f"from course_utils.authoring.build import build_all; build_all({str(lesson.root)!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "double_hidden" in line:
            break
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0 and files(lesson.root) == before


def test_without_execution_outputs_of_unchanged_cells_stay(lesson):
    edit(lesson.source, "You squared x.", "You squared it.")
    build(lesson, execute=False)
    cells = {cell.id: cell for cell in nbformat.read(lesson.solution, as_version=4).cells}
    assert cells["double_check"].outputs == [] and "✓" in cells["double_hidden"].outputs[0].text
    build(lesson, check=True)


@pytest.fixture
def course(lesson):
    """The toy lesson with what else a handout holds."""
    root = lesson.root
    for name in FILES:
        (root / name).write_text(name)
    for name in ("settings.py", "authoring/build.py", "grading/execute.py", "__pycache__/settings.pyc"):
        path = root / "course_utils" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    (root / "data").mkdir()
    (root / "data" / "weights.bin").write_bytes(b"\x00\xff")
    return root


def test_handout_holds_what_a_student_needs_and_no_more(course, tmp_path):
    out = tmp_path / "handout.zip"
    handout(out, course)
    with zipfile.ZipFile(out) as archive:
        names = {name.removeprefix("transfer-learning-course/") for name in archive.namelist()}
    assert names == {*FILES, "course_utils/settings.py", "data/weights.bin", "notebooks/01_toy/01_toy.ipynb"}
    first = out.read_bytes()
    handout(out, course)
    assert out.read_bytes() == first


@pytest.mark.parametrize("where", ["course_utils", "notebook", "stray", "missing"])
def test_handout_refuses(where, course, tmp_path):
    lesson = find_lessons(course, "01")[0]
    if where == "course_utils":
        (course / "course_utils" / "help.py").write_text(
            "def f(x):\n  twice_the_value = 2 * x\n\n  return twice_the_value\n"
        )
    elif where == "notebook":
        edit(lesson.release, "raise NotImplementedError()", "return twice_the_value")
    elif where == "stray":
        shutil.copy(lesson.solution, lesson.release.parent / "copy.ipynb")
    elif where == "missing":
        (course / "Makefile").unlink()
    expected = {
        "course_utils": "help.py holds all",
        "notebook": "return twice",
        "stray": "copy.ipynb",
        "missing": "Makefile",
    }
    with pytest.raises(CourseError, match=expected[where]):
        handout(tmp_path / "handout.zip", course)
    assert not (tmp_path / "handout.zip").exists()


def test_nbgrader_reads_the_course_settings():
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    assert (config.CourseDirectory.source_directory, config.CourseDirectory.release_directory) == (
        "solutions",
        "notebooks",
    )
    assert config.Execute.skip_cells_with_tag == "experiment"
