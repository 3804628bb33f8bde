"""Baselines that need no trained model, as predictions that are scored like any others.

`tubes(video id)` returns the tubes of one video.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from vcma.boxes import interpolate, pairwise_iou
from vcma.records.columns import Columns, offsets, rows
from vcma.records.predicted_tubes import PredictedTubes
from vcma.records.tubes import Points, Tubes

VideoData = TypeVar("VideoData", Tubes, Columns)  # what a baseline reads per video: tubes or proposals
Choice = tuple[Points | None, tuple[int, int]]  # a tube, if any, and native frames [begin, end)


def chance(truth: Columns, tubes: Callable[[str], Tubes], *, seed: int, whole: bool) -> PredictedTubes:
    """Predict a random tube of those that overlap the segment, over a random interval of the segment.

    The interval is uniform over all non-empty intervals of whole frames or, if `whole`, the entire segment.
    """
    random = np.random.default_rng(seed)

    def guess(row: int, video: Tubes) -> Choice:
        begin, end = int(truth["segment_begin"][row]), int(truth["segment_end"][row])
        near = [n for n, (first, last) in enumerate(video.extents()) if first < end and last >= begin]
        tube = video.points(int(random.choice(near))) if near else None
        a, b = (begin, end) if whole else sorted(begin + random.choice(end - begin + 1, 2, replace=False))
        return tube, (int(a), int(b))

    return _predict(truth, tubes, guess)


def oracle(truth: Columns, tubes: Callable[[str], Tubes]) -> PredictedTubes:
    """Predict the tube with the highest mean IoU with the true boxes, over the true span.

    An upper bound on grounding, given the tubes that linking found.
    """

    def best(row: int, video: Tubes) -> Choice:
        frame, box = _true_boxes(truth, row)
        fit = [
            float(pairwise_iou(video.boxes_at(n, frame), box).mean()) if len(box) else 0.0
            for n in range(len(video))
        ]
        return (video.points(int(np.argmax(fit))) if fit and max(fit) > 0 else None), _true_span(truth, row)

    return _predict(truth, tubes, best)


def identity_oracle(truth: Columns, regions: Callable[[str], Columns]) -> PredictedTubes:
    """Predict the detected regions that match the true boxes, linked by identity, over the true span.

    An upper bound on linking and grounding, given the detections. regions(video id): PROPOSALS columns. Takes the
    region with the highest IoU (at least 0.5) with the true box in each sampled frame; interpolates between these
    frames and extends the first and last box, as in a tube.
    """

    def followed(row: int, video: Columns) -> Choice:
        true = dict(zip(*_true_boxes(truth, row), strict=True))
        found: list[tuple[int, np.ndarray]] = []
        for i, frame in enumerate(video["frame"]):
            near = np.asarray(video["box"][rows(video["box_offset"], i)], np.float64)
            iou = pairwise_iou(near, true[frame]) if frame in true else np.zeros(0)
            if len(iou) and iou.max() >= 0.5:
                found.append((frame, near[iou.argmax()]))
        frames, boxes = zip(*found, strict=True) if found else ((), ())
        return ((np.array(frames), np.array(boxes)) if found else None), _true_span(truth, row)

    return _predict(truth, regions, followed)


def _true_boxes(truth: Columns, row: int) -> Points:
    points = rows(truth["box_offset"], row)
    return truth["box_frame"][points], np.asarray(truth["box"][points], np.float64)


def _true_span(truth: Columns, row: int) -> tuple[int, int]:
    return int(truth["span_begin"][row]), int(truth["span_end"][row])


def _predict(
    truth: Columns, read: Callable[[str], VideoData], choose: Callable[[int, VideoData], Choice]
) -> PredictedTubes:
    """Build predictions from choose(row of truth, data of its video) -> (tube or None, span), with boxes in it."""
    n = len(truth["sample"])
    span = np.zeros((n, 2), np.int64)
    frames: list[np.ndarray] = [np.zeros(0, np.int64)] * n
    boxes: list[np.ndarray] = [np.zeros((0, 4))] * n
    for row, video in _by_video(truth, read):
        points, span[row] = choose(row, video)
        if points is not None:
            frames[row] = np.arange(*span[row])
            boxes[row] = interpolate(frames[row], *points)
    return PredictedTubes(
        np.asarray(truth["sample"], dtype=object),
        span,
        offsets(map(len, frames)),
        np.concatenate([np.zeros(0, np.int64), *frames]),
        np.concatenate([np.zeros((0, 4)), *boxes]).astype(np.float32),
    )


def _by_video(truth: Columns, read: Callable[[str], VideoData]) -> Iterator[tuple[int, VideoData]]:
    """Yield (row, data of its video), the rows of a video together so that each video is read once."""
    name = np.asarray(truth["video"], dtype=str)
    for video in dict.fromkeys(name.tolist()):
        found = read(video)
        for row in np.flatnonzero(name == video).tolist():
            yield row, found
