"""Reference points that need no model, as predictions to be scored like any others, and the published results.

Tubes are the columns of the `tubes` artifact, one video's at a time: functions take `tubes(video id)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vcma.boxes import interpolate, pairwise_iou
from vcma.metrics import Columns, Predictions, protocols_for

Tubes = Callable[[str], Columns]


def chance(truth: Columns, tubes: Tubes, *, seed: int, whole: bool) -> Predictions:
    """A random tube of those that touch the segment, and a random interval of it or, if `whole`, all of it.

    Intervals are uniform over all non-empty ones of whole frames.
    """
    random = np.random.default_rng(seed)

    def guess(row: int, video: Columns) -> tuple[int, tuple[int, int]]:
        begin, end = int(truth["segment_begin"][row]), int(truth["segment_end"][row])
        near = [n for n, (first, last) in enumerate(_extents(video)) if first < end and last >= begin]
        tube = int(random.choice(near)) if near else -1
        a, b = (begin, end) if whole else sorted(begin + random.choice(end - begin + 1, 2, replace=False))
        return tube, (int(a), int(b))

    return _predict(truth, tubes, guess)


def oracle(truth: Columns, tubes: Tubes) -> Predictions:
    """The tube that fits the true boxes best, over the true span: what linking leaves for grounding to find."""

    def best(row: int, video: Columns) -> tuple[int, tuple[int, int]]:
        span = int(truth["span_begin"][row]), int(truth["span_end"][row])
        mine = slice(truth["box_offset"][row], truth["box_offset"][row + 1])
        frame, box = truth["box_frame"][mine], np.asarray(truth["box"][mine], np.float64)
        fit = [
            float(pairwise_iou(tube_boxes(video, n, frame), box).mean()) if len(box) else 0.0
            for n in range(len(video["tube_score"]))
        ]
        return (int(np.argmax(fit)) if fit and max(fit) > 0 else -1), span

    return _predict(truth, tubes, best)


def tube_boxes(video: Columns, tube: int, frame: np.ndarray) -> np.ndarray:
    """Boxes float64 [n, 4] of one tube at native frames [n]: linear between its points, held beyond them."""
    mine = slice(video["point_offset"][tube], video["point_offset"][tube + 1])
    known_at = np.asarray(video["frame"])[video["position"][mine]]
    return interpolate(np.asarray(frame), known_at, np.asarray(video["box"][mine], np.float64))


def _extents(video: Columns) -> Iterator[tuple[int, int]]:
    """First and last native frame of each tube."""
    frame, offset = np.asarray(video["frame"]), video["point_offset"]
    for begin, end in pairwise(offset):
        yield int(frame[video["position"][begin]]), int(frame[video["position"][end - 1]])


def _predict(
    truth: Columns, tubes: Tubes, choose: Callable[[int, Columns], tuple[int, tuple[int, int]]]
) -> Predictions:
    """Predictions from choose(row of truth, tubes of its video) -> (tube or -1, span); boxes in the span alone."""
    n = len(truth["sample"])
    span = np.zeros((n, 2), np.int64)
    frames: list[np.ndarray] = [np.zeros(0, np.int64)] * n
    boxes: list[np.ndarray] = [np.zeros((0, 4))] * n
    for row, video in _by_video(truth, tubes):
        tube, span[row] = choose(row, video)
        if tube >= 0:
            frames[row] = np.arange(*span[row])
            boxes[row] = tube_boxes(video, tube, frames[row])
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
