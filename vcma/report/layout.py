"""Where text of a sentence and of its relations stands, on the page and in a figure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from vcma.records.query import Query


def sentence_pieces(query: Query) -> list[tuple[str, int]]:
    """The sentence in pieces: (text, entity or -1); where phrases nest, the shorter one has its text."""
    owner = np.full(len(query.text), -1)
    for i in sorted(range(len(query.entities)), key=lambda i: -np.ptp(query.entities[i].span)):
        begin, end = query.entities[i].span
        owner[begin:end] = i
    cuts = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(query.text)]
    return [(query.text[a:b], int(owner[a])) for a, b in pairwise(cuts) if b > a]


def free_height(wanted: float, taken: Sequence[float], pitch: float) -> float:
    """The height nearest to `wanted` that keeps `pitch` from those taken: where a line of text may stand."""
    tries = (wanted + step * pitch * sign for step in range(len(taken) + 1) for sign in (1, -1))
    return next(
        (y for y in tries if all(abs(y - other) >= 0.99 * pitch for other in taken)),
        max(taken, default=wanted) + pitch,
    )


def shortened(text: str, longest: int) -> str:
    """The text, cut to so many characters with an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
