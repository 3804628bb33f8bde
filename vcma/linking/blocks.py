"""Block sizes that bound the memory of linking, independently of the length of the video.

They are not part of the method: they affect results at most by the rounding of sums.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

ELEMENTS_PER_BLOCK = 1 << 17  # numbers read from a wide column at a time
PAIRS_PER_BLOCK = 1 << 17  # pairs of detections compared at a time
MIN_STARTS_PER_BLOCK = 64  # starts of tracklets compared at a time; bounds the number of blocks
MAX_CACHED_ELEMENTS = 1 << 20  # maximum size of a video's embeddings that are kept in memory
MAX_DENSE_ELEMENTS = 1 << 20  # maximum size of a gain matrix that is assigned densely


def row_blocks(rows: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Split rows [n] into consecutive blocks of at most ELEMENTS_PER_BLOCK numbers, `width` per row."""
    length = max(ELEMENTS_PER_BLOCK // max(width, 1), 1)
    for begin in range(0, len(rows), length):
        yield rows[begin : begin + length]
