"""Smoothing of the boxes of tubes: detector jitter is removed, true and sudden motion kept.

Symbols: p detections of k tubes, end to end; offset [k + 1] tells where each tube begins.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded

from vcma.linking import constants
from vcma.records.columns import rows


def smooth(time: np.ndarray, centre: np.ndarray, size: np.ndarray, offset: np.ndarray, weight: float) -> np.ndarray:
    """Boxes [p, 4], xyxy, of the detections of tubes, moved by `weight` of the way to their smoothed course.

    time [p], in steps; centre, size [p, 2]. The smoothed course minimises squared distance plus stiffness times
    squared acceleration (Whittaker's smoother). Generalised cross-validation chooses the stiffness of each tube,
    separately for centre and size, so that true motion is not blurred.
    """
    raw = np.concatenate([centre, size], axis=1).astype(np.float64)
    if len(raw) and weight > 0:
        course = raw + weight * _jitter(_whittaker_course(time.astype(np.float64), raw, offset) - raw, offset)
        course[:, 2:] = np.maximum(course[:, 2:], raw[:, 2:] / 2)  # never turned inside out
        raw = course
    return np.concatenate([raw[:, :2] - raw[:, 2:] / 2, raw[:, :2] + raw[:, 2:] / 2], axis=1)


def _jitter(correction: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The corrections [p, 4] as far as they remove jitter.

    A correction of more than MAX_CORRECTION standard deviations of its tube's would undo a sudden move, or the cut
    that an occluder makes, and is faded out.
    """
    median = [np.median(np.abs(correction[rows(offset, k)]), axis=0) for k in range(len(offset) - 1)]
    deviations = constants.MAX_CORRECTION * 1.48  # in medians, of which a normal deviation is 1.48
    largest = deviations * np.repeat(median, np.diff(offset), axis=0)
    return correction * np.minimum(1, largest / np.maximum(np.abs(correction), 1e-9)) ** 2


def _whittaker_course(time: np.ndarray, raw: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The smoothed course [p, 4] of raw [p, 4]; tubes of fewer than 4 detections stay as they are."""
    penalty = _acceleration_penalty(time, offset)
    count = np.diff(offset)
    best, lowest = raw.copy(), np.full((len(count), 2), np.inf)
    for stiffness in constants.STIFFNESSES:
        system = stiffness * penalty
        system[-1] += 1
        course = solveh_banded(system, raw, check_finite=False)
        cost = _cross_validation_cost(course, raw, offset, stiffness)
        better = np.repeat((cost < lowest) & (count > 3)[:, None], count, axis=0)
        best = np.where(np.repeat(better, 2, axis=1), course, best)
        lowest = np.minimum(cost, lowest)
    return best


def _cross_validation_cost(course: np.ndarray, raw: np.ndarray, offset: np.ndarray, stiffness: float) -> np.ndarray:
    """Generalised cross-validation cost [k, 2] of a course, for centre and size.

    The squared residual by the squared share of degrees of freedom that smoothing leaves to it.
    """
    angle = np.linspace(0, np.pi, 65)
    freedom = np.mean(1 / (1 + stiffness * (2 - 2 * np.cos(angle)) ** 2))  # a point, of an endless course
    left = (1 - freedom) * (1 - 2 / np.maximum(np.diff(offset), 4))  # the two of a line are always used
    residual = np.add.reduceat((course - raw) ** 2, offset[:-1]).reshape(-1, 2, 2).sum(2)
    return residual / left[:, None] ** 2


def _acceleration_penalty(time: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Squared accelerations within tubes, as a symmetric matrix in upper banded form [3, p]."""
    step = np.maximum(np.diff(time), 1e-3)
    first, second = step[:-1], step[1:]
    inside = np.ones(len(first))
    for border in (offset[1:-1] - 1, offset[1:-1] - 2):
        inside[border[(border >= 0) & (border < len(inside))]] = 0
    root = np.sqrt(2 * inside / (first + second))
    row = root * np.stack([1 / first, -1 / first - 1 / second, 1 / second])
    banded = np.zeros((3, len(time)))
    for i in range(3):
        for j in range(i, 3):
            banded[2 - (j - i), j : len(time) - 2 + j] += row[i] * row[j]
    return banded
