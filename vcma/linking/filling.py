"""Filling of gaps in tubes with detections near the interpolated boxes."""

from __future__ import annotations

import numpy as np

from vcma import boxes
from vcma.linking import blocks, constants
from vcma.linking.assignment import assign
from vcma.linking.detections import Detections
from vcma.linking.tracklets import linked_in_order
from vcma.linking.tubes import DetectionTubes, TubePoints, build_tubes, tube_points
from vcma.records.columns import ranges


def fill_gaps(detections: Detections, successor: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return the successors [n] after detections of weaker tubes were assigned to the gaps of stronger ones.

    A detection can fill a gap if its IoU with the interpolated box is at least STEADY_OVERLAP, whatever its
    appearance, because a detector may classify an object differently from frame to frame; and if it is not linked,
    or its tube has less than FILLING_SHARE of the other's score. The assignment maximises the total IoU. time [T]:
    times of the sampled frames.
    """
    tubes = build_tubes(detections, successor)
    points = tube_points(detections.position[tubes.detection], tubes.offset, time)
    count = np.diff(tubes.offset)
    of_point = np.repeat(np.arange(len(count)), np.diff(points.offset))
    owner = np.empty(len(successor), np.int64)
    owner[tubes.detection] = np.repeat(np.arange(len(count)), count)
    point, detection, iou = _on_course(detections, tubes, points)
    giver, taker = owner[detection], of_point[point]
    weak = tubes.total[giver] < constants.FILLING_SHARE * tubes.total[taker]
    free = np.flatnonzero((giver != taker) & (weak | (count[giver] == 1)))
    chosen = free[assign(point[free], detection[free], iou[free])]
    owner[detection[chosen]] = taker[chosen]
    return linked_in_order(owner, detections.position)


def _on_course(
    detections: Detections, tubes: DetectionTubes, points: TubePoints
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interpolated points [e], the detections [e] near them, and their IoU [e]."""
    centre, size = detections.centre[tubes.detection], detections.size[tubes.detection]
    frame_count = np.diff(detections.frame_offset)
    found = [(np.zeros(0, int), np.zeros(0, int), np.zeros(0, np.float32))]
    for gap in blocks.row_blocks(np.flatnonzero(~points.detected), int(frame_count.max(initial=1))):
        position = points.position[gap]
        number = np.repeat(np.arange(len(gap)), frame_count[position])
        detection = ranges(detections.frame_offset[position], frame_count[position])
        iou = boxes.iou_of_centred(
            points.interpolate(centre, gap)[number],
            points.interpolate(size, gap)[number],
            detections.centre[detection],
            detections.size[detection],
        )
        near = iou >= constants.STEADY_OVERLAP
        found.append((gap[number[near]], detection[near], iou[near]))
    point, detection, iou = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return point, detection, iou
