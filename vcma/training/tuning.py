"""What decoding is told from validation: the length penalty, the temperature, and the baseline's window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vcma.model.decoding import WINDOWS, Decoding, assign, tempered, windowed
from vcma.model.evidence import Model
from vcma.training.calibration import RIGHT, calibration_error, fitted_temperature, mean_iou
from vcma.training.validation import Judged, Validation

# What a length penalty is chosen from, nearest to none first; below 0 longer spans win.
LENGTH_PENALTIES = (0.0, 2.0, -2.0, 4.0, -4.0, 6.0, 8.0, -8.0, 12.0, 16.0, -16.0, 24.0, 32.0)


def tuned(validation: Validation, judged: Sequence[Judged]) -> Decoding:
    """The length penalty with which p scores best, 0 without truth; and the temperature that makes p's probability
    of the chosen tube believable, 1 without true boxes.
    """
    scores = [
        validation.mean([j.answer("p", Decoding(length_penalty=penalty)) for j in judged])
        for penalty in LENGTH_PENALTIES
    ]
    penalty = LENGTH_PENALTIES[int(np.nanargmax(scores))] if not np.isnan(scores).all() else 0.0
    return Decoding(fitted_temperature(*choices(validation, judged)[1:]), penalty)


def tuned_window(validation: Validation, model: Model | None) -> tuple[float, float]:
    """The window, as shares of the segment, with which the prior alone scores best; the whole without truth."""
    rows = list(validation.priors(model))
    scores = [validation.mean([windowed(*row, window) for row in rows]) for window in WINDOWS]
    return WINDOWS[int(np.nanargmax(scores))] if not np.isnan(scores).all() else (0.0, 1.0)


def error_of_calibration(validation: Validation, judged: Sequence[Judged], temperature: float) -> float:
    """Expected calibration error of p's probability of the chosen tube, NaN without true boxes."""
    _, log_z, chosen, right = choices(validation, judged)
    stated = [tempered(z[None], temperature)[0][c] for z, c in zip(log_z, chosen, strict=True)]
    return calibration_error(np.array(stated), right)


def choices(
    validation: Validation, judged: Sequence[Judged]
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray, np.ndarray]:
    """Of every sentence with true boxes: its place in `judged`, the target's log-posterior [N], the chosen
    tube, and whether that is right.
    """
    rows = {sample: i for i, sample in enumerate(validation.truth["sample"])}
    which, log_z, chosen, right = [], [], [], []
    for i, j in enumerate(judged):
        slot = int(assign(j.p.log_z)[j.sentence.target])
        tubes = validation.tubes(j.sentence.video)
        assert tubes is not None  # its clip has some
        iou = mean_iou(validation.truth, rows[j.sentence.sample], tubes, int(j.clip.tube[slot]))
        if np.isfinite(iou):
            which.append(i)
            log_z.append(j.p.log_z[j.sentence.target])
            chosen.append(slot)
            right.append(iou > RIGHT)
    return np.array(which, int), log_z, np.array(chosen, int), np.array(right, bool)
