"""The tubes of one video."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from vcma.boxes import interpolate
from vcma.records.columns import Columns

Points = tuple[np.ndarray, np.ndarray]  # native frames [n], rising, and boxes float64 [n, 4]: a tube


def tube_boxes(video: Columns, tube: int, frame: np.ndarray) -> np.ndarray:
    """Boxes float64 [n, 4] of one tube at native frames [n]: linear between its points, held beyond them."""
    return interpolate(np.asarray(frame), *points(video, tube))


def points(video: Columns, tube: int) -> Points:
    mine = slice(video["point_offset"][tube], video["point_offset"][tube + 1])
    return np.asarray(video["frame"])[video["position"][mine]], np.asarray(video["box"][mine], np.float64)


def extents(video: Columns) -> Iterator[tuple[int, int]]:
    """First and last native frame of each tube."""
    frame, offset = np.asarray(video["frame"]), video["point_offset"]
    for begin, end in pairwise(offset):
        yield int(frame[video["position"][begin]]), int(frame[video["position"][end - 1]])
