"""Examine a video before use: its frame size, changes of size or orientation, and damage."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from vcma.errors import InputError
from vcma.video.decoder import Decoder

_APART = 1.0  # s, minimum interval of the key frames that are examined


class Examination(NamedTuple):
    """Result of `examine`.

    size: width and height of the first frame, px, upright; changes: of size or orientation, in words; broken:
    number of frames that are damaged or cannot be decoded according to FFmpeg.
    """

    size: tuple[int, int]
    changes: tuple[str, ...]
    broken: int


def examine(path: Path, thorough: bool) -> Examination:
    """Decode key frames of a video or, if thorough, all frames. Raises InputError if none can be decoded."""
    size = matrix = None
    changes: dict[str, None] = {}
    damaged = 0
    with Decoder(path) as decoder:
        for shown in decoder.frames() if thorough else decoder.key_frames(_APART):
            damaged += bool(shown.frame.is_corrupt)
            if size is None:
                size, matrix = shown.size, shown.matrix
            elif (other := shown.size) != size:
                changes[f"{size[0]}x{size[1]} to {other[0]}x{other[1]}"] = None
            elif shown.matrix != matrix:
                changes["orientation"] = None
        broken = decoder.broken + damaged
    if size is None:
        raise InputError("none of its frames can be decoded", path, "download it again")
    return Examination(size, tuple(changes), broken)
