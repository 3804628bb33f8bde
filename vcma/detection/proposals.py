"""Regions in the stored frames of one video: decode, detect in batches, back to native pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from vcma.detection.base import Detector
from vcma.records.columns import Columns, offsets
from vcma.records.regions import Regions
from vcma.video.pictures import still


def propose(
    detector: Detector,
    frames: Columns,
    *,
    batch: int,
    watch: Callable[[range], Iterable[int]] = iter,
    **parameters: Any,
) -> Columns:
    """The PROPOSALS columns from the FRAMES columns; parameters are those of Detector.detect.

    batch: pictures in one forward pass; watch: wraps the passes, to show progress. Boxes come back in native
    pixels, whatever size the frames are stored in.
    """
    found: list[Regions] = []
    count = len(frames["frame"])
    for first in watch(range(0, count, batch)):
        pictures = [still(frames, row) for row in range(first, min(first + batch, count))]
        regions = detector.detect(pictures, **parameters)
        found += [
            replace(of_picture, box=of_picture.box * _scale(frames, picture))
            for of_picture, picture in zip(regions, pictures, strict=True)
        ]
    columns = {field.name: np.concatenate([getattr(r, field.name) for r in found]) for field in fields(Regions)}
    # Half floats end at 65,504; linking takes what is not finite for 0, too.
    columns["feature"] = np.nan_to_num(columns["feature"], copy=False, posinf=0, neginf=0)
    return {
        **columns,
        **{name: frames[name] for name in ("frame", "time", "width", "height", "cut") if name in frames},
        "box_offset": offsets(map(len, found)),
        "class_name": np.array(detector.class_names, dtype=object),
        "attribute_name": np.array(detector.attribute_names, dtype=object),
        "detector": detector.fingerprint,
    }


def _scale(frames: Mapping[str, Any], picture: np.ndarray) -> np.ndarray:
    """Native pixels per stored pixel, float32 [4], for boxes xyxy."""
    height, width = picture.shape[:2]
    return np.array([frames["width"] / width, frames["height"] / height] * 2, dtype=np.float32)
