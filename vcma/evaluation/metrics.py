"""Temporal and spatio-temporal IoU by the published protocols, with bootstrapped intervals. NumPy only.

tIoU is taken on half-open spans. vIoU is the sum of box IoU over the counted frames in both spans, divided by the
number of counted frames in their union (at least 1). Recalls are strict: vIoU@0.3 is the share of samples with
vIoU > 0.3. What the protocols disagree on is which frames count and what the annotation's numbers mean:

- `tubedetr` (Yang et al., CVPR 2022) counts only the frames its model samples, and takes HC-STVG's 1-based
  st_frame as 0-based, so that its truth is one frame late.
- `stcat` (Jin et al., NeurIPS 2022; also CG-STVG and TA-STVG) counts every frame, and takes an inclusive last
  frame as if it were exclusive: HC-STVG's truth loses its last frame, VidSTG's only where it reaches the
  segment's end. (Its boxes go up to that last frame, which no intersection contains.)
- `official` (HC-STVG's own evaluator) counts every frame of the annotation as it is.

Where the evaluated program predicts a box for every n-th frame, the last two interpolate linearly between them.
A truth frame without a predicted box has IoU 0 and a sample without a prediction has 0 throughout; both are
counted. Truth is given as the columns of the `truth` artifact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from vcma.boxes import pairwise_iou
from vcma.errors import InputError
from vcma.records.answer import STRIDE, Predictions
from vcma.records.columns import Columns

METRICS = ("m_tIoU", "m_vIoU", "vIoU@0.3", "vIoU@0.5")
RATE = 5.0  # frames a second that TubeDETR samples
MOST_FRAMES = 200  # of one sample
_PIECE = 1 << 17  # boxes compared at once: what fits the processor's caches


@dataclass(frozen=True)
class View:
    """Truth as one protocol sees it.

    begin, end int64 [sample]: the span. late: frames by which its boxes are moved. counted: the keys
    (row * stride + frame) of the frames that count, increasing; None if every native frame does.
    """

    begin: np.ndarray
    end: np.ndarray
    late: int = 0
    counted: np.ndarray | None = None


@dataclass(frozen=True)
class Scores:
    """Per sample of the truth: tiou and viou float64 [sample] (viou NaN where truth has no boxes), missing bool
    [sample] (no prediction), missing_boxes int64 [sample] (counted truth frames without a predicted box)."""

    tiou: np.ndarray
    viou: np.ndarray
    missing: np.ndarray
    missing_boxes: np.ndarray

    @property
    def table(self) -> np.ndarray:
        """float64 [sample, metric], the columns of METRICS; NaN where unavailable."""
        recall = [np.where(np.isnan(self.viou), np.nan, self.viou > at) for at in (0.3, 0.5)]
        return np.stack([self.tiou, self.viou, *recall], axis=1)


def tubedetr(truth: Columns) -> View:
    """TubeDETR's view: sampled frames of [begin_fid, end_fid), whose end_fid is the segment's last frame."""
    late = int(_is_hcstvg(truth))
    frames = [
        row * STRIDE + sampled_frames(begin, end - 1, fps)
        for row, (begin, end, fps) in enumerate(
            zip(truth["segment_begin"], truth["segment_end"], truth["fps"], strict=True)
        )
    ]
    counted = np.concatenate([np.zeros(0, np.int64), *frames])
    return View(truth["span_begin"] + late, truth["span_end"] + late, late, counted)


def stcat(truth: Columns) -> View:
    """STCAT's view: every frame, the end at most the segment's last frame and taken as exclusive."""
    end = np.minimum(truth["span_end"] - int(_is_hcstvg(truth)), truth["segment_end"] - 1)
    return View(truth["span_begin"], end)


def official(truth: Columns) -> View:
    """HC-STVG's own view: every frame, the annotation as it is. Raises InputError for other data sets.

    Its union, max_end - min_start + 1 of inclusive spans, is the union of half-open ones wherever they meet.
    """
    if not _is_hcstvg(truth):
        raise InputError(
            f"the protocol 'official' is not defined for {truth['format']}", remedy="choose stcat or tubedetr"
        )
    return View(truth["span_begin"], truth["span_end"])


PROTOCOLS: Mapping[str, Callable[[Columns], View]] = {
    "tubedetr": tubedetr,
    "stcat": stcat,
    "official": official,
}


def protocols_for(truth: Columns) -> tuple[str, ...]:
    """The protocols defined for a data set, its default first."""
    return ("official", "stcat", "tubedetr") if _is_hcstvg(truth) else ("stcat", "tubedetr")


def sampled_frames(begin: int, end: int, fps: float) -> np.ndarray:
    """The frames TubeDETR samples of [begin, end), int64, increasing.

    The first, then each at which floor(frame * 5 / fps) grows; of n > 200 the j-th kept is number
    floor(j * n / 200).
    """
    frame = np.arange(begin, max(end, begin + 1), dtype=np.int64)
    # The order of the operations is TubeDETR's: a rounding error would move a frame.
    frame = frame[np.diff(np.floor(frame * (RATE / fps)), prepend=-1) > 0]
    if len(frame) > MOST_FRAMES:
        frame = frame[np.arange(MOST_FRAMES) * len(frame) // MOST_FRAMES]
    return frame


def temporal_iou(begin: np.ndarray, end: np.ndarray, span: np.ndarray) -> np.ndarray:
    """IoU [n] of the half-open spans [begin, end) and span [n, 2]; 0 where they do not meet."""
    shared = np.maximum(np.minimum(end, span[:, 1]) - np.maximum(begin, span[:, 0]), 0)
    union = (end - begin) + (span[:, 1] - span[:, 0]) - shared
    return np.divide(shared, union, out=np.zeros(len(shared)), where=shared > 0)


def score(truth: Columns, predictions: Predictions, protocol: str) -> Scores:
    """Score every sample of the truth; raises InputError for an unknown protocol or foreign predictions."""
    if protocol not in PROTOCOLS:
        raise InputError(f"no protocol '{protocol}'", remedy=f"choose one of {', '.join(PROTOCOLS)}")
    view = PROTOCOLS[protocol](truth)
    row = _rows(truth["sample"], predictions)
    span = np.zeros((len(row), 2), np.int64)
    span[row >= 0] = predictions.span[row[row >= 0]]
    tiou = np.where(row >= 0, temporal_iou(view.begin, view.end, span), 0.0)
    overlap, absent = _overlap(truth, predictions, view, row, span)
    boxed = np.diff(truth["box_offset"]) > 0
    viou = np.where(boxed, overlap / np.maximum(_union(view, span), 1), np.nan)
    return Scores(tiou, viou, row < 0, absent)


def evaluate(
    truth: Columns, predictions: Predictions, protocol: str, *, seed: int = 0, resamples: int = 1000
) -> dict[str, dict]:
    """Means by query type with bootstrapped 95 % intervals over videos.

    Returns {query type: {n, missing, missing_boxes, and for each of METRICS {value, low, high}}}; the values of
    spatial metrics are None where truth has no boxes, and low and high where there is a single video.
    """
    scores = score(truth, predictions, protocol)
    result = {}
    for name, mine in _query_types(truth):
        counts = {
            "n": int(mine.sum()),
            "missing": int(scores.missing[mine].sum()),
            "missing_boxes": int(scores.missing_boxes[mine].sum()),
        }
        result[name] = counts | _means(scores.table[mine], truth["video"][mine], seed, resamples)
    return result


def compare(
    truth: Columns,
    predictions: Predictions,
    other: Predictions,
    protocol: str,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> dict[str, dict]:
    """Paired differences, `predictions` minus `other`, shaped like `evaluate`'s result with n alone."""
    difference = score(truth, predictions, protocol).table - score(truth, other, protocol).table
    return {
        name: {"n": int(mine.sum())} | _means(difference[mine], truth["video"][mine], seed, resamples)
        for name, mine in _query_types(truth)
    }


