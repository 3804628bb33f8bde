"""Diagnose an answer: found or, if not, whether detection, the choice of tube or the span is wrong."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vcma.boxes import pairwise_iou
from vcma.records.tubes import Tubes
from vcma.report.cases import Truth

OUTCOMES: Mapping[str, str] = {
    "found": "vIoU above 0.3 (without true boxes: tIoU)",
    "wrong time": "the chosen tube is right (mean IoU above 0.3 over the true span), but the predicted span is not",
    "wrong tube": "another tube has a mean IoU above 0.3; the span is about right (tIoU above 0.3)",
    "wrong tube and time": "another tube has a mean IoU above 0.3, and the span is wrong as well",
    "missed detection": "no tube has a mean IoU above 0.3 with the true boxes over the true span",
    "unknown": "there is no ground truth",
}
THRESHOLD = 0.3  # score above which an answer counts as found, the lower of the two thresholds of vIoU@R


def diagnose(truth: Truth | None, tubes: Tubes, tube: int, tiou: float | None, viou: float | None) -> str:
    """Return which of OUTCOMES applies to an answer with `tube`; tiou, viou: its scores, None if unavailable."""
    if truth is None or tiou is None:
        return "unknown"
    if viou is None:
        return "found" if tiou > THRESHOLD else "wrong time"
    if viou > THRESHOLD:
        return "found"
    fit = tube_fit(truth, tubes)
    if not (fit > THRESHOLD).any():
        return "missed detection"
    if fit[tube] > THRESHOLD and tube >= 0:
        return "wrong time"
    return "wrong tube" if tiou > THRESHOLD else "wrong tube and time"


def tube_fit(truth: Truth, tubes: Tubes) -> np.ndarray:
    """Return the mean IoU [N] of each tube of a video with the true boxes over the true span."""
    inside = (truth.frame >= truth.span[0]) & (truth.frame < truth.span[1])
    frame, box = truth.frame[inside], truth.box[inside].astype(np.float64)
    if not len(frame):
        return np.zeros(len(tubes))
    return np.array([pairwise_iou(tubes.boxes_at(n, frame), box).mean() for n in range(len(tubes))])
