"""Loading of detector weights, PyTorch's .pth and detectron2's .pkl, without executing code in the file."""

from __future__ import annotations

import pickle
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

from vcma.errors import InputError

# Public Visual Genome weights use two naming schemes for the attribute head; this maps one to detectron2_heads'.
_RENAMED = {
    "roi_heads.attribute_predictor.obj_embed.": "roi_heads.box_predictor.cls_embedding.",
    "roi_heads.attribute_predictor.fc.0.": "roi_heads.box_predictor.fc_attr.",
    "roi_heads.attribute_predictor.attr_score.": "roi_heads.box_predictor.attr_score.",
}


# Raised when damaged bytes are unpickled, in addition to the errors handled in `read_checkpoint`.
_BROKEN: tuple[type[Exception], ...] = (
    pickle.UnpicklingError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    OverflowError,
    MemoryError,
    struct.error,
)


class _PlainUnpickler(pickle.Unpickler):
    """Unpickler restricted to NumPy arrays and plain containers, so that a file cannot execute code."""

    _ADMITTED = frozenset(
        [("collections", "OrderedDict"), ("_codecs", "encode"), ("numpy", "ndarray"), ("numpy", "dtype")]
        + [(f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")]
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._ADMITTED:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"it contains {module}.{name}, not only arrays and plain containers")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read weights and names from a .pth or .pkl file, without executing code in it.

    Returned keys: model (name -> array), class_names and attribute_names (empty if not in the file), caffe2
    (whether layers have Caffe2's names), heuristic (whether layers are matched by the suffixes of their names).
    Raises InputError if the file is damaged or contains no weights.
    """
    import torch

    try:
        if path.suffix == ".pkl":
            with path.open("rb") as file:
                data = _PlainUnpickler(file, encoding="latin1").load()
        else:
            with warnings.catch_warnings():  # such files load or raise all the same
                warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
                data = torch.load(path, map_location="cpu", weights_only=True)
    except _BROKEN as error:
        raise InputError(
            f"cannot read these weights: {_first_line(error)}", path, "download the file again"
        ) from error
    except (OSError, zipfile.BadZipFile, AttributeError, ImportError) as error:
        raise InputError(f"damaged weights: {_first_line(error)}", path, "download the file again") from error
    state = data.get("model", data.get("blobs", data)) if isinstance(data, dict) else None
    if not isinstance(state, dict) or not any(hasattr(value, "shape") for value in state.values()):
        raise InputError("contains no weights", path, "give a detectron2 checkpoint, .pth or .pkl")
    caffe2 = path.suffix == ".pkl" and "model" not in data  # the older zoo, with Caffe2's layer names
    return {
        "model": {_renamed(str(name)): value for name, value in state.items() if hasattr(value, "shape")},
        "class_names": tuple(data.get("class_names", ())),
        "attribute_names": tuple(data.get("attribute_names", ())),
        "caffe2": caffe2,
        "heuristic": caffe2 or bool(data.get("matching_heuristics")),
    }


def _renamed(name: str) -> str:
    for old, new in _RENAMED.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
