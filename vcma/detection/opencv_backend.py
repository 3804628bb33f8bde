"""Detectors for OpenCV's DNN module: a network file, and the layout that says how to read its output.

    fastestdet  [1, 5 + C, H, W]: objectness, centre offsets, size, classes of each cell
    yolov8      [1, 4 + C, N]: centre, size and class scores of each of N candidates, in input pixels
    ssd         [1, 1, N, 7]: (picture, class, score, x1, y1, x2, y2) of each detection, relative (DetectionOutput)

Settings beside layout, weights, classes and input_size (side of the square input, px): `network` (the graph, for
formats that keep it apart from the weights), and what the network was trained with where it differs from the
layout's default: `scale`, `mean` (of the input, before scaling), `swap_rb`, `first_class` (number the network gives
to the first name; 1 for ssd, where 0 is the background).

The feature of a region is its class distribution beside Lab histograms of its two halves, of unit length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vcma.boxes import pairwise_iou
from vcma.detection.base import detection_mask, existing_file, fingerprint, read_names
from vcma.detection.colours import COLOUR_ATTRIBUTES, HISTOGRAM_DIM, lab_histograms, named_colours
from vcma.errors import InputError
from vcma.records.regions import Regions

_VERSION = 1  # part of the fingerprint: raise it when the same network would give other answers
_CLASS_SHARE = 0.5  # share of the class distribution in the cosine of two features; the rest is colour


class Candidates(NamedTuple):
    """All boxes of a network's output, before any is dropped: box (n, 4) xyxy, score (n,), class_score (n, C)."""

    box: np.ndarray
    score: np.ndarray
    class_score: np.ndarray


