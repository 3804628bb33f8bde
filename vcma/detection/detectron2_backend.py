"""Detectors for detectron2: any Faster R-CNN it can build, with feature pyramid or C4 heads.

The score of a region is the greatest softmax probability of a class, background competing; its class
distribution is that softmax without the background, renormalised: the score says whether, the distribution what.
Features are the box head's, of the proposals the kept boxes came from: backbone and heads run once. Attributes
come from the attribute head where the weights have one, else they are colours named from the pixels.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vcma.detection.base import detection_mask, existing_file, fingerprint, read_names
from vcma.detection.colours import COLOUR_ATTRIBUTES, named_colours
from vcma.detection.detectron2_config import (
    catalogued_classes,
    decisive_settings,
    read_config,
    weights_file,
    without_old_warnings,
)
from vcma.detection.detectron2_model import build_model, fill, fuse_norms
from vcma.detection.weights import read_checkpoint
from vcma.errors import InputError
from vcma.records.regions import Regions

_VERSION = 1  # part of the fingerprint: raise it when the same weights would give other answers


def load(settings: Mapping[str, Any], root: Path, device: str) -> DetectronDetector:
    """Build the model of a configuration and fill it with weights; raises InputError with what does not fit."""
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
    return DetectronDetector(model, cfg, classes, attributes, fingerprint("detectron2", description, weights))


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
    if device == "cpu":
        model.to(memory_format=torch.channels_last)  # a quarter faster there
    return model.eval()


class _Candidates(NamedTuple):
    """All regions of a picture before any is dropped, as tensors.

    box (R, 4) xyxy in the picture's pixels, score (R,), logits (R, C + 1) with the background last, feature (R, D).
    """

    box: Any
    score: Any
    logits: Any
    feature: Any


class DetectronDetector:
    """A `Detector` of a built detectron2 model."""

    def __init__(
        self,
        model: Any,
        cfg: Any,
        class_names: tuple[str, ...],
        attribute_names: tuple[str, ...],
        identity: str,
    ):
        from detectron2.data.transforms import ResizeShortestEdge

        self.class_names = class_names
        self.has_attribute_head = hasattr(model.roi_heads.box_predictor, "attributes")
        self.attribute_names = attribute_names if self.has_attribute_head else COLOUR_ATTRIBUTES
        self.feature_dim = model.roi_heads.box_predictor.cls_score.in_features
        self.fingerprint = identity
        self._model = model
        self._rgb = cfg.INPUT.FORMAT == "RGB"
        self._resize = ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)

    def detect(
        self,
        pictures: Sequence[np.ndarray],
        *,
        top_k: int,
        score_threshold: float,
        nms_threshold: float,
        min_size: float,
    ) -> list[Regions]:
        """Regions of each picture; neighbours of one size share a forward pass."""
        import torch

        found: list[Regions] = []
        with torch.inference_mode(), without_old_warnings():
            for _, neighbours in itertools.groupby(pictures, key=lambda picture: picture.shape):
                same_size = list(neighbours)
                for picture, candidates in zip(same_size, self._forward(same_size), strict=True):
                    kept = _select(
                        candidates.box, candidates.score, top_k, score_threshold, nms_threshold, min_size
                    )
                    found.append(self._regions(picture, _Candidates(*(values[kept] for values in candidates))))
        return found

    def _forward(self, pictures: list[np.ndarray]) -> Iterator[_Candidates]:
        """The candidates of each of several pictures of one size."""
        import torch

        model = self._model
        images = model.preprocess_image([{"image": self._tensor(picture)} for picture in pictures])
        maps = model.backbone(images.tensor)
        proposals, _ = model.proposal_generator(images, maps, None)
        features = _box_features(model.roi_heads, maps, [p.proposal_boxes for p in proposals])
        predictions = model.roi_heads.box_predictor(features)
        boxes = model.roi_heads.box_predictor.predict_boxes(predictions, proposals)
        counts = [len(p) for p in proposals]
        height, width = pictures[0].shape[:2]
        scale = torch.tensor([width, height] * 2, device=features.device) / torch.tensor(
            images.image_sizes[0][::-1] * 2, device=features.device
        )
        rows = zip(boxes, predictions[0].split(counts), features.split(counts), strict=True)
        for box, logits, feature in rows:
            score, label = logits.softmax(1)[:, :-1].max(1)
            per_class = box.view(len(box), box.shape[1] // 4, 4)  # one box a region, or one a class
            chosen = label if per_class.shape[1] > 1 else torch.zeros_like(label)
            box = per_class[torch.arange(len(label), device=label.device), chosen] * scale
            box = torch.minimum(box.clamp(min=0), scale.new_tensor([width, height] * 2))
            yield _Candidates(box, score, logits, feature)

    def _tensor(self, picture: np.ndarray) -> Any:
        """The network's input: resized as in testing, (3, h, w), in the channel order it was trained on."""
        import torch

        resized = self._resize.get_transform(picture).apply_image(picture)
        resized = resized[:, :, ::-1] if self._rgb else resized
        return torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1), np.float32))

    def _regions(self, picture: np.ndarray, kept: _Candidates) -> Regions:
        foreground = kept.logits[:, :-1]
        box = kept.box.cpu().numpy()
        if self.has_attribute_head:
            predictor = self._model.roi_heads.box_predictor
            attributes = predictor.attributes(kept.feature, foreground.argmax(1)).cpu().numpy()
        else:
            attributes = named_colours(picture, box)
        return Regions(
            box=box.astype(np.float32),
            score=kept.score.cpu().numpy().astype(np.float32),
            class_prob=foreground.softmax(1).cpu().numpy().astype(np.float16),
            attribute_prob=attributes.astype(np.float16),
            feature=kept.feature.cpu().numpy().astype(np.float16),
        )


def _box_features(heads: Any, maps: dict[str, Any], boxes: list) -> Any:
    """Box-head features (R, D) of all proposals: what the box predictor is given."""
    if hasattr(heads, "res5"):
        return heads._shared_roi_transform([maps[name] for name in heads.in_features], boxes).mean(dim=(2, 3))
    return heads.box_head(heads.box_pooler([maps[name] for name in heads.box_in_features], boxes)).flatten(1)


def _select(box: Any, score: Any, top_k: int, score_threshold: float, nms_threshold: float, min_size: float) -> Any:
    """Rows kept by score, size and class-agnostic non-maximum suppression, best first; on the tensors' device."""
    from torchvision.ops import nms

    rows = detection_mask(box, score, score_threshold, min_size).nonzero()[:, 0]
    return rows[nms(box[rows], score[rows], nms_threshold)[:top_k]]
