"""Selection of the tube points to embed, and their image crops."""

from __future__ import annotations

import numpy as np

from vcma.records.columns import rows
from vcma.records.tubes import Tubes


def chosen_points(tubes: Tubes, usable: np.ndarray, points: int) -> list[np.ndarray]:
    """Choose at most `points` points of each tube; returns their rows for each tube, in ascending order.

    A tube's detections are split into `points` consecutive parts, of each of which the highest-scoring detection
    is chosen. Interpolated points are chosen only if a tube has no detections. usable: bool [P], the points that
    may be chosen.
    """
    found = []
    for tube in range(len(tubes)):
        mine = np.arange(len(tubes.position))[rows(tubes.point_offset, tube)]
        mine = mine[usable[mine]]
        detected = mine[~tubes.interpolated[mine]]
        parts = np.array_split(detected if len(detected) else mine, points)
        found.append(np.array([part[tubes.score[part].argmax()] for part in parts if len(part)], np.int64))
    return found


def crop(image: np.ndarray, box: np.ndarray, context: float) -> np.ndarray:
    """Crop a box xyxy [4] from an image (H, W, 3), with a margin of `context` times its sides.

    The crop is clipped to the image and measures at least two pixels per side.
    """
    height, width = image.shape[:2]
    margin = context * np.maximum(box[2:] - box[:2], 1)
    low = np.clip(np.floor(box[:2] - margin), 0, [width - 2, height - 2]).astype(int)
    high = np.clip(np.ceil(box[2:] + margin), low + 2, [width, height]).astype(int)
    return image[low[1] : high[1], low[0] : high[0]]
