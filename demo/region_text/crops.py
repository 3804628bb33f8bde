"""Training crops as a pipeline produces them: jittered boxes, context, blur, JPEG artifacts, occlusion."""

from __future__ import annotations

import cv2
import numpy as np

_RESIZING = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)


def cut(picture: np.ndarray, box: np.ndarray, context: float, square: bool = False) -> np.ndarray:
    """Return the pixels of a box (4,) xyxy, extended by `context` times its sides and clipped to the image.

    square: extend the box to a square first.
    """
    centre, sides = 0.5 * (box[:2] + box[2:]), np.maximum(box[2:] - box[:2], 1)
    half = 0.5 * (1 + 2 * context) * (np.full(2, sides.max()) if square else sides)
    high, wide = picture.shape[:2]
    x0, y0 = np.clip(np.floor(centre - half), 0, [wide - 2, high - 2]).astype(int)
    x1, y1 = np.clip(np.ceil(centre + half), [x0 + 2, y0 + 2], [wide, high]).astype(int)
    return picture[y0:y1, x0:x1]


def training_crop(
    rng: np.random.Generator, picture: np.ndarray, boxes: np.ndarray, which: int, size: int
) -> np.ndarray:
    """Return an augmented crop of one of the boxes (n, 4) of an image: (size, size, 3) uint8."""
    sides = np.tile(boxes[which, 2:] - boxes[which, :2], 2)
    box = boxes[which] + rng.normal(0, 0.05, 4).clip(-0.12, 0.12) * sides
    crop = cut(picture, box, rng.uniform(0.03, 0.22), square=rng.random() < 0.4)
    crop = cv2.resize(crop, (size, size), interpolation=_RESIZING[int(rng.integers(3))])
    if len(boxes) > 1 and rng.random() < 0.15:
        other = int(rng.choice([k for k in range(len(boxes)) if k != which]))
        _cover(rng, crop, cut(picture, boxes[other], 0.0))
    return _degraded(rng, crop[:, ::-1] if rng.random() < 0.5 else crop)


def _cover(rng: np.random.Generator, crop: np.ndarray, other: np.ndarray) -> None:
    """Occlude one side of the crop, up to a third, with a piece of another object."""
    size = len(crop)
    reach, begin = int(size * rng.uniform(0.1, 0.33)), int(size * rng.uniform(0, 0.5))
    piece = cv2.resize(other, (reach, size - begin))
    if rng.random() < 0.5:
        crop[begin:, :reach] = piece
    else:
        crop[begin:, size - reach :] = piece


def _degraded(rng: np.random.Generator, crop: np.ndarray) -> np.ndarray:
    if rng.random() < 0.3:
        crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.3, 0.9))
    if rng.random() < 0.5:
        crop = cv2.convertScaleAbs(crop, alpha=rng.uniform(0.85, 1.12), beta=rng.uniform(-6, 6))
    if rng.random() < 0.4:
        code = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 95))])[1]
        crop = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))
    return np.ascontiguousarray(crop)
