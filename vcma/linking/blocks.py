"""Blocks that bound the memory of linking whatever the length of the video.

Their sizes are no part of the method: they change results by the rounding of sums at most.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

ELEMENTS_PER_BLOCK = 1 << 17  # numbers read from a wide column at a time
PAIRS_PER_BLOCK = 1 << 17  # pairs of detections compared at a time
MIN_STARTS_PER_BLOCK = 64  # starts of tracklets compared at a time; bounds the number of blocks
MAX_CACHED_ELEMENTS = 1 << 20  # the embeddings of a video are kept in memory where they are fewer numbers
MAX_DENSE_ELEMENTS = 1 << 20  # of a matrix that is assigned densely


def row_blocks(rows: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Consecutive parts of rows [n], each as long as fits in a block with `width` numbers a row."""
    length = max(ELEMENTS_PER_BLOCK // max(width, 1), 1)
    for begin in range(0, len(rows), length):
        yield rows[begin : begin + length]
