"""Let CPU torch import a torchvision that was built for CUDA.

The torchvision wheel that package indexes hand out for Linux is linked against CUDA libraries. Beside a CPU build
of torch its extension cannot load, and `import torchvision` (hence most of transformers) ends in
`RuntimeError: operator torchvision::nms does not exist`. Only two operator schemas are missing; models and
transforms are pure Python. This module declares the two, just before torchvision is first imported, and only if
the extension really does not load. It must stay free of heavy imports: it runs at every start of Python.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import warnings

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_library = None


def install() -> None:
    """Watch for the first import of torchvision; do nothing if it is imported already."""
    if "torchvision" not in sys.modules and not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def extension_loads(folder: str) -> bool:
    """Whether the compiled part of the torchvision in `folder` loads beside the installed torch."""
    import torch

    spec = importlib.machinery.PathFinder.find_spec("_C", [folder])
    if spec is None:
        return False
    try:
        torch.ops.load_library(spec.origin)
    except OSError:
        return False
    return True


def define_missing_schemas() -> list[str]:
    """Declare the operators that torchvision expects its extension to bring; return the names declared."""
    global _library
    import torch

    missing = [name for name in SCHEMAS if not hasattr(torch.ops.torchvision, name)]
    if missing:
        _library = torch.library.Library("torchvision", "FRAGMENT")
        for name in missing:
            _library.define(SCHEMAS[name])
    return missing


class _Finder(importlib.abc.MetaPathFinder):
    """Finds nothing but torchvision, and mends before handing over to the ordinary loader."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "torchvision":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        folder = spec.submodule_search_locations[0] if spec is not None else None
        if folder and importlib.util.find_spec("torch") and not extension_loads(folder):
            define_missing_schemas()
            # The image codecs miss the same libraries and say so on every import; the course needs none of them.
            warnings.filterwarnings("ignore", "Failed to load image Python extension", UserWarning)
        return spec


def repaired() -> object | None:
    """The library of declared schemas if this process needed the repair, else None."""
    return _library
