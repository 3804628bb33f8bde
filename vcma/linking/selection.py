"""Non-maximum suppression of tubes."""

from __future__ import annotations

import numpy as np

from vcma import boxes
from vcma.linking.appearance import Appearance
from vcma.linking.detections import Detections
from vcma.linking.tubes import DetectionTubes, tube_points
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
) -> np.ndarray:
    """Numbers of the best scored tubes, at most max_tubes, without those that repeat a better one.

    A tube repeats one that it looks like and overlaps by a mean IoU above max_overlap in the frames they share.
    appearance: with the embeddings of the tubes. time [T]: of the sampled frames.
    """
    points = tube_points(detections, tubes, time)
    detected_centre, detected_size = detections.centre[tubes.detection], detections.size[tubes.detection]
    first = tubes.detection[tubes.offset[:-1]]
    length = min(max_tubes, len(first))
    kept_centre, kept_size = np.zeros((2, length, len(time), 2), np.float32)  # size 0 where absent
    kept: list[int] = []
    for k in range(len(first)):
        mine = rows(points.offset, k)
        centre, size = points.interpolate(detected_centre, mine), points.interpolate(detected_size, mine)
        span = slice(points.position[mine.start], points.position[mine.stop - 1] + 1)
        rival_centre, rival_size = kept_centre[: len(kept), span], kept_size[: len(kept), span]
        shared = np.maximum((rival_size[..., 0] > 0).sum(1), 1)
        iou = boxes.iou_of_centred(rival_centre, rival_size, centre, size).sum(1) / shared
        close = np.flatnonzero(iou > max_overlap)
        if not _looks_like_any(appearance, first[k], first[kept][close], min_cosine):
            kept_centre[len(kept), span], kept_size[len(kept), span] = centre, size
            kept.append(k)
        if len(kept) == max_tubes:
            break
    return np.array(kept, dtype=np.int64)


def _looks_like_any(appearance: Appearance, detection: int, others: np.ndarray, min_cosine: float) -> bool:
    """Whether the tube of a detection has a cosine of at least min_cosine with that of any of the others."""
    if not len(others):
        return False
    embedding = appearance.of_tracklets(np.array([detection]))[0]
    return bool((appearance.of_tracklets(others) @ embedding >= min_cosine).any())
