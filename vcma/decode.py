"""From posteriors to an answer: which tube each entity is, and the span of time."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment


def best_span(log_odds: np.ndarray) -> tuple[int, int]:
    """The contiguous interval [begin, end) of greatest summed log-odds, never empty; float [T], T >= 1.

    If no frame speaks for the sentence it is the best single frame. Of equals the one that ends first wins.
    """
    total = np.concatenate([[0.0], np.cumsum(np.asarray(log_odds, dtype=np.float64))])
    lowest = np.minimum.accumulate(total[:-1])
    end = int(np.argmax(total[1:] - lowest)) + 1
    begin = int(np.argmin(total[:end]))
    return begin, end


def assign(log_posterior: np.ndarray) -> np.ndarray:
    """One tube an entity, no tube twice while tubes last: the joint choice of greatest summed log-posterior.

    log_posterior float [M, N], -inf for tubes that are no candidates; returns int64 [M]. With more entities than
    tubes the rest take their own best tube; -1 where an entity has no candidate at all.
    """
    M, N = log_posterior.shape
    if N == 0:
        return np.full(M, -1, dtype=np.int64)
    score = np.where(np.isfinite(log_posterior), log_posterior, -1e6)
    chosen = score.argmax(axis=1).astype(np.int64)
    entity, tube = linear_sum_assignment(-score)
    chosen[entity] = tube
    chosen[~np.isfinite(log_posterior).any(axis=1)] = -1
    return chosen


def native_span(frame: np.ndarray, end: int, begin_slot: int, end_slot: int) -> tuple[int, int]:
    """Slots [begin, end) of the sampled frames as native frames: a sampled frame speaks up to the next one.

    frame int64 [T] native indices; end is the native end of the segment (exclusive).
    """
    stop = int(frame[end_slot]) if end_slot < len(frame) else max(int(end), int(frame[-1]) + 1)
    return int(frame[begin_slot]), stop
