"""The house as it is meant to be: imports go one way, files are formatted, nothing is larger than it should be."""

import ast
import subprocess
import sys

import pytest
from conftest import ROOT

# From the ground up: a module may import from its own floor and from those below.
FLOORS = [
    {"torchvision_repair", "errors"},
    {"settings"},
    {"datasets", "backbones", "experiments"},
    {"loaders", "training", "records", "plotting", "checks", "retention"},
    {"claims", "doctor", "compare", "scenarios"},
    {"authoring"},
    {"grading"},
    {"cli"},
]
MODULES = sorted((ROOT / "course_utils").rglob("*.py"))


def floor(name):
    return next(number for number, rooms in enumerate(FLOORS) if name in rooms)


def imported(tree):
    for node in ast.walk(tree):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name == "course_utils" and isinstance(node, ast.ImportFrom):
                yield from (alias.name for alias in node.names if not alias.name.startswith("__"))
            elif name and name.startswith("course_utils."):
                yield name.split(".")[1]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_downwards(module):
    room = module.relative_to(ROOT / "course_utils").parts[0].removesuffix(".py")
    if room == "__init__":
        return
    above = {name for name in imported(ast.parse(module.read_text(encoding="utf-8"))) if floor(name) > floor(room)}
    assert not above


def test_ruff_finds_nothing():
    for command in (["check", "--quiet"], ["format", "--check", "--quiet"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_embedded_checkpoints_stay_small():
    assert sum(path.stat().st_size for path in (ROOT / "data" / "backbones").rglob("*.safetensors")) <= 15e6
