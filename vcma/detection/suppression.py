"""Greedy non-maximum suppression of many sets of boxes at once, in tensors: on a GPU, a wait for the device costs
more than the arithmetic, and a loop over pictures waits for every one.

B sets of K boxes each, xyxy; the answers are those of `torchvision.ops.nms` on each set.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_STEPS = 8  # updates between two looks at whether anything still changes, each of which waits for the device


def greedy(box: Tensor, valid: Tensor, threshold: float) -> Tensor:
    """Mask [B, K] of the boxes [B, K, 4] that remain, best first in each set; those not valid [B, K] never count.

    A box remains if no better box that remains has an IoU with it above the threshold. The update below settles one
    more box of each chain "a suppresses b, which would have suppressed c" at a time, so what no update changes is
    that answer; chains are short.
    """
    suppresses = _overlapping(box, threshold).triu(1)
    remains = valid
    while True:
        for _ in range(_STEPS):
            before, remains = remains, valid & ~(suppresses & remains[..., None]).any(-2)
        if torch.equal(before, remains):
            return remains


def _overlapping(box: Tensor, threshold: float) -> Tensor:
    """Which pairs [B, K, K] have an IoU above the threshold, in the steps and the precision of torchvision's."""
    x1, y1, x2, y2 = box.unbind(-1)
    area = (x2 - x1) * (y2 - y1)

    def shared(low: Tensor, high: Tensor) -> Tensor:
        inside = torch.minimum(high[..., None], high[..., None, :]) - torch.maximum(
            low[..., None], low[..., None, :]
        )
        return inside.clamp(min=0)

    intersection = shared(x1, x2) * shared(y1, y2)
    iou = intersection / (area[..., None] + area[..., None, :] - intersection)
    return iou > _rounded_down(threshold)


def _rounded_down(threshold: float) -> float:
    """The largest float32 not above the threshold: a float32 exceeds the one exactly where it exceeds the other."""
    nearest = np.float32(threshold)
    return float(nearest if float(nearest) <= threshold else np.nextafter(nearest, np.float32(-np.inf)))


def first(mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Positions [B, n] of the true entries of a mask [B, K] in order, at most `count`, and which are any [B, n]."""
    position = (~mask).to(torch.uint8).sort(dim=1, stable=True).indices[:, :count]
    return position, mask.gather(1, position)
