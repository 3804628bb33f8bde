"""Bilinear resizing of uint8 images as tensors, bit-identical to Pillow's, so that a GPU can resize whole batches.

torch's antialiased `interpolate` differs by one level where float32 rounds a half differently, which changes scores
in the third digit. Source: Pillow's src/libImaging/Resample.c, which uses integer arithmetic for uint8.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

_BITS = 22  # fractional bits of a weight: int32 less 8 bits for a level and 2 spare


def resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize images (B, 3, H, W) uint8 to size (height, width); returns int32 levels 0 to 255."""
    levels = images.to(torch.int32, memory_format=torch.contiguous_format)
    passes = _passes(size)
    return _both(levels, passes if _across_first(tuple(levels.shape[2:]), size) else passes[::-1])


def _passes(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Horizontal, then vertical pass, as (axis, size)."""
    return [(3, size[1]), (2, size[0])]


@lru_cache(maxsize=64)
def _across_first(before: tuple[int, int], after: tuple[int, int]) -> bool:
    """Return whether Pillow resizes the width first, by a test: since Pillow 13.0 it depends on the sizes."""
    count = 1 + 200 // (after[0] * after[1])  # enough noise: both orders often agree on a level
    noise = np.random.default_rng(0).integers(0, 256, (count, *before), np.uint8)
    theirs = [Image.fromarray(p).resize(after[::-1], Image.Resampling.BILINEAR) for p in noise]
    ours = _both(torch.from_numpy(noise).to(torch.int32)[:, None], _passes(after))
    return bool((ours[:, 0].numpy() == np.stack([np.asarray(p) for p in theirs])).all())


def _both(levels: Tensor, passes: list[tuple[int, int]]) -> Tensor:
    """Resize along the axes whose size changes, in the given order."""
    for axis, wanted in passes:
        if levels.shape[axis] != wanted:
            levels = _along(levels, axis, wanted)
    return levels


def _along(levels: Tensor, axis: int, wanted: int) -> Tensor:
    """Resize along one axis."""
    source, weight = _taps(levels.shape[axis], wanted, str(levels.device))
    shape = [1] * levels.ndim
    shape[axis] = wanted
    total = levels.new_full((*levels.shape[:axis], wanted, *levels.shape[axis + 1 :]), 1 << (_BITS - 1))
    for rows, share in zip(source, weight, strict=True):
        total.addcmul_(levels.index_select(axis, rows), share.view(shape))
    return (total >> _BITS).clamp_(0, 255)


@lru_cache(maxsize=64)
def _taps(size: int, wanted: int, device: str) -> tuple[Tensor, Tensor]:
    """Source rows of each of the `wanted` rows, (taps, wanted), and their weights in units of 2^-_BITS.

    The filter is a triangle with a half-width of one target row, but at least one source row.
    """
    scale = size / wanted
    support = max(scale, 1.0)
    centre = (np.arange(wanted) + 0.5) * scale
    begin = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    end = np.minimum((centre + support + 0.5).astype(np.int64), size)
    source = begin + np.arange((end - begin).max())[:, None]
    weight = np.maximum(1 - np.abs((source - centre + 0.5) * (1 / support)), 0) * (source < end)
    weight = np.floor(0.5 + weight * (1 / weight.sum(0)) * (1 << _BITS))
    with torch.inference_mode(False):  # kept for later calls of any mode
        rows = torch.from_numpy(np.minimum(source, size - 1)).to(device)
        return rows, torch.from_numpy(weight.astype(np.int32)).to(device)
