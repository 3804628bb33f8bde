"""When a native frame is shown: the clock of a player, as docs/videos.md says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Clock:
    """The presentation times of a video's sampled frames: frame int64 [T], rising, and time float64 [T], s.

    Between them time runs evenly, beyond them at `fps` native frames a second.
    """

    frame: np.ndarray
    time: np.ndarray
    fps: float

    def seconds(self, frame: np.ndarray) -> np.ndarray:
        """When native frames [...] are shown, float64 [...]."""
        return self._mapped(frame, self.frame, self.time, 1 / self.fps)

    def frames_at(self, seconds: np.ndarray) -> np.ndarray:
        """The native frames, with fractions, that are due at times [...]."""
        return self._mapped(seconds, self.time, self.frame, self.fps)

    def at(self, frame: int) -> float:
        """When one native frame is shown."""
        return float(self.seconds(np.array(frame)))

    @staticmethod
    def _mapped(x: np.ndarray, known: np.ndarray, value: np.ndarray, slope: float) -> np.ndarray:
        """Linear between known points [T], with a slope of its own before the first and behind the last."""
        x = np.asarray(x, np.float64)
        if not len(known):
            return x * slope
        inside = np.clip(x, known[0], known[-1])
        return np.interp(inside, known, value) + (x - inside) * slope
