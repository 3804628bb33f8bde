"""Where look-alikes meet: tracklets are taken apart there, to be joined again by the motion before and after."""

from __future__ import annotations

import numpy as np

from vcma.linking import constants
from vcma.linking.detections import Detections, look_alikes
from vcma.linking.tracklets import inverse, unlinked


def unlink_crossings(detections: Detections, successor: np.ndarray, min_cosine: float) -> np.ndarray:
    """The successors [n] without the links of detections that meet one of another tracklet that looks like them.

    What follows one object before such a meeting may follow the other one after it, and the motion of its pieces
    in between says nothing of either. The detections themselves come back where gaps are filled.
    """
    linked = (successor >= 0) | (inverse(successor) >= 0)
    pairs = [
        pair[:, linked[pair].all(0)] for pair in look_alikes(detections, constants.CROSSING_OVERLAP, min_cosine)
    ]
    return unlinked(successor, np.unique(np.concatenate([np.zeros((2, 0), int), *pairs], axis=1)))
