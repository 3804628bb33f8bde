"""Linking: the detections of one video become tubes, each of which follows one object.

The score of a link between two detections is the paper's, alpha * cosine + (1 - alpha) * IoU, refined to depend
little on alpha: features are centred on the video's mean before their cosine, since the features of a box head all
point much the same way; boxes are moved along the motion of their tracklet before their IoU, which counts as far as
their sizes agree; and a share of (1 - alpha) goes to the class, which still identifies fast objects whose boxes
never meet.

    1. `detections`: read the usable detections; of two that show one object in one frame, drop the lower scored;
    2. `joining`: link the detections of neighbouring frames, then the ends of tracklets to the starts of later
       ones, then single detections to either. Each time `candidates` lists the pairs that may be linked, `motion`
       predicts their overlap, and `assignment` takes the links of maximum total score over the whole video;
       detections that do not look like their tracklet are unlinked again;
    3. `tubes`, `selection`: keep the best scored tubes that do not repeat a better one;
    4. `smoothing`: remove the detector's jitter from the boxes. Gaps are interpolated.

`appearance` holds what detections look like, `constants` the numbers of the method, `blocks` the limits on memory.

Symbols in all modules: T sampled frames, n detections, f and g ends and starts of tracklets, e links, k tubes, p
their detections, P their points, D numbers of an embedding. Boxes are xyxy px in columns, centre and size within.
Times are in seconds in columns, in steps within; a step is the median time between sampled frames.
"""

from __future__ import annotations

import numpy as np

from vcma import boxes
from vcma.linking import blocks
from vcma.linking.detections import Detections, duplicates, minimum_cosine, read_detections, time_step
from vcma.linking.joining import join, unlink_outliers
from vcma.linking.selection import best_tubes
from vcma.linking.smoothing import smooth
from vcma.linking.tracklets import first_detections
from vcma.linking.tubes import DetectionTubes, TubePoints, build_tubes, tube_points
from vcma.records.columns import Columns

_COPIED_COLUMNS = ("frame", "time", "class_name", "attribute_name", "detector", "width", "height")


def link(
    data: Columns,
    *,
    alpha: float,
    max_tubes: int,
    min_score: float,
    max_gap: float,
    max_overlap: float,
    smoothing: float,
) -> Columns:
    """Link the detections of one video: the columns of PROPOSALS in, those of TUBES out.

    alpha: weight of appearance against overlap, in [0, 1]. max_tubes: maximum number of tubes, at least 1.
    min_score: minimum score of a link, in [0, 1]. max_gap: longest gap bridged, s, at least 0; neighbouring frames
    are linked whatever their distance. max_overlap: IoU of two boxes, or mean IoU of two tubes, above which those
    that look alike are one object, in [0, 1]. smoothing: weight of the smoothed against the detected boxes, in
    [0, 1].

    Boxes are clipped to the picture; those that are then empty, or not finite, are left out. Scores that are not
    finite count as 0; features that are not finite are unknown, and such detections are linked by overlap alone.
    The order of the detections within a frame does not matter. Raises ValueError for a parameter out of range.
    """
    _check(alpha, max_tubes, min_score, max_gap, max_overlap, smoothing)
    detections = read_detections(data)
    min_cosine = minimum_cosine(detections)
    detections = detections.select(~duplicates(detections, max_overlap, min_cosine))
    max_steps = max_gap / time_step(data["time"])
    successor = np.full(len(detections.row), -1)
    for steps, singletons in ((0.0, True), (max_steps, False), (max_steps, True)):
        successor = join(
            detections,
            successor,
            alpha=alpha,
            min_score=min_score,
            max_gap=steps,
            singletons=singletons,
            min_cosine=min_cosine,
        )
        successor = unlink_outliers(detections, successor, min_cosine)
    time = np.asarray(data["time"], np.float64)
    tubes = build_tubes(detections, successor)
    appearance = detections.appearance.averaged(first_detections(successor))
    best = best_tubes(
        detections, tubes, appearance, time, max_tubes=max_tubes, max_overlap=max_overlap, min_cosine=min_cosine
    )
    return _tube_columns(data, detections, tubes.select(best), time, smoothing)


def _check(
    alpha: float, max_tubes: int, min_score: float, max_gap: float, max_overlap: float, smoothing: float
) -> None:
    share = {"alpha": alpha, "min_score": min_score, "max_overlap": max_overlap, "smoothing": smoothing}
    for name, value in share.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}, not in [0, 1]")
    if not max_gap >= 0:
        raise ValueError(f"max_gap is {max_gap} s, not at least 0")
    if max_tubes < 1:
        raise ValueError(f"max_tubes is {max_tubes}, not at least 1")


def _tube_columns(
    data: Columns, detections: Detections, tubes: DetectionTubes, time: np.ndarray, smoothing: float
) -> Columns:
    """The columns of TUBES."""
    points = tube_points(detections, tubes, time)
    row, score = detections.row[tubes.detection], detections.score[tubes.detection]
    return {
        **{name: data[name] for name in _COPIED_COLUMNS},
        "point_offset": points.offset,
        "position": points.position.astype(np.int64),
        "box": _point_boxes(data, detections, tubes, points, smoothing),
        "score": np.where(points.detected, score[points.left], 0).astype(np.float32),
        "interpolated": ~points.detected,
        "feature": _point_features(data["feature"], row, points),
        "tube_score": tubes.score.astype(np.float32),
        "class_prob": _tube_means(data["class_prob"][row], tubes.offset),
        "attribute_prob": _tube_means(data["attribute_prob"][row], tubes.offset),
    }


def _point_boxes(
    data: Columns, detections: Detections, tubes: DetectionTubes, points: TubePoints, smoothing: float
) -> np.ndarray:
    """Boxes float32 [P, 4], smoothed, or as detected where the smoothed course leaves the picture."""
    time, centre, size = (x[tubes.detection] for x in (detections.time, detections.centre, detections.size))
    smoothed, detected = (
        boxes.clip(
            points.interpolate(smooth(time, centre, size, tubes.offset, weight)),
            float(data["width"]),
            float(data["height"]),
        )
        for weight in (smoothing, 0.0)
    )
    return np.where(boxes.area(smoothed)[:, None] > 0, smoothed, detected).astype(np.float32)


def _point_features(feature: np.ndarray, row: np.ndarray, points: TubePoints) -> np.ndarray:
    """Features float16 [P, d], interpolated between those of the detections, rows row [p] of the input."""
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
    """Mean [k, d] of the values [p, d] of each tube, where what is not finite counts as 0."""
    if len(offset) == 1:
        return np.zeros((0, values.shape[1]), np.float16)
    total = np.add.reduceat(np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0), offset[:-1])
    return (total / np.diff(offset)[:, None]).astype(np.float16)
