"""Outputs of a Faster R-CNN for all proposals of a forward pass, before selection; the caller imports torch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Limits(NamedTuple):
    """Parameters of the selection of regions; see `Detector.detect`."""

    top_k: int
    score_threshold: float
    nms_threshold: float
    min_size: float


class Selected(NamedTuple):
    """The k regions selected in one image, best first, as arrays.

    box (k, 4) xyxy in image pixels, score (k,), class_prob (k, C), attributes (k, A) with A = 0 without an
    attribute head, feature (k, D).
    """

    box: np.ndarray
    score: np.ndarray
    class_prob: np.ndarray
    attributes: np.ndarray
    feature: np.ndarray


class Candidates(NamedTuple):
    """All R regions of the images of a forward pass, concatenated, as tensors.

    box (R, 4) xyxy in image pixels, score (R,), logits (R, C + 1) with the background last, feature (R, D).
    """

    box: Any
    score: Any
    logits: Any
    feature: Any


def candidates(model: Any, image_list: Any, size: tuple[int, int]) -> tuple[Candidates, list[int]]:
    """Run the network on images of equal size (height, width); returns the regions and their count per image."""
    import torch

    maps = model.backbone(image_list.tensor)
    proposals, _ = model.proposal_generator(image_list, maps, None)
    feature = _box_features(model.roi_heads, maps, [p.proposal_boxes for p in proposals])
    predictor = model.roi_heads.box_predictor
    predictions = predictor(feature)
    boxes = torch.cat(list(predictor.predict_boxes(predictions, proposals)))
    logits = predictions[0].float()
    score, label = logits.softmax(1)[:, :-1].max(1)
    per_class = boxes.view(len(boxes), boxes.shape[1] // 4, 4)  # one box per region, or one per class
    chosen = label if per_class.shape[1] > 1 else torch.zeros_like(label)
    height, width = size
    extent = score.new_tensor([width, height] * 2)
    box = per_class[torch.arange(len(label), device=label.device), chosen]
    box = box * (extent / score.new_tensor(image_list.image_sizes[0][::-1] * 2))
    box = torch.minimum(box.clamp(min=0), extent)
    return Candidates(box, score, logits, feature.float()), [len(p) for p in proposals]


def _box_features(heads: Any, maps: dict[str, Any], boxes: list) -> Any:
    """Box-head features (R, D) of all proposals, the input of the box predictor.

    The maps are pooled in float32: under autocast, torchvision's RoIAlign casts to it by itself, but its RoIPool
    does not on every device.
    """
    if hasattr(heads, "res5"):
        read = [maps[name].float() for name in heads.in_features]
        return heads._shared_roi_transform(read, boxes).mean(dim=(2, 3))
    read = [maps[name].float() for name in heads.box_in_features]
    return heads.box_head(heads.box_pooler(read, boxes)).flatten(1)


def answers(predictor: Any, found: Candidates) -> list[Any]:
    """Return the tensors of `Selected` for the given regions."""
    foreground = found.logits[:, :-1]
    attributes = found.score.new_zeros(len(found.score), 0)
    if hasattr(predictor, "attributes"):
        attributes = predictor.attributes(found.feature, foreground.argmax(1)).float()
    return [found.box, found.score, foreground.softmax(1), attributes, found.feature]
