"""Conventions of files for boxes and times, converted to ours: xyxy pixels, 0-based frames, half-open spans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BOXES = ("xyxy", "xywh", "cxcywh")
_ROUNDING = 1e-6  # frames; tolerance for floating-point error


class UnknownVideoError(ValueError):
    """A required video size or frame rate is unknown."""


@dataclass(frozen=True)
class Conventions:
    """Conventions of a file for boxes and times.

    box: xyxy (corners), xywh (upper left corner and size) or cxcywh (centre and size). normalised: relative to the
    frame's width and height, else pixels. seconds: times in seconds, else frames; the first frame has the number
    `first`, and `stride` is n if the file counts only every n-th frame. inclusive: whether a span includes its end.
    """

    box: str = "xyxy"
    normalised: bool = False
    seconds: bool = False
    first: int = 0
    inclusive: bool = False
    stride: int = 1

    def to_corners(self, box: np.ndarray, width: float, height: float) -> np.ndarray:
        """Convert boxes [n, 4] to xyxy pixels, float64. width and height of the frame are only needed for
        normalised boxes. Raises UnknownVideoError."""
        box = np.asarray(box, np.float64).reshape(-1, 4)
        start, rest = box[:, :2], box[:, 2:]
        if self.box == "cxcywh":
            start = start - rest / 2
        end = rest if self.box == "xyxy" else start + rest
        return np.concatenate([start, end], axis=1) * self._scale(width, height)

    def from_corners(self, box: np.ndarray, width: float, height: float) -> np.ndarray:
        """Convert boxes [n, 4] from xyxy pixels to the conventions of the file."""
        box = np.asarray(box, np.float64).reshape(-1, 4) / self._scale(width, height)
        start, size = box[:, :2], box[:, 2:] - box[:, :2]
        written = {"xyxy": (start, box[:, 2:]), "xywh": (start, size), "cxcywh": (start + size / 2, size)}
        return np.concatenate(written[self.box], axis=1)

    def _scale(self, width: float, height: float) -> np.ndarray:
        if not self.normalised:
            return np.ones(4)
        if not (width > 0 and height > 0):
            raise UnknownVideoError("its boxes are relative to the frame, whose size is unknown")
        return np.array([width, height, width, height], np.float64)

    def to_frames(self, time: np.ndarray, fps: float) -> np.ndarray:
        """Convert times [n] to native frames, int64; raises ValueError for a frame that is not an integer.

        A time in seconds is converted to the nearest frame.
        """
        time = np.asarray(time, np.float64)
        if not np.isfinite(time).all():
            raise ValueError("a time is not finite")
        if self.seconds:
            return np.rint(time * self._rate(fps)).astype(np.int64)
        frame = np.rint(time)
        if (odd := np.abs(time - frame) > _ROUNDING).any():
            raise ValueError(f"frame {time[odd][0]:g} is not an integer: is it in seconds?")
        return (frame.astype(np.int64) - self.first) * self.stride

    def from_frames(self, frame: np.ndarray, fps: float) -> np.ndarray:
        """Convert native frames [n] to the conventions of the file."""
        if self.seconds:
            return np.asarray(frame) / self._rate(fps)
        return np.asarray(frame, np.int64) // self.stride + self.first

    def to_span(self, begin: float, end: float, fps: float) -> tuple[int, int]:
        """Convert a span to native frames [begin, end)."""
        first, last = self.to_frames(np.array([begin, end]), fps)
        return int(first), int(last) + self._ends_after

    def from_span(self, begin: int, end: int, fps: float) -> tuple[float, float]:
        """Convert a span [begin, end) of native frames to the conventions of the file."""
        written = self.from_frames(np.array([begin, end - self._ends_after]), fps)
        return written[0].item(), written[1].item()

    @property
    def _ends_after(self) -> int:
        return self.stride if self.inclusive and not self.seconds else 0

    @staticmethod
    def _rate(fps: float) -> float:
        if not fps > 0:
            raise UnknownVideoError("its times are in seconds, and the video's frame rate is unknown")
        return fps
