"""Conversion of linked tubes to the TUBES columns: a point in every frame, smoothed boxes, means over a tube."""

from __future__ import annotations

import numpy as np

from vcma import boxes
from vcma.linking import blocks
from vcma.linking.smoothing import smooth
from vcma.linking.tubes import LinkedTubes, TubePoints, tube_points
from vcma.records.columns import Columns

_COPIED_COLUMNS = ("frame", "time", "class_name", "prompted", "attribute_name", "detector", "width", "height")


def tube_columns(data: Columns, tubes: LinkedTubes, smoothing: float) -> Columns:
    """Return the TUBES columns, given the PROPOSALS columns and the tubes linked from them.

    smoothing: weight of the smoothed relative to the detected boxes, in [0, 1].
    """
    points = tube_points(tubes.position, tubes.offset, np.asarray(data["time"], np.float64))
    return {
        **{name: data[name] for name in _COPIED_COLUMNS if name in data},
        "point_offset": points.offset,
        "position": points.position.astype(np.int64),
        "box": _point_boxes(data, tubes, points, smoothing),
        "score": np.where(points.detected, tubes.score[points.left], 0).astype(np.float32),
        "interpolated": ~points.detected,
        "feature": _point_features(data["feature"], tubes.row, points),
        "tube_score": (tubes.total / max(len(data["frame"]), 1)).astype(np.float32),
        "class_prob": _tube_means(data["class_prob"][tubes.row], tubes.offset),
        "attribute_prob": _tube_means(data["attribute_prob"][tubes.row], tubes.offset),
    }


def _point_boxes(data: Columns, tubes: LinkedTubes, points: TubePoints, smoothing: float) -> np.ndarray:
    """Boxes float32 [P, 4], smoothed, or as detected if the smoothed box is outside the frame."""
    smoothed, detected = (
        boxes.clip(
            points.interpolate(smooth(tubes.time, tubes.centre, tubes.size, tubes.offset, weight)),
            float(data["width"]),
            float(data["height"]),
        )
        for weight in (smoothing, 0.0)
    )
    return np.where(boxes.area(smoothed)[:, None] > 0, smoothed, detected).astype(np.float32)


def _point_features(feature: np.ndarray, row: np.ndarray, points: TubePoints) -> np.ndarray:
    """Features float16 [P, d], interpolated between those of the detections, in rows row [p] of the input."""
    interpolated = np.empty((len(points.part), feature.shape[1]), np.float16)
    for i in blocks.row_blocks(np.arange(len(interpolated)), feature.shape[1]):
        left, right = (
            np.nan_to_num(feature[row[side[i]]], copy=False, posinf=0, neginf=0)
            for side in (points.left, points.right)
        )
        part = points.part[i, None]
        interpolated[i] = left * (1 - part) + right * part
    return interpolated


def _tube_means(values: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Mean float16 [k, d] of the values [p, d] of each tube; values that are not finite count as 0."""
    if len(offset) == 1:
        return np.zeros((0, values.shape[1]), np.float16)
    total = np.add.reduceat(np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0), offset[:-1])
    return (total / np.diff(offset)[:, None]).astype(np.float16)
