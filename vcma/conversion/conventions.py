"""How a file writes boxes and times, and what they are here: xyxy pixels, native frames from 0, half-open spans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BOXES = ("xyxy", "xywh", "cxcywh")
_ROUNDING = 1e-6  # frames; what binary fractions lose


class UnknownVideoError(ValueError):
    """A video's size or frame rate is needed, and unknown."""


@dataclass(frozen=True)
class Conventions:
    """How a file writes boxes and times.

    box: xyxy (corners), xywh (upper left corner and size) or cxcywh (centre and size). normalised: in shares of the
    picture's width and height, else pixels. seconds: times in seconds, else frames, of which the video's first has
    the number `first` and, if the file counts every n-th frame, n is `stride`. inclusive: a span ends with its last
    frame, else before its end.
    """

    box: str = "xyxy"
    normalised: bool = False
    seconds: bool = False
    first: int = 0
    inclusive: bool = False
    stride: int = 1

    def to_corners(self, box: np.ndarray, width: float, height: float) -> np.ndarray:
        """Boxes [n, 4] as written, as xyxy pixels float64; width and height of the picture are only needed where
        boxes are normalised. Raises UnknownVideoError."""
        box = np.asarray(box, np.float64).reshape(-1, 4)
        start, rest = box[:, :2], box[:, 2:]
        if self.box == "cxcywh":
            start = start - rest / 2
        end = rest if self.box == "xyxy" else start + rest
        return np.concatenate([start, end], axis=1) * self._scale(width, height)

    def from_corners(self, box: np.ndarray, width: float, height: float) -> np.ndarray:
        """Boxes [n, 4] in xyxy pixels as the file writes them."""
        box = np.asarray(box, np.float64).reshape(-1, 4) / self._scale(width, height)
        start, size = box[:, :2], box[:, 2:] - box[:, :2]
        written = {"xyxy": (start, box[:, 2:]), "xywh": (start, size), "cxcywh": (start + size / 2, size)}
        return np.concatenate(written[self.box], axis=1)

    def _scale(self, width: float, height: float) -> np.ndarray:
        if not self.normalised:
            return np.ones(4)
        if not (width > 0 and height > 0):
            raise UnknownVideoError("its boxes are shares of a picture whose size is unknown")
        return np.array([width, height, width, height], np.float64)

    def to_frames(self, time: np.ndarray, fps: float) -> np.ndarray:
        """Times [n] as written, as native frames int64; ValueError where one is no whole number, or no number.

        A time in seconds is that of the nearest frame.
        """
        time = np.asarray(time, np.float64)
        if not np.isfinite(time).all():
            raise ValueError("a time is not finite")
        if self.seconds:
            return np.rint(time * self._rate(fps)).astype(np.int64)
        frame = np.rint(time)
        if (odd := np.abs(time - frame) > _ROUNDING).any():
            raise ValueError(f"frame {time[odd][0]:g} is no whole number: seconds?")
        return (frame.astype(np.int64) - self.first) * self.stride

    def from_frames(self, frame: np.ndarray, fps: float) -> np.ndarray:
        """Native frames [n] as the file writes them."""
        if self.seconds:
            return np.asarray(frame) / self._rate(fps)
        return np.asarray(frame, np.int64) // self.stride + self.first

    def to_span(self, begin: float, end: float, fps: float) -> tuple[int, int]:
        """A span as written, as native frames [begin, end)."""
        first, last = self.to_frames(np.array([begin, end]), fps)
        return int(first), int(last) + self._ends_after

    def from_span(self, begin: int, end: int, fps: float) -> tuple[float, float]:
        """A span [begin, end) of native frames as the file writes it."""
        written = self.from_frames(np.array([begin, end - self._ends_after]), fps)
        return written[0].item(), written[1].item()

    @property
    def _ends_after(self) -> int:
        return self.stride if self.inclusive and not self.seconds else 0

    @staticmethod
    def _rate(fps: float) -> float:
        if not fps > 0:
            raise UnknownVideoError("its times are seconds, and the video's frame rate is unknown")
        return fps
