"""Warnings about predictions that are probably not in xyxy pixels and native frames.

Predictions are never converted on a guess; each warning states a count and is printed before the scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vcma.boxes import area, pairwise_iou
from vcma.evaluation.metrics import temporal_iou
from vcma.records.columns import Columns
from vcma.records.predicted_tubes import PredictedTubes, frame_key

_BETTER = 2.0  # factor of IoU with the ground truth from which the other convention is the more likely one
_ENOUGH = 0.1  # minimum mean IoU under the other convention


@dataclass(frozen=True)
class _Matched:
    """Predictions matched to samples of the ground truth.

    row int64 [n], of each predicted sample in the ground truth; span int64 [n, 2]; box [k, 4]; owner int64 [k], row
    of each box's sample in the ground truth; frame int64 [k].
    """

    row: np.ndarray
    span: np.ndarray
    box: np.ndarray
    owner: np.ndarray
    frame: np.ndarray


def doubts(truth: Columns, predictions: PredictedTubes) -> Iterator[str]:
    """Yield warnings with counts about predictions that probably follow another convention."""
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
        yield f"all {n:,} predicted boxes are between 0 and 1: probably relative coordinates, not pixels"
        return
    empty, outside = area(box) == 0, (size > 0).all(1) & ((box[:, :2] >= size).any(1) | (box[:, 2:] <= 0).any(1))
    if _likelier(*_overlaps(truth, found, _from_xywh(box))):
        yield (
            f"{n:,} predicted boxes ({int(empty.sum()):,} empty) match the ground truth far better when read as "
            "[x, y, width, height]; [x1, y1, x2, y2] is expected"
        )
    elif empty.any():
        yield (
            f"{int(empty.sum()):,} of {n:,} predicted boxes are empty, probably [x, y, width, height]; "
            "[x1, y1, x2, y2] with x1 < x2 and y1 < y2 is expected"
        )
    if outside.any():
        yield (
            f"{int(outside.sum()):,} of {n:,} predicted boxes are entirely outside the frame, probably pixels of "
            "a resized video; pixels of the original video are expected"
        )


def _span_doubts(truth: Columns, found: _Matched) -> Iterator[str]:
    n, fps = len(found.row), truth["fps"][found.row]
    true = truth["span_begin"][found.row], truth["span_end"][found.row]
    as_frames = temporal_iou(*true, found.span)
    as_seconds = temporal_iou(*true, (found.span * fps[:, None]).round().astype(np.int64))
    if _likelier(as_frames.mean(), as_seconds.mean()):
        yield (
            f"{n:,} predicted spans match the ground truth far better when read as seconds; native frames are "
            "expected"
        )
    frames = truth["frame_count"][found.row]
    beyond = (frames > 0) & (found.span[:, 1] > frames)
    if beyond.any():
        yield (
            f"{int(beyond.sum()):,} of {n:,} predicted spans end after the end of the video, probably frames at "
            "another frame rate, or milliseconds; native frames are expected"
        )


def _from_xywh(box: np.ndarray) -> np.ndarray:
    return np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1)


def _overlaps(truth: Columns, found: _Matched, other: np.ndarray) -> tuple[float, float]:
    """Return the mean IoU with the true boxes of the same frames: of the boxes as given, and of `other`."""
    key = frame_key(np.repeat(np.arange(len(truth["sample"])), np.diff(truth["box_offset"])), truth["box_frame"])
    wanted = frame_key(found.owner, found.frame)
    at = np.searchsorted(key, wanted).clip(0, max(len(key) - 1, 0))
    shared = key[at] == wanted if len(key) else np.zeros(len(wanted), bool)
    if not shared.any():
        return 0.0, 0.0
    true = truth["box"][at[shared]].astype(np.float64)
    return tuple(float(pairwise_iou(box[shared], true).mean()) for box in (found.box.astype(np.float64), other))  # type: ignore[return-value]


def _likelier(given: float, other: float) -> bool:
    """Return whether the other convention matches the ground truth so much better that it is probably meant."""
    return bool(other > _ENOUGH and other > _BETTER * given)
