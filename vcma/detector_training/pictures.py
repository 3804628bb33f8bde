"""An annotated picture: what a detector is trained on and evaluated by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError

_JPEG_QUALITY = 95  # of the pictures kept in memory


@dataclass(frozen=True)
class AnnotatedPicture:
    """A picture, encoded (its file or the bytes of one), and the n objects in it.

    boxes: float32 [n, 4], continuous xyxy pixels; labels: n category names; attributes: n tuples of names.
    """

    source: bytes | Path
    boxes: np.ndarray
    labels: tuple[str, ...]
    attributes: tuple[tuple[str, ...], ...]

    def pixels(self) -> np.ndarray:
        """The picture decoded, (H, W, 3) uint8 BGR; raises InputError if it cannot be."""
        data = self.source if isinstance(self.source, bytes) else self.source.read_bytes()
        picture = decode(data)
        if picture is None:
            raise InputError("no picture can be decoded from it", str(self.source)[:200], "replace or remove it")
        return picture


def encode_jpeg(picture: np.ndarray, quality: int = _JPEG_QUALITY) -> bytes:
    """A picture, (H, W, 3) uint8 BGR, as JPEG."""
    import cv2

    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def decode(data: bytes) -> Any:
    """The picture, (H, W, 3) uint8 BGR, of an encoded one; None if it cannot be decoded."""
    import cv2

    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
