"""Smoothing of tube boxes: removes detector jitter, preserves motion, including sudden motion.

Symbols: p detections of k tubes, concatenated; offset [k + 1]: first detection of each tube.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded

from vcma.linking import constants
from vcma.records.columns import rows


def smooth(time: np.ndarray, centre: np.ndarray, size: np.ndarray, offset: np.ndarray, weight: float) -> np.ndarray:
    """Return the boxes [p, 4], xyxy, of tubes' detections, moved by `weight` in [0, 1] towards a smooth course.

    time [p]: steps; centre, size [p, 2]. The smooth course minimises the squared distance plus stiffness times the
    squared acceleration (Whittaker smoother). Generalised cross-validation selects the stiffness of each tube,
    separately for centre and size, so that motion is not blurred.
    """
    raw = np.concatenate([centre, size], axis=1).astype(np.float64)
    if len(raw) and weight > 0:
        course = raw + weight * _jitter(_whittaker_course(time.astype(np.float64), raw, offset) - raw, offset)
        course[:, 2:] = np.maximum(course[:, 2:], raw[:, 2:] / 2)  # sizes stay positive
        raw = course
    return np.concatenate([raw[:, :2] - raw[:, 2:] / 2, raw[:, :2] + raw[:, 2:] / 2], axis=1)


def _jitter(correction: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Attenuate corrections [p, 4] that are too large to be jitter.

    Corrections beyond MAX_CORRECTION standard deviations of their tube's would remove sudden motion or the effect
    of an occluder, and are faded out.
    """
    median = [np.median(np.abs(correction[rows(offset, k)]), axis=0) for k in range(len(offset) - 1)]
    deviations = constants.MAX_CORRECTION * 1.48  # median absolute deviations; 1.48 per sigma
    largest = deviations * np.repeat(median, np.diff(offset), axis=0)
    return correction * np.minimum(1, largest / np.maximum(np.abs(correction), 1e-9)) ** 2


def _whittaker_course(time: np.ndarray, raw: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Smoothed course [p, 4] of raw [p, 4]; tubes with fewer than 4 detections are not changed."""
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

    The squared residual divided by the squared share of residual degrees of freedom.
    """
    angle = np.linspace(0, np.pi, 65)
    freedom = np.mean(1 / (1 + stiffness * (2 - 2 * np.cos(angle)) ** 2))  # per point of an infinite course
    left = (1 - freedom) * (1 - 2 / np.maximum(np.diff(offset), 4))  # a line's two are always used
    residual = np.add.reduceat((course - raw) ** 2, offset[:-1]).reshape(-1, 2, 2).sum(2)
    return residual / left[:, None] ** 2


def _acceleration_penalty(time: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Quadratic form of the squared accelerations within tubes, a symmetric matrix in upper banded form [3, p]."""
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
