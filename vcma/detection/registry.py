"""Backends by name, and construction of the detector described by a `detector:` block of pipeline.yaml.

    detectron2   {backend: detectron2, config: FILE.yaml or zoo name, weights: FILE or URL,
                  classes: FILE, attributes: FILE}                       (the last three are optional)
    opencv_dnn   {backend: opencv_dnn, layout: fastestdet | yolox | yolov5 | yolov8 | end2end | ssd,
                  weights: FILE, classes: FILE, input_size: 416, ...}    (see vcma/detection/opencv_backend.py)
    open_vocabulary  {backend: open_vocabulary, model: FOLDER, classes: FILE}  (classes: detected in every video)

Paths are relative to the root passed to `load_detector`; `~` and environment variables in them are expanded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from vcma.detection.base import Detector
from vcma.errors import InputError


def load_detector(
    settings: Mapping[str, Any], root: Path, device: str = "cpu", precision: str = "fp32"
) -> Detector:
    """Build the detector described by a `detector:` block; raises InputError if the block is invalid.

    precision: one of PRECISIONS; the CPU and the OpenCV backend support fp32 only.
    """
    backend = settings.get("backend")
    if backend not in BACKENDS:
        raise InputError(
            f"detector backend {backend!r} is unknown", "detector", f"use one of {', '.join(BACKENDS)}"
        )
    chosen = BACKENDS[backend]
    given = set(settings) - {"backend"}
    if missing := sorted(chosen.required - given):
        raise InputError(
            f"the {backend} detector needs {', '.join(missing)}", "detector", "add it to the detector: block"
        )
    allowed = chosen.required | chosen.optional
    if unknown := sorted(given - allowed):
        raise InputError(
            f"unknown setting of {backend}: {', '.join(unknown)}",
            "detector",
            f"its settings are {', '.join(sorted(allowed))}",
        )
    if precision != "fp32" and (device == "cpu" or not chosen.on_devices):
        where = f"the {backend} detector on {device}" if chosen.on_devices else f"the {backend} detector"
        raise InputError(f"{where} supports fp32, not {precision}", "detect_proposals", "set precision: fp32")
    return chosen.load(settings, Path(root), device, precision)


def cached_detector(
    settings: Mapping[str, Any], root: Path, device: str = "cpu", precision: str = "fp32"
) -> Detector:
    """Like `load_detector`, but cached per process, for workers that process several videos."""
    with _BUILDING:
        return _cached(json.dumps(settings, sort_keys=True), Path(root), device, precision)


_BUILDING = Lock()  # concurrent calls share one detector


@lru_cache(maxsize=1)
def _cached(settings: str, root: Path, device: str, precision: str) -> Detector:
    return load_detector(json.loads(settings), root, device, precision)


def _load_detectron2(settings: Mapping[str, Any], root: Path, device: str, precision: str) -> Detector:
    from vcma.detection.detectron2_backend import load

    return load(settings, root, device, precision)


def _load_opencv_dnn(settings: Mapping[str, Any], root: Path, device: str, precision: str) -> Detector:
    from vcma.detection.opencv_backend import load

    return load(settings, root)


def _load_open_vocabulary(settings: Mapping[str, Any], root: Path, device: str, precision: str) -> Detector:
    from vcma.detection.open_vocabulary_backend import load

    return load(settings, root, device, precision)


@dataclass(frozen=True)
class Backend:
    """A backend and its settings.

    load(settings, root, device, precision) builds the detector and imports the backend's libraries. required,
    optional: names of the settings. on_devices: whether the backend uses the device; otherwise it ignores it.
    """

    load: Callable[[Mapping[str, Any], Path, str, str], Detector]
    required: frozenset[str]
    optional: frozenset[str]
    on_devices: bool = True


BACKENDS = {
    "detectron2": Backend(_load_detectron2, frozenset({"config"}), frozenset({"weights", "classes", "attributes"})),
    "opencv_dnn": Backend(
        _load_opencv_dnn,
        frozenset({"layout", "weights", "classes", "input_size"}),
        frozenset({"network", "source", "scale", "mean", "swap_rb", "first_class"}),
        on_devices=False,
    ),
    "open_vocabulary": Backend(_load_open_vocabulary, frozenset({"model", "classes"}), frozenset()),
}
