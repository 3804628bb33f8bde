"""Predictions of other programs that most likely mean something else than pixels xyxy and native frames.

Nothing is changed on a guess: what is seen is told with its count, before the scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vcma.boxes import area, pairwise_iou
from vcma.evaluation.metrics import temporal_iou
from vcma.records.columns import Columns
from vcma.records.predicted_tubes import PredictedTubes, frame_key

_BETTER = 2.0  # times as much overlap with the truth make another reading the likelier one
_ENOUGH = 0.1  # mean IoU of a reading that means anything


@dataclass(frozen=True)
class _Matched:
    """The predictions of known samples beside their truth.

    row int64 [n]: of each predicted sample, its row in the truth; box [k, 4], those of them; owner int64 [k]: each
    box's row in the truth; frame int64 [k]; span int64 [n, 2].
    """

    row: np.ndarray
    span: np.ndarray
    box: np.ndarray
    owner: np.ndarray
    frame: np.ndarray


def doubts(truth: Columns, predictions: PredictedTubes) -> Iterator[str]:
    """In words, with counts, what of the predictions is most likely not what it is read as."""
    found = _matched(truth, predictions)
    if not len(found.row):
        return
    yield from _box_doubts(truth, found)
    yield from _span_doubts(truth, found)


def _matched(truth: Columns, predictions: PredictedTubes) -> _Matched:
    place = {name: i for i, name in enumerate(truth["sample"].tolist())}
    row = np.array([place.get(name, -1) for name in predictions.sample.tolist()], np.int64)
    owner = np.repeat(row, np.diff(predictions.box_offset))
    kept, known = owner >= 0, row >= 0
    return _Matched(
        row[known], predictions.span[known], predictions.box[kept], owner[kept], predictions.box_frame[kept]
    )


def _box_doubts(truth: Columns, found: _Matched) -> Iterator[str]:
    box, n = found.box.astype(np.float64), len(found.box)
    if not n:
        return
    size = np.stack([truth["width"], truth["height"]], axis=1)[found.owner].astype(np.float64)
    if (box >= 0).all() and (box <= 1).all():
        yield f"all {n:,} predicted boxes lie between 0 and 1: most likely shares of the picture, not pixels"
        return
    empty, outside = area(box) == 0, (size > 0).all(1) & ((box[:, :2] >= size).any(1) | (box[:, 2:] <= 0).any(1))
    if _likelier(*_overlaps(truth, found, _from_xywh(box))):
        yield (
            f"{n:,} predicted boxes, {int(empty.sum()):,} of them empty, meet the truth far better when they are "
            "read as [x, y, width, height], most likely what they are; [x1, y1, x2, y2] is expected"
        )
    elif empty.any():
        yield (
            f"{int(empty.sum()):,} of {n:,} predicted boxes are empty, most likely [x, y, width, height]; "
            "[x1, y1, x2, y2] with x1 < x2 and y1 < y2 is expected"
        )
    if outside.any():
        yield (
            f"{int(outside.sum()):,} of {n:,} predicted boxes lie wholly outside the picture, most likely pixels "
            "of another picture size; those of the original video are expected"
        )


def _span_doubts(truth: Columns, found: _Matched) -> Iterator[str]:
    n, fps = len(found.row), truth["fps"][found.row]
    true = truth["span_begin"][found.row], truth["span_end"][found.row]
    as_frames = temporal_iou(*true, found.span)
    as_seconds = temporal_iou(*true, (found.span * fps[:, None]).round().astype(np.int64))
    if _likelier(as_frames.mean(), as_seconds.mean()):
        yield (
            f"{n:,} predicted spans meet the truth far better when they are read as seconds, most likely what they "
            "are; native frames are expected"
        )
    frames = truth["frame_count"][found.row]
    beyond = (frames > 0) & (found.span[:, 1] > frames)
    if beyond.any():
        yield (
            f"{int(beyond.sum()):,} of {n:,} predicted spans end beyond their video, most likely frames of another "
            "frame rate, or milliseconds; native frames are expected"
        )


def _from_xywh(box: np.ndarray) -> np.ndarray:
    return np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1)


def _overlaps(truth: Columns, found: _Matched, other: np.ndarray) -> tuple[float, float]:
    """Mean IoU with the true boxes of their frames of the boxes as they are, and of another reading of them."""
    key = frame_key(np.repeat(np.arange(len(truth["sample"])), np.diff(truth["box_offset"])), truth["box_frame"])
    wanted = frame_key(found.owner, found.frame)
    at = np.searchsorted(key, wanted).clip(0, max(len(key) - 1, 0))
    shared = key[at] == wanted if len(key) else np.zeros(len(wanted), bool)
    if not shared.any():
        return 0.0, 0.0
    true = truth["box"][at[shared]].astype(np.float64)
    return tuple(float(pairwise_iou(box[shared], true).mean()) for box in (found.box.astype(np.float64), other))  # type: ignore[return-value]


def _likelier(given: float, other: float) -> bool:
    """Whether another reading meets the truth so much better that it is most likely what was meant."""
    return bool(other > _ENOUGH and other > _BETTER * given)
