"""What students hand in, read without running it: files of every kind, broken notebooks, changed cells."""

import copy
import json
import os
import random

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from toy_lesson import EXERCISES, LESSON, RIGHT, cell_of, solve, write_toy_lesson

from course_utils.authoring.lessons import find_lessons
from course_utils.grading.classroom import prepare, release_path, source_path
from course_utils.grading.preflight import MAX_FILES, preflight
from course_utils.grading.rebuild import rebuild, unanswered

FILE = f"{LESSON}.ipynb"
CHECKS = [f"{name}{kind}" for name in RIGHT for kind in ("_check", "_hidden")]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = write_toy_lesson(tmp_path_factory.mktemp("course"))
    prepare(find_lessons(root, "01")[0], root)
    return root


@pytest.fixture(scope="module")
def release(course):
    return nbformat.read(release_path(course, LESSON), as_version=4)


@pytest.fixture(scope="module")
def source(course):
    return nbformat.read(source_path(course, LESSON), as_version=4)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "submitted" / "ann" / LESSON
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def good(release):
    """The text of a notebook with right answers."""
    notebook = copy.deepcopy(release)
    solve(notebook)
    return nbformat.writes(notebook)


def read(folder, reference):
    """A submission, after a look at what must be true of each: it can be stored and graded, and holds no solution."""
    found = preflight(folder, reference, FILE)
    nbformat.validate(nbformat.from_dict(json.loads(json.dumps(found.notebook))))
    nbformat.writes(found.notebook).encode()
    for name in CHECKS:
        assert cell_of(found.notebook, name) == cell_of(reference, name)
    assert not any("BEGIN SOLUTION" in cell.source for cell in found.notebook.cells)
    return found


def flags(found):
    return "; ".join(found.notebook.metadata.course.flags)


def answer(found, name="double"):
    return cell_of(found.notebook, name).source


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_good_submission_is_taken_as_it_is(folder, source, good):
    (folder / FILE).write_text(good)
    found = read(folder, source)
    assert (found.kind, flags(found), found.files) == ("fine", "", {})
    assert [answer(found, name) for name in RIGHT] == list(RIGHT.values())
    assert read(folder, source).digest == found.digest


def test_the_digest_tells_a_changed_notebook_and_a_changed_file(folder, source, good):
    (folder / FILE).write_text(good)
    seen = {read(folder, source).digest}
    (folder / FILE).write_text(good.replace("2 * x", "3 * x"))
    seen.add(read(folder, source).digest)
    (folder / "data.csv").write_text("1")
    seen.add(read(folder, source).digest)
    (folder / "data.csv").write_text("2")
    seen.add(read(folder, source).digest)
    assert len(seen) == 4


def sparse(path):
    path.touch()
    os.truncate(path, 10**9)


def hard_link(path):
    (path.parents[3] / "secret").write_text("{}")
    os.link(path.parents[3] / "secret", path)


def soft_link(path):
    (path.parents[3] / "secret").write_text("{}")
    path.symlink_to(path.parents[3] / "secret")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (os.mkfifo, "is no file"),
        (os.mkdir, "is no file"),
        (soft_link, "is a link"),
        (hard_link, "hard link"),
        (sparse, "larger than 20 MB"),
        (lambda path: None, "holds no notebook"),
        (lambda path: path.parent.rmdir(), "Nothing was handed in"),
    ],
)
def test_what_is_no_file_of_the_student_is_not_read(folder, source, make, says):
    make(folder / FILE)
    found = read(folder, source)
    assert says in found.notebook.metadata.course.not_run and says in flags(found)
    assert found.kind in ("missing", "unreadable")


@pytest.mark.parametrize("level", ["lesson", "student"])
def test_a_folder_that_is_a_link_is_not_followed(folder, source, good, level):
    real = folder.parents[2] / "elsewhere"
    (real / LESSON).mkdir(parents=True)
    (real / LESSON / FILE).write_text(good)
    folder.rmdir()
    if level == "student":
        folder.parent.rmdir()
        folder.parent.symlink_to(real)
    else:
        folder.symlink_to(real / LESSON)
    assert "link" in read(folder, source).notebook.metadata.course.not_run


