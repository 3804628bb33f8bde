"""Diagnostics of an EM round on the validation split: how p changes, and whether it improves.

For every query type: `m_vIoU` and `m_tIoU` of p's predictions; `tube`, the share of sentences with the correct
tube; `moved`, the KL divergence of the target's posterior from the prior by labels and prominence only, in nats;
`H_z` and `H_y`, the entropy of the target's q(z) and of q(y) over intervals; and the terms of F, `alignment`,
`time` and `relations`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from vcma.model.evidence import Model
from vcma.model.prominence import prominence
from vcma.model.settings import Settings
from vcma.training.tuning import choices
from vcma.training.validation import Judged, Validation

MEASURES = ("m_vIoU", "m_tIoU", "tube", "moved", "H_z", "H_y", "alignment", "time", "relations")


def round_row(validation: Validation, model: Model) -> dict[str, float]:
    """Return the scores of p and q (`score_p`, `score_q`) and all measures of p by query type ("<measure> <type>").

    NaN without ground truth to compare with.
    """
    judged = validation.judged(model)
    if not judged:
        return dict.fromkeys(("score_p", "score_q"), float("nan"))
    scores = validation.scores([j.answer("p") for j in judged])
    row = {"score_p": validation.mean_of(scores), "score_q": validation.mean([j.answer("q") for j in judged])}
    query_type = np.asarray(validation.truth["query_type"], str)
    at = {sample: i for i, sample in enumerate(validation.truth["sample"])}
    rows = np.array([at[j.sentence.sample] for j in judged])
    right = np.full(len(judged), np.nan)
    compared, *_, is_right = choices(validation, judged, "p")
    right[compared] = is_right
    own = np.array([_of_posterior(j, validation, model.settings) for j in judged])
    values = np.column_stack([scores.viou[rows], scores.tiou[rows], right, own])
    for name in np.unique(query_type[rows]):
        means = _means(values[query_type[rows] == name])
        row |= {f"{measure} {name}": float(m) for measure, m in zip(MEASURES, means, strict=True)}
    return row


def _of_posterior(judged: Judged, validation: Validation, settings: Settings) -> Float[np.ndarray, " 6"]:
    """MEASURES of one sentence, from `moved` on."""
    target, p = judged.sentence.target, judged.posteriors.p
    label = validation.encoder.label_prior(judged.sentence, judged.clip)[target]
    start = settings.label_prior * label + settings.score_prior * prominence(judged.clip)
    log_start = start - np.logaddexp.reduce(start)
    log_z = p.log_z[target]
    z = np.exp(log_z)
    moved = (z * (log_z - log_start)).sum()
    return np.array([moved, -(z * log_z).sum(), _entropy(p.log_intervals), *p.objective])


def _entropy(log_p: Float[np.ndarray, "B B"]) -> float:
    p = np.exp(log_p)
    return float(-(p * np.where(p > 0, log_p, 0)).sum())


def _means(values: Float[np.ndarray, "S m"]) -> Float[np.ndarray, " m"]:
    """Means of the columns over finite values; NaN for columns without any."""
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(finite, values, 0).sum(0) / finite.sum(0)


def query_types(rows: Sequence[dict[str, float]]) -> list[str]:
    """Return the query types in the rows of a history, sorted."""
    return sorted({key.split(" ", 1)[1] for row in rows for key in row if key.startswith(f"{MEASURES[0]} ")})
