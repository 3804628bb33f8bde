"""Index arithmetic on consecutive groups of rows."""

from __future__ import annotations

import numpy as np


def ranges(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The ranges first[i], ..., first[i] + count[i] - 1 of all i, end to end."""
    return np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
