"""Batched selection of region proposals: as in detectron2, without its loop over images."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.structures import Boxes, Instances
from torch import Tensor

from vcma.detection.suppression import first, greedy


def find_top_rpn_proposals(
    proposals: list[Tensor],
    pred_objectness_logits: list[Tensor],
    image_sizes: list[tuple[int, int]],
    nms_thresh: float,
    pre_nms_topk: int,
    post_nms_topk: int,
    min_box_size: float,
) -> list[Instances]:
    """detectron2's function of that name for inference, synchronising with the device per level, not per image.

    The pre_nms_topk boxes of highest objectness of each level enter NMS; the post_nms_topk best of each image are
    returned, best first. proposals: [B, R_l, 4] and pred_objectness_logits: [B, R_l] for each level l; image_sizes:
    (height, width) of each image. Sorting is stable, so the result does not depend on the device.
    """
    height, width = proposals[0].new_tensor(image_sizes).T[..., None, None]
    boxes, logits, kept = [], [], []
    for box, logit in zip(proposals, pred_objectness_logits, strict=True):
        logit, order = logit.float().sort(dim=1, descending=True, stable=True)
        logit, order = logit[:, :pre_nms_topk], order[:, :pre_nms_topk]
        box = box.gather(1, order[..., None].expand(-1, -1, 4))
        finite = box.isfinite().all(-1) & logit.isfinite()
        box = torch.stack([_clipped(box[..., 0::2], width), _clipped(box[..., 1::2], height)], -1).flatten(-2)
        large = (box[..., 2:] - box[..., :2] > min_box_size).all(-1)
        boxes.append(box)
        logits.append(logit)
        kept.append(greedy(box, finite & large, nms_thresh))
    return _best(torch.cat(boxes, 1), torch.cat(logits, 1), torch.cat(kept, 1), post_nms_topk, image_sizes)


def _clipped(coordinate: Tensor, limit: Tensor) -> Tensor:
    return torch.minimum(coordinate.clamp(min=0), limit)


def _best(
    box: Tensor, logit: Tensor, kept: Tensor, count: int, image_sizes: list[tuple[int, int]]
) -> list[Instances]:
    """The `count` best remaining boxes of each image, over all levels."""
    order = logit.masked_fill(~kept, -torch.inf).sort(dim=1, descending=True, stable=True).indices
    position, real = first(kept.gather(1, order), count)
    rows = order.gather(1, position)
    counts = real.sum(1).tolist()
    found = zip(
        box.gather(1, rows[..., None].expand(-1, -1, 4))[real].split(counts),
        logit.gather(1, rows)[real].split(counts),
        image_sizes,
        strict=True,
    )
    return [Instances(size, proposal_boxes=Boxes(b), objectness_logits=o) for b, o, size in found]


def predict_proposals(
    rpn: Any,
    anchors: list[Boxes],
    pred_objectness_logits: list[Tensor],
    pred_anchor_deltas: list[Tensor],
    image_sizes: list[tuple[int, int]],
) -> list[Instances]:
    """Replacement of the method of this name of detectron2's RPN, with the selection above."""
    return find_top_rpn_proposals(
        rpn._decode_proposals(anchors, pred_anchor_deltas),
        pred_objectness_logits,
        image_sizes,
        rpn.nms_thresh,
        rpn.pre_nms_topk[False],
        rpn.post_nms_topk[False],
        rpn.min_box_size,
    )
