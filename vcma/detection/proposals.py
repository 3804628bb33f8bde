"""Regions in the stored frames of one video: decode, detect in batches, back to native pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from vcma.detection.base import Detector
from vcma.detection.overlap import overlapped
from vcma.records.columns import Columns, offsets
from vcma.records.regions import Regions
from vcma.video.pictures import still


def propose(
    detector: Detector,
    frames: Columns,
    *,
    batch: int,
    threads: int = 0,
    watch: Callable[[range], Iterable[int]] = iter,
    **parameters: Any,
) -> Columns:
    """The PROPOSALS columns from the FRAMES columns; parameters are those of Detector.detect.

    batch: pictures in one forward pass; threads: how many decode pictures ahead of the network and read colours
    behind it, 0 to do all in turn, with the same result; watch: wraps the passes, to show progress. Boxes come
    back in native pixels, whatever size the frames are stored in.
    """
    count = len(frames["frame"])

    def prepared(first: int) -> tuple[np.ndarray, Any]:
        pictures = [still(frames, row) for row in range(first, min(first + batch, count))]
        scales = np.stack([_scale(frames, picture) for picture in pictures])
        return scales, detector.prepare(pictures)

    def answered(step: tuple[np.ndarray, Any]) -> tuple[np.ndarray, Any]:
        scales, inputs = step
        return scales, detector.run(inputs, **parameters)

    def finished(step: tuple[np.ndarray, Any]) -> list[Regions]:
        scales, output = step
        regions = zip(detector.finish(output), scales, strict=True)
        return [replace(of_picture, box=of_picture.box * scale) for of_picture, scale in regions]

    firsts = range(0, count, batch)
    passes = overlapped(firsts, prepared, answered, finished, threads)
    found = [regions for _, of_pass in zip(watch(firsts), passes, strict=True) for regions in of_pass]
    columns = {field.name: np.concatenate([getattr(r, field.name) for r in found]) for field in fields(Regions)}
    # Half floats end at 65,504; linking takes what is not finite for 0, too.
    columns["feature"] = np.nan_to_num(columns["feature"], copy=False, posinf=0, neginf=0)
    return {
        **columns,
        **{name: frames[name] for name in ("frame", "time", "width", "height", "cut") if name in frames},
        "box_offset": offsets(map(len, found)),
        "class_name": np.array(detector.class_names, dtype=object),
        "prompted": np.arange(len(detector.class_names)) >= len(detector.class_names) - len(detector.prompts),
        "attribute_name": np.array(detector.attribute_names, dtype=object),
        "detector": detector.fingerprint,
    }


def _scale(frames: Mapping[str, Any], picture: np.ndarray) -> np.ndarray:
    """Native pixels per stored pixel, float32 [4], for boxes xyxy."""
    height, width = picture.shape[:2]
    return np.array([frames["width"] / width, frames["height"] / height] * 2, dtype=np.float32)
