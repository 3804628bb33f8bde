"""Valid detections of a video, duplicates among them, and the similarity threshold of their appearance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vcma import boxes
from vcma.linking import blocks, constants
from vcma.linking.appearance import Appearance
from vcma.records.columns import Columns, offsets, ranges


@dataclass
class Detections:
    """The n valid detections of one video, sorted by frame, then by descending score.

    row [n]: row in the input columns. position [n]: row of the frame. time [n]: in steps from the first detection.
    centre, size [n, 2]: px. score [n]. appearance: embeddings. frame_offset [T + 1]: first detection of each frame.
    """

    row: np.ndarray
    position: np.ndarray
    time: np.ndarray
    centre: np.ndarray
    size: np.ndarray
    score: np.ndarray
    appearance: Appearance
    frame_offset: np.ndarray

    def select(self, keep: np.ndarray) -> Detections:
        """Return the detections in the mask keep [n]."""
        return Detections(
            row=self.row[keep],
            position=self.position[keep],
            time=self.time[keep],
            centre=self.centre[keep],
            size=self.size[keep],
            score=self.score[keep],
            appearance=self.appearance.select(keep),
            frame_offset=offsets(keep)[self.frame_offset],
        )

    def iou(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Return the IoU [e] of the detections i [e] with the detections j [e]."""
        return boxes.iou_of_centred(self.centre[i], self.size[i], self.centre[j], self.size[j])


def time_step(time: np.ndarray) -> float:
    """Return the median time between sampled frames, s; 1 if there is only one frame."""
    gaps = np.diff(time)
    gaps = gaps[gaps > 0]
    return float(np.median(gaps)) if len(gaps) else 1.0


def read_detections(data: Columns) -> Detections:
    """Read the valid detections from the PROPOSALS columns of one video.

    Boxes are clipped to the frame; boxes that are then empty, or not finite, are omitted. Scores that are not
    finite become 0.
    """
    box = boxes.clip(np.asarray(data["box"], np.float32), float(data["width"]), float(data["height"]))
    row = np.flatnonzero(boxes.area(box) > 0)
    position = np.repeat(np.arange(len(data["frame"])), np.diff(data["box_offset"]))
    score = np.nan_to_num(np.asarray(data["score"], np.float32), nan=0, posinf=0, neginf=0)
    row = row[_canonical_order(data, position[row], score[row], box[row], row)]
    box, position = box[row], position[row]
    time = (np.asarray(data["time"], np.float64) / time_step(data["time"]))[position]
    centred = len(row) >= constants.MIN_CENTRING_DENSITY * len(np.unique(position))
    return Detections(
        row=row,
        position=position,
        time=(time - time[:1]).astype(np.float32),
        centre=(box[:, :2] + box[:, 2:]) / 2,
        size=box[:, 2:] - box[:, :2],
        score=score[row],
        appearance=Appearance.read(data["feature"], data["class_prob"], row, centred),
        frame_offset=np.searchsorted(position, np.arange(len(data["frame"]) + 1)),
    )


def _canonical_order(
    data: Columns, position: np.ndarray, score: np.ndarray, box: np.ndarray, row: np.ndarray
) -> np.ndarray:
    """Canonical order, independent of the input order: by frame, descending score, box and the other columns."""
    keys = (*box.T[::-1], -score, position)
    order = np.lexsort(keys)
    tied = np.logical_and.reduce([key[order[1:]] == key[order[:-1]] for key in keys])
    if tied.any():
        rest = [np.asarray(data[name], np.float32)[row] for name in ("feature", "class_prob", "attribute_prob")]
        order = np.lexsort((*np.concatenate(rest, axis=1).T, *keys))
    return order


def minimum_cosine(detections: Detections) -> float:
    """Estimate the cosine that two embeddings of one object must exceed; 0 if it cannot be estimated.

    It is set so that different objects in one frame rarely reach it: a number of standard deviations above the mean
    cosine of detections that overlap too little to show the same object, in a few frames. It is capped for similar
    objects, because a higher threshold would split an object.
    """
    cosine = _cosines_of_different(detections)
    cosine = cosine[cosine != 0]  # exactly 0: an unknown appearance
    if len(cosine) < 2:
        return 0.0
    mean, share = cosine.mean(), constants.MAX_THRESHOLD_SHARE
    return float(min(mean + constants.THRESHOLD_DEVIATIONS * cosine.std(), (1 - share) * mean + share))


def _cosines_of_different(detections: Detections) -> np.ndarray:
    """Cosines [e] of pairs of detections in one frame that show different objects."""
    last, samples = len(detections.frame_offset) - 2, constants.THRESHOLD_FRAMES
    cosines = [np.zeros(0, np.float32)]
    for t in sorted({round(last * k / (samples - 1)) for k in range(samples)} if last >= 0 else ()):
        begin, stop = detections.frame_offset[t : t + 2]
        better, worse = _pairs_within_frames(detections, begin, stop)
        apart = detections.iou(better, worse) < constants.MAX_IOU_OF_DIFFERENT
        embedding = detections.appearance.of_detections(np.arange(begin, stop))
        cosines.append((embedding @ embedding.T)[better[apart] - begin, worse[apart] - begin])
    return np.concatenate(cosines)


def duplicates(detections: Detections, max_overlap: float, min_cosine: float) -> np.ndarray:
    """Return the mask [n] of detections that duplicate a higher-scoring one in their frame.

    Greedy suppression, in order of descending score, of detections with an IoU above max_overlap and a cosine above
    min_cosine with a kept detection.
    """
    duplicate = np.zeros(len(detections.row), bool)
    for pairs in overlapping_similar_pairs(detections, max_overlap, min_cosine):
        for better, worse in pairs.T.tolist():
            duplicate[worse] |= not duplicate[better]
    return duplicate


def overlapping_similar_pairs(detections: Detections, min_iou: float, min_cosine: float) -> Iterator[np.ndarray]:
    """Yield blocks of all pairs [2, e] of detections in one frame with IoU > min_iou and cosine > min_cosine.

    Pairs are sorted; the higher-scoring detection comes first.
    """
    count = np.diff(detections.frame_offset)
    length = max(blocks.PAIRS_PER_BLOCK // max(int(count.max(initial=1)), 1), 1)
    for begin in range(0, len(detections.row), length):
        better, worse = _pairs_within_frames(detections, begin, min(begin + length, len(detections.row)))
        close = detections.iou(better, worse) > min_iou
        pairs = np.stack([better[close], worse[close]])
        yield pairs[:, detections.appearance.cosine(*pairs) > min_cosine]


def _pairs_within_frames(detections: Detections, begin: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of each of the detections begin, ..., stop - 1 with every lower-scoring one in its frame."""
    better = np.arange(begin, stop)
    count = detections.frame_offset[detections.position[begin:stop] + 1] - better - 1
    return np.repeat(better, count), ranges(better + 1, count)
