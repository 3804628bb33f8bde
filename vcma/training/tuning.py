"""Tuning on the validation split: length penalty and temperature of decoding, and the baseline's window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vcma.model.decoding import WINDOWS, Decoding, tempered, windowed
from vcma.model.evidence import Model
from vcma.training.calibration import RIGHT, calibration_error, fitted_temperature, mean_iou
from vcma.training.validation import Judged, Validation

# Candidate length penalties, sorted by magnitude because ties go to the first; negative ones favour longer spans.
LENGTH_PENALTIES = (0.0, 2.0, -2.0, 4.0, -4.0, 6.0, 8.0, -8.0, 12.0, 16.0, -16.0, 24.0, 32.0)


def tuned(validation: Validation, judged: Sequence[Judged]) -> Decoding:
    """Tune decoding of both posteriors together.

    length_penalty: the candidate with the best score, 0 without ground truth. temperature: calibrates the
    probability of the chosen tube, 1 without ground-truth boxes.
    """
    scores = [
        validation.mean([j.answer(decoding=Decoding(length_penalty=penalty)) for j in judged])
        for penalty in LENGTH_PENALTIES
    ]
    penalty = LENGTH_PENALTIES[int(np.nanargmax(scores))] if not np.isnan(scores).all() else 0.0
    return Decoding(fitted_temperature(*choices(validation, judged)[1:]), penalty)


def tuned_window(validation: Validation, model: Model | None) -> tuple[float, float]:
    """Return the window, in shares of the segment, with the prior's best score; (0, 1) without ground truth."""
    rows = list(validation.priors(model))
    scores = [validation.mean([windowed(*row, window) for row in rows]) for window in WINDOWS]
    return WINDOWS[int(np.nanargmax(scores))] if not np.isnan(scores).all() else (0.0, 1.0)


def error_of_calibration(validation: Validation, judged: Sequence[Judged], temperature: float) -> float:
    """Return the expected calibration error of the chosen tube's probability; NaN without ground-truth boxes."""
    _, log_z, chosen, right = choices(validation, judged)
    stated = [tempered(z[None], temperature)[0][c] for z, c in zip(log_z, chosen, strict=True)]
    return calibration_error(np.array(stated), right)


def choices(
    validation: Validation, judged: Sequence[Judged], posterior: str = "both"
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray, np.ndarray]:
    """Return the tube that a posterior chooses for every sentence with ground-truth boxes.

    For each of n such sentences: its index in `judged`, the target's log-posterior [N], the index of the chosen
    tube, and whether that tube is correct.
    """
    rows = {sample: i for i, sample in enumerate(validation.truth["sample"])}
    which, log_z, chosen, right = [], [], [], []
    for i, j in enumerate(judged):
        found = getattr(j.posteriors, posterior)
        slot = int(found.tube[j.sentence.target])
        tubes = validation.tubes(j.sentence.video)
        assert tubes is not None  # its clip has some
        iou = mean_iou(validation.truth, rows[j.sentence.sample], tubes, int(j.clip.tube[slot]))
        if np.isfinite(iou):
            which.append(i)
            log_z.append(found.log_z[j.sentence.target])
            chosen.append(slot)
            right.append(iou > RIGHT)
    return np.array(which, int), log_z, np.array(chosen, int), np.array(right, bool)
