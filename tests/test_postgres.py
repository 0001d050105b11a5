"""`course grade --db` with a real PostgreSQL server, started here as an ordinary user."""

import copy
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import nbformat
import pytest
from toy_lesson import LESSON, SAFETY, command, hand_in, solve, write_toy_lesson

from course_utils.authoring.lessons import find_lessons
from course_utils.grading.classroom import CONFIG, nbgrader_config, prepare, release_path
from course_utils.grading.report import class_report

pytest.importorskip("psycopg")


def tool(name):
    """A program of the server; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    path = shutil.which(name) or (found and str(found[-1]))
    if not path:
        pytest.skip("PostgreSQL is not installed")
    return path


@pytest.fixture(scope="module")
def server():
    """A folder with the socket of a server, which holds the empty database `grades`. It does not run as root."""
    base = Path(tempfile.mkdtemp(prefix="pg-"))
    us = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("setpriv is not installed, and PostgreSQL does not run as root")
        nobody = pwd.getpwnam("nobody")
        os.chown(base, nobody.pw_uid, nobody.pw_gid)
        us = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]

    def run(name, *args):
        done = subprocess.run([*us, tool(name), *args], cwd=base, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    data = str(base / "data")
    try:
        run("initdb", "-D", data, "-U", "teacher", "--auth=trust", "--no-sync", "--encoding=UTF8")
        options = f"-k {base} -c listen_addresses= -c fsync=off"
        run("pg_ctl", "-D", data, "-l", str(base / "log"), "-o", options, "-w", "start")
        try:
            run("createdb", "-h", str(base), "-U", "teacher", "grades")
            run("createuser", "-h", str(base), "-U", "teacher", "pupil")
            run("psql", "-h", str(base), "-U", "teacher", "-c", "revoke create on schema public from public", "grades")
            yield base
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(base)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = write_toy_lesson(tmp_path_factory.mktemp("course"))
    prepare(find_lessons(root, "01")[0], root / "trial")
    return root, nbformat.read(release_path(root / "trial", LESSON), as_version=4)


def grade(root, folder, *options):
    return subprocess.run(**command(root, "grade", "01", "--folder", folder, *SAFETY, *options), timeout=120)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://teacher@/nothing?host={server}", "createdb nothing"),
        ("postgresql://teacher:secret@127.0.0.1:1/grades", "Start the server"),
        ("postgresql://pupil@/grades?host={server}", "createdb --owner"),
        ("postgres", "no URL of a database"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_with_the_mend(course, server, tmp_path, url, says):
    root, release = course
    hand_in(tmp_path, "ann", nbformat.writes(release))
    done = grade(root, tmp_path, "--db", url.format(server=server))
    assert done.returncode == 1 and says in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and "secret" not in done.stderr
    assert not (tmp_path / "gradebook.db").exists() and not (tmp_path / CONFIG).exists()


def test_grades_are_in_the_database_and_formgrader_finds_them(course, server, tmp_path):
    root, release = course
    for student, answers in {"all right": {}, "one wrong": {"double": "def double(x):\n    return x / 2"}}.items():
        notebook = copy.deepcopy(release)
        solve(notebook, **answers)
        hand_in(tmp_path, student, nbformat.writes(notebook))
    done = grade(root, tmp_path, "--db", f"postgresql://teacher@/grades?host={server}")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "gradebook.db").exists()
    assert [row.total for row in class_report(LESSON, tmp_path).rows] == [100, 75]
    assert nbgrader_config(tmp_path, LESSON).CourseDirectory.db_url.startswith("postgresql+psycopg://")
    # From now on the folder itself says where its gradebook is, to nbgrader's own commands too.
    assert grade(root, tmp_path, "--resume").returncode == 0
    listed = subprocess.run(["nbgrader", "export"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert listed.returncode == 0, listed.stderr
    assert "one wrong" in (tmp_path / "grades.csv").read_text() and not (tmp_path / "gradebook.db").exists()


def test_the_instructors_own_choice_of_database_is_not_overwritten(course, server, tmp_path):
    root, release = course
    hand_in(tmp_path, "ann", nbformat.writes(release))
    (tmp_path / CONFIG).write_text("c = get_config()\nc.CourseDirectory.db_url = 'sqlite:////tmp/other.db'\n")
    done = grade(root, tmp_path, "--db", f"postgresql://teacher@/grades?host={server}")
    assert done.returncode == 1 and "names another gradebook" in done.stderr
