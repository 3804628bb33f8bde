"""Conversion between predictions in the conventions of a file and predicted tubes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vcma.boxes import FAR
from vcma.conversion.conventions import Conventions, UnknownVideoError
from vcma.conversion.dropped import Dropped
from vcma.conversion.samples import Sample
from vcma.datasets.entries import Video
from vcma.errors import InputError
from vcma.records.columns import offsets, rows
from vcma.records.predicted_tubes import FRAME_LIMIT, PredictedTubes

# Returns the video of a sample, completed where its annotation lacks properties, if they are known.
VideoOf = Callable[[Sample], Video]
_SECONDS = "pass --times seconds if times are in seconds"


@dataclass(frozen=True)
class StatedAnswer:
    """A prediction in the conventions of its file: span (None: that of its boxes), and times [n] and boxes [n, 4]
    of its tube."""

    sample: Sample
    span: tuple[float, float] | None
    time: np.ndarray
    box: np.ndarray


def predicted_tubes(
    answers: Iterable[StatedAnswer], conventions: Conventions, video_of: VideoOf, dropped: Dropped, where: Path
) -> PredictedTubes:
    """Convert predictions to xyxy pixels and native frames; raises InputError that identifies an invalid sample."""
    names, spans, frames, boxes = [], [], [], []
    for answer in answers:
        try:
            video = _needed(answer.sample, conventions, video_of)
            frame, box = _tube(answer, conventions, video, dropped)
            span = _span(answer, frame, conventions, video)
        except UnknownVideoError as error:
            remedy = "put the video into the data set's video folder, or run python stages/extract_frames.py"
            raise InputError(f"sample '{answer.sample.id}': {error}", where, remedy) from None
        except ValueError as error:
            raise InputError(f"sample '{answer.sample.id}': {error}", where, _SECONDS) from None
        if span is None:
            dropped.add("samples without a usable span", answer.sample.id)
            continue
        names.append(answer.sample.id)
        spans.append(span)
        frames.append(frame)
        boxes.append(box)
    return PredictedTubes(
        np.array(names, dtype=object),
        np.array(spans, np.int64).reshape(-1, 2),
        offsets(map(len, frames)),
        np.concatenate([np.zeros(0, np.int64), *frames]),
        np.concatenate([np.zeros((0, 4)), *boxes]).astype(np.float32),
    )


def _needed(sample: Sample, conventions: Conventions, video_of: VideoOf) -> Video:
    """Return the sample's video, completed only if the conventions require it, as that may open a file."""
    return video_of(sample) if conventions.normalised or conventions.seconds else sample.video


def _tube(
    answer: StatedAnswer, conventions: Conventions, video: Video, dropped: Dropped
) -> tuple[np.ndarray, np.ndarray]:
    """Return native frames, ascending, and xyxy boxes, without invalid boxes and frames outside the video."""
    name = answer.sample.id
    box = conventions.to_corners(answer.box, video.width, video.height)
    frame = conventions.to_frames(answer.time, video.fps)
    kept = (np.abs(box) < FAR).all(axis=1)
    dropped.add("boxes that are not finite", name, int((~kept).sum()))
    inside = (frame >= 0) & (frame < (video.frames or FRAME_LIMIT))
    dropped.add("boxes in frames outside their video", name, int((kept & ~inside).sum()))
    kept &= inside
    frame, first = np.unique(frame[kept], return_index=True)
    dropped.add("second boxes for one frame", name, int(kept.sum()) - len(frame))
    return frame, box[kept][first]


def _span(
    answer: StatedAnswer, frame: np.ndarray, conventions: Conventions, video: Video
) -> tuple[int, int] | None:
    if answer.span is None:
        return (int(frame[0]), int(frame[-1]) + conventions.stride) if len(frame) else None
    begin, end = conventions.to_span(*answer.span, video.fps)
    return (begin, end) if 0 <= begin <= end < FRAME_LIMIT else None


def stated_answers(
    predictions: PredictedTubes,
    samples: dict[str, Sample],
    conventions: Conventions,
    video_of: VideoOf,
    dropped: Dropped,
) -> Iterator[StatedAnswer]:
    """Yield predictions of known samples in the conventions of a file; raises InputError."""
    for i, name in enumerate(predictions.sample.tolist()):
        sample = samples.get(name)
        if sample is None:
            dropped.add("predictions that match no sample of the split", name)
            continue
        points = rows(predictions.box_offset, i)
        begin, end = predictions.span[i].tolist()
        try:
            video = _needed(sample, conventions, video_of)
            yield StatedAnswer(
                sample,
                conventions.from_span(begin, end, video.fps),
                conventions.from_frames(predictions.box_frame[points], video.fps),
                conventions.from_corners(predictions.box[points], video.width, video.height),
            )
        except UnknownVideoError as error:
            raise InputError(f"sample '{name}': {error}", remedy="write pixels and frames") from None
