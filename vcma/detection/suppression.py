"""Batched greedy non-maximum suppression: on a GPU, a loop over images would synchronise with the device for each.

B sets of K boxes xyxy; the results equal those of `torchvision.ops.nms` on each set.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_STEPS = 8  # updates between convergence checks, each of which synchronises with the device


def greedy(box: Tensor, valid: Tensor, threshold: float) -> Tensor:
    """Return the mask [B, K] of the boxes [B, K, 4] that remain; boxes are sorted best first, `valid` is [B, K].

    A box remains if it is valid and no better remaining box has an IoU with it above the threshold. Each update
    below settles at least one more box of every chain "a suppresses b, which would have suppressed c", so the fixed
    point is the greedy result; chains are short.
    """
    suppresses = _overlapping(box, threshold).triu(1)
    remains = valid
    while True:
        for _ in range(_STEPS):
            before, remains = remains, valid & ~(suppresses & remains[..., None]).any(-2)
        if torch.equal(before, remains):
            return remains


def _overlapping(box: Tensor, threshold: float) -> Tensor:
    """Mask [B, K, K] of pairs with IoU above the threshold, with torchvision's operations and precision."""
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
    """Largest float32 not above the threshold, which a float32 value exceeds iff it exceeds the threshold."""
    nearest = np.float32(threshold)
    return float(nearest if float(nearest) <= threshold else np.nextafter(nearest, np.float32(-np.inf)))


def first(mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return positions [B, n] of the first true entries of a mask [B, K], n <= count, and their validity [B, n]."""
    position = (~mask).to(torch.uint8).sort(dim=1, stable=True).indices[:, :count]
    return position, mask.gather(1, position)
