"""Selection of tubes: confident ones, without duplicates, over all parts of the video."""

from __future__ import annotations

import numpy as np

from vcma import boxes
from vcma.linking import constants
from vcma.linking.appearance import Appearance
from vcma.linking.detections import Detections
from vcma.linking.tubes import DetectionTubes, TubePoints, tube_points
from vcma.records.columns import rows


def best_tubes(
    detections: Detections,
    tubes: DetectionTubes,
    appearance: Appearance,
    time: np.ndarray,
    *,
    max_tubes: int,
    max_overlap: float,
    min_cosine: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Select at most max_tubes tubes greedily; returns their indices [c] and values [c].

    The value of a tube is the sum of its detections' scores, each divided by 1 + the number of tubes already
    selected in that frame, so a short tube that is alone outranks a long one in a crowd. Values descend; selection
    stops below MIN_VALUE of the first. A tube is a duplicate of a selected one if its cosine is at least min_cosine
    and its mean IoU over the shared frames exceeds max_overlap. appearance: must contain the embeddings of the
    tubes. time [T]: times of the sampled frames.
    """
    points = tube_points(detections.position[tubes.detection], tubes.offset, time)
    score = np.where(points.detected, detections.score[tubes.detection][points.left], 0)
    first = tubes.detection[tubes.offset[:-1]]
    courses = _Courses(min(max_tubes, len(first)), len(time))
    cover = np.zeros(len(time), np.int64)
    left = np.ones(len(first), bool)
    kept: list[int] = []
    values: list[float] = []
    while len(kept) < max_tubes and left.any():
        value = np.add.reduceat(score / (1 + cover[points.position]), points.offset[:-1])
        k = int(np.where(left, value, -1).argmax())
        left[k] = False
        if values and value[k] < constants.MIN_VALUE * values[0]:
            break
        span, centre, size = _course(detections, tubes, points, k)
        close = courses.overlap(span, centre, size) > max_overlap
        if not _looks_like_any(appearance, first[k], first[kept][close], min_cosine):
            courses.add(span, centre, size)
            cover[span] += 1
            kept.append(k)
            values.append(float(value[k]))
    return np.array(kept, dtype=np.int64), np.array(values)


def _course(
    detections: Detections, tubes: DetectionTubes, points: TubePoints, k: int
) -> tuple[slice, np.ndarray, np.ndarray]:
    """Frames of tube k, with its centres and sizes [., 2]."""
    mine = rows(points.offset, k)
    span = slice(points.position[mine.start], points.position[mine.stop - 1] + 1)
    centre, size = detections.centre[tubes.detection], detections.size[tubes.detection]
    return span, points.interpolate(centre, mine), points.interpolate(size, mine)


class _Courses:
    """Boxes of selected tubes in all frames: centre, size [max_tubes, T, 2]; size 0 in frames without the tube."""

    def __init__(self, max_tubes: int, frames: int) -> None:
        self.count = 0
        self.centre, self.size = np.zeros((2, max_tubes, frames, 2), np.float32)

    def add(self, span: slice, centre: np.ndarray, size: np.ndarray) -> None:
        self.centre[self.count, span], self.size[self.count, span] = centre, size
        self.count += 1

    def overlap(self, span: slice, centre: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Return the mean IoU of each selected tube with boxes in the frames of span that it covers; 0 if none."""
        chosen_centre, chosen_size = self.centre[: self.count, span], self.size[: self.count, span]
        shared = np.maximum((chosen_size[..., 0] > 0).sum(1), 1)
        return boxes.iou_of_centred(chosen_centre, chosen_size, centre, size).sum(1) / shared


def _looks_like_any(appearance: Appearance, detection: int, others: np.ndarray, min_cosine: float) -> bool:
    """Return whether the tube of a detection has a cosine of at least min_cosine with any of the others' tubes."""
    if not len(others):
        return False
    embedding = appearance.of_tracklets(np.array([detection]))[0]
    return bool((appearance.of_tracklets(others) @ embedding >= min_cosine).any())
