"""Means over samples with 95 % confidence intervals, bootstrapped over videos.

Videos are resampled with replacement, each with all its samples, because sentences of one video are not
independent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

RESAMPLES = 1000


class Estimate(NamedTuple):
    """A mean and its 95 % interval. value is NaN without any value; low and high also with a single video."""

    value: float
    low: float
    high: float


def mean_with_interval(values: np.ndarray, video: np.ndarray, seed: int = 0) -> Estimate:
    """Return the mean of values [sample], ignoring NaN, with its interval. video: str [sample], video ids."""
    return means_with_intervals(np.asarray(values, float)[:, None], video, seed)[0]


def means_with_intervals(table: np.ndarray, video: np.ndarray, seed: int = 0) -> list[Estimate]:
    """Return one estimate per column of a table [sample, column]; all columns share the resampled videos."""
    name, group = np.unique(np.asarray(video, dtype=str), return_inverse=True)
    V = len(name)
    weight = np.random.default_rng(seed).multinomial(V, np.full(V, 1 / max(V, 1)), size=RESAMPLES)
    return [_estimate(column, group, weight) for column in table.T]


def _estimate(column: np.ndarray, group: np.ndarray, weight: np.ndarray) -> Estimate:
    """Estimate one column [sample]. group [sample]: index of its video; weight [resample, video]: times drawn."""
    V = weight.shape[1]
    available = ~np.isnan(column)
    total = np.bincount(group[available], column[available], V)
    count = np.bincount(group[available], minlength=V)
    if not count.sum():
        return Estimate(np.nan, np.nan, np.nan)
    value = float(total.sum() / count.sum())
    if (count > 0).sum() < 2:
        return Estimate(value, np.nan, np.nan)
    drawn = weight @ count
    low, high = np.percentile((weight @ total)[drawn > 0] / drawn[drawn > 0], [2.5, 97.5])
    return Estimate(value, float(low), float(high))
