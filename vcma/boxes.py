"""Box arithmetic on arrays of boxes [..., 4]: continuous xyxy pixels, without "+1".

A box with x2 <= x1 or y2 <= y1 is empty: its area is 0, and so is its IoU with any box, including itself. No
function raises on NaN; a box with NaN has IoU 0 with any box.
"""

from __future__ import annotations

import numpy as np

FAR = 1e9  # px; a coordinate of larger magnitude, or NaN, is an error


def area(boxes: np.ndarray) -> np.ndarray:
    """Return the area [...] of boxes [..., 4], in px^2; 0 for an empty or NaN box."""
    size = boxes[..., 2:] - boxes[..., :2]
    return np.fmax(size[..., 0], 0) * np.fmax(size[..., 1], 0)


def pairwise_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the IoU [...] of boxes a [..., 4] and b [..., 4] after broadcasting, in [0, 1]."""
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    inter = np.fmax(width, 0) * np.fmax(height, 0)
    union = area(a) + area(b) - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0).clip(0, 1)


def iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the IoU [..., n, m] of every box of a [..., n, 4] with every box of b [..., m, 4], in [0, 1]."""
    return pairwise_iou(a[..., :, None, :], b[..., None, :, :])


def iou_of_centred(
    centre: np.ndarray, size: np.ndarray, other_centre: np.ndarray, other_size: np.ndarray
) -> np.ndarray:
    """Return the IoU [...] of boxes given by centre and size [..., 2] after broadcasting, in [0, 1].

    Unlike `pairwise_iou` it checks nothing, for speed: sizes must not be negative, at least one box of each pair
    must not be empty, and NaN gives NaN.
    """
    inter = (size + other_size) / 2 - np.abs(centre - other_centre)
    inter = np.maximum(np.minimum(inter, np.minimum(size, other_size)), 0)
    inter = inter[..., 0] * inter[..., 1]
    return inter / (size[..., 0] * size[..., 1] + other_size[..., 0] * other_size[..., 1] - inter)


def clip(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Clip boxes [..., 4] to the frame [0, width] x [0, height]; a box outside of it becomes empty."""
    return np.clip(boxes, 0, np.array([width, height, width, height], dtype=boxes.dtype))


def interpolate(at: np.ndarray, known_at: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Interpolate linearly: values [n, d] at times `at` [n], from values [m, d] at times `known_at` [m], ascending.

    Outside of `known_at`, the nearest value is repeated. m is at least 1.
    """
    right = np.searchsorted(known_at, at, side="right").clip(1, max(len(known_at) - 1, 1))
    left, right = right - 1, np.minimum(right, len(known_at) - 1)
    step = known_at[right] - known_at[left]
    part = np.divide(at - known_at[left], step, out=np.zeros(len(at)), where=step > 0).clip(0, 1)[:, None]
    return values[left] * (1 - part) + values[right] * part
