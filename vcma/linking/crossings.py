"""Splitting of tracklets where they cross a similar one, so that the motion before and after decides the links."""

from __future__ import annotations

import numpy as np

from vcma.linking import constants
from vcma.linking.detections import Detections, overlapping_similar_pairs
from vcma.linking.tracklets import inverse, unlinked


def unlink_crossings(detections: Detections, successor: np.ndarray, min_cosine: float) -> np.ndarray:
    """Return the successors [n] without the links of detections that overlap a similar one of another tracklet.

    A tracklet can switch from one object to the other where similar objects overlap, and its motion there is not
    informative. The unlinked detections are recovered when gaps are filled.
    """
    linked = (successor >= 0) | (inverse(successor) >= 0)
    pairs = [
        pair[:, linked[pair].all(0)]
        for pair in overlapping_similar_pairs(detections, constants.CROSSING_OVERLAP, min_cosine)
    ]
    return unlinked(successor, np.unique(np.concatenate([np.zeros((2, 0), int), *pairs], axis=1)))
