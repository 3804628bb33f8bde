"""Decode stored frames and scale images; the only place that imports OpenCV for images and videos."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.records.columns import Columns, rows

_PIXELS = 1 << 27  # maximum number of pixels of an image, so that a damaged file cannot exhaust memory


def opencv() -> Any:
    """Import OpenCV with one thread, a limit on image size, and without its log messages."""
    # We report unreadable files in one line, which FFmpeg's messages would bury.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(_PIXELS))
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    cv2.setNumThreads(1)
    return cv2


def decode(file: np.ndarray) -> np.ndarray:
    """Decode a JPEG (uint8 bytes) to uint8 [H, W, 3], BGR. Raises InputError if it is not readable."""
    cv2 = opencv()
    picture = cv2.imdecode(np.ascontiguousarray(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise InputError("a stored frame is not a readable JPEG", remedy="run extract_frames --force")
    return picture


def still(frames: Columns, row: int) -> np.ndarray:
    """Decode one stored frame to uint8 [H, W, 3], BGR."""
    return decode(frames["jpeg"][rows(frames["jpeg_offset"], row)])


def scaled(picture: np.ndarray, longest: int, even: bool = False) -> np.ndarray:
    """Scale an image uint8 [H, W, 3] down to at most `longest` px per side; even: to even sides, as codecs need."""
    cv2 = opencv()
    height, width = picture.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = [max(2, round(side * scale)) for side in (width, height)]
    size = [side - side % 2 for side in size] if even else size
    return picture if size == [width, height] else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
