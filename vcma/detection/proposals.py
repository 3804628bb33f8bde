"""Regions in the stored frames of one video: decode, detect in batches, back to native pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from vcma.detection.base import Detector
from vcma.video.pictures import decode

_REGION = ("box", "score", "class_prob", "attribute_prob", "feature")  # what a detector says of a picture


def propose(
    detector: Detector,
    frames: Mapping[str, Any],
    *,
    batch: int,
    watch: Callable[[range], Iterable[int]] = iter,
    **parameters: Any,
) -> dict[str, Any]:
    """The PROPOSALS columns from the FRAMES columns; parameters are those of Detector.detect.

    batch: pictures in one forward pass; watch: wraps the passes, to show progress. Boxes come back in native
    pixels, whatever size the frames are stored in.
    """
    offset, found = frames["jpeg_offset"], []
    for first in watch(range(0, len(frames["frame"]), batch)):
        rows = range(first, min(first + batch, len(frames["frame"])))
        pictures = [decode(frames["jpeg"][int(offset[row]) : int(offset[row + 1])]) for row in rows]
        native = [_scale(frames, picture) for picture in pictures]
        seen = detector.detect(pictures, **parameters)
        found += [{**regions, "box": regions["box"] * scale} for regions, scale in zip(seen, native, strict=True)]
    return {
        **{name: np.concatenate([f[name] for f in found]) for name in _REGION},
        **{name: frames[name] for name in ("frame", "time", "width", "height")},
        "box_offset": np.cumsum([0, *(len(f["box"]) for f in found)]).astype(np.int64),
        "class_name": np.array(detector.class_names, dtype=object),
        "attribute_name": np.array(detector.attribute_names, dtype=object),
        "detector": detector.fingerprint,
    }


def _scale(frames: Mapping[str, Any], picture: np.ndarray) -> np.ndarray:
    """Native pixels per stored pixel, float32 [4], for boxes xyxy."""
    height, width = picture.shape[:2]
    return np.array([frames["width"] / width, frames["height"] / height] * 2, dtype=np.float32)
