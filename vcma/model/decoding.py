"""From posteriors to an answer: which tube each entity is, and the span of time."""

from __future__ import annotations

import numpy as np

from vcma.model.clip import Clip
from vcma.records.answer import Answer, Prediction
from vcma.records.sentence import Sentence

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


def predict(
    sentence: Sentence,
    clip: Clip,
    log_z: np.ndarray,
    y: np.ndarray,
    runs: np.ndarray,
    evidence: np.ndarray,
    temperature: float = 1.0,
    brevity: float = 0.0,
) -> Prediction:
    """Decode one sentence: log_z [M, N], q(y_t = 1) [T], log q(b, e) [T + 1, T + 1], evidence [relations, T] in
    em's order.

    temperature divides log_z for the probabilities that are told: fitted on validation, where mean-field posteriors
    are too sure. It changes no choice. brevity: see `best_run`.
    """
    posterior = tempered(log_z, temperature)
    entity = assign(log_z)
    begin, end = best_run(runs, brevity)
    span = native_span(clip.frame, clip.end, begin, end)
    flags = () if sentence.relations else ("no_relation",)
    return Prediction(
        answer=Answer(sentence.sample, int(clip.tube[entity[sentence.target]]), *span),
        video=sentence.video,
        flags=flags,
        target=sentence.target,
        entity_tube=clip.tube[entity],
        candidate=clip.tube,
        posterior=posterior.astype(np.float32),
        moment=clip.frame,
        moment_prob=y.astype(np.float32),
        evidence=evidence.astype(np.float32),
    )


def tempered(log_z: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities [M, N], proportional to exp(log_z / temperature)."""
    score = (log_z - log_z.max(axis=1, keepdims=True)) / temperature
    p = np.exp(score)
    return p / p.sum(axis=1, keepdims=True)


def fallback(sentence: Sentence, frame: np.ndarray) -> Prediction:
    """The flagged answer where a video has no tube: the whole segment and no box; frame [T] may be empty."""
    begin = sentence.begin
    last = int(frame[-1]) + 1 if len(frame) else begin + 1
    end = sentence.end if sentence.end > begin else max(last, begin + 1)
    M = len(sentence.heads)
    return Prediction(
        answer=Answer(sentence.sample, -1, begin, end),
        video=sentence.video,
        flags=("no_tube",),
        target=sentence.target,
        entity_tube=np.full(M, -1, np.int64),
        candidate=np.zeros(0, np.int64),
        posterior=np.zeros((M, 0), np.float32),
        moment=np.zeros(0, np.int64),
        moment_prob=np.zeros(0, np.float32),
        evidence=np.zeros((len(sentence.relations), 0), np.float32),
    )


def windowed(sentence: Sentence, clip: Clip, log_z: np.ndarray, window: tuple[float, float]) -> Answer:
    """An answer without any sense of time: the likeliest tube over a fixed window, as shares of the segment."""
    first, length = int(clip.frame[0]), max(clip.end - int(clip.frame[0]), 1)
    begin = first + int(window[0] * length)
    end = max(begin + 1, first + round(window[1] * length))
    return Answer(sentence.sample, int(clip.tube[log_z[sentence.target].argmax()]), begin, end)


WINDOWS = tuple((a / 10, b / 10) for a in range(10) for b in range(a + 2, 11))  # what a tuned window chooses from
