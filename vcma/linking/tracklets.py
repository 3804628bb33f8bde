"""Tracklets as linked lists of detections.

successor [n] and predecessor [n] hold the next and the previous detection of the same tracklet, -1 for none.
"""

from __future__ import annotations

import numpy as np


def inverse(successor: np.ndarray) -> np.ndarray:
    """Return the predecessors [n] of the detections, given their successors [n]."""
    predecessor = np.full(len(successor), -1)
    linked = np.flatnonzero(successor >= 0)
    predecessor[successor[linked]] = linked
    return predecessor


def first_detections(successor: np.ndarray) -> np.ndarray:
    """Return the first detection [n] of each detection's tracklet, by pointer doubling."""
    predecessor = inverse(successor)
    first = np.where(predecessor < 0, np.arange(len(predecessor)), predecessor)
    while True:
        earlier = first[first]
        if (earlier == first).all():
            return first
        first = earlier


def unlinked(successor: np.ndarray, detections: np.ndarray) -> np.ndarray:
    """Return the successors [n] without the links to and from the given detections."""
    predecessor = inverse(successor)[detections]
    successor = successor.copy()
    successor[detections] = -1
    successor[predecessor[predecessor >= 0]] = -1
    return successor


def linked_in_order(group: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return the successors [n] that link the detections of each group [n] in the order of their positions [n]."""
    order = np.lexsort((position, group))
    same = np.diff(group[order]) == 0
    successor = np.full(len(group), -1)
    successor[order[:-1][same]] = order[1:][same]
    return successor
