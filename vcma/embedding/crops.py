"""Which regions of tubes are looked at, and their pictures."""

from __future__ import annotations

import numpy as np

from vcma.records.columns import rows
from vcma.records.tubes import Tubes


def chosen_points(tubes: Tubes, usable: np.ndarray, points: int) -> list[np.ndarray]:
    """Return rows of at most `points` points of each tube, ascending: the best scored of as many parts of its
    detections.

    usable: bool [P], the points that may be chosen. Interpolated ones are chosen only where a tube has no others.
    """
    found = []
    for tube in range(len(tubes)):
        mine = np.arange(len(tubes.position))[rows(tubes.point_offset, tube)]
        mine = mine[usable[mine]]
        detected = mine[~tubes.interpolated[mine]]
        parts = np.array_split(detected if len(detected) else mine, points)
        found.append(np.array([part[tubes.score[part].argmax()] for part in parts if len(part)], np.int64))
    return found


def crop(picture: np.ndarray, box: np.ndarray, context: float) -> np.ndarray:
    """The pixels of a box xyxy [4] of a picture (H, W, 3), with `context` times its sides around it.

    As far as the picture goes; at least two pixels a side.
    """
    height, width = picture.shape[:2]
    margin = context * np.maximum(box[2:] - box[:2], 1)
    low = np.clip(np.floor(box[:2] - margin), 0, [width - 2, height - 2]).astype(int)
    high = np.clip(np.ceil(box[2:] + margin), low + 2, [width, height]).astype(int)
    return picture[low[1] : high[1], low[0] : high[0]]
