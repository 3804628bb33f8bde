"""Pictures: stored frames decoded, pictures scaled; and the one door to OpenCV for pictures and videos."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.records.columns import Columns, rows

_PIXELS = 1 << 27  # of one picture; a damaged file that declares more must not fill the memory


def opencv() -> Any:
    # Broken files are reported by us, in one line; FFmpeg's own chatter would bury it.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(_PIXELS))
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    cv2.setNumThreads(1)
    return cv2


def decode(file: np.ndarray) -> np.ndarray:
    """One JPEG (uint8 bytes) as a picture, uint8 HxWx3 BGR. Raises InputError if it is none."""
    cv2 = opencv()
    picture = cv2.imdecode(np.ascontiguousarray(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise InputError("a stored frame is no readable JPEG", remedy="run extract_frames --force")
    return picture


def still(frames: Columns, row: int) -> np.ndarray:
    """One stored frame, uint8 HxWx3 BGR."""
    return decode(frames["jpeg"][rows(frames["jpeg_offset"], row)])


def scaled(picture: np.ndarray, longest: int, even: bool = False) -> np.ndarray:
    """A picture (uint8 HxWx3) no larger than `longest` px a side; with even sides where a codec needs them."""
    cv2 = opencv()
    height, width = picture.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = [max(2, round(side * scale)) for side in (width, height)]
    size = [side - side % 2 for side in size] if even else size
    return picture if size == [width, height] else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
