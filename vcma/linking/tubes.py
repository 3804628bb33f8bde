"""Tubes built from tracklets, with a point in every sampled frame from the first detection to the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vcma.linking.detections import Detections
from vcma.linking.tracklets import first_detections
from vcma.records.columns import offsets, ranges


@dataclass
class DetectionTubes:
    """Tubes as lists of detections, sorted by descending total score.

    detection [p]: detections of the tubes, concatenated. offset [k + 1]: first detection of each tube. total [k]:
    sum of the scores of its detections.
    """

    detection: np.ndarray
    offset: np.ndarray
    total: np.ndarray

    def select(self, keep: np.ndarray) -> DetectionTubes:
        """Return the tubes with indices keep [k]."""
        count = np.diff(self.offset)[keep]
        return DetectionTubes(self.detection[ranges(self.offset[keep], count)], offsets(count), self.total[keep])


def build_tubes(detections: Detections, successor: np.ndarray) -> DetectionTubes:
    """Convert every tracklet to a tube, including single detections."""
    first = first_detections(successor)
    detection = np.argsort(first, kind="stable")
    offset = np.append(np.flatnonzero(np.diff(first[detection], prepend=-1)), len(detection))
    running = np.concatenate([[0], np.cumsum(detections.score[detection], dtype=np.float64)])
    tubes = DetectionTubes(detection, offset, np.diff(running[offset]))
    return tubes.select(np.argsort(-tubes.total, kind="stable"))


@dataclass
class LinkedTubes:
    """Tubes of a video with their p detections, concatenated; rows refer to the video's columns, not a shot's.

    offset [k + 1]: first detection of each tube. value [k]: value in the selection. total [k]: sum of the scores of
    its detections. row [p]: row in the input columns. position [p]: row of the frame. time [p]: steps from the
    shot's first detection. centre, size [p, 2]: px. score [p].
    """

    offset: np.ndarray
    value: np.ndarray
    total: np.ndarray
    row: np.ndarray
    position: np.ndarray
    time: np.ndarray
    centre: np.ndarray
    size: np.ndarray
    score: np.ndarray

    @classmethod
    def of_shot(
        cls, detections: Detections, tubes: DetectionTubes, value: np.ndarray, first_row: int, first_position: int
    ) -> LinkedTubes:
        """Convert the tubes of a shot; first_row, first_position: rows of its first box and frame in the video."""
        chosen = tubes.detection
        return cls(
            offset=tubes.offset,
            value=value,
            total=tubes.total,
            row=detections.row[chosen] + first_row,
            position=detections.position[chosen] + first_position,
            time=detections.time[chosen],
            centre=detections.centre[chosen],
            size=detections.size[chosen],
            score=detections.score[chosen],
        )

    @classmethod
    def concatenated(cls, parts: Sequence[LinkedTubes]) -> LinkedTubes:
        """Concatenate the tubes of several shots."""
        columns = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in vars(parts[0])
            if name != "offset"
        }
        return cls(offset=offsets(np.concatenate([np.diff(part.offset) for part in parts])), **columns)

    def select(self, keep: np.ndarray) -> LinkedTubes:
        """Return the tubes with indices keep [k]."""
        count = np.diff(self.offset)[keep]
        rows = ranges(self.offset[keep], count)
        of_detections = ("row", "position", "time", "centre", "size", "score")
        return LinkedTubes(
            offset=offsets(count),
            value=self.value[keep],
            total=self.total[keep],
            **{name: getattr(self, name)[rows] for name in of_detections},
        )


@dataclass
class TubePoints:
    """The P points of tubes, one in every sampled frame from their first to their last detection.

    offset [k + 1]: first point of each tube. position [P]: row of the frame. left, right [P]: indices of the
    detections before and after, equal for a detected point. part [P]: relative time between left and right.
    """

    offset: np.ndarray
    position: np.ndarray
    left: np.ndarray
    right: np.ndarray
    part: np.ndarray

    @property
    def detected(self) -> np.ndarray:
        """Mask [P] of the points that are detections, not interpolated."""
        return self.left == self.right

    def interpolate(self, values: np.ndarray, points: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Interpolate values [p, d] of detections linearly in time; returns [P, d], or only selected points."""
        part = self.part[points, None]
        return values[self.left[points]] * (1 - part) + values[self.right[points]] * part


def tube_points(position: np.ndarray, offset: np.ndarray, time: np.ndarray) -> TubePoints:
    """Return the points of tubes in the sampled frames at time [T], given the positions [p] of their detections."""
    last = np.zeros(len(position), bool)
    last[offset[1:] - 1] = True
    count = np.where(last, 1, np.diff(position, append=0))
    left = np.repeat(np.arange(len(position)), count)
    at = ranges(position, count)
    right = left + (at > position[left])
    span = time[position[right]] - time[position[left]]
    part = np.divide(time[at] - time[position[left]], span, out=np.zeros(len(at)), where=span > 0)
    return TubePoints(offsets(np.add.reduceat(count, offset[:-1]) if len(count) else count), at, left, right, part)
