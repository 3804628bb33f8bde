"""What every detector is, and what its backends share: files and names by the block's settings, the fingerprint,
and which boxes are detections at all."""

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
    """What a backend's `load` returns.

    feature_dim is D of `Regions`; fingerprint tells detectors apart whose answers may differ. A detector that
    reads_sentences finds what it is prompted with: the last of its classes, `prompts`, are those of one video,
    the others of every video, and the fingerprint leaves prompts out. Detection has three steps, so that what the
    processor does can overlap with what a device does: `prepare` and `finish` may run in any thread, several at a
    time; `run` lets one thread in at a time, and may return before the device is done.
    """

    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    feature_dim: int
    fingerprint: str
    reads_sentences: bool = False
    prompts: tuple[str, ...] = ()

    def prompted(self, phrases: Sequence[str]) -> Detector:
        """The detector for a video whose sentences name these phrases; itself where it reads no sentence."""
        return self

    def prepare(self, pictures: Sequence[np.ndarray]) -> Any:
        """What `run` reads of pictures (H, W, 3) uint8 BGR, which may differ in size."""
        ...

    def run(
        self, prepared: Any, *, top_k: int, score_threshold: float, nms_threshold: float, min_size: float
    ) -> Any:
        """The network's answer, cut down to what `detect` says, as `finish` reads it."""
        ...

    def finish(self, output: Any) -> list[Regions]:
        """Regions of each picture."""
        ...

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

        Of two boxes whose IoU exceeds nms_threshold the one of lower score is dropped, whatever their classes;
        boxes with a side below min_size pixels are dropped first.
        """
        output = self.run(
            self.prepare(pictures),
            top_k=top_k,
            score_threshold=score_threshold,
            nms_threshold=nms_threshold,
            min_size=min_size,
        )
        return self.finish(output)


def detection_mask(box: Any, score: Any, score_threshold: float, min_size: float) -> Any:
    """Mask [..., n] of the boxes [..., n, 4] that may be kept: finite, not empty, large enough, of sufficient score
    [..., n].

    Of NumPy arrays and torch tensors alike.
    """
    sides = box[..., 2:] - box[..., :2]
    finite = (abs(box) < math.inf).all(-1)
    return finite & (score > score_threshold) & ((sides >= min_size) & (sides > 0)).all(-1)


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
    names = tuple(line.split(",")[0].strip() for line in text_lines(path) if line.strip())
    if not names:
        raise InputError("holds no names", path, "write one name a line")
    return names


def fingerprint(backend: str, description: str, *files: Path) -> str:
    """Digest of what decides a detector's answers: backend, configuration and the content of its files."""
    digest = hashlib.sha256(f"{backend}\0{description}\0".encode())
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return f"{backend}:{digest.hexdigest()[:32]}"
