"""detectron2 backend: any Faster R-CNN it can build, with FPN or C4 heads.

The score of a region is its maximum softmax probability over the classes, with the background in the softmax. Its
class distribution is the same softmax without the background, renormalised. Features are those of the box head for
the proposals of the selected boxes, so backbone and heads run once. Attributes come from the attribute head if the
weights contain one; otherwise they are colour names computed from the pixels.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from vcma.detection.base import Detector, existing_file, fingerprint, read_names
from vcma.detection.colours import COLOUR_ATTRIBUTES, named_colours
from vcma.detection.detectron2_candidates import Limits, Selected
from vcma.detection.detectron2_config import (
    catalogued_classes,
    decisive_settings,
    read_config,
    weights_file,
    without_old_warnings,
)
from vcma.detection.detectron2_model import build_model, fill, fuse_norms
from vcma.detection.passes import Passes, device_failures
from vcma.detection.precision import computing_in
from vcma.detection.weights import read_checkpoint
from vcma.errors import InputError
from vcma.records.regions import Regions

_VERSION = 1  # part of the fingerprint: increase it when the same weights would give different results


def load(
    settings: Mapping[str, Any],
    root: Path,
    device: str,
    precision: str = "fp32",
    whole_batches: bool | None = None,
) -> DetectronDetector:
    """Build the model of a configuration and load its weights.

    whole_batches: see DetectronDetector; None enables it on every device except the CPU. Raises InputError if
    configuration, weights and names do not match.
    """
    if whole_batches is None:
        whole_batches = device != "cpu"
    cfg = read_config(settings["config"], root)
    weights = weights_file(settings.get("weights"), cfg.MODEL.WEIGHTS, root)
    checkpoint = read_checkpoint(weights)
    classes = _names(settings, "classes", root) or checkpoint["class_names"] or catalogued_classes(cfg)
    attributes = _names(settings, "attributes", root) or checkpoint["attribute_names"]
    if not classes:
        remedy = "add classes: FILE, one name per line, to the detector: block"
        raise InputError("contains no class names", weights, remedy)
    # Many detectors exist with and without an attribute head; the weights decide.
    cfg.MODEL.ATTRIBUTE_ON &= any(".attr_score." in name for name in checkpoint["model"])
    if cfg.MODEL.ATTRIBUTE_ON and not attributes:
        raise InputError("contains no attribute names", weights, "add attributes: FILE to the detector: block")
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = len(classes)
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.NUM_CLASSES = len(attributes)
    model = _ready_model(cfg, checkpoint, weights, device)
    decisive = [_VERSION, *decisive_settings(settings["config"], root, cfg)]
    description = json.dumps(decisive, sort_keys=True) + repr((classes, attributes))
    identity = fingerprint("detectron2", description, weights)
    return DetectronDetector(model, cfg, classes, attributes, identity, precision, whole_batches)


def _names(settings: Mapping[str, Any], key: str, root: Path) -> tuple[str, ...]:
    if key not in settings:
        return ()
    return read_names(existing_file(settings[key], root, f"file of {key}"))


def _ready_model(cfg: Any, checkpoint: dict[str, Any], weights: Path, device: str) -> Any:
    """Build the model with its weights, optimised for inference."""
    import torch

    model = build_model(cfg, device)
    fill(model, checkpoint, weights)
    fuse_norms(model)
    model.to(memory_format=torch.channels_last)  # 25% faster on a CPU; preferred by half precision on a GPU
    return model.eval()


class DetectronDetector(Detector):
    """`Detector` that runs a detectron2 model."""

    def __init__(
        self,
        model: Any,
        cfg: Any,
        class_names: tuple[str, ...],
        attribute_names: tuple[str, ...],
        identity: str,
        precision: str = "fp32",
        whole_batches: bool = False,
    ):
        """whole_batches: pre- and postprocess the images of a forward pass together, for a GPU
        (`detectron2_batches`), instead of one by one (`detectron2_per_image`).
        """
        from vcma.detection.detectron2_batches import WholeBatches
        from vcma.detection.detectron2_per_image import PerImage

        self.class_names = class_names
        self.has_attribute_head = hasattr(model.roi_heads.box_predictor, "attributes")
        self.attribute_names = attribute_names if self.has_attribute_head else COLOUR_ATTRIBUTES
        self.feature_dim = model.roi_heads.box_predictor.cls_score.in_features
        self.fingerprint = identity
        self._way = (WholeBatches if whole_batches else PerImage)(model, cfg)
        self._precision, self._device = precision, str(model.device)
        self._lock = Lock()
        self._in_passes = Passes(self._device)

    def prepare(self, images: Sequence[np.ndarray]) -> list[_Neighbours]:
        """Group consecutive images of equal size, which share a forward pass, and make the network inputs."""
        groups = (list(same) for _, same in itertools.groupby(images, key=lambda image: image.shape))
        return [_Neighbours(same, self._way.prepare(same)) for same in groups]

    def run(
        self,
        prepared: list[_Neighbours],
        *,
        top_k: int,
        score_threshold: float,
        nms_threshold: float,
        min_size: float,
    ) -> _Output:
        """Run the network; returns the images with callables that return the selected regions."""
        import torch

        limits = Limits(top_k, score_threshold, nms_threshold, min_size)
        with (
            self._lock,
            device_failures(self._device),
            torch.inference_mode(),
            without_old_warnings(),
            computing_in(self._precision, self._device),
        ):
            return [part for neighbours in prepared for part in self._passes(neighbours, limits)]

    def finish(self, output: _Output) -> list[Regions]:
        """Return the regions of each image, with colour attributes if the model has no attribute head."""
        with device_failures(self._device):
            return [
                self._regions(image, selected)
                for images, selection in output
                for image, selected in zip(images, selection(), strict=True)
            ]

    def _regions(self, image: np.ndarray, found: Selected) -> Regions:
        attributes = found.attributes if self.has_attribute_head else named_colours(image, found.box)
        return Regions(
            box=found.box.astype(np.float32),
            score=found.score.astype(np.float32),
            class_prob=found.class_prob.astype(np.float16),
            attribute_prob=attributes.astype(np.float16),
            feature=found.feature.astype(np.float16),
        )

    def _passes(self, neighbours: _Neighbours, limits: Limits) -> _Output:
        """Run the forward passes of a group of images of equal size."""
        images, inputs = neighbours
        size = images[0].shape[:2]
        return self._in_passes(len(images), lambda part: (images[part], self._way.run(inputs[part], size, limits)))


class _Neighbours(NamedTuple):
    """Consecutive images of equal size and their network inputs; both can be sliced."""

    images: list[np.ndarray]
    inputs: Any


_Output = list[tuple[list[np.ndarray], Callable[[], list[Selected]]]]  # images, and their regions
