"""The detector interface and the helpers its backends share: paths, name files, fingerprints, validity of boxes."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vcma.errors import InputError
from vcma.pipeline.paths import is_file
from vcma.pipeline.storage import text_lines
from vcma.records.regions import Regions


class Detector(Protocol):
    """Interface of the object returned by a backend's `load`.

    feature_dim is D of `Regions`. fingerprint differs between detectors whose results may differ. A detector with
    reads_sentences is open-vocabulary: its class names are those searched for in every video, followed by
    `prompts`, the phrases of one video; the fingerprint does not cover the prompts.

    Detection has three steps so that work on the CPU and on the device can overlap: `prepare` and `finish` may run
    in several threads at once; `run` admits one thread at a time and may return before the device has finished.
    """

    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    feature_dim: int
    fingerprint: str
    reads_sentences: bool = False
    prompts: tuple[str, ...] = ()

    def prompted(self, phrases: Sequence[str]) -> Detector:
        """Return the detector for a video with these phrases; a closed-vocabulary detector returns itself."""
        return self

    def prepare(self, images: Sequence[np.ndarray]) -> Any:
        """Convert images (H, W, 3) uint8 BGR, possibly of different sizes, to the input of `run`."""
        ...

    def run(
        self, prepared: Any, *, top_k: int, score_threshold: float, nms_threshold: float, min_size: float
    ) -> Any:
        """Run the network and select regions as specified in `detect`; returns the input of `finish`."""
        ...

    def finish(self, output: Any) -> list[Regions]:
        """Return the regions of each image."""
        ...

    def detect(
        self,
        images: Sequence[np.ndarray],
        *,
        top_k: int,
        score_threshold: float,
        nms_threshold: float,
        min_size: float,
    ) -> list[Regions]:
        """Detect regions in each image, (H, W, 3) uint8 BGR: at most top_k with score > score_threshold.

        Boxes with a side shorter than min_size pixels are dropped first. Non-maximum suppression is
        class-agnostic: of two boxes whose IoU exceeds nms_threshold, the one with the lower score is dropped.
        """
        output = self.run(
            self.prepare(images),
            top_k=top_k,
            score_threshold=score_threshold,
            nms_threshold=nms_threshold,
            min_size=min_size,
        )
        return self.finish(output)


def detection_mask(box: Any, score: Any, score_threshold: float, min_size: float) -> Any:
    """Return the mask [..., n] of valid boxes [..., n, 4], before suppression.

    A box is valid if it is finite and not empty, has no side shorter than min_size, and its score [..., n] exceeds
    score_threshold. Accepts NumPy arrays and torch tensors.
    """
    sides = box[..., 2:] - box[..., :2]
    finite = (abs(box) < math.inf).all(-1)
    return finite & (score > score_threshold) & ((sides >= min_size) & (sides > 0)).all(-1)


def resolve(value: str, root: Path) -> Path:
    """Expand environment variables and `~` in a path and resolve it against root; it need not exist."""
    return root / Path(os.path.expandvars(value)).expanduser()


def existing_file(value: str, root: Path, what: str, remedy: str = "put the file there") -> Path:
    """Resolve the path of a file that must exist; raises InputError with the remedy otherwise."""
    path = resolve(value, root)
    if is_file(path):
        return path
    if "$" in str(path):
        raise InputError(f"{what} not found: an environment variable in its path is not set", path, "set it")
    raise InputError(f"{what} not found", path, f"{remedy} or correct the detector: block")


def read_names(path: Path) -> tuple[str, ...]:
    """Read class or attribute names, one per line; of synonyms `a,b` (Visual Genome's vocabularies), the first.

    Raises InputError if the file contains no names.
    """
    names = tuple(line.split(",")[0].strip() for line in text_lines(path) if line.strip())
    if not names:
        raise InputError("contains no names", path, "write one name per line")
    return names


def fingerprint(backend: str, description: str, *files: Path) -> str:
    """Hash everything that determines a detector's results: backend, configuration and file contents."""
    digest = hashlib.sha256(f"{backend}\0{description}\0".encode())
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return f"{backend}:{digest.hexdigest()[:32]}"
