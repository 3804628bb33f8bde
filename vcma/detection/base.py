"""The detectors: regions of a picture with score, class and attribute distributions and an appearance feature.

Two backends, by name in the `detector:` block of a data set:

    detectron2   {backend: detectron2, config: FILE.yaml or zoo name, weights: FILE or URL,
                  classes: FILE, attributes: FILE}                       (the last three are optional)
    opencv_dnn   {backend: opencv_dnn, layout: fastestdet | yolov8 | ssd, weights: FILE, classes: FILE,
                  input_size: 352, ...}                                  (see vcma/detection/opencv_backend.py)

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
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from vcma.errors import InputError
from vcma.pipeline.paths import is_file

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
