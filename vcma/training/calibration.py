"""Calibration of posterior probabilities: expected calibration error, and temperature scaling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vcma.boxes import pairwise_iou
from vcma.model.decoding import tempered
from vcma.records.columns import Columns
from vcma.records.tubes import Tubes

RIGHT = 0.5  # mean IoU with the ground-truth boxes above which a tube is correct
TEMPERATURES = tuple(np.geomspace(0.5, 16, 31).tolist())  # candidates of the fit


def mean_iou(truth: Columns, row: int, tubes: Tubes, tube: int) -> float:
    """Return the mean IoU of a tube with a sample's ground-truth boxes; 0 if tube is -1, NaN without boxes."""
    mine = slice(truth["box_offset"][row], truth["box_offset"][row + 1])
    frame, box = truth["box_frame"][mine], np.asarray(truth["box"][mine], np.float64)
    if not len(box):
        return float("nan")
    return float(pairwise_iou(tubes.boxes_at(tube, frame), box).mean()) if tube >= 0 else 0.0


def calibration_error(probability: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Return the expected calibration error: |accuracy - confidence|, averaged over equal-width bins by size.

    probability float [n] in [0, 1], right bool [n]; NaN if n is 0.
    """
    if not len(probability):
        return float("nan")
    which = np.minimum((probability * bins).astype(int), bins - 1)
    total = 0.0
    for b in np.unique(which):
        mine = which == b
        total += mine.mean() * abs(right[mine].mean() - probability[mine].mean())
    return float(total)


def fitted_temperature(log_z: Sequence[np.ndarray], chosen: np.ndarray, right: np.ndarray) -> float:
    """Return the temperature of TEMPERATURES that maximises the likelihood of the chosen tubes' correctness.

    log_z: log-posterior [N] of the target of each of n sentences. chosen int [n]: index of the chosen tube. right
    bool [n]: whether it is correct. Returns 1 if n is 0.
    """
    if not len(log_z):
        return 1.0

    def loss(temperature: float) -> float:
        p = np.array([tempered(z[None], temperature)[0, c] for z, c in zip(log_z, chosen, strict=True)])
        p = np.clip(p, 1e-6, 1 - 1e-6)
        return float(-np.where(right, np.log(p), np.log(1 - p)).mean())

    return min(TEMPERATURES, key=loss)
