"""Detectors for detectron2: any Faster R-CNN it can build, with feature pyramid or C4 heads.

The score of a region is the greatest softmax probability of a class, background competing; its class
distribution is that softmax without the background, renormalised: the score says whether, the distribution what.
Features are the box head's, of the proposals the kept boxes came from: backbone and heads run once. Attributes
come from the attribute head where the weights have one, else they are colours named from the pixels.
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

_VERSION = 1  # part of the fingerprint: raise it when the same weights would give other answers


def load(
    settings: Mapping[str, Any],
    root: Path,
    device: str,
    precision: str = "fp32",
    whole_batches: bool | None = None,
) -> DetectronDetector:
    """Build the model of a configuration and fill it with weights; raises InputError with what does not fit.

    whole_batches: as of DetectronDetector; None: on any device but a CPU.
    """
    if whole_batches is None:
        whole_batches = device != "cpu"
    cfg = read_config(settings["config"], root)
    weights = weights_file(settings.get("weights"), cfg.MODEL.WEIGHTS, root)
    checkpoint = read_checkpoint(weights)
    classes = _names(settings, "classes", root) or checkpoint["class_names"] or catalogued_classes(cfg)
    attributes = _names(settings, "attributes", root) or checkpoint["attribute_names"]
    if not classes:
        raise InputError("names no classes", weights, "add classes: FILE, one name a line, to the detector: block")
    # Many detectors exist with and without an attribute head: what the weights hold decides.
    cfg.MODEL.ATTRIBUTE_ON &= any(".attr_score." in name for name in checkpoint["model"])
    if cfg.MODEL.ATTRIBUTE_ON and not attributes:
        raise InputError("names no attributes", weights, "add attributes: FILE to the detector: block")
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
    return read_names(existing_file(settings[key], root, f"names of the {key}"))


def _ready_model(cfg: Any, checkpoint: dict[str, Any], weights: Path, device: str) -> Any:
    """The model filled with its weights, as it answers fastest."""
    import torch

    model = build_model(cfg, device)
    fill(model, checkpoint, weights)
    fuse_norms(model)
    model.to(memory_format=torch.channels_last)  # a quarter faster on a CPU, and what a GPU's half precision wants
    return model.eval()


class DetectronDetector(Detector):
    """A `Detector` of a built detectron2 model."""

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
        """whole_batches: work on the pictures of a pass together (`detectron2_batches`), as a GPU wants it, instead
        of one by one (`detectron2_pictures`).
        """
        from vcma.detection.detectron2_batches import WholeBatches
        from vcma.detection.detectron2_pictures import PictureByPicture

        self.class_names = class_names
        self.has_attribute_head = hasattr(model.roi_heads.box_predictor, "attributes")
        self.attribute_names = attribute_names if self.has_attribute_head else COLOUR_ATTRIBUTES
        self.feature_dim = model.roi_heads.box_predictor.cls_score.in_features
        self.fingerprint = identity
        self._way = (WholeBatches if whole_batches else PictureByPicture)(model, cfg)
        self._precision, self._device = precision, str(model.device)
        self._lock = Lock()
        self._in_passes = Passes(self._device)

    def prepare(self, pictures: Sequence[np.ndarray]) -> list[_Neighbours]:
        """Neighbours of one size, which share a forward pass, with the network's inputs."""
        groups = (list(same) for _, same in itertools.groupby(pictures, key=lambda picture: picture.shape))
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
        """Pictures and what is kept of them, once it is called for."""
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
        """Regions of each picture, with the names of colours where no attribute head is."""
        with device_failures(self._device):
            return [
                self._regions(picture, selected)
                for pictures, selection in output
                for picture, selected in zip(pictures, selection(), strict=True)
            ]

    def _regions(self, picture: np.ndarray, found: Selected) -> Regions:
        attributes = found.attributes if self.has_attribute_head else named_colours(picture, found.box)
        return Regions(
            box=found.box.astype(np.float32),
            score=found.score.astype(np.float32),
            class_prob=found.class_prob.astype(np.float16),
            attribute_prob=attributes.astype(np.float16),
            feature=found.feature.astype(np.float16),
        )

    def _passes(self, neighbours: _Neighbours, limits: Limits) -> _Output:
        """Forward passes of all neighbours."""
        pictures, inputs = neighbours
        size = pictures[0].shape[:2]
        return self._in_passes(
            len(pictures), lambda part: (pictures[part], self._way.run(inputs[part], size, limits))
        )


class _Neighbours(NamedTuple):
    """Pictures of one size, and the network's inputs, both of which may be sliced."""

    pictures: list[np.ndarray]
    inputs: Any


_Output = list[tuple[list[np.ndarray], Callable[[], list[Selected]]]]  # pictures, and what is kept of each
