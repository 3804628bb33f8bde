"""Tracklets laid out as tubes, and their points in every frame from the first detection to the last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vcma.linking.detections import Detections
from vcma.linking.tracklets import first_detections
from vcma.records.columns import offsets, ranges


@dataclass
class DetectionTubes:
    """Tubes as the detections they are made of, by falling score.

    detection [p]: the detections of the tubes, end to end; offset [k + 1]: where each tube begins; score [k]: sum
    of the detection scores by the number of sampled frames of the video.
    """

    detection: np.ndarray
    offset: np.ndarray
    score: np.ndarray

    def select(self, keep: np.ndarray) -> DetectionTubes:
        """Those numbered keep [k]."""
        count = np.diff(self.offset)[keep]
        return DetectionTubes(self.detection[ranges(self.offset[keep], count)], offsets(count), self.score[keep])


def build_tubes(detections: Detections, successor: np.ndarray) -> DetectionTubes:
    """Every tracklet as a tube, single detections included."""
    first = first_detections(successor)
    detection = np.argsort(first, kind="stable")
    offset = np.append(np.flatnonzero(np.diff(first[detection], prepend=-1)), len(detection))
    running = np.concatenate([[0], np.cumsum(detections.score[detection], dtype=np.float64)])
    frames = len(detections.frame_offset) - 1
    tubes = DetectionTubes(detection, offset, np.diff(running[offset]) / max(frames, 1))
    return tubes.select(np.argsort(-tubes.score, kind="stable"))


@dataclass
class TubePoints:
    """The P points of tubes, one in every sampled frame between their first and last detection.

    offset [k + 1]; position [P]: row of the frame; left, right [P]: the detections (rows of `detection`) on
    either side, the same one where detected; part [P]: share of the time from left to right.
    """

    offset: np.ndarray
    position: np.ndarray
    left: np.ndarray
    right: np.ndarray
    part: np.ndarray

    @property
    def detected(self) -> np.ndarray:
        """[P]: whether the point is a detection, not interpolated."""
        return self.left == self.right

    def interpolate(self, values: np.ndarray, points: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Values [P, d] of the points, or of those selected, linear in time between those of detections [p, d]."""
        part = self.part[points, None]
        return values[self.left[points]] * (1 - part) + values[self.right[points]] * part


def tube_points(detections: Detections, tubes: DetectionTubes, time: np.ndarray) -> TubePoints:
    """The points of tubes in the sampled frames at time [T]."""
    position, offset = detections.position[tubes.detection], tubes.offset
    last = np.zeros(len(position), bool)
    last[offset[1:] - 1] = True
    count = np.where(last, 1, np.diff(position, append=0))
    left = np.repeat(np.arange(len(position)), count)
    at = ranges(position, count)
    right = left + (at > position[left])
    span = time[position[right]] - time[position[left]]
    part = np.divide(time[at] - time[position[left]], span, out=np.zeros(len(at)), where=span > 0)
    return TubePoints(offsets(np.add.reduceat(count, offset[:-1]) if len(count) else count), at, left, right, part)
