"""OpenCV backend: a network file for OpenCV's DNN module, and the layout of its output.

Required settings: `layout` (see vcma/detection/layouts.py), `weights`, `classes`, `input_size` (side of the square
input, px). Optional: `network` (graph file, for formats that store it separately from the weights), `source` (URL
of the weights, quoted in the error if they are missing), and the preprocessing in training where it differs from
the layout's default: `scale`, `mean` (subtracted before scaling), `swap_rb`, `first_class` (the network's index of
the first class name; 1 for ssd, where 0 is the background).

The feature of a region is its class distribution concatenated with the Lab histograms of its two halves, scaled to
unit length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from vcma.detection.base import Detector, existing_file, fingerprint, read_names
from vcma.detection.colours import COLOUR_ATTRIBUTES, HISTOGRAM_DIM, lab_histograms, named_colours
from vcma.detection.layouts import LAYOUTS, Candidates, Layout, likely_layout
from vcma.detection.selection import best_boxes
from vcma.errors import InputError
from vcma.records.regions import Regions

_VERSION = 2  # part of the fingerprint: increase it when the same network would give different results
_CLASS_SHARE = 0.5  # weight of the class distribution in the cosine of two features; the rest is colour


class _Input(NamedTuple):
    """An image (H, W, 3) uint8 BGR, and the results of `_blob`."""

    image: np.ndarray
    blob: np.ndarray
    scale: np.ndarray


class DnnDetector(Detector):
    """`Detector` that runs a network in OpenCV's DNN module."""

    def __init__(self, net: Any, layout: Layout, class_names: tuple[str, ...], source: Path, identity: str):
        """Raises InputError if the network does not run or its output has a different layout."""
        self.class_names = class_names
        self.attribute_names = COLOUR_ATTRIBUTES
        self.feature_dim = len(class_names) + HISTOGRAM_DIM
        self.fingerprint = identity
        self._net, self._layout, self._source = net, layout, source
        self._lock = Lock()  # the network object stores its input
        self._output = self._fitting_output()

    def prepare(self, images: Sequence[np.ndarray]) -> list[_Input]:
        """Make the network input of each image."""
        return [_Input(image, *_blob(image, self._layout)) for image in images]

    def run(
        self, prepared: list[_Input], *, top_k: int, score_threshold: float, nms_threshold: float, min_size: float
    ) -> list[tuple[np.ndarray, Candidates]]:
        """Select regions with one forward pass per image; exported networks have batch size 1."""
        found = []
        with self._lock:
            for given in prepared:
                candidates = self._candidates(given)
                kept = best_boxes(candidates.box, candidates.score, top_k, score_threshold, nms_threshold, min_size)
                found.append((given.image, Candidates(*(values[kept] for values in candidates))))
        return found

    def finish(self, output: list[tuple[np.ndarray, Candidates]]) -> list[Regions]:
        """Return the regions of each image, with class distributions, colour attributes and features."""
        return [self._regions(image, kept) for image, kept in output]

    def _candidates(self, given: _Input) -> Candidates:
        """All candidates, with boxes float32 in image pixels, clipped to the image, and scores float32."""
        height, width = given.image.shape[:2]
        (output,) = self._forward(given.blob, [self._output])
        with np.errstate(over="ignore", invalid="ignore"):  # boxes that are not finite are dropped later
            candidates = self._layout.decode(output, len(self.class_names), self._layout)
            boxes = (candidates.box * np.tile(given.scale, 2)).clip(0, [width, height, width, height])
            return candidates._replace(box=boxes.astype(np.float32), score=candidates.score.astype(np.float32))

    def _fitting_output(self) -> str:
        """Name of the output that has the layout, tested on a black image."""
        size, classes = self._layout.input_size, len(self.class_names)
        names = self._net.getUnconnectedOutLayersNames()
        outputs = self._forward(_blob(np.zeros((size, size, 3), np.uint8), self._layout)[0], names)
        for name, output in zip(names, outputs, strict=True):
            if self._layout.fits(output, classes):
                return name
        shapes = " and ".join(" x ".join(map(str, output.shape)) for output in outputs) or "nothing"
        likely = likely_layout(outputs, classes, size)
        raise InputError(
            f"the network's output is {shapes}, not {self._layout.axes} with C = {classes} class names"
            + (f"; its layout is most likely {likely}" if likely else ""),
            self._source,
            f"correct layout (one of {', '.join(LAYOUTS)}), classes or input_size; see docs/detectors.md",
        )

    def _forward(self, blob: np.ndarray, names: Sequence[str]) -> list[np.ndarray]:
        """Return the named outputs; a zero-dimensional array for an output that a damaged network lacks."""
        import cv2

        self._net.setInput(blob)
        try:
            outputs = self._net.forward(names) if names else ()
        except cv2.error as error:
            raise InputError(
                f"the network does not run on an input of {self._layout.input_size} px: {error.err or error}",
                self._source,
                "correct input_size or export the network again",
            ) from error
        return [np.zeros(()) if output is None else output for output in outputs]

    def _regions(self, image: np.ndarray, kept: Candidates) -> Regions:
        classes = _scaled_rows(kept.class_score, np.abs(kept.class_score).sum(1))
        colour = np.sqrt(lab_histograms(image, kept.box))  # Hellinger kernel: a cosine for distributions
        shares = np.sqrt([_CLASS_SHARE, 1 - _CLASS_SHARE])
        parts = [
            _scaled_rows(part, np.linalg.norm(part, axis=1)) * share
            for part, share in zip((classes, colour), shares, strict=True)
        ]
        return Regions(
            box=kept.box,
            score=kept.score,
            class_prob=classes.astype(np.float16),
            attribute_prob=named_colours(image, kept.box).astype(np.float16),
            feature=np.concatenate(parts, 1).astype(np.float16),
        )


