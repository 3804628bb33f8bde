"""Output layouts of detection networks, for C classes and N candidates.

docs/detectors.md lists which exporters write which layout.

    fastestdet  [1, 5 + C, H, W]: objectness, centre offset, size, class probabilities of each cell
    yolox       [1, N, 5 + C]: centre offset and log size in cells, objectness, classes; strides 8, 16, 32
    yolov5      [1, N, 5 + C]: centre and size in input pixels, objectness, classes
    yolov8      [1, 4 + C, N]: centre and size in input pixels, classes; no objectness
    end2end     [1, N, 6]: x1, y1, x2, y2 in input pixels, score, class of each detection
    ssd         [1, 1, N, 7]: image, class, score, relative x1, y1, x2, y2 of each detection (DetectionOutput)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vcma.errors import InputError


class Candidates(NamedTuple):
    """All n boxes of a network's output, before selection: box (n, 4) xyxy, score (n,), class_score (n, C)."""

    box: np.ndarray
    score: np.ndarray
    class_score: np.ndarray


@dataclass(frozen=True)
class Layout:
    """Preprocessing of the input and decoding of the output.

    axes: axes of the output, for messages. count_classes(output, input_size): number of classes of an output in
    this layout; ANY if the output does not show it, None if it is not in this layout. decode(output, number of
    classes, layout): the candidates, with boxes relative to the network's input.

    mean is subtracted from the pixels before they are multiplied by scale; swap_rb converts BGR to RGB; letterbox
    preserves the aspect ratio. first_class: network's index of the first class name. input_size: input side, px.
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
        """Return whether an output has this layout with the given number of classes."""
        return self.count_classes(output, self.input_size) in (classes, ANY)


ANY = 0  # result of count_classes: any number of classes fits


def likely_layout(outputs: Sequence[np.ndarray], classes: int, input_size: int) -> str:
    """Describe the layout that the outputs most likely have, preferring one with `classes` classes; "" if none."""
    found = [
        (count not in (classes, ANY), count, name)
        for output in outputs
        for name, layout in LAYOUTS.items()
        if (count := layout.count_classes(output, input_size)) is not None
    ]
    if not found:
        return ""
    _, count, name = min(found)  # an axis taken for the wrong one gives thousands of classes
    return name if count == ANY else f"{name} with {count} classes"


def _count_fastestdet(output: np.ndarray, input_size: int) -> int | None:
    if output.ndim != 4 or output.shape[0] != 1 or output.shape[1] <= 5 or min(output.shape[2:]) < 2:
        return None
    probability = output[0, [0, *range(5, output.shape[1])]]
    return output.shape[1] - 5 if _within_unit(probability) else None  # otherwise raw outputs relative to anchors


def _decode_fastestdet(output: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Decode FastestDet: centre (cell + tanh(d)) / grid, size sigmoid(s), score objectness^0.6 * class^0.4."""
    _, _, rows, columns = output.shape
    cells = output[0].reshape(5 + classes, -1).astype(np.float64)
    row, column = np.divmod(np.arange(rows * columns), columns)
    centre = np.stack([(column + np.tanh(cells[1])) / columns, (row + np.tanh(cells[2])) / rows], 1)
    size = 1 / (1 + np.exp(-cells[3:5].T))
    probability = cells[5:].T
    score = np.clip(cells[0], 0, 1) ** 0.6 * np.clip(probability.max(1), 0, 1) ** 0.4
    return Candidates(_boxes(centre, size), score, probability)


_STRIDES = (8, 16, 32)  # of YOLOX's three grids, input px


def _count_yolox(output: np.ndarray, input_size: int) -> int | None:
    cells = sum((input_size // stride) ** 2 for stride in _STRIDES)
    if output.ndim != 3 or output.shape[:2] != (1, cells) or output.shape[2] <= 5:
        return None
    if _covers(output[0, :, :2], input_size) or not _within_unit(output[0, :, 4:]):
        return None
    return output.shape[2] - 5


def _decode_yolox(output: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Decode YOLOX's three grids, each row by row: centre (cell + d) * stride, size exp(s) * stride."""
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
    """Decode YOLOv5: the score is the objectness times the maximum class probability."""
    cells = output[0].astype(np.float64)
    boxes = _boxes(cells[:, :2], cells[:, 2:4]) / layout.input_size
    return Candidates(boxes, cells[:, 4] * cells[:, 5:].max(1), cells[:, 5:])


def _count_yolov8(output: np.ndarray, input_size: int) -> int | None:
    if output.ndim != 3 or output.shape[0] != 1 or output.shape[1] <= 4:
        return None
    fits = _covers(output[0, :2], input_size) and _within_unit(output[0, 4:])
    return output.shape[1] - 4 if fits else None


def _decode_yolov8(output: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Decode YOLOv8: the score is the maximum class score; there is no objectness."""
    cells = output[0].astype(np.float64).T
    boxes = _boxes(cells[:, :2], cells[:, 2:4]) / layout.input_size
    return Candidates(boxes, cells[:, 4:].max(1), cells[:, 4:])


def _count_end2end(output: np.ndarray, input_size: int) -> int | None:
    if output.ndim != 3 or output.shape[0] != 1 or output.shape[2] != 6:
        return None
    score, label = output[0, :, 4], output[0, :, 5]
    return ANY if _within_unit(score) and (label == np.floor(label)).all() and (label >= 0).all() else None


def _decode_end2end(output: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Decode detections that the network has already selected."""
    rows = output[0].astype(np.float64)
    return _detections(rows[:, :4] / layout.input_size, rows[:, 4], rows[:, 5], classes, layout)


def _count_ssd(output: np.ndarray, input_size: int) -> int | None:
    if output.ndim != 4 or output.shape[:2] != (1, 1) or output.shape[3] != 7:
        return None
    used = output[0, 0, output[0, 0, :, 0] >= 0]
    return ANY if _within_unit(used[:, 2]) else None


def _decode_ssd(output: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Decode the rows of Caffe's DetectionOutput layer."""
    rows = output.reshape(-1, 7).astype(np.float64)
    rows = rows[(rows[:, 0] >= 0) & (rows[:, 1] >= layout.first_class)]  # image is -1 in unused rows
    return _detections(rows[:, 3:7], rows[:, 2], rows[:, 1], classes, layout)


def _detections(box: np.ndarray, score: np.ndarray, label: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Candidates with one class each: its probability is the score, the rest is spread evenly over all classes."""
    named = (label >= layout.first_class) & (label < layout.first_class + classes)
    if not named.all():
        raise InputError(
            f"the network outputs class {label[~named][0]:g}, but there are {classes} class names",
            "detector",
            "list every class in the classes file, or correct first_class",
        )
    index = label.astype(int) - layout.first_class
    probability = np.repeat((1 - score[:, None]) / classes, classes, 1)
    probability[np.arange(len(index)), index] += score
    return Candidates(box, score, probability)


def _boxes(centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Convert centre and size [n, 2] to boxes xyxy [n, 4]."""
    return np.concatenate([centre - size / 2, centre + size / 2], 1)


def _covers(centre: np.ndarray, input_size: int) -> bool:
    """Return whether centres are in input pixels: they cover the input; offsets and relative values are small."""
    return bool(np.abs(centre).max(initial=0) > input_size / 4)


def _within_unit(values: np.ndarray) -> bool:
    """Return whether values can be probabilities, up to rounding in half precision; false for NaN."""
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
