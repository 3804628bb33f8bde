"""Decoding of posteriors: the tube of each entity, and the temporal span."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from vcma.model.clip import Clip
from vcma.model.sentence_posteriors import SentencePosterior
from vcma.records.answer import Answer, Prediction
from vcma.records.sentence import Sentence
from vcma.records.tubes import frame_borders


@dataclass(frozen=True)
class Decoding:
    """Decoding parameters, tuned on the validation split.

    temperature: divisor of log_z for reported probabilities, since mean-field posteriors are overconfident; it does
    not change predictions. length_penalty: see `best_interval`.
    """

    temperature: float = 1.0
    length_penalty: float = 0.0


_UNTUNED = Decoding()


def best_interval(log_intervals: Float[np.ndarray, "B B"], length_penalty: float = 0.0) -> tuple[int, int]:
    """Return the interval of frames [begin, end) with the maximum expected temporal IoU under q(b, e); never empty.

    log_intervals: log q(b, e) by begin and end, for T >= 1 frames; entries with e <= b are ignored. m_tIoU measures
    the expected IoU; the most probable interval would be too short where the posterior is wide. Exact, O(T^3); ties
    go to the first interval. length_penalty: nats subtracted from log q for all T frames, proportionally less for
    shorter intervals. It is tuned on validation because q(y), learned without spans, is wider than the spans.
    """
    T = len(log_intervals) - 1
    border = np.arange(T + 1)
    length = border - border[:, None]
    log_q = np.where(length > 0, np.asarray(log_intervals, np.float64) - length_penalty * length / T, -np.inf)
    q = np.exp(log_q - log_q.max())
    expected = _expected_iou(q, np.maximum(length, 1))
    begin, end = np.unravel_index(np.argmax(np.where(length > 0, expected, -1)), q.shape)
    return int(begin), int(end)


def _expected_iou(q: Float[np.ndarray, "B B"], length: Int[np.ndarray, "B B"]) -> Float[np.ndarray, "B B"]:
    """Expected IoU of every interval (b, e) with intervals (b', e') of weight q(b', e'), which is 0 if e' <= b'.

    The IoU is the ratio of lengths if one interval contains the other, and (e' - b) / (e - b') for a partial
    overlap b' < b < e' < e. Meaningless where e <= b.
    """
    within = np.cumsum((q * length)[::-1].cumsum(0)[::-1], 1) / length
    around = np.cumsum((q / length).cumsum(0)[:, ::-1], 1)[:, ::-1] * length
    mirrored = q[::-1, ::-1].T  # time reversed
    return within + around - q + _earlier(q) + _earlier(mirrored)[::-1, ::-1].T


def _earlier(q: Float[np.ndarray, "B B"]) -> Float[np.ndarray, "B B"]:
    """Return the contribution of intervals b' < b < e' < e to the expected IoU of every (b, e).

    It is sum_b' (G(b', e - 1) - G(b', b)) / (e - b'), where G(b', x) sums q(b', e') (e' - b) over e' <= x.
    """
    border = np.arange(len(q))
    gap = border - border[:, None]
    share = np.where(gap > 0, 1 / np.maximum(gap, 1), 0)  # by b' and e
    mass, moment = q.cumsum(1), (q * border).cumsum(1)  # by b' and the maximum e'
    until_end = np.zeros((2, *q.shape))  # of G(b', e - 1) the moment and the mass, by b and e
    for total, counted in zip(until_end, (moment, mass), strict=True):
        total[1:, 1:] = (share[:-1, 1:] * counted[:-1, :-1]).cumsum(0)
    until_begin = np.where(gap > 0, moment - border * mass, 0)  # G(b', b), by b' and b
    return until_end[0] - border[:, None] * until_end[1] - until_begin.T @ share


def native_span(frame: Int[np.ndarray, " T"], end: int, begin_slot: int, end_slot: int) -> tuple[int, int]:
    """Convert an interval [begin_slot, end_slot) of sampled frames to native frames; see `frame_borders`.

    frame: native indices of the sampled frames. end: native end of the segment (exclusive).
    """
    border = frame_borders(frame, int(end))
    return int(border[begin_slot]), int(border[end_slot])


def predict(
    sentence: Sentence, clip: Clip, posterior: SentencePosterior, decoding: Decoding = _UNTUNED
) -> Prediction:
    """Decode one sentence's posterior over its clip."""
    begin, end = best_interval(posterior.log_intervals, decoding.length_penalty)
    span = native_span(clip.frame, clip.end, begin, end)
    return Prediction(
        answer=Answer(sentence.sample, int(clip.tube[posterior.tube[sentence.target]]), *span),
        video=sentence.video,
        flags=() if sentence.relations else ("no_relation",),
        target=sentence.target,
        entity_tube=clip.tube[posterior.tube],
        candidate=clip.tube,
        posterior=tempered(posterior.log_z, decoding.temperature).astype(np.float32),
        moment=clip.frame,
        moment_prob=posterior.y.astype(np.float32),
        evidence=posterior.evidence.astype(np.float32),
    )


def tempered(log_z: Float[np.ndarray, "M N"], temperature: float) -> Float[np.ndarray, "M N"]:
    """Return probabilities proportional to exp(log_z / temperature)."""
    score = (log_z - log_z.max(axis=1, keepdims=True)) / temperature
    p = np.exp(score)
    return p / p.sum(axis=1, keepdims=True)


def fallback(sentence: Sentence, frame: Int[np.ndarray, " T"]) -> Prediction:
    """Return the flagged prediction for a video without tubes: the whole segment, no boxes; frame may be empty."""
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


def windowed(
    sentence: Sentence, clip: Clip, log_z: Float[np.ndarray, "M N"], window: tuple[float, float]
) -> Answer:
    """Return the most probable tube over a fixed temporal window, given as shares of the segment."""
    first, length = int(clip.frame[0]), max(clip.end - int(clip.frame[0]), 1)
    begin = first + int(window[0] * length)
    end = max(begin + 1, first + round(window[1] * length))
    return Answer(sentence.sample, int(clip.tube[log_z[sentence.target].argmax()]), begin, end)


WINDOWS = tuple((a / 10, b / 10) for a in range(10) for b in range(a + 2, 11))  # candidates in tuning
