"""Columns of an artifact in memory, and the arithmetic of ragged ones.

Ragged data are a flat column and an offsets column of one entry more: row i owns [offset[i], offset[i + 1]).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

Columns = dict[str, Any]  # column name -> np.ndarray; strings are object arrays of str


def rows(offset: np.ndarray, i: int) -> slice:
    """The rows that entry i of an offsets column owns."""
    return slice(int(offset[i]), int(offset[i + 1]))


def offsets(counts: Iterable[int]) -> np.ndarray:
    """Offsets column (int64) of consecutive groups of rows with the given counts."""
    return np.concatenate([[0], np.cumsum(np.fromiter(counts, dtype=np.int64))]).astype(np.int64)


def ranges(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The ranges first[i], ..., first[i] + count[i] - 1 of all i, end to end."""
    return np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
