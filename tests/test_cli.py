"""The `course` command as a user meets it: a real process."""

import os
import re
import subprocess
import sys
import time

import pytest

COMMANDS = (
    "demo", "build", "audit", "collect", "grade", "bench", "measure", "claims", "pretrain", "compare", "handout",
    "doctor",
)  # fmt: skip


def course(*args, **env):
    return subprocess.run(
        [sys.executable, "-c", "from course_utils.cli import main; main()", *args],
        env={**os.environ, "COLUMNS": "160", **env},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_help_names_every_command():
    done = course("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command):
    assert course(command, "--help").returncode == 0


def test_version():
    assert re.fullmatch(r"transfer-learning-course \d+\.\d+\.\d+", course("--version").stdout.strip())


def test_unknown_profile_is_two_lines_and_no_stack_trace():
    done = course("doctor", COURSE_PROFILE="huge")
    assert done.returncode == 1
    assert "huge" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("build", "77"), "There is no lesson '77'"),
        (("measure", "01.nothing"), "01.nothing"),
        (("measure",), "Name one measurement"),
        (("pretrain", "vision", "--name", "lenet", "--out", "/nonexistent"), "lenet"),
    ],
)
def test_bad_arguments_name_the_problem_and_the_mend(args, says):
    done = course(*args)
    assert done.returncode == 1
    assert says in done.stderr
    assert "What to do:" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_names_a_missing_data_folder(tmp_path):
    (tmp_path / "data").mkdir()
    done = course("doctor", COURSE_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "backbones/text" in done.stdout


def test_interrupt_is_one_line():
    code = (
        "from course_utils import cli\n"
        "import course_utils.doctor as d\n"
        "def wait(*_): print('ready', flush=True); import time; time.sleep(60)\n"
        "d.report = wait\n"
        "import sys; sys.argv = ['course', 'doctor']; cli.main()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "ready"
    time.sleep(0.2)
    process.send_signal(2)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "Stopped" in stderr