def _is_hcstvg(truth: Columns) -> bool:
    return str(truth["format"]) == "hcstvg"


def _query_types(truth: Columns) -> Iterable[tuple[str, np.ndarray]]:
    kind = np.asarray(truth["query_type"], dtype=object)
    return [(str(name), kind == name) for name in sorted(set(kind.tolist()))]


def _rows(sample: np.ndarray, predictions: Predictions) -> np.ndarray:
    """Row [sample] of each sample's prediction, -1 if there is none; InputError if no prediction is of these."""
    place = {name: i for i, name in enumerate(predictions.sample.tolist())}
    row = np.array([place.get(name, -1) for name in sample.tolist()], dtype=np.int64)
    if len(place) and len(row) and (row < 0).all():
        raise InputError(
            f"none of the {len(place)} predictions is for a sample of this split, "
            f"e.g. '{next(iter(place))}' where '{sample[0]}' was expected",
            remedy="evaluate the data set and split they were made for",
        )
    return row


def _union(view: View, span: np.ndarray) -> np.ndarray:
    """Counted frames [sample] between the first begin and the last end of the two spans."""
    low, high = np.minimum(view.begin, span[:, 0]), np.maximum(view.end, span[:, 1])
    if view.counted is None:
        return high - low
    base = np.arange(len(low)) * STRIDE
    return np.searchsorted(view.counted, base + high) - np.searchsorted(view.counted, base + low)