def load(settings: Mapping[str, Any], root: Path) -> DnnDetector:
    """Read a network and check its output; raises InputError if settings, files or the output are invalid."""
    if settings["layout"] not in LAYOUTS:
        raise InputError(
            f"layout {settings['layout']!r} is unknown", "detector", f"use one of {', '.join(LAYOUTS)}"
        )
    remedy = f"download {settings['source']} to this path" if "source" in settings else "put the file there"
    weights = existing_file(settings["weights"], root, "detector weights", remedy)
    network = existing_file(settings["network"], root, "detector network") if "network" in settings else None
    names = read_names(existing_file(settings["classes"], root, "class names"))
    layout = _configured(settings)
    net = _read_net(weights, network)
    inputs = (layout.scale, layout.mean, layout.swap_rb, layout.first_class, layout.input_size)
    graph = network.read_bytes() if network else b""
    description = repr((_VERSION, settings["layout"], inputs, names, graph))
    return DnnDetector(net, layout, names, weights, fingerprint("opencv_dnn", description, weights))


def _configured(settings: Mapping[str, Any]) -> Layout:
    """Return the layout with its defaults overridden by the settings."""
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
        raise InputError("input_size must be positive and mean must be three numbers", "detector", "correct them")
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
            "download it again; OpenCV reads .onnx, .pb, .caffemodel and .tflite files",
        ) from error
    if net.empty():
        raise InputError("contains no network", weights, "download it again")
    if "NonMaxSuppression" in net.getLayerTypes():
        # OpenCV 5.0 crashes if this layer selects no box.
        what = "the network contains a NonMaxSuppression layer, on which OpenCV can crash"
        raise InputError(what, weights, "export it without NMS, e.g. nms=False; see docs/detectors.md")
    return net


def _blob(image: np.ndarray, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Return the network input (1, 3, S, S) and the factors (2,) from relative (x, y) to image pixels."""
    import cv2

    size, (height, width) = layout.input_size, image.shape[:2]
    extent = np.array([width, height], np.float64)
    if layout.letterbox:
        # The image is placed in the upper left corner; the padding is grey, as in training.
        ratio = size / max(height, width)
        inner = (max(round(width * ratio), 1), max(round(height * ratio), 1))
        square: Any = np.full((size, size, 3), 114, np.uint8)
        square[: inner[1], : inner[0]] = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
        extent = extent * size / np.array(inner)
    else:
        square = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    blob = cv2.dnn.blobFromImage(square, layout.scale, (size, size), layout.mean, swapRB=layout.swap_rb)
    return blob, extent


def _scaled_rows(rows: np.ndarray, length: np.ndarray) -> np.ndarray:
    return rows / np.maximum(length, 1e-12)[:, None]
