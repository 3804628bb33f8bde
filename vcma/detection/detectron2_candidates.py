"""What a Faster R-CNN says of all regions of a pass, before any is dropped; torch is imported by the caller."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Limits(NamedTuple):
    """Which regions of a picture are kept: the parameters of `Detector.detect`."""

    top_k: int
    score_threshold: float
    nms_threshold: float
    min_size: float


class Selected(NamedTuple):
    """The k regions kept of one picture, best first, as arrays.

    box (k, 4) xyxy in the picture's pixels, score (k,), class_prob (k, C), attributes (k, A), A being 0 where there
    is no attribute head, feature (k, D).
    """

    box: np.ndarray
    score: np.ndarray
    class_prob: np.ndarray
    attributes: np.ndarray
    feature: np.ndarray


class Candidates(NamedTuple):
    """All R regions of the pictures of a pass, one picture after another, as tensors.

    box (R, 4) xyxy in the pictures' pixels, score (R,), logits (R, C + 1) with the background last, feature (R, D).
    """

    box: Any
    score: Any
    logits: Any
    feature: Any


def candidates(model: Any, images: Any, size: tuple[int, int]) -> tuple[Candidates, list[int]]:
    """The regions of the network's images of pictures of one size (height, width), and how many each has."""
    import torch

    maps = model.backbone(images.tensor)
    proposals, _ = model.proposal_generator(images, maps, None)
    feature = _box_features(model.roi_heads, maps, [p.proposal_boxes for p in proposals])
    predictor = model.roi_heads.box_predictor
    predictions = predictor(feature)
    boxes = torch.cat(list(predictor.predict_boxes(predictions, proposals)))
    logits = predictions[0].float()
    score, label = logits.softmax(1)[:, :-1].max(1)
    per_class = boxes.view(len(boxes), boxes.shape[1] // 4, 4)  # one box a region, or one a class
    chosen = label if per_class.shape[1] > 1 else torch.zeros_like(label)
    height, width = size
    extent = score.new_tensor([width, height] * 2)
    box = per_class[torch.arange(len(label), device=label.device), chosen]
    box = box * (extent / score.new_tensor(images.image_sizes[0][::-1] * 2))
    box = torch.minimum(box.clamp(min=0), extent)
    return Candidates(box, score, logits, feature.float()), [len(p) for p in proposals]


def _box_features(heads: Any, maps: dict[str, Any], boxes: list) -> Any:
    """Box-head features (R, D) of all proposals: what the box predictor is given.

    Pooling reads the maps in float32, as torchvision's RoIAlign does in half precision of its own accord, and its
    RoIPool does not everywhere.
    """
    if hasattr(heads, "res5"):
        read = [maps[name].float() for name in heads.in_features]
        return heads._shared_roi_transform(read, boxes).mean(dim=(2, 3))
    read = [maps[name].float() for name in heads.box_in_features]
    return heads.box_head(heads.box_pooler(read, boxes)).flatten(1)


def answers(predictor: Any, found: Candidates) -> list[Any]:
    """The tensors of `Selected`, of the regions found."""
    foreground = found.logits[:, :-1]
    attributes = found.score.new_zeros(len(found.score), 0)
    if hasattr(predictor, "attributes"):
        attributes = predictor.attributes(found.feature, foreground.argmax(1)).float()
    return [found.box, found.score, foreground.softmax(1), attributes, found.feature]
