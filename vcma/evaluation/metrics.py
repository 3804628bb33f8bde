"""Temporal and spatio-temporal IoU by the published protocols, with bootstrap intervals. NumPy only.

tIoU is the IoU of half-open spans. vIoU is the sum of box IoU over the counted frames in both spans, divided by the
number of counted frames in their union (at least 1). Recall thresholds are strict: vIoU@0.3 is the share of samples
with vIoU > 0.3. The protocol decides which frames count (`vcma.evaluation.protocols`). If the evaluated program
predicts a box for every n-th frame only, protocols that count every frame interpolate linearly between them.
A true box without a predicted one has IoU 0; a sample without a prediction scores 0 in every metric. Both are
counted and reported. Ground truth is given as the columns of the `truth` artifact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vcma.boxes import pairwise_iou
from vcma.errors import InputError
from vcma.evaluation.bootstrap import means_with_intervals
from vcma.evaluation.protocols import View, view_of
from vcma.records.columns import Columns
from vcma.records.predicted_tubes import FRAME_LIMIT, PredictedTubes, frame_key

METRICS = ("m_tIoU", "m_vIoU", "vIoU@0.3", "vIoU@0.5")
_BLOCK = 1 << 17  # boxes per block, so that a block fits the processor's caches


@dataclass(frozen=True)
class Scores:
    """Scores per sample of the ground truth.

    tiou and viou float64 [sample] (viou NaN without true boxes); missing bool [sample], no prediction;
    missing_boxes int64 [sample], counted true boxes in frames without a predicted box.
    """

    tiou: np.ndarray
    viou: np.ndarray
    missing: np.ndarray
    missing_boxes: np.ndarray

    @property
    def table(self) -> np.ndarray:
        """float64 [sample, metric], one column per metric of METRICS; NaN where unavailable."""
        recall = [np.where(np.isnan(self.viou), np.nan, self.viou > at) for at in (0.3, 0.5)]
        return np.stack([self.tiou, self.viou, *recall], axis=1)


def score(truth: Columns, predictions: PredictedTubes, protocol: str) -> Scores:
    """Score every sample of the ground truth.

    Raises InputError for an unknown protocol, or if no prediction is for a sample of the ground truth.
    """
    view = view_of(truth, protocol)
    row = _prediction_rows(truth["sample"], predictions)
    span = np.zeros((len(row), 2), np.int64)
    span[row >= 0] = predictions.span[row[row >= 0]]
    tiou = np.where(row >= 0, temporal_iou(view.begin, view.end, span), 0.0)
    overlap, missing_boxes = _overlap(truth, predictions, view, row, span)
    boxed = np.diff(truth["box_offset"]) > 0
    viou = np.where(boxed, overlap / np.maximum(_union(view, span), 1), np.nan)
    return Scores(tiou, viou, row < 0, missing_boxes)


def evaluate(truth: Columns, predictions: PredictedTubes, protocol: str, *, seed: int = 0) -> dict[str, dict]:
    """Return means by query type with 95 % intervals, bootstrapped over videos.

    The result is {query type: {n, missing, missing_boxes, and for each of METRICS {value, low, high}}}. Values of
    spatial metrics are None without true boxes; low and high are None for a single video.
    """
    scores = score(truth, predictions, protocol)
    result = {}
    for query_type, rows in _rows_by_query_type(truth):
        counts = {
            "n": int(rows.sum()),
            "missing": int(scores.missing[rows].sum()),
            "missing_boxes": int(scores.missing_boxes[rows].sum()),
        }
        result[query_type] = counts | _means(scores.table[rows], truth["video"][rows], seed)
    return result


def headline(scores: Scores) -> dict[str, float]:
    """Return the mean of each of METRICS over all samples of all query types, without unavailable metrics."""
    columns = zip(METRICS, scores.table.T, strict=True)
    return {metric: float(np.nanmean(values)) for metric, values in columns if not np.isnan(values).all()}


def compare(
    truth: Columns, predictions: PredictedTubes, other: PredictedTubes, protocol: str, *, seed: int = 0
) -> dict[str, dict]:
    """Return paired differences, `predictions` minus `other`, in the form of `evaluate`, with `n` as only count."""
    difference = score(truth, predictions, protocol).table - score(truth, other, protocol).table
    return {
        query_type: {"n": int(rows.sum())} | _means(difference[rows], truth["video"][rows], seed)
        for query_type, rows in _rows_by_query_type(truth)
    }


def temporal_iou(begin: np.ndarray, end: np.ndarray, span: np.ndarray) -> np.ndarray:
    """Return the IoU [n] of the half-open spans [begin, end) and span [n, 2]; 0 where they are disjoint."""
    shared = np.maximum(np.minimum(end, span[:, 1]) - np.maximum(begin, span[:, 0]), 0)
    union = (end - begin) + (span[:, 1] - span[:, 0]) - shared
    return np.divide(shared, union, out=np.zeros(len(shared)), where=shared > 0)


def _rows_by_query_type(truth: Columns) -> list[tuple[str, np.ndarray]]:
    """Return (query type, mask bool [sample]) for each query type of the ground truth, sorted."""
    given = np.asarray(truth["query_type"], dtype=object)
    return [(str(name), given == name) for name in sorted(set(given.tolist()))]


def _means(table: np.ndarray, video: np.ndarray, seed: int) -> dict[str, dict]:
    """Return {metric: {value, low, high}} of a table [sample, metric], None for unavailable numbers."""
    estimates = zip(METRICS, means_with_intervals(table, video, seed), strict=True)
    return {
        metric: {name: None if np.isnan(number) else number for name, number in estimate._asdict().items()}
        for metric, estimate in estimates
    }


def _prediction_rows(sample: np.ndarray, predictions: PredictedTubes) -> np.ndarray:
    """Return the row of each sample's prediction, -1 if none; raises InputError if no prediction matches."""
    place = {name: i for i, name in enumerate(predictions.sample.tolist())}
    row = np.array([place.get(name, -1) for name in sample.tolist()], dtype=np.int64)
    if len(place) and len(row) and (row < 0).all():
        raise InputError(
            f"none of the {len(place)} predictions is for a sample of this split "
            f"(prediction '{next(iter(place))}', sample '{sample[0]}')",
            remedy="choose the data set and split that the predictions were made for",
        )
    return row


