"""Columns of an artifact in memory, and helpers for ragged ones.

Ragged data are a flat column and an offsets column with one more entry: row i owns [offset[i], offset[i + 1]).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

Columns = dict[str, Any]  # column name -> np.ndarray; strings are object arrays of str


def rows(offset: np.ndarray, i: int) -> slice:
    """Return the rows that entry i of an offsets column owns."""
    return slice(int(offset[i]), int(offset[i + 1]))


def offsets(counts: Iterable[int]) -> np.ndarray:
    """Return the offsets column (int64) of consecutive groups of rows with the given counts."""
    return np.concatenate([[0], np.cumsum(np.fromiter(counts, dtype=np.int64))]).astype(np.int64)


def ranges(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Concatenate the ranges first[i], ..., first[i] + count[i] - 1 over all i."""
    return np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
