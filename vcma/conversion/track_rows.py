"""Boxes of tracks as listed in files: one row per box."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class TrackRows:
    """Rows of one video, in the conventions of their file.

    time float64 [n]; track int64 [n], id of the object; box float64 [n, 4]; score float64 [n]; category int64 [n],
    class number in the file, -1 if none; row int64 [n], index among all boxes of the file, the row in arrays that
    accompany it. total: number of boxes in the file. width, height: of the frames in which boxes are measured, px,
    0 if the file does not state them.
    """

    time: np.ndarray
    track: np.ndarray
    box: np.ndarray
    score: np.ndarray
    category: np.ndarray
    row: np.ndarray
    total: int
    width: int = 0
    height: int = 0

    @classmethod
    def of(cls, lines: ArrayLike, total: int, width: int = 0, height: int = 0) -> Self:
        """Create from lines of (time, track, four numbers of the box, score, category, row)."""
        table = np.array(lines, np.float64).reshape(-1, 9)
        whole = {name: table[:, i].astype(np.int64) for name, i in (("track", 1), ("category", 7), ("row", 8))}
        return cls(
            time=table[:, 0], box=table[:, 2:6], score=table[:, 6], total=total, width=width, height=height, **whole
        )

    def __len__(self) -> int:
        return len(self.time)

    def at(self, chosen: np.ndarray) -> TrackRows:
        """Return some of the rows, by a mask or indices."""
        columns = (f.name for f in fields(self) if f.name not in ("total", "width", "height"))
        return replace(self, **{name: getattr(self, name)[chosen] for name in columns})
