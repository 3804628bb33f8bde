"""Layouts of a detection network's output, with C class names and N candidates; docs/detectors.md says which export
has which.

    fastestdet  [1, 5 + C, H, W]: objectness, centre offsets, size and class probabilities of each cell
    yolox       [1, N, 5 + C]: centre offsets and log size in cells, objectness, classes; cells of strides 8, 16, 32
    yolov5      [1, N, 5 + C]: centre and size in input pixels, objectness, classes
    yolov8      [1, 4 + C, N]: centre and size in input pixels, classes; no objectness
    end2end     [1, N, 6]: x1, y1, x2, y2 in input pixels, score, class of each detection
    ssd         [1, 1, N, 7]: picture, class, score, relative x1, y1, x2, y2 of each detection (DetectionOutput)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vcma.errors import InputError


class Candidates(NamedTuple):
    """All boxes of a network's output, before any is dropped: box (n, 4) xyxy, score (n,), class_score (n, C)."""

    box: np.ndarray
    score: np.ndarray
    class_score: np.ndarray


@dataclass(frozen=True)
class Layout:
    """How pictures go in and what comes out.

    axes: of the output, for messages. count_classes(output, input_size): how many classes an output has if it is
    of this layout, ANY if that cannot be seen, None if it is of another. decode(output, number of classes, layout):
    the candidates, boxes relative to the network's input.

    scale, mean (before scaling) and swap_rb (BGR becomes RGB): of the input's values. letterbox: the picture keeps
    its proportions. first_class: number that the network gives to the first name. input_size: side in px.
    """

    axes: str
    count_classes: Callable[[np.ndarray, int], int | None]
    decode: Callable[[np.ndarray, int, Layout], Candidates]
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    swap_rb: bool = True
    letterbox: bool = True
    first_class: int = 0
    input_size: int = 0

    def fits(self, output: np.ndarray, classes: int) -> bool:
        """Whether an output is of this layout with so many classes."""
        return self.count_classes(output, self.input_size) in (classes, ANY)


ANY = 0  # classes


def likely_layout(outputs: Sequence[np.ndarray], classes: int, input_size: int) -> str:
    """The layout that outputs look most like, in words, with `classes` class names if possible; empty if none."""
    found = [
        (count not in (classes, ANY), count, name)
        for output in outputs
        for name, layout in LAYOUTS.items()
        if (count := layout.count_classes(output, input_size)) is not None
    ]
    if not found:
        return ""
    _, count, name = min(found)  # a misread axis counts thousands of classes
    return name if count == ANY else f"{name} with {count} classes"


def _count_fastestdet(output: np.ndarray, input_size: int) -> int | None:
    if output.ndim != 4 or output.shape[0] != 1 or output.shape[1] <= 5 or min(output.shape[2:]) < 2:
        return None
    probability = output[0, [0, *range(5, output.shape[1])]]
    return output.shape[1] - 5 if _within_unit(probability) else None  # else raw cells with anchors