def _union(view: View, span: np.ndarray) -> np.ndarray:
    """Return the number of counted frames [sample] in the union of the two spans, any gap included."""
    low, high = np.minimum(view.begin, span[:, 0]), np.maximum(view.end, span[:, 1])
    if view.counted is None:
        return high - low
    sample = np.arange(len(low))
    before, within = (np.searchsorted(view.counted, frame_key(sample, frame)) for frame in (low, high))
    return within - before


def _overlap(
    truth: Columns, predictions: PredictedTubes, view: View, row: np.ndarray, span: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of box IoU over the counted frames in both spans, and the number of missing boxes."""
    n = len(row)
    owner = np.repeat(np.arange(n), np.diff(truth["box_offset"]))
    frame = truth["box_frame"] + view.late
    used = (row[owner] >= 0) & (frame >= view.begin[owner]) & (frame < view.end[owner])
    if view.counted is not None:
        used &= np.isin(frame_key(owner, frame), view.counted)
    total, missing, box_key = np.zeros(n), np.zeros(n, np.int64), predictions.box_key
    true_boxes = np.flatnonzero(used)
    for block in np.array_split(true_boxes, len(true_boxes) // _BLOCK + 1):
        sample, at = owner[block], frame[block]
        box, predicted = _boxes_at(predictions.box, box_key, row[sample], at, interpolate=view.counted is None)
        shared = predicted & (at >= span[sample, 0]) & (at < span[sample, 1])
        iou = np.where(shared, pairwise_iou(box, truth["box"][block].astype(np.float64)), 0.0)
        total += np.bincount(sample, iou, n)
        missing += np.bincount(sample[~predicted], minlength=n)
    return total, missing


def _boxes_at(
    box: np.ndarray, box_key: np.ndarray, row: np.ndarray, frame: np.ndarray, interpolate: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return predicted boxes float64 [n, 4] of rows [n] at frames [n], and bool [n] where there is one.

    If interpolate, boxes between two predicted ones of a sample are interpolated linearly. box [box, 4] and
    box_key [box]: those of PredictedTubes.
    """
    if not len(box):
        return np.zeros((len(row), 4)), np.zeros(len(row), bool)
    wanted = frame_key(row, frame)
    right = np.minimum(np.searchsorted(box_key, wanted), len(box_key) - 1)
    exact = box_key[right] == wanted
    left = np.where(exact, right, np.maximum(right - 1, 0))
    between = (box_key[left] // FRAME_LIMIT == row) & (box_key[left] < wanted)
    between &= (box_key[right] // FRAME_LIMIT == row) & (box_key[right] > wanted)
    step = np.where(between, box_key[right] - box_key[left], 1)
    part = np.where(between, wanted - box_key[left], 0)[:, None] / step[:, None]
    return box[left] * (1 - part) + box[right] * part, (exact | between) if interpolate else exact
