"""From posteriors to predictions: one answer a sentence, in native frames and pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vcma.clip import Clip
from vcma.corpus import Sentence
from vcma.decode import assign, best_run, native_span
from vcma.metrics import Predictions
from vcma.references import tube_boxes


@dataclass(frozen=True)
class Answer:
    """Where a sentence is: a tube of its video (-1: it has none) over native frames [begin, end)."""

    sample: str
    tube: int
    begin: int
    end: int


@dataclass(frozen=True)
class Prediction:
    """An answer with the posteriors it was read from.

    entity_tube int64 [M]; candidate int64 [N], the tubes that were considered; posterior float32 [M, N]; moment
    int64 [T] native frames and moment_prob float32 [T]; evidence float32 [relations, T] in nat.
    """

    answer: Answer
    video: str
    flags: tuple[str, ...]
    target: int
    entity_tube: np.ndarray
    candidate: np.ndarray
    posterior: np.ndarray
    moment: np.ndarray
    moment_prob: np.ndarray
    evidence: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))


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


def boxes_of(
    answers: Sequence[Answer], tubes_of: Callable[[str], dict[str, Any] | None], video: dict[str, str]
) -> Predictions:
    """Answers with their boxes over their spans, as the metrics take them; video names each sample's video."""
    frames, boxes = [np.zeros(0, np.int64)], [np.zeros((0, 4), np.float32)]
    for answer in answers:
        tubes = tubes_of(video[answer.sample]) if answer.tube >= 0 else None
        frame = np.arange(answer.begin, answer.end) if tubes is not None else frames[0]
        frames.append(frame)
        boxes.append(boxes[0] if tubes is None else tube_boxes(tubes, answer.tube, frame).astype(np.float32))
    return Predictions(
        sample=np.array([a.sample for a in answers], dtype=object),
        span=np.array([(a.begin, a.end) for a in answers], np.int64).reshape(-1, 2),
        box_offset=np.cumsum([0, *map(len, frames[1:])]).astype(np.int64),
        box_frame=np.concatenate(frames),
        box=np.concatenate(boxes),
    )


def prediction_columns(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """The PREDICTIONS columns."""

    def text(values: Iterable[str]) -> np.ndarray:
        return np.array(list(values), dtype=object)

    def flat(arrays: Iterable[np.ndarray], dtype: type) -> np.ndarray:
        return np.concatenate([np.zeros(0, dtype), *(np.ravel(a) for a in arrays)]).astype(dtype)

    def offset(counts: Iterable[int]) -> np.ndarray:
        return np.cumsum([0, *counts]).astype(np.int64)

    targets = [p.posterior[p.target] if p.posterior.size else np.zeros(0) for p in predictions]
    chosen = [p.candidate == p.answer.tube for p in predictions]
    return {
        "sample": text(p.answer.sample for p in predictions),
        "video": text(p.video for p in predictions),
        "span_begin": np.array([p.answer.begin for p in predictions], np.int64),
        "span_end": np.array([p.answer.end for p in predictions], np.int64),
        "tube": np.array([p.answer.tube for p in predictions], np.int64),
        "probability": np.array([t[c].sum() for t, c in zip(targets, chosen, strict=True)], np.float32),
        "entropy": np.array([-(t * np.log(np.maximum(t, 1e-12))).sum() for t in targets], np.float32),
        "flags": text(" ".join(p.flags) for p in predictions),
        "entity_offset": offset(len(p.entity_tube) for p in predictions),
        "entity_tube": flat((p.entity_tube for p in predictions), np.int64),
        "candidate_offset": offset(len(p.candidate) for p in predictions for _ in p.entity_tube),
        "candidate": flat((p.candidate for p in predictions for _ in p.entity_tube), np.int64),
        "candidate_prob": flat((p.posterior for p in predictions), np.float32),
        "moment_offset": offset(len(p.moment) for p in predictions),
        "moment": flat((p.moment for p in predictions), np.int64),
        "moment_prob": flat((p.moment_prob for p in predictions), np.float32),
        "relation_offset": offset(len(p.evidence) for p in predictions),
        "evidence_offset": offset(len(row) for p in predictions for row in p.evidence),
        "evidence": flat((p.evidence for p in predictions), np.float32),
    }


def reference_columns(methods: dict[str, Sequence[Answer]]) -> dict[str, Any]:
    """The REFERENCES columns."""
    rows = [(method, answer) for method, answers in methods.items() for answer in answers]
    return {
        "method": np.array([m for m, _ in rows], dtype=object),
        "sample": np.array([a.sample for _, a in rows], dtype=object),
        "span_begin": np.array([a.begin for _, a in rows], np.int64),
        "span_end": np.array([a.end for _, a in rows], np.int64),
        "tube": np.array([a.tube for _, a in rows], np.int64),
    }


def answers_of(columns: dict[str, Any], rows: Iterable[int]) -> list[Answer]:
    """Rows of the PREDICTIONS or REFERENCES columns as answers."""
    return [
        Answer(
            columns["sample"][i],
            int(columns["tube"][i]),
            int(columns["span_begin"][i]),
            int(columns["span_end"][i]),
        )
        for i in rows
    ]


def exported(answers: Iterable[Answer], segments: dict[str, tuple[int, int]], tubes: dict[str, Any]) -> Iterator:
    """(sample, {"span": [begin, end), "boxes": {frame: box}}) of one video's answers: the exchange format.

    Boxes stand for every native frame of the sample's segment and of its span.
    """
    for answer in answers:
        begin, end = segments[answer.sample]
        frames = np.arange(min(begin, answer.begin), max(end, answer.end)) if answer.tube >= 0 else np.zeros(0, int)
        boxes = np.round(tube_boxes(tubes, answer.tube, frames), 1) if len(frames) else np.zeros((0, 4))
        listed = {str(f): box for f, box in zip(frames.tolist(), boxes.tolist(), strict=True)}
        yield answer.sample, {"span": [answer.begin, answer.end], "boxes": listed}