def _decode_fastestdet(output: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Cells of FastestDet: objectness is o, centre (cell + tanh(d)) / grid, size sigmoid(s), score o^.6 * c^.4."""
    _, _, rows, columns = output.shape
    cells = output[0].reshape(5 + classes, -1).astype(np.float64)
    row, column = np.divmod(np.arange(rows * columns), columns)
    centre = np.stack([(column + np.tanh(cells[1])) / columns, (row + np.tanh(cells[2])) / rows], 1)
    size = 1 / (1 + np.exp(-cells[3:5].T))
    probability = cells[5:].T
    score = np.clip(cells[0], 0, 1) ** 0.6 * np.clip(probability.max(1), 0, 1) ** 0.4
    return Candidates(_boxes(centre, size), score, probability)


_STRIDES = (8, 16, 32)  # px of the input, of YOLOX's three grids


def _count_yolox(output: np.ndarray, input_size: int) -> int | None:
    cells = sum((input_size // stride) ** 2 for stride in _STRIDES)
    if output.ndim != 3 or output.shape[:2] != (1, cells) or output.shape[2] <= 5:
        return None
    if _covers(output[0, :, :2], input_size) or not _within_unit(output[0, :, 4:]):
        return None
    return output.shape[2] - 5


def _decode_yolox(output: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Cells of YOLOX's three grids in turn, row by row: centre (cell + d) * stride, size exp(s) * stride."""
    corners, strides = [], []
    for stride in _STRIDES:
        side = layout.input_size // stride
        row, column = np.divmod(np.arange(side * side), side)
        corners.append(np.stack([column, row], 1))
        strides.append(np.full((side * side, 1), stride / layout.input_size))
    cells, unit = output[0].astype(np.float64), np.concatenate(strides)
    boxes = _boxes((np.concatenate(corners) + cells[:, :2]) * unit, np.exp(cells[:, 2:4]) * unit)
    return Candidates(boxes, cells[:, 4] * cells[:, 5:].max(1), cells[:, 5:])


def _count_yolov5(output: np.ndarray, input_size: int) -> int | None:
    if output.ndim != 3 or output.shape[0] != 1 or output.shape[2] <= 5:
        return None
    if _count_end2end(output, input_size) is not None:
        return None
    fits = _covers(output[0, :, :2], input_size) and _within_unit(output[0, :, 4:])
    return output.shape[2] - 5 if fits else None


def _decode_yolov5(output: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Candidates of YOLOv5: the score is objectness times the best class probability."""
    cells = output[0].astype(np.float64)
    boxes = _boxes(cells[:, :2], cells[:, 2:4]) / layout.input_size
    return Candidates(boxes, cells[:, 4] * cells[:, 5:].max(1), cells[:, 5:])


def _count_yolov8(output: np.ndarray, input_size: int) -> int | None:
    if output.ndim != 3 or output.shape[0] != 1 or output.shape[1] <= 4:
        return None
    fits = _covers(output[0, :2], input_size) and _within_unit(output[0, 4:])
    return output.shape[1] - 4 if fits else None


def _decode_yolov8(output: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Candidates of YOLOv8: the score is the best class score; there is no objectness."""
    cells = output[0].astype(np.float64).T
    boxes = _boxes(cells[:, :2], cells[:, 2:4]) / layout.input_size
    return Candidates(boxes, cells[:, 4:].max(1), cells[:, 4:])


def _count_end2end(output: np.ndarray, input_size: int) -> int | None:
    if output.ndim != 3 or output.shape[0] != 1 or output.shape[2] != 6:
        return None
    score, label = output[0, :, 4], output[0, :, 5]
    return ANY if _within_unit(score) and (label == np.floor(label)).all() and (label >= 0).all() else None


def _decode_end2end(output: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Detections that the network has chosen itself."""
    rows = output[0].astype(np.float64)
    return _detections(rows[:, :4] / layout.input_size, rows[:, 4], rows[:, 5], classes, layout)


def _count_ssd(output: np.ndarray, input_size: int) -> int | None:
    if output.ndim != 4 or output.shape[:2] != (1, 1) or output.shape[3] != 7:
        return None
    used = output[0, 0, output[0, 0, :, 0] >= 0]
    return ANY if _within_unit(used[:, 2]) else None


def _decode_ssd(output: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Rows of DetectionOutput."""
    rows = output.reshape(-1, 7).astype(np.float64)
    rows = rows[(rows[:, 0] >= 0) & (rows[:, 1] >= layout.first_class)]  # unused rows hold picture -1
    return _detections(rows[:, 3:7], rows[:, 2], rows[:, 1], classes, layout)


def _detections(box: np.ndarray, score: np.ndarray, label: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Candidates of one class each: by its score it is of that class, else of any alike."""
    known = (label >= layout.first_class) & (label < layout.first_class + classes)
    if not known.all():
        raise InputError(
            f"the network answers class {label[~known][0]:g}, there are {classes} class names",
            "detector",
            "name every class in the classes file, or correct first_class",
        )
    index = label.astype(int) - layout.first_class
    probability = np.repeat((1 - score[:, None]) / classes, classes, 1)
    probability[np.arange(len(index)), index] += score
    return Candidates(box, score, probability)


def _boxes(centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Boxes xyxy [n, 4] of centre and size [n, 2]."""
    return np.concatenate([centre - size / 2, centre + size / 2], 1)


def _covers(centre: np.ndarray, input_size: int) -> bool:
    """Whether centres are in input pixels: candidates lie everywhere; offsets in cells and shares are small."""
    return bool(np.abs(centre).max(initial=0) > input_size / 4)


def _within_unit(values: np.ndarray) -> bool:
    """Whether values may be probabilities: neither logits nor broken; half precision rounds them."""
    return bool(((values >= 0) & (values <= 1.001)).all())


LAYOUTS = {
    "fastestdet": Layout(
        "1 x (5 + C) x H x W", _count_fastestdet, _decode_fastestdet, swap_rb=False, letterbox=False
    ),
    "yolox": Layout("1 x N x (5 + C)", _count_yolox, _decode_yolox, scale=1.0, swap_rb=False),
    "yolov5": Layout("1 x N x (5 + C)", _count_yolov5, _decode_yolov5),
    "yolov8": Layout("1 x (4 + C) x N", _count_yolov8, _decode_yolov8),
    "end2end": Layout("1 x N x 6", _count_end2end, _decode_end2end),
    "ssd": Layout("1 x 1 x N x 7", _count_ssd, _decode_ssd, scale=1.0, letterbox=False, first_class=1),
}