@dataclass(frozen=True)
class Layout:
    """How pictures go in and what comes out.

    decode(output, number of classes, layout): the candidates, boxes relative to the picture. axes: of the output,
    for messages; fits(shape, number of classes): whether an output is of these axes.
    """

    decode: Callable[[np.ndarray, int, Layout], Candidates]
    axes: str
    fits: Callable[[tuple[int, ...], int], bool]
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    swap_rb: bool = True
    letterbox: bool = False
    first_class: int = 0
    input_size: int = 0


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def decode_fastestdet(output: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Cells of FastestDet: objectness is o, centre (cell + tanh(d)) / grid, size sigmoid(s), score o^.6 * c^.4."""
    _, _, rows, columns = output.shape
    cells = output[0].reshape(5 + classes, -1).astype(np.float64)
    row, column = np.divmod(np.arange(rows * columns), columns)
    centre = np.stack([(column + np.tanh(cells[1])) / columns, (row + np.tanh(cells[2])) / rows], 1)
    half = _sigmoid(cells[3:5]).T / 2
    probability = cells[5:].T
    score = np.clip(cells[0], 0, 1) ** 0.6 * np.clip(probability.max(1), 0, 1) ** 0.4
    return Candidates(np.concatenate([centre - half, centre + half], 1), score, probability)


def decode_yolov8(output: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Candidates of YOLOv8: the score is the best class score; there is no objectness."""
    cells = output[0].astype(np.float64).T / np.r_[np.full(4, layout.input_size), np.ones(classes)]
    centre, half, probability = cells[:, :2], cells[:, 2:4] / 2, cells[:, 4:]
    return Candidates(np.concatenate([centre - half, centre + half], 1), probability.max(1), probability)


def decode_ssd(output: np.ndarray, classes: int, layout: Layout) -> Candidates:
    """Rows of DetectionOutput. Each has one class: the other classes share what its score leaves."""
    rows = output.reshape(-1, 7).astype(np.float64)
    rows = rows[(rows[:, 0] >= 0) & (rows[:, 1] >= layout.first_class)]  # unused rows hold picture -1
    label, score = rows[:, 1].astype(int) - layout.first_class, rows[:, 2]
    if len(label) and label.max() >= classes:
        found = label.max() + layout.first_class
        raise InputError(
            f"the network answers class {found}, there are {classes} class names",
            "detector",
            "name every class in the classes file, or correct first_class",
        )
    probability = np.repeat((1 - score[:, None]) / max(classes - 1, 1), classes, 1)
    probability[np.arange(len(rows)), label] = score
    return Candidates(rows[:, 3:7], score, probability)


LAYOUTS = {
    "fastestdet": Layout(
        decode_fastestdet, "1 x (5 + C) x H x W", lambda s, c: len(s) == 4 and s[1] == 5 + c, swap_rb=False
    ),
    "yolov8": Layout(decode_yolov8, "1 x (4 + C) x N", lambda s, c: len(s) == 3 and s[1] == 4 + c, letterbox=True),
    "ssd": Layout(
        decode_ssd,
        "1 x 1 x N x 7",
        lambda s, c: len(s) == 4 and s[1] == 1 and s[3] == 7,
        scale=1.0,
        first_class=1,
    ),
}


class DnnDetector:
    """A `Detector` of a network in OpenCV's DNN module."""

    def __init__(self, net: Any, layout: Layout, class_names: tuple[str, ...], source: Path, identity: str):
        self.class_names = class_names
        self.attribute_names = COLOUR_ATTRIBUTES
        self.feature_dim = len(class_names) + HISTOGRAM_DIM
        self.fingerprint = identity
        self._net, self._layout, self._source = net, layout, source

    def detect(
        self,
        pictures: Sequence[np.ndarray],
        *,
        top_k: int,
        score_threshold: float,
        nms_threshold: float,
        min_size: float,
    ) -> list[Regions]:
        """Regions of each picture, one forward pass a picture (exported networks have a fixed batch of one)."""
        found = []
        for picture in pictures:
            candidates = self._candidates(picture)
            kept = _select(candidates.box, candidates.score, top_k, score_threshold, nms_threshold, min_size)
            found.append(self._regions(picture, Candidates(*(values[kept] for values in candidates))))
        return found

    def _candidates(self, picture: np.ndarray) -> Candidates:
        """All candidates, boxes float32 in the picture's pixels, clipped to it."""
        height, width = picture.shape[:2]
        blob, scale = _blob(picture, self._layout)
        candidates = self._layout.decode(self._forward(blob), len(self.class_names), self._layout)
        boxes = (candidates.box * np.tile(scale, 2)).clip(0, [width, height, width, height])
        return candidates._replace(box=boxes.astype(np.float32))

    def _forward(self, blob: np.ndarray) -> np.ndarray:
        import cv2

        self._net.setInput(blob)
        try:
            output = self._net.forward(self._net.getUnconnectedOutLayersNames()[0])
        except (cv2.error, IndexError) as error:  # IndexError: a damaged network has no output
            reason = getattr(error, "err", None) or error
            raise InputError(
                f"the network does not run on an input of {self._layout.input_size} px: {reason}",
                self._source,
                "correct input_size or export the network anew",
            ) from error
        shape = () if output is None else output.shape  # None: of a damaged network
        if not self._layout.fits(shape, len(self.class_names)):
            raise InputError(
                f"the network's output is {' x '.join(map(str, shape)) or 'nothing'}, not {self._layout.axes} "
                f"with C = {len(self.class_names)} class names",
                self._source,
                f"correct layout (one of {', '.join(LAYOUTS)}), classes or input_size",
            )
        return output

    def _regions(self, picture: np.ndarray, kept: Candidates) -> Regions:
        classes = _scaled_rows(kept.class_score, np.abs(kept.class_score).sum(1))
        colour = np.sqrt(lab_histograms(picture, kept.box))  # the cosine of roots compares distributions fairly
        shares = np.sqrt([_CLASS_SHARE, 1 - _CLASS_SHARE])
        parts = [
            _scaled_rows(part, np.linalg.norm(part, axis=1)) * share
            for part, share in zip((classes, colour), shares, strict=True)
        ]
        return Regions(
            box=kept.box,
            score=kept.score.astype(np.float32),
            class_prob=classes.astype(np.float16),
            attribute_prob=named_colours(picture, kept.box).astype(np.float16),
            feature=np.concatenate(parts, 1).astype(np.float16),
        )


def load(settings: Mapping[str, Any], root: Path) -> DnnDetector:
    """Read the network and check it against its layout and names; raises InputError."""
    if settings["layout"] not in LAYOUTS:
        raise InputError(
            f"layout {settings['layout']!r} is unknown", "detector", f"use one of {', '.join(LAYOUTS)}"
        )
    weights = existing_file(settings["weights"], root, "detector weights")
    network = existing_file(settings["network"], root, "detector network") if "network" in settings else None
    names = read_names(existing_file(settings["classes"], root, "class names"))
    layout = _configured(settings)
    net = _read_net(weights, network)
    inputs = (layout.scale, layout.mean, layout.swap_rb, layout.first_class, layout.input_size)
    graph = network.read_bytes() if network else b""
    description = repr((_VERSION, settings["layout"], inputs, names, graph))
    detector = DnnDetector(net, layout, names, weights, fingerprint("opencv_dnn", description, weights))
    detector._forward(_blob(np.zeros((layout.input_size, layout.input_size, 3), np.uint8), layout)[0])
    return detector


def _configured(settings: Mapping[str, Any]) -> Layout:
    """The layout with the settings that override its defaults."""
    try:
        changes: dict[str, Any] = {"input_size": int(settings["input_size"])}
        for key, convert in {"scale": float, "swap_rb": bool, "first_class": int}.items():
            if key in settings:
                changes[key] = convert(settings[key])
        if "mean" in settings:
            changes["mean"] = tuple(float(v) for v in settings["mean"])
    except (TypeError, ValueError) as error:
        raise InputError(
            f"a setting is not a number: {error}",
            "detector",
            "see vcma/detection/opencv_backend.py for the settings",
        ) from error
    if changes["input_size"] <= 0 or len(changes.get("mean", (0, 0, 0))) != 3:
        raise InputError("input_size must be above 0 and mean hold three numbers", "detector", "correct them")
    return replace(LAYOUTS[settings["layout"]], **changes)


def _read_net(weights: Path, network: Path | None) -> Any:
    import cv2

    try:
        net = cv2.dnn.readNet(str(weights), str(network) if network else "")
    except cv2.error as error:
        reason = (error.err or str(error)).strip().splitlines()[0]
        raise InputError(
            f"OpenCV cannot read this network: {reason}",
            weights,
            "fetch it again; OpenCV reads .onnx, .pb, .caffemodel and .tflite files",
        ) from error
    if net.empty():
        raise InputError("holds no network", weights, "fetch it again")
    return net


def _blob(picture: np.ndarray, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """The network's input (1, 3, S, S) and what relative (x, y) are multiplied with to get picture pixels."""
    import cv2

    size, (height, width) = layout.input_size, picture.shape[:2]
    extent = np.array([width, height], np.float64)
    if layout.letterbox:
        # The picture keeps its proportions in the upper left corner; the rest is the grey of the training.
        ratio = size / max(height, width)
        inner = (max(round(width * ratio), 1), max(round(height * ratio), 1))
        square: Any = np.full((size, size, 3), 114, np.uint8)
        square[: inner[1], : inner[0]] = cv2.resize(picture, inner, interpolation=cv2.INTER_LINEAR)
        extent = extent * size / np.array(inner)
    else:
        square = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    blob = cv2.dnn.blobFromImage(square, layout.scale, (size, size), layout.mean, swapRB=layout.swap_rb)
    return blob, extent


def _select(
    box: np.ndarray, score: np.ndarray, top_k: int, score_threshold: float, nms_threshold: float, min_size: float
) -> np.ndarray:
    """Rows kept by score, size and class-agnostic non-maximum suppression, best first."""
    rows = np.flatnonzero(detection_mask(box, score, score_threshold, min_size))
    rows = rows[np.argsort(-score[rows], kind="stable")]
    kept: list[int] = []
    while len(rows) and len(kept) < top_k:
        kept.append(int(rows[0]))
        rows = rows[1:][pairwise_iou(box[rows[0]], box[rows[1:]]) <= nms_threshold]
    return np.array(kept, np.intp)


def _scaled_rows(rows: np.ndarray, length: np.ndarray) -> np.ndarray:
    return rows / np.maximum(length, 1e-12)[:, None]
