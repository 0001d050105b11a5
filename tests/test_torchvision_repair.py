"""The repair of torchvision: applied when its extension does not load, and only then."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("torch")

# What torchvision does on import: load the extension if it can, then register a fake kernel for its operator.
STAND_IN = """
import torch
try:
    torch.ops.load_library(__path__[0] + "/_C.so")
except OSError:
    pass
import os
if os.environ.get("DEFINES_NMS"):
    lib = torch.library.Library("torchvision", "FRAGMENT")
    lib.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
@torch.library.register_fake("torchvision::nms")
def nms(dets, scores, iou_threshold):
    return dets
"""
AFTERWARDS = (
    "; from course_utils import torchvision_repair; print('repaired', torchvision_repair.repaired() is not None)"
)


def run(code, folder=None, **env):
    path = os.pathsep.join(filter(None, [str(folder or ""), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": path, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )


def stand_in(folder, loads: bool):
    package = folder / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(STAND_IN)
    if loads:
        shutil.copy(importlib.util.find_spec("_ctypes").origin, package / "_C.so")
    else:
        (package / "_C.so").write_bytes(b"\x7fELF no library")
    return folder


@pytest.mark.parametrize("first", ["import torchvision", "import course_utils, torchvision"])
def test_extension_that_does_not_load_is_repaired(tmp_path, first):
    done = run(first + AFTERWARDS, stand_in(tmp_path, loads=False))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "repaired True"


def test_without_the_repair_the_same_import_fails(tmp_path):
    code = "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'course_utils' not in type(f).__module__]"
    done = run(code + "; import torchvision", stand_in(tmp_path, loads=False))
    assert "torchvision::nms does not exist" in done.stderr


@pytest.mark.skipif(
    not str(getattr(importlib.util.find_spec("_ctypes"), "origin", "")).endswith(".so"), reason="needs a .so"
)
def test_extension_that_loads_is_left_alone(tmp_path):
    done = run("import torchvision" + AFTERWARDS, stand_in(tmp_path, loads=True), DEFINES_NMS="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "repaired False"


def test_the_installed_torchvision_and_what_imports_it():
    code = (
        "import torchvision, torch; from transformers import BertModel, ViTModel; "
        "print(torchvision.models.resnet18(num_classes=3).eval()(torch.zeros(1, 3, 32, 32)).shape)"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert "torch.Size([1, 3])" in done.stdout
    assert done.stderr == ""


def test_a_kernel_imports_torchvision_first(tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    cells = [nbformat.v4.new_code_cell("import torchvision; torchvision.__name__")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    assert [o.output_type for o in notebook.cells[0].outputs] == ["execute_result"]


def test_start_of_python_stays_cheap():
    done = run("import sys; print([m for m in ('torch', 'numpy', 'typer') if m in sys.modules])")
    assert done.stdout.strip() == "[]"
