"""Reference points that need no model, as predictions to be scored like any others, and the published results.

Functions take `tubes(video id)`: the columns of the `tubes` artifact, one video's at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vcma.boxes import interpolate, pairwise_iou
from vcma.metrics import Columns, Predictions, protocols_for

Tubes = Callable[[str], Columns]
Points = tuple[np.ndarray, np.ndarray]  # native frames [n], rising, and boxes float64 [n, 4]: a tube


def chance(truth: Columns, tubes: Tubes, *, seed: int, whole: bool) -> Predictions:
    """A random tube of those that touch the segment, and a random interval of it or, if `whole`, all of it.

    Intervals are uniform over all non-empty ones of whole frames.
    """
    random = np.random.default_rng(seed)

    def guess(row: int, video: Columns) -> tuple[Points | None, tuple[int, int]]:
        begin, end = int(truth["segment_begin"][row]), int(truth["segment_end"][row])
        near = [n for n, (first, last) in enumerate(_extents(video)) if first < end and last >= begin]
        tube = _points(video, int(random.choice(near))) if near else None
        a, b = (begin, end) if whole else sorted(begin + random.choice(end - begin + 1, 2, replace=False))
        return tube, (int(a), int(b))

    return _predict(truth, tubes, guess)


def oracle(truth: Columns, tubes: Tubes) -> Predictions:
    """The tube that fits the true boxes best, over the true span: what linking leaves for grounding to find."""

    def best(row: int, video: Columns) -> tuple[Points | None, tuple[int, int]]:
        frame, box = _true_boxes(truth, row)
        fit = [
            float(pairwise_iou(tube_boxes(video, n, frame), box).mean()) if len(box) else 0.0
            for n in range(len(video["tube_score"]))
        ]
        return (_points(video, int(np.argmax(fit))) if fit and max(fit) > 0 else None), _true_span(truth, row)

    return _predict(truth, tubes, best)


def identity_oracle(truth: Columns, regions: Tubes) -> Predictions:
    """The regions that show the target, linked by its true boxes, over the true span: what detection leaves.

    regions(video id): PROPOSALS columns. Of each sampled frame the region that fits the true box best, if their
    IoU is at least 0.5; gaps are filled and the ends held, as in a tube.
    """

    def follow(row: int, video: Columns) -> tuple[Points | None, tuple[int, int]]:
        true = dict(zip(*_true_boxes(truth, row), strict=True))
        found = []
        for i, frame in enumerate(video["frame"]):
            near = np.asarray(video["box"][video["box_offset"][i] : video["box_offset"][i + 1]], np.float64)
            iou = pairwise_iou(near, true[frame]) if frame in true else np.zeros(0)
            if len(iou) and iou.max() >= 0.5:
                found.append((frame, near[iou.argmax()]))
        frames, boxes = zip(*found, strict=True) if found else ((), ())
        return ((np.array(frames), np.array(boxes)) if found else None), _true_span(truth, row)

    return _predict(truth, regions, follow)


def tube_boxes(video: Columns, tube: int, frame: np.ndarray) -> np.ndarray:
    """Boxes float64 [n, 4] of one tube at native frames [n]: linear between its points, held beyond them."""
    return interpolate(np.asarray(frame), *_points(video, tube))


def _points(video: Columns, tube: int) -> Points:
    mine = slice(video["point_offset"][tube], video["point_offset"][tube + 1])
    return np.asarray(video["frame"])[video["position"][mine]], np.asarray(video["box"][mine], np.float64)


def _true_boxes(truth: Columns, row: int) -> Points:
    mine = slice(truth["box_offset"][row], truth["box_offset"][row + 1])
    return truth["box_frame"][mine], np.asarray(truth["box"][mine], np.float64)


def _true_span(truth: Columns, row: int) -> tuple[int, int]:
    return int(truth["span_begin"][row]), int(truth["span_end"][row])


def _extents(video: Columns) -> Iterator[tuple[int, int]]:
    """First and last native frame of each tube."""
    frame, offset = np.asarray(video["frame"]), video["point_offset"]
    for begin, end in pairwise(offset):
        yield int(frame[video["position"][begin]]), int(frame[video["position"][end - 1]])


def _predict(
    truth: Columns, read: Tubes, choose: Callable[[int, Columns], tuple[Points | None, tuple[int, int]]]
) -> Predictions:
    """Predictions from choose(row of truth, its video's columns) -> (tube or None, span), boxes in the span."""
    n = len(truth["sample"])
    span = np.zeros((n, 2), np.int64)
    frames: list[np.ndarray] = [np.zeros(0, np.int64)] * n
    boxes: list[np.ndarray] = [np.zeros((0, 4))] * n
    for row, video in _by_video(truth, read):
        points, span[row] = choose(row, video)
        if points is not None:
            frames[row] = np.arange(*span[row])
            boxes[row] = interpolate(frames[row], *points)
    return Predictions(
        np.asarray(truth["sample"], dtype=object),
        span,
        np.cumsum([0, *map(len, frames)], dtype=np.int64),
        np.concatenate([np.zeros(0, np.int64), *frames]),
        np.concatenate([np.zeros((0, 4)), *boxes]).astype(np.float32),
    )


def _by_video(truth: Columns, tubes: Tubes) -> Iterator[tuple[int, Columns]]:
    """(row, tubes of its video), rows of one video together, so that each video's tubes are read once."""
    name = np.asarray(truth["video"], dtype=str)
    for video in dict.fromkeys(name.tolist()):
        columns = tubes(video)
        for row in np.flatnonzero(name == video).tolist():
            yield row, columns


@dataclass(frozen=True)
class Published:
    """A published result in percent. protocol: empty where the paper does not say which."""

    method: str
    supervision: str
    data: str
    query_type: str
    n: int
    protocol: str
    values: Mapping[str, float]

    @property
    def label(self) -> str:
        """How a table names it: never without the word published."""
        return f"{self.method}, {self.supervision}, published{'' if self.protocol else ', protocol not stated'}"


def published(form: str, split: str, query_type: str, n: int, protocol: str) -> list[Published]:
    """The published results to print beside ours: those on the same sentences by the same protocol.

    form: the annotation format. n: samples of that query type; only a complete test split has the published number
    of them. A result whose paper names no protocol stands beside the data set's default one only.
    """
    default = protocols_for({"format": form})[0]
    return [
        p
        for p in PUBLISHED
        if split == "test"
        and p.data.startswith(_NAMES.get(form, "none"))
        and (p.query_type, p.n, p.protocol or default) == (query_type, n, protocol)
    ]


_NAMES = {"vidstg": "VidSTG", "hcstvg": "HC-STVG"}  # annotation format -> how the names of its data sets begin


def published_counts(form: str) -> dict[str, Mapping[str, Mapping[str, int]]]:
    """The COUNTS of the data sets that are published in a format."""
    return {name: counts for name, counts in COUNTS.items() if name.startswith(_NAMES.get(form, "none"))}


# Sentences of each split as published: data set -> split -> query type -> n.
COUNTS: Mapping[str, Mapping[str, Mapping[str, int]]] = {
    "VidSTG": {
        "train": {"declarative": 36_202, "interrogative": 44_482},
        "val": {"declarative": 3_996, "interrogative": 4_960},
        "test": {"declarative": 4_610, "interrogative": 5_693},
    },
    "HC-STVG v1": {"train": {"declarative": 4_500}, "test": {"declarative": 1_160}},
    "HC-STVG v2": {"train": {"declarative": 10_131}, "val": {"declarative": 2_000}},
}


def _row(data: str, query_type: str, method: str, supervision: str, protocol: str, *values: float) -> Published:
    n = COUNTS[data]["test"][query_type]
    names = ("m_vIoU", "vIoU@0.3", "vIoU@0.5")
    return Published(method, supervision, data, query_type, n, protocol, dict(zip(names, values, strict=True)))


_DECLARATIVE, _INTERROGATIVE = ("VidSTG", "declarative"), ("VidSTG", "interrogative")
_HCSTVG = ("HC-STVG v1", "declarative")
PUBLISHED: tuple[Published, ...] = (
    _row(*_DECLARATIVE, "WINNER (CVPR 2023)", "weak", "", 11.6, 14.1, 7.4),
    _row(*_DECLARATIVE, "VCMA (ECCV 2024)", "weak", "", 14.45, 18.57, 8.8),
    _row(*_DECLARATIVE, "STPro (CVPR 2025)", "weak", "", 15.5, 19.4, 12.7),
    _row(*_DECLARATIVE, "CoSPaL (ICLR 2025)", "weak", "", 16.0, 20.1, 13.1),
    _row(*_DECLARATIVE, "TA-STVG (ICLR 2025)", "full", "stcat", 34.4, 48.2, 33.5),
    _row(*_INTERROGATIVE, "WINNER (CVPR 2023)", "weak", "", 10.2, 12.0, 5.5),
    _row(*_INTERROGATIVE, "VCMA (ECCV 2024)", "weak", "", 13.25, 16.7, 7.7),
    _row(*_INTERROGATIVE, "CoSPaL (ICLR 2025)", "weak", "", 13.5, 16.4, 10.2),
    _row(*_INTERROGATIVE, "TA-STVG (ICLR 2025)", "full", "stcat", 29.5, 41.5, 28.0),
    _row(*_HCSTVG, "WINNER (CVPR 2023)", "weak", "", 14.2, 17.2, 6.1),
    _row(*_HCSTVG, "VCMA (ECCV 2024)", "weak", "", 14.64, 18.60, 5.8),
    _row(*_HCSTVG, "STPro (CVPR 2025)", "weak", "", 17.6, 27.0, 12.9),
    _row(*_HCSTVG, "CoSPaL (ICLR 2025)", "weak", "", 22.1, 31.8, 19.6),
    _row(*_HCSTVG, "TA-STVG (ICLR 2025)", "full", "stcat", 39.1, 63.1, 36.8),
)