def _overlap(
    truth: Columns, predictions: Predictions, view: View, row: np.ndarray, span: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum of box IoU over the counted frames of both spans, and counted truth frames without a predicted box."""
    n = len(row)
    owner = np.repeat(np.arange(n), np.diff(truth["box_offset"]))
    frame = truth["box_frame"] + view.late
    used = (row[owner] >= 0) & (frame >= view.begin[owner]) & (frame < view.end[owner])
    if view.counted is not None:
        used &= np.isin(owner * STRIDE + frame, view.counted)
    total, absent, key = np.zeros(n), np.zeros(n, np.int64), predictions.key
    pieces = np.flatnonzero(used)
    for piece in np.array_split(pieces, len(pieces) // _PIECE + 1):
        mine, at = owner[piece], frame[piece]
        box, known = _boxes_at(predictions.box, key, row[mine], at, interpolate=view.counted is None)
        shared = known & (at >= span[mine, 0]) & (at < span[mine, 1])
        iou = np.where(shared, pairwise_iou(box, truth["box"][piece].astype(np.float64)), 0.0)
        total += np.bincount(mine, iou, n)
        absent += np.bincount(mine[~known], minlength=n)
    return total, absent


def _boxes_at(
    box: np.ndarray, key: np.ndarray, row: np.ndarray, frame: np.ndarray, interpolate: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Predicted boxes float64 [n, 4] of rows [n] at frames [n], and where there is one; between two boxes of a
    sample linearly interpolated if asked for. box [box, 4] and key [box] are those of Predictions."""
    if not len(box):
        return np.zeros((len(row), 4)), np.zeros(len(row), bool)
    wanted = row * STRIDE + frame
    right = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    exact = key[right] == wanted
    left = np.where(exact, right, np.maximum(right - 1, 0))
    between = (key[left] // STRIDE == row) & (key[left] < wanted)
    between &= (key[right] // STRIDE == row) & (key[right] > wanted)
    step = np.where(between, key[right] - key[left], 1)
    part = np.where(between, wanted - key[left], 0)[:, None] / step[:, None]
    return box[left] * (1 - part) + box[right] * part, (exact | between) if interpolate else exact


def _means(table: np.ndarray, video: np.ndarray, seed: int, resamples: int) -> dict[str, dict]:
    """{metric: {value, low, high}} of a table [sample, metric]: means over samples, intervals over videos.

    Videos are drawn with replacement, all their samples with them, so that sentences of one video count as the
    dependent evidence they are.
    """
    name, group = np.unique(np.asarray(video, dtype=str), return_inverse=True)
    V = len(name)
    weight = np.random.default_rng(seed).multinomial(V, np.full(V, 1 / max(V, 1)), size=resamples)
    result = {}
    for metric, column in zip(METRICS, table.T, strict=True):
        known = ~np.isnan(column)
        total = np.bincount(group[known], column[known], V)
        count = np.bincount(group[known], minlength=V)
        result[metric] = _interval(total, count, weight)
    return result


def interval(values: np.ndarray, video: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Mean of values [sample] with its 95 % interval over videos, as `evaluate` has it; NaN values are left out.

    video: str [sample]. Raises ValueError if no value is known.
    """
    found = _means(np.repeat(np.asarray(values, float)[:, None], len(METRICS), 1), video, seed, 2000)[METRICS[0]]
    if found["value"] is None:
        raise ValueError("no value is known")
    low, high = (np.nan if found[k] is None else found[k] for k in ("low", "high"))
    return found["value"], low, high


def _interval(total: np.ndarray, count: np.ndarray, weight: np.ndarray) -> dict[str, float | None]:
    if not count.sum():
        return {"value": None, "low": None, "high": None}
    value = float(total.sum() / count.sum())
    if (count > 0).sum() < 2:
        return {"value": value, "low": None, "high": None}
    drawn = weight @ count
    low, high = np.percentile((weight @ total)[drawn > 0] / drawn[drawn > 0], [2.5, 97.5])
    return {"value": value, "low": float(low), "high": float(high)}
