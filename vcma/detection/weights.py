"""Reads detector weights without running code of the file: PyTorch's .pth and detectron2's .pkl."""

from __future__ import annotations

import pickle
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

from vcma.errors import InputError

# Public Visual Genome weights name the attribute head's layers in two ways; detectron2_heads bears the first.
_RENAMED = {
    "roi_heads.attribute_predictor.obj_embed.": "roi_heads.box_predictor.cls_embedding.",
    "roi_heads.attribute_predictor.fc.0.": "roi_heads.box_predictor.fc_attr.",
    "roi_heads.attribute_predictor.attr_score.": "roi_heads.box_predictor.attr_score.",
}


# What unpickling of damaged bytes raises, beside what is said of damaged files below.
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
    """Reads NumPy arrays and plain containers, and nothing else: a pickle of weights need not run code."""

    _ADMITTED = frozenset(
        [("collections", "OrderedDict"), ("_codecs", "encode"), ("numpy", "ndarray"), ("numpy", "dtype")]
        + [(f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")]
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._ADMITTED:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"it holds {module}.{name}, which is neither an array nor a plain container")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Weights and names of a .pth or .pkl file, without running code of it.

    Keys: model (name -> array), class_names and attribute_names (empty if not in the file), caffe2 (layers are
    named in Caffe2's way), heuristic (layers are to be matched by the ends of their names).
    """
    import torch

    try:
        if path.suffix == ".pkl":
            with path.open("rb") as file:
                data = _PlainUnpickler(file, encoding="latin1").load()
        else:
            with warnings.catch_warnings():  # what it warns of, it either reads or refuses below
                warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
                data = torch.load(path, map_location="cpu", weights_only=True)
    except _BROKEN as error:
        raise InputError(
            f"cannot read these weights: {_first_line(error)}", path, "fetch the file again"
        ) from error
    except (OSError, zipfile.BadZipFile, AttributeError, ImportError) as error:
        raise InputError(f"damaged weights: {_first_line(error)}", path, "fetch the file again") from error
    state = data.get("model", data.get("blobs", data)) if isinstance(data, dict) else None
    if not isinstance(state, dict) or not any(hasattr(value, "shape") for value in state.values()):
        raise InputError("holds no weights", path, "name a detectron2 checkpoint, .pth or .pkl")
    caffe2 = path.suffix == ".pkl" and "model" not in data  # the older zoo, with layer names of its own
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
