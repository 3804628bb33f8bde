"""Frames in memory, with the same interface as those of a video file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from vcma.errors import InputError
from vcma.video.conversion import Picture
from vcma.video.timeline import Timeline


class Pictures(Protocol):
    """Interface shared by `FrameReader` (a file) and `PictureArray`.

    The attributes are described in `FrameReader`; `path` identifies the video in messages.
    """

    @property
    def path(self) -> object: ...
    @property
    def timeline(self) -> Timeline: ...
    @property
    def size(self) -> tuple[int, int] | None: ...
    @property
    def broken(self) -> int: ...
    @property
    def damaged(self) -> int: ...
    @property
    def resized(self) -> tuple[int, tuple[int, int]] | None: ...

    def read(self, wanted: np.ndarray) -> Iterator[tuple[int, float, Picture]]: ...


class PictureArray:
    """Frames uint8 [n, height, width, 3], RGB, at `fps` frames per second; native indices are rows.

    Raises InputError if the array has another type or shape, or fps is not positive.
    """

    broken = damaged = 0
    resized = None

    def __init__(self, frames: np.ndarray, fps: float):
        self.path = "frames"
        if not (isinstance(frames, np.ndarray) and frames.dtype == np.uint8 and frames.ndim == 4):
            kind = (
                f"{frames.dtype} {list(frames.shape)}" if isinstance(frames, np.ndarray) else type(frames).__name__
            )
            raise InputError(f"are {kind}", self.path, "give uint8 [frames, height, width, 3], RGB")
        if frames.shape[3] != 3 or not frames.size:
            what = f"are of shape {list(frames.shape)}"
            raise InputError(what, self.path, "give at least one, [frames, height, width, 3], RGB")
        if not (math.isfinite(fps) and fps > 0):
            raise InputError(f"have the frame rate {fps}", self.path, "give fps, frames per second, above 0")
        self._frames = frames
        self.timeline = Timeline(np.arange(len(frames)) / fps, float(fps), True)
        self.size = frames.shape[2], frames.shape[1]

    def read(self, wanted: np.ndarray) -> Iterator[tuple[int, float, Picture]]:
        """Yield (native index, time in s, image BGR) of the wanted frames, as `FrameReader.read`."""
        for index in wanted[wanted < len(self._frames)].tolist():
            yield index, float(self.timeline.time[index]), np.ascontiguousarray(self._frames[index, ..., ::-1])
