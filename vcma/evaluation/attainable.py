"""Ground truth that no prediction can match: boxes without area in the frame, spans that a protocol empties."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vcma.boxes import area
from vcma.evaluation.metrics import score
from vcma.evaluation.protocols import view_of
from vcma.records.columns import Columns
from vcma.records.predicted_tubes import PredictedTubes


def best_predictions(truth: Columns, protocol: str) -> PredictedTubes:
    """Return the ground truth as a protocol reads it, as predictions, with boxes clipped to the frame.

    Boxes of videos whose size is unknown (width or height 0) are not clipped.
    """
    view = view_of(truth, protocol)
    owner = np.repeat(np.arange(len(truth["sample"])), np.diff(truth["box_offset"]))
    size = np.stack([truth["width"], truth["height"]], axis=1).astype(np.float32)
    corner = np.where(size > 0, size, np.inf)[owner]
    known = np.tile(np.isfinite(corner), 2)
    box = np.where(known, np.clip(truth["box"], 0, np.tile(corner, 2)), truth["box"])
    span = np.stack([view.begin, np.maximum(view.begin, view.end)], axis=1)
    return PredictedTubes(truth["sample"], span, truth["box_offset"], truth["box_frame"] + view.late, box)


def unattainable(truth: Columns, protocol: str) -> Iterator[str]:
    """Yield warnings with counts: true boxes that no box overlaps, samples whose vIoU is 0 for any prediction."""
    best, n = best_predictions(truth, protocol), len(truth["sample"])
    empty = area(truth["box"]) == 0
    outside = (area(best.box) == 0) & ~empty
    if empty.any() or outside.any():
        counted = f"{int(empty.sum()):,} empty and {int(outside.sum()):,} outside the frame, of {len(empty):,}"
        yield f"true boxes that no prediction can overlap: {counted}"
    boxed = np.diff(truth["box_offset"]) > 0
    bare = int((truth["span_end"] - truth["span_begin"])[boxed].sum()) - len(empty)
    if bare > 0:
        yield f"frames of true spans without a true box: {bare:,}; their IoU is 0 in vIoU"
    scores = score(truth, best, protocol)
    timeless = scores.tiou == 0
    owner = np.repeat(np.arange(n), np.diff(truth["box_offset"]))
    usable = np.bincount(owner, ~empty & ~outside, n) > 0
    lost = boxed & (scores.viou == 0) & ~timeless
    why = {
        f"true span without a frame in {protocol}": timeless,
        "true boxes all empty or outside the frame": lost & ~usable,
        f"no true box in a frame that {protocol} counts": lost & usable,
    }
    counts = {reason: int(rows.sum()) for reason, rows in why.items() if rows.any()}
    if counts:
        listed = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
        yield f"samples whose vIoU is 0 for any prediction: {sum(counts.values()):,} of {n:,} ({listed})"