def test_links_pipes_and_folders_beside_the_notebook_are_left_out(folder, source, good):
    (folder / FILE).write_text(good)
    (folder / "passwd.txt").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    (folder / "more").mkdir()
    hard_link(folder / "hard.csv")
    found = read(folder, source)
    assert found.files == {} and found.kind == "noted"
    assert all(name in flags(found) for name in ("passwd.txt", "pipe", "more", "hard.csv"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("which", ["file", "folder"])
def test_what_may_not_be_read_says_so(folder, source, good, which):
    (folder / FILE).write_text(good)
    locked = folder / FILE if which == "file" else folder
    locked.chmod(0)
    try:
        assert "permissions" in read(folder, source).notebook.metadata.course.not_run
    finally:
        locked.chmod(0o755)


@pytest.mark.parametrize(
    "name", [f"{LESSON} (1).ipynb", f"{LESSON}-Copy2.ipynb", "01-TOY.IPYNB", "Copy of 01_toy.ipynb",
             f"{FILE}.txt", f"{FILE}.json", "my homework.ipynb", "01_toy\u202e.ipynb"],
)  # fmt: skip
def test_a_renamed_notebook_is_found(folder, source, good, name):
    (folder / name).write_text(good)
    found = read(folder, source)
    assert found.kind == "renamed" and "instead of" in flags(found)
    assert flags(found).isprintable()
    assert answer(found) == RIGHT["double"]


@pytest.mark.parametrize("name", ["01_toy_copy", "01_toy - Kopie (2)", "01 Toy-1", "０1_toy", "Copy of 01_toy"])
def test_a_name_like_the_right_one_counts_before_others(folder, source, good, name):
    (folder / f"{name}.ipynb").write_text(good)
    (folder / "01_draft.ipynb").write_text(good.replace("2 * x", "3 * x"))
    found = read(folder, source)
    assert found.kind == "renamed" and answer(found) == RIGHT["double"]


def test_the_right_name_counts_among_several(folder, source, good):
    (folder / FILE).write_text(good)
    (folder / "draft.ipynb").write_text(good.replace("2 * x", "3 * x"))
    found = read(folder, source)
    assert answer(found) == RIGHT["double"]
    (folder / f"{LESSON} (1).ipynb").write_text(good.replace("2 * x", "3 * x"))
    found = read(folder, source)
    assert answer(found) == RIGHT["double"] and "(1).ipynb" in flags(found)


def test_two_candidates_are_nobodys_guess_unless_they_are_the_same(folder, source, good):
    (folder / "a.ipynb").write_text(good)
    (folder / "b.ipynb").write_text(good)
    assert read(folder, source).kind == "renamed"
    (folder / "b.ipynb").write_text(good + "\n")
    found = read(folder, source)
    assert found.kind == "ambiguous" and "2 notebooks" in flags(found)
    (folder / "b.ipynb").write_text("{}")
    assert answer(read(folder, source)) == RIGHT["double"]
    for number in range(20):
        (folder / f"c{number}.ipynb").write_text("{}")
    assert read(folder, source).kind == "ambiguous"
    (folder / FILE).write_text(good)
    assert read(folder, source).kind in ("fine", "noted")


def test_the_notebook_of_another_lesson_says_so(folder, source, good):
    (folder / FILE).write_text(good.replace('"grade_id": "', '"grade_id": "other_'))
    assert "another lesson" in read(folder, source).notebook.metadata.course.not_run


def test_litter_is_not_seen(folder, source, good):
    (folder / FILE).write_text(good)
    before = read(folder, source).digest
    for name in (".DS_Store", f"._{FILE}", "Thumbs.db", f"~${FILE}", f"{FILE}~", "desktop.ini"):
        (folder / name).write_bytes(b"\0")
    for name in ("__MACOSX", ".ipynb_checkpoints", "__pycache__"):
        (folder / name).mkdir()
        (folder / name / FILE).write_text("{}")
    found = read(folder, source)
    assert (found.kind, flags(found), found.files, found.digest) == ("fine", "", {}, before)


def test_extra_files_are_few_and_small(folder, source, good):
    (folder / FILE).write_text(good)
    for number in range(MAX_FILES + 5):
        (folder / f"{number:03}.csv").write_text(str(number))
    sparse(folder / "zz.bin")
    found = read(folder, source)
    assert len(found.files) == MAX_FILES and found.files["000.csv"] == b"0"
    assert "left out" in flags(found)


def test_too_many_files_are_not_even_counted(folder, source):
    for number in range(2100):
        (folder / str(number)).touch()
    assert "more than 2000 files" in read(folder, source).notebook.metadata.course.not_run


@pytest.mark.parametrize("name", ["numpy.py", "json.py", "course_utils.py", "sitecustomize.py", "torch.so"])
def test_files_named_like_packages_are_left_out(folder, source, good, name):
    (folder / FILE).write_text(good)
    (folder / name).write_text("1/0")
    (folder / "my_helper.py").write_text("x = 1")
    found = read(folder, source)
    assert set(found.files) == {"my_helper.py"} and f"{name} has the name of a Python package" in flags(found)


# --- reading ----------------------------------------------------------------------------------------------------------

CELL = '{"cell_type": "code", "metadata": %s, "source": "1", "outputs": []}'


def one(metadata):
    return '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [' + CELL % metadata + "]}"


@pytest.mark.parametrize(
    "text",
    ["", " \n", "[]", "{}", "null", "{not json", "[" * 100_000, '{"a":' * 100_000, '{"cells": ' + "9" * 100_000 + "}",
     '{"cells": [' + "[]," * 1_000_001 + "[]]}", '{"cells": 1}', '{"cells": []}', '{"cells": [1]}',
     '{"worksheets": [1, {"cells": 2}]}', "<!DOCTYPE html><p>", b"\xff\xfe\x00", bytes(range(256)) * 9, b"PK\x03\x04",
     one('{"nbgrader": [], "tags": 3}'), one('{"nbgrader": {"grade_id": []}}'), one("[]"), one("NaN")],
    ids=lambda text: repr(text[:20]),
)  # fmt: skip
def test_malformed_files_give_a_gradable_notebook_and_a_flag(folder, release, text):
    (folder / FILE).write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read(folder, release)
    assert flags(found) and flags(found).isprintable()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_encodings_and_line_ends_of_other_systems(folder, source, good, encoding):
    (folder / FILE).write_bytes(good.replace("\n", "\r\n").replace("2 * x", "2 * x  # Zoë").encode(encoding))
    assert "Zoë" in answer(read(folder, source))


@pytest.mark.parametrize("version", [2, 3, 5, "4", None])
def test_other_formats_are_read(folder, source, good, version):
    document = json.loads(good) | {"nbformat": version}
    if version in (2, 3):
        cells = [{**cell, "input": "".join(cell.pop("source"))} for cell in document.pop("cells")]
        document["worksheets"] = [{"cells": cells}]
    (folder / FILE).write_text(json.dumps(document))
    found = read(folder, source)
    assert answer(found) == RIGHT["double"] and f"format {version}" in flags(found)


def test_odd_numbers_double_keys_and_half_characters_do_no_harm(folder, source, good):
    text = good.replace('"metadata": {', '"x": NaN, "y": -Infinity, "z": 1e999, "x": 1, "metadata": {', 3)
    (folder / FILE).write_text(text.replace("return 2 * x", r"return 2 * x  # \ud800 \u0000"))
    found = read(folder, source)
    assert answer(found).startswith(RIGHT["double"]) and "\ud800" not in answer(found)


def test_another_kernel_is_not_started(folder, source, good):
    document = json.loads(good)
    document["metadata"] = {"kernelspec": {"name": "../bash", "language": "bash"}, "widgets": {"x": 1}}
    (folder / FILE).write_text(json.dumps(document))
    found = read(folder, source)
    assert found.notebook.metadata.kernelspec == source.metadata.kernelspec and "widgets" not in found.notebook.metadata
    assert "language bash" in flags(found)


JUNK = (
    None,
    True,
    -1,
    10**30,
    float("nan"),
    "",
    "\ud800",
    "\0",
    "x" * 300,
    [],
    {},
    [[]],
    {"nbgrader": {"grade_id": 1}},
)


def places(document):
    """Every container of a JSON document with every key of it."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield document, key
        if isinstance(value, dict | list):
            yield from places(value)


def mutated(document, chance):
    """The document after a few changes somewhere in it."""
    for _ in range(chance.randint(1, 6)):
        where = list(places(document))
        if not where:
            break
        holder, key = chance.choice(where)
        other, other_key = chance.choice(where)
        kind = chance.randrange(4)
        if kind == 0:
            holder[key] = copy.deepcopy(chance.choice(JUNK))
        elif kind == 1:
            del holder[key]
        elif kind == 2 and isinstance(holder, list):
            holder.insert(chance.randint(0, len(holder)), copy.deepcopy(holder[key]))
        else:
            holder[key] = copy.deepcopy(other[other_key])
    return document


@pytest.mark.parametrize("seed", range(10))
def test_no_change_of_structure_is_too_odd(folder, source, good, seed):
    chance = random.Random(seed)
    for _ in range(30):
        (folder / FILE).write_text(json.dumps(mutated(json.loads(good), chance)))
        assert read(folder, source).kind in ("fine", "noted", "tampered", "missing", "unreadable")


def test_no_change_of_bytes_is_too_odd(folder, source, good):
    chance = random.Random(1)
    for _ in range(100):
        data = bytearray(good.encode())
        for _ in range(chance.randint(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (folder / FILE).write_bytes(data[: chance.choice([None, chance.randrange(len(data))])])
        read(folder, source)


# --- the canonical notebook -------------------------------------------------------------------------------------------


def rebuilt(submitted, reference):
    said = []
    return rebuild(submitted, reference, said), "; ".join(said)


def test_untouched_release_is_rebuilt_as_it_is(release):
    notebook, said = rebuilt(copy.deepcopy(release), release)
    assert notebook.cells == release.cells and not said


def test_solutions_of_the_reference_never_survive(release, source):
    hidden = [right for _, _, right, _, _ in EXERCISES]
    for submitted in (unanswered(source), rebuilt(copy.deepcopy(release), source)[0]):
        for name in RIGHT:
            assert not any(f"return {right}" in cell_of(submitted, name).source for right in hidden)
    without = copy.deepcopy(release)
    without.cells = [new_code_cell("x = 1")]
    notebook, said = rebuilt(without, source)
    assert "no cell carries the marks" in said
    assert not any("return" in cell.source for cell in notebook.cells)


def test_hidden_checks_come_from_the_source(release, source):
    notebook, said = rebuilt(copy.deepcopy(release), source)
    assert "top_secret" in cell_of(notebook, "double_hidden").source and not said


def test_a_changed_setup_cell_runs_after_the_original(release):
    submitted = copy.deepcopy(release)
    setup = next(cell for cell in submitted.cells if "setup" in cell.metadata.get("tags", []))
    setup.source += "\nimport math"
    notebook, said = rebuilt(submitted, release)
    sources = [cell.source for cell in notebook.cells if "import numpy" in cell.source]
    assert len(sources) == 2 and sources[1].endswith("import math") and "import math" not in sources[0]
    assert not said


def test_a_deleted_setup_cell_is_put_back(release):
    submitted = copy.deepcopy(release)
    submitted.cells = [cell for cell in submitted.cells if "setup" not in cell.metadata.get("tags", [])]
    notebook, said = rebuilt(submitted, release)
    assert "setup cell is missing" in said and "import numpy" in notebook.cells[0].source


def test_a_setup_cell_that_became_text_is_run_all_the_same(release):
    submitted = copy.deepcopy(release)
    next(cell for cell in submitted.cells if "setup" in cell.metadata.get("tags", [])).cell_type = "markdown"
    first = rebuilt(submitted, release)[0].cells[0]
    assert first.cell_type == "code" and "import numpy" in first.source


def test_an_experiment_is_not_run_even_without_its_tag(release):
    submitted = copy.deepcopy(release)
    for cell in submitted.cells:
        cell.metadata.pop("tags", None)
    notebook, _ = rebuilt(submitted, release)
    assert [c for c in notebook.cells if "an experiment" in c.source][0].metadata.tags == ["experiment"]


def test_a_tag_cannot_keep_a_check_from_running(release):
    submitted = copy.deepcopy(release)
    cell_of(submitted, "double_check").metadata.tags = ["experiment"]
    assert cell_of(rebuilt(submitted, release)[0], "double_check") == cell_of(release, "double_check")


def drop(notebook, name):
    notebook.cells.remove(cell_of(notebook, name))


def marks(**values):
    return lambda notebook: cell_of(notebook, "double_check").metadata.nbgrader.update(values)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda nb: drop(nb, "double_check"), "check cell `double_check` was deleted"),
        (lambda nb: drop(nb, "double"), "answer cell `double` was deleted"),
        (lambda nb: nb.cells.append(copy.deepcopy(cell_of(nb, "double_check"))), "exists 2 times"),
        (lambda nb: cell_of(nb, "double_check").update(source="1"), "`double_check` was edited"),
        (lambda nb: cell_of(nb, "double_check").update(cell_type="markdown"), "no longer a code cell"),
        (lambda nb: cell_of(nb, "double").update(cell_type="raw"), "no longer a code cell"),
        (marks(points=1e9), "points of `double_check` were changed"),
        (marks(points="NaN"), "points of `double_check` were changed"),
        (marks(grade=False, solution=True), "grading marks of `double_check` were changed"),
        (lambda nb: nb.cells.reverse(), "cells were moved"),
    ],
)
def test_changed_cells_are_flagged_and_the_original_is_graded(folder, source, good, edit, says):
    notebook = nbformat.reads(good, as_version=4)
    edit(notebook)
    (folder / FILE).write_text(json.dumps(notebook))
    found = read(folder, source)
    assert found.kind == "tampered" and says in flags(found)
    assert answer(found, "square") == RIGHT["square"]
    order = [c.metadata.nbgrader.grade_id for c in found.notebook.cells if "nbgrader" in c.metadata]
    assert order == [c.metadata.nbgrader.grade_id for c in source.cells if "nbgrader" in c.metadata]


def test_of_two_answers_the_first_that_is_no_stub_counts(release, source, good):
    submitted = nbformat.reads(good, as_version=4)
    place = submitted.cells.index(cell_of(submitted, "double"))
    submitted.cells.insert(place, copy.deepcopy(cell_of(release, "double")))
    second = copy.deepcopy(cell_of(submitted, "square"))
    second.source = "second = 2"
    submitted.cells.append(second)
    notebook, said = rebuilt(submitted, source)
    assert cell_of(notebook, "double").source == RIGHT["double"] and "`double` exists 2 times" in said
    assert cell_of(notebook, "square").source == RIGHT["square"]
    assert [cell.source for cell in notebook.cells][-1] == "second = 2"
