"""The detectors: regions of a picture with score, class and attribute distributions and an appearance feature.

Two backends, by name in the `detector:` block of a data set:

    detectron2   {backend: detectron2, config: FILE.yaml or zoo name, weights: FILE or URL,
                  classes: FILE, attributes: FILE}                       (the last three are optional)
    opencv_dnn   {backend: opencv_dnn, layout: fastestdet | yolov8 | ssd, weights: FILE, classes: FILE,
                  input_size: 352, ...}                                  (see vcma/dnn.py)

Paths are relative to the root given to `load_detector`; environment variables in them are expanded. What a
detector answers for one picture is a dictionary of five arrays of the same length k, in falling order of score:

    box             (k, 4)  float32   continuous xyxy, in the pixels of the picture handed in
    score           (k,)    float32   in [0, 1]; the detector's confidence that this is a thing of its best class
    class_prob      (k, C)  float16   distribution over `class_names` given that it is a thing (no background)
    attribute_prob  (k, A)  float16   strength in [0, 1] of each of `attribute_names`
    feature         (k, D)  float16   appearance of the region
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vcma.errors import InputError
from vcma.names import is_file

Regions = dict[str, np.ndarray]


class Detector(Protocol):
    """What a backend's loader returns."""

    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    feature_dim: int
    fingerprint: str

    def detect(
        self,
        pictures: Sequence[np.ndarray],
        *,
        top_k: int,
        score_threshold: float,
        nms_threshold: float,
        min_size: float,
    ) -> list[Regions]:
        """Regions of each picture, (H, W, 3) uint8 BGR: at most top_k of score > score_threshold.

        Of two boxes whose IoU exceeds nms_threshold the lower score goes, whatever their classes; boxes of a side
        below min_size pixels go first.
        """
        ...


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
    from vcma.detectron import load

    return load(settings, root, device)


def _load_opencv_dnn(settings: Mapping[str, Any], root: Path, device: str) -> Detector:
    from vcma.dnn import load

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


def resolve(value: str, root: Path) -> Path:
    """The path that a setting names: variables and ~ expanded, relative to root. It need not exist."""
    return root / Path(os.path.expandvars(value)).expanduser()


def existing_file(value: str, root: Path, what: str, remedy: str = "put the file there") -> Path:
    """Like `resolve`, of a file that must exist; raises InputError with the remedy."""
    path = resolve(value, root)
    if is_file(path):
        return path
    if "$" in str(path):
        raise InputError(f"{what} not found: an environment variable in its path is not set", path, "set it")
    raise InputError(f"{what} not found", path, f"{remedy} or correct the detector: block")


def read_names(path: Path) -> tuple[str, ...]:
    """Class or attribute names, one a line; of 'a,b' (synonyms, as in Visual Genome's vocabularies) the first."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read names: {error}", path, "write one name a line, UTF-8") from error
    names = tuple(line.split(",")[0].strip() for line in lines if line.strip())
    if not names:
        raise InputError("holds no names", path, "write one name a line")
    return names


def fingerprint(backend: str, description: str, weights: Path) -> str:
    """Digest of what decides a detector's answers: backend, configuration and the weights' content."""
    digest = hashlib.sha256(f"{backend}\0{description}\0".encode())
    with weights.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f"{backend}:{digest.hexdigest()[:32]}"


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(names)
