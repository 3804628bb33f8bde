"""Change of a tube's appearance over time, by which a tube that follows several objects in turn is recognised."""

from __future__ import annotations

import numpy as np

from vcma.records.columns import rows
from vcma.records.tubes import Tubes, unit_rows

# On real street and single clips and drawn ones, with three detectors, the first half of one tube continued by the
# second half of another has a lower cosine in three of four cases; tubes as linked in one of twenty.
SEVERAL_OBJECTS = 0.4
_LEAST, _SHARE = 3, 5  # either part has at least three points and a fifth of all


def cosine_over_time(tubes: Tubes, tube: int, begin: int, end: int) -> float:
    """Return how alike a tube's appearance is before and after the moment of its greatest change; NaN if unknown.

    It is the cosine of the mean features of the points before and after, less the mean feature of all other tubes,
    minimal over the moments in native frames [begin, end). Only detected points count. Unknown without features,
    without other tubes, or with fewer than six points.
    """
    points = rows(tubes.point_offset, tube)
    frame = tubes.frame[tubes.position[points]]
    own = unit_rows(tubes.feature[points])
    inside = ~tubes.interpolated[points] & (frame >= begin) & (frame < end)
    others, count = tubes.feature_sum - own.sum(0), len(tubes.feature) - len(own)
    if not own.shape[1] or not count or inside.sum() < 2 * _LEAST:
        return float("nan")
    x = own[inside] - others / count
    total, least = x.cumsum(0), max(_LEAST, len(x) // _SHARE)
    before, after = total[least - 1 : len(x) - least], total[-1] - total[least - 1 : len(x) - least]
    cosine = (before * after).sum(1) / np.maximum(
        np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1), 1e-9
    )
    return float(cosine.min())
