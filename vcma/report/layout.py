"""Lay out the text of sentences and relations, for pages and figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from vcma.records.query import Query


def sentence_pieces(query: Query) -> list[tuple[str, int]]:
    """Split the sentence into pieces (text, entity or -1); text of nested phrases belongs to the shortest one."""
    owner = np.full(len(query.text), -1)
    for i in sorted(range(len(query.entities)), key=lambda i: -np.ptp(query.entities[i].span)):
        begin, end = query.entities[i].span
        owner[begin:end] = i
    cuts = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(query.text)]
    return [(query.text[a:b], int(owner[a])) for a, b in pairwise(cuts) if b > a]


def free_height(wanted: float, taken: Sequence[float], pitch: float) -> float:
    """Return the height for a line of text nearest to `wanted`, at least `pitch` from those taken."""
    tries = (wanted + step * pitch * sign for step in range(len(taken) + 1) for sign in (1, -1))
    return next(
        (y for y in tries if all(abs(y - other) >= 0.99 * pitch for other in taken)),
        max(taken, default=wanted) + pitch,
    )


def shortened(text: str, longest: int) -> str:
    """Shorten a text to at most `longest` characters, with an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
