"""From posteriors to an answer: which tube each entity is, and the span of time."""

from __future__ import annotations

import numpy as np

_RUNS = 512  # likeliest runs that the choice of one is made among


def best_run(log_run: np.ndarray, brevity: float = 0.0) -> tuple[int, int]:
    """The run of frames [begin, end) of greatest expected temporal IoU under q(b, e); never empty.

    log_run float [T + 1, T + 1], T >= 1, log q(b, e) by begin and end; what is no run counts nothing. Expected IoU
    is what m_tIoU measures: the likeliest run is too short where the posterior is wide. Of equals the first wins.
    brevity: nat that a run of all T frames loses, shorter ones in proportion; chosen on validation, because q(y)
    learnt without spans is wider than they are.
    """
    T = len(log_run) - 1
    begin, end = np.triu_indices(T + 1, 1)
    log_q = np.asarray(log_run, np.float64)[begin, end] - brevity * (end - begin) / T
    kept = np.sort(np.argsort(-log_q, kind="stable")[:_RUNS])
    begin, end, q = begin[kept], end[kept], np.exp(log_q[kept] - log_q.max())
    both = np.minimum(end[:, None], end) - np.maximum(begin[:, None], begin)
    either = np.maximum(end[:, None], end) - np.minimum(begin[:, None], begin)
    best = int(np.argmax((np.clip(both, 0, None) / either) @ q))
    return int(begin[best]), int(end[best])


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
