"""Convert between native frames and times on a player's clock (see docs/videos.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Clock:
    """The presentation times of a video's sampled frames: frame int64 [T], ascending, and time float64 [T], s.

    Times are interpolated linearly between them, and extrapolated at `fps` native frames per second.
    """

    frame: np.ndarray
    time: np.ndarray
    fps: float

    def seconds(self, frame: np.ndarray) -> np.ndarray:
        """Return the times of native frames [...], s, float64 [...]."""
        return self._mapped(frame, self.frame, self.time, 1 / self.fps)

    def frames_at(self, seconds: np.ndarray) -> np.ndarray:
        """Return the fractional native frames at times [...], s."""
        return self._mapped(seconds, self.time, self.frame, self.fps)

    def at(self, frame: int) -> float:
        """Return the time of one native frame, s."""
        return float(self.seconds(np.array(frame)))

    @staticmethod
    def _mapped(x: np.ndarray, known: np.ndarray, value: np.ndarray, slope: float) -> np.ndarray:
        """Interpolate linearly between known points [T]; extrapolate before and after them with `slope`."""
        x = np.asarray(x, np.float64)
        if not len(known):
            return x * slope
        inside = np.clip(x, known[0], known[-1])
        return np.interp(inside, known, value) + (x - inside) * slope
