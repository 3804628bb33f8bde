"""Predicted tubes of many samples as flat arrays: the input of the metrics, for any method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FRAME_LIMIT = 1 << 31  # exclusive upper bound of frame indices


def frame_key(row: np.ndarray | int, frame: np.ndarray) -> np.ndarray:
    """Encode a sample's row and a native frame as one sortable number, int64."""
    return row * FRAME_LIMIT + frame


@dataclass(frozen=True)
class PredictedTubes:
    """A span and boxes for each sample, ragged as in an artifact.

    sample: ids, str [sample]; span int64 [sample, 2], half-open native frames; box_offset int64 [sample + 1];
    box_frame int64 [box], ascending within a sample; box float32 [box, 4], xyxy pixels.
    """

    sample: np.ndarray
    span: np.ndarray
    box_offset: np.ndarray
    box_frame: np.ndarray
    box: np.ndarray

    @property
    def box_key(self) -> np.ndarray:
        """The `frame_key` of each box, int64 [box], ascending."""
        row = np.repeat(np.arange(len(self.sample)), np.diff(self.box_offset))
        return frame_key(row, self.box_frame)
