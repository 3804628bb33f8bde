"""What became of a sentence: found or, if not, whether detection, the choice of tube or that of time failed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vcma.boxes import pairwise_iou
from vcma.records.tubes import Tubes
from vcma.report.cases import Truth

OUTCOMES: Mapping[str, str] = {
    "found": "vIoU above 0.3 (without true boxes: tIoU)",
    "wrong time": "the chosen tube would do over the true span, the predicted span does not",
    "wrong tube": "another tube would do; the span is about right (tIoU above 0.3)",
    "wrong tube and time": "another tube would do, and the span is wrong as well",
    "missed detection": "no tube would do: over the true span none has a mean IoU above 0.3",
    "unknown": "the truth is not known",
}
THRESHOLD = 0.3  # a score above it is right: the lower of the field's two recall thresholds


def diagnose(truth: Truth | None, tubes: Tubes, tube: int, tiou: float | None, viou: float | None) -> str:
    """Which of OUTCOMES an answer by `tube` has."""
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
    """Mean IoU [tube] of each tube of a video with the true boxes over the true span."""
    inside = (truth.frame >= truth.span[0]) & (truth.frame < truth.span[1])
    frame, box = truth.frame[inside], truth.box[inside].astype(np.float64)
    if not len(frame):
        return np.zeros(len(tubes))
    return np.array([pairwise_iou(tubes.boxes_at(n, frame), box).mean() for n in range(len(tubes))])
