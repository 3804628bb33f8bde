"""From posteriors to an answer: which tube each entity is, and the span of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def best_span(log_odds: np.ndarray) -> tuple[int, int]:
    """The contiguous interval [begin, end) of greatest summed log-odds, never empty; float [T], T >= 1.

    If no frame speaks for it, it is the best single frame. Of equals the one that ends first wins.
    """
    total = np.concatenate([[0.0], np.cumsum(np.asarray(log_odds, dtype=np.float64))])
    lowest = np.minimum.accumulate(total[:-1])
    end = int(np.argmax(total[1:] - lowest)) + 1
    begin = int(np.argmin(total[:end]))
    return begin, end


@dataclass(frozen=True)
class TimePrior:
    """Where in a segment spans tend to lie: weight (nat) for the frames in a window of it.

    window: begin and end as shares of the segment. Chosen on validation; without it nothing is known (weight 0).
    """

    window: tuple[float, float] = (0.0, 1.0)
    weight: float = 0.0

    def log_odds(self, frames: int) -> np.ndarray:
        """What it adds to the log-odds of each of `frames` sampled frames: float64 [frames]."""
        middle = (np.arange(frames) + 0.5) / max(frames, 1)
        inside = (middle >= self.window[0]) & (middle < self.window[1])
        return np.where(inside, self.weight, -self.weight)


def assign(log_posterior: np.ndarray) -> np.ndarray:
    """One tube an entity, no tube twice while tubes last: the joint choice of greatest summed log-posterior.

    log_posterior float [M, N], -inf for tubes that are no candidates; returns int64 [M]. With more entities than
    tubes the rest take their own best tube; -1 where an entity has no candidate at all.
    """
    from scipy.optimize import linear_sum_assignment  # half a second to import, which --help need not wait for

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
