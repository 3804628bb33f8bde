"""Detection in the stored frames of one video: decode, detect in batches, convert boxes to native pixels."""

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
    """Compute the PROPOSALS columns of one video from its FRAMES columns.

    batch: frames per forward pass. threads: number of threads that decode frames and postprocess regions while the
    network runs; 0 runs everything in the calling thread, with the same result. watch: wraps the iteration over
    passes, to show progress. parameters: see Detector.detect. Boxes are in native pixels, whatever the size of the
    stored frames.
    """
    count = len(frames["frame"])

    def prepared(first: int) -> tuple[np.ndarray, Any]:
        images = [still(frames, row) for row in range(first, min(first + batch, count))]
        scales = np.stack([_scale(frames, image) for image in images])
        return scales, detector.prepare(images)

    def answered(step: tuple[np.ndarray, Any]) -> tuple[np.ndarray, Any]:
        scales, inputs = step
        return scales, detector.run(inputs, **parameters)

    def finished(step: tuple[np.ndarray, Any]) -> list[Regions]:
        scales, output = step
        regions = zip(detector.finish(output), scales, strict=True)
        return [replace(of_image, box=of_image.box * scale) for of_image, scale in regions]

    firsts = range(0, count, batch)
    passes = overlapped(firsts, prepared, answered, finished, threads)
    found = [regions for _, of_pass in zip(watch(firsts), passes, strict=True) for regions in of_pass]
    columns = {field.name: np.concatenate([getattr(r, field.name) for r in found]) for field in fields(Regions)}
    # float16 overflows beyond 65,504; linking also treats values that are not finite as 0.
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


def _scale(frames: Mapping[str, Any], image: np.ndarray) -> np.ndarray:
    """Native pixels per stored pixel, float32 [4], for boxes xyxy."""
    height, width = image.shape[:2]
    return np.array([frames["width"] / width, frames["height"] / height] * 2, dtype=np.float32)
