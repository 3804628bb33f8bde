"""Annotated images for the training and evaluation of detectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError

_JPEG_QUALITY = 95  # of the encoded images in memory


@dataclass(frozen=True)
class AnnotatedPicture:
    """An encoded image, as a file or its bytes, with n annotated objects.

    boxes: float32 [n, 4], continuous xyxy pixels; labels: n category names; attributes: n tuples of names.
    """

    source: bytes | Path
    boxes: np.ndarray
    labels: tuple[str, ...]
    attributes: tuple[tuple[str, ...], ...]

    def pixels(self) -> np.ndarray:
        """Decode the image to (H, W, 3) uint8 BGR; raises InputError if that fails."""
        data = self.source if isinstance(self.source, bytes) else self.source.read_bytes()
        picture = decode(data)
        if picture is None:
            raise InputError("cannot be decoded as an image", str(self.source)[:200], "replace or remove it")
        return picture


def encode_jpeg(picture: np.ndarray, quality: int = _JPEG_QUALITY) -> bytes:
    """Encode an image (H, W, 3) uint8 BGR as JPEG."""
    import cv2

    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def decode(data: bytes) -> Any:
    """Decode an image to (H, W, 3) uint8 BGR; None if that fails."""
    import cv2

    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
