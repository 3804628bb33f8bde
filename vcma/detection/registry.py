"""The backends by name, and the detector that a `detector:` block of pipeline.yaml describes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from vcma.detection.base import Detector
from vcma.errors import InputError


def load_detector(settings: Mapping[str, Any], root: Path, device: str = "cpu") -> Detector:
    """Build the detector that a `detector:` block describes; raises InputError with what is wrong in it."""
    backend = settings.get("backend")
    if backend not in DETECTORS:
        raise InputError(f"detector backend {backend!r} is unknown", "detector", f"use one of {_listed(DETECTORS)}")
    required, optional = _KEYS[backend]
    missing, unknown = (
        sorted(required - set(settings)),
        sorted(set(settings) - required - optional - {"backend"}),
    )
    if missing:
        raise InputError(
            f"the {backend} detector needs {_listed(missing)}", "detector", "add it to the detector: block"
        )
    if unknown:
        known = _listed(sorted(required | optional))
        raise InputError(f"{_listed(unknown)} is no setting of {backend}", "detector", f"its settings are {known}")
    return DETECTORS[backend](settings, Path(root), device)


def cached_detector(settings: Mapping[str, Any], root: Path, device: str = "cpu") -> Detector:
    """Like `load_detector`, built once a process: for workers that are handed one video after another."""
    return _cached(json.dumps(settings, sort_keys=True), Path(root), device)


@lru_cache(maxsize=1)
def _cached(settings: str, root: Path, device: str) -> Detector:
    return load_detector(json.loads(settings), root, device)


def _load_detectron2(settings: Mapping[str, Any], root: Path, device: str) -> Detector:
    from vcma.detection.detectron2_backend import load

    return load(settings, root, device)


def _load_opencv_dnn(settings: Mapping[str, Any], root: Path, device: str) -> Detector:
    from vcma.detection.opencv_backend import load

    return load(settings, root)


DETECTORS: dict[str, Callable[[Mapping[str, Any], Path, str], Detector]] = {
    "detectron2": _load_detectron2,
    "opencv_dnn": _load_opencv_dnn,
}


_KEYS = {
    "detectron2": ({"config"}, {"weights", "classes", "attributes"}),
    "opencv_dnn": (
        {"layout", "weights", "classes", "input_size"},
        {"network", "scale", "mean", "swap_rb", "first_class"},
    ),
}


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(names)
