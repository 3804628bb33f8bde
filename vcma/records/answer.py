"""Answers: the tube and span of a sentence with the posteriors behind them, as columns and as boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vcma.records.columns import offsets
from vcma.records.predicted_tubes import PredictedTubes
from vcma.records.tubes import Tubes


@dataclass(frozen=True)
class Answer:
    """Answer to a sentence: a tube of its video (-1: the video has none) over native frames [begin, end)."""

    sample: str
    tube: int
    begin: int
    end: int


@dataclass(frozen=True)
class Prediction:
    """An answer with the posteriors it was decoded from.

    entity_tube int64 [M], the most probable tube of each entity; candidate int64 [N], the tubes considered;
    posterior float32 [M, N]; moment int64 [T], native frames, and moment_prob float32 [T]; evidence float32
    [relations, T] in nats. flags: doubts about the answer. absent: probability that no object in the video matches
    the sentence, -1 if it cannot be estimated. interpolated: share of the answer's sampled frames whose box is
    interpolated rather than detected.
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
    absent: float = -1.0
    interpolated: float = 0.0


def boxes_of(
    answers: Sequence[Answer], tubes_of: Callable[[str], Tubes | None], video: dict[str, str]
) -> PredictedTubes:
    """Return answers with their boxes over their spans, for scoring. video: sample id -> video id."""
    frames, boxes = [np.zeros(0, np.int64)], [np.zeros((0, 4), np.float32)]
    for answer in answers:
        tubes = tubes_of(video[answer.sample]) if answer.tube >= 0 else None
        frame = np.arange(answer.begin, answer.end) if tubes is not None else frames[0]
        frames.append(frame)
        boxes.append(boxes[0] if tubes is None else tubes.boxes_at(answer.tube, frame).astype(np.float32))
    return PredictedTubes(
        sample=np.array([a.sample for a in answers], dtype=object),
        span=np.array([(a.begin, a.end) for a in answers], np.int64).reshape(-1, 2),
        box_offset=offsets(map(len, frames[1:])),
        box_frame=np.concatenate(frames),
        box=np.concatenate(boxes),
    )


def prediction_columns(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Return the PREDICTIONS columns."""

    def text(values: Iterable[str]) -> np.ndarray:
        return np.array(list(values), dtype=object)

    def flat(arrays: Iterable[np.ndarray], dtype: type) -> np.ndarray:
        return np.concatenate([np.zeros(0, dtype), *(np.ravel(a) for a in arrays)]).astype(dtype)

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
        "absent": np.array([p.absent for p in predictions], np.float32),
        "interpolated": np.array([p.interpolated for p in predictions], np.float32),
        "entity_offset": offsets(len(p.entity_tube) for p in predictions),
        "entity_tube": flat((p.entity_tube for p in predictions), np.int64),
        "candidate_offset": offsets(len(p.candidate) for p in predictions for _ in p.entity_tube),
        "candidate": flat((p.candidate for p in predictions for _ in p.entity_tube), np.int64),
        "candidate_prob": flat((p.posterior for p in predictions), np.float32),
        "moment_offset": offsets(len(p.moment) for p in predictions),
        "moment": flat((p.moment for p in predictions), np.int64),
        "moment_prob": flat((p.moment_prob for p in predictions), np.float32),
        "relation_offset": offsets(len(p.evidence) for p in predictions),
        "evidence_offset": offsets(len(row) for p in predictions for row in p.evidence),
        "evidence": flat((p.evidence for p in predictions), np.float32),
    }


def reference_columns(methods: dict[str, Sequence[Answer]]) -> dict[str, Any]:
    """Return the REFERENCES columns."""
    rows = [(method, answer) for method, answers in methods.items() for answer in answers]
    return {
        "method": np.array([m for m, _ in rows], dtype=object),
        "sample": np.array([a.sample for _, a in rows], dtype=object),
        "span_begin": np.array([a.begin for _, a in rows], np.int64),
        "span_end": np.array([a.end for _, a in rows], np.int64),
        "tube": np.array([a.tube for _, a in rows], np.int64),
    }


def answers_of(columns: dict[str, Any], rows: Iterable[int]) -> list[Answer]:
    """Return rows of the PREDICTIONS or REFERENCES columns as answers."""
    return [
        Answer(
            columns["sample"][i],
            int(columns["tube"][i]),
            int(columns["span_begin"][i]),
            int(columns["span_end"][i]),
        )
        for i in rows
    ]


def doubts_json(prediction: Prediction) -> dict[str, Any]:
    """Return the optional keys of the exchange format: doubts, share of interpolated boxes, and absence."""
    doubts: dict[str, Any] = {"doubts": list(prediction.flags), "interpolated": round(prediction.interpolated, 3)}
    return doubts | ({"absent": round(prediction.absent, 4)} if prediction.absent >= 0 else {})


def exported(answers: Iterable[Answer], segments: dict[str, tuple[int, int]], tubes: Tubes | None) -> Iterator:
    """Yield (sample, {"span": [begin, end), "boxes": {frame: box}}), the exchange format, for one video's answers.

    segments: sample -> its searched native frames [begin, end). There is a box for every native frame of the
    segment and the span.
    """
    for answer in answers:
        begin, end = segments[answer.sample]
        listed = {}
        if answer.tube >= 0 and tubes is not None:
            frames = np.arange(min(begin, answer.begin), max(end, answer.end))
            boxes = np.round(tubes.boxes_at(answer.tube, frames), 1)
            listed = {str(f): box for f, box in zip(frames.tolist(), boxes.tolist(), strict=True)}
        yield answer.sample, {"span": [answer.begin, answer.end], "boxes": listed}
