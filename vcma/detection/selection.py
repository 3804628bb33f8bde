"""Selection of regions from the candidates of one image, in NumPy, for networks with output on the CPU."""

from __future__ import annotations

import numpy as np

from vcma.boxes import pairwise_iou
from vcma.detection.base import detection_mask


def best_boxes(
    box: np.ndarray, score: np.ndarray, top_k: int, score_threshold: float, nms_threshold: float, min_size: float
) -> np.ndarray:
    """Select rows of boxes [n, 4] by score [n], size and class-agnostic non-maximum suppression, best first.

    Parameters as in `Detector.detect`.
    """
    rows = np.flatnonzero(detection_mask(box, score, score_threshold, min_size))
    rows = rows[np.argsort(-score[rows], kind="stable")]
    kept: list[int] = []
    while len(rows) and len(kept) < top_k:
        kept.append(int(rows[0]))
        rows = rows[1:][pairwise_iou(box[rows[0]], box[rows[1:]]) <= nms_threshold]
    return np.array(kept, np.intp)
