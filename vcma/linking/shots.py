"""Shots of a video, which are linked separately: no object is tracked across a cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vcma.records.columns import Columns

_FRAME_COLUMNS = ("frame", "time")
_BOX_COLUMNS = ("box", "score", "class_prob", "attribute_prob", "feature")


@dataclass(frozen=True)
class Shot:
    """PROPOSALS columns of one shot, and the rows of its first box and first frame in the video's columns."""

    data: Columns
    first_box: int
    first_frame: int


def shots(data: Columns) -> Iterator[Shot]:
    """Yield the shots in a video's PROPOSALS columns.

    A shot begins at every frame where the optional column `cut` is true; without this column the video is one shot.
    """
    cut = np.asarray(data.get("cut", np.zeros(len(data["frame"]), bool)))
    begins = np.flatnonzero(cut[1:]) + 1
    if not len(begins):
        yield Shot(data, 0, 0)
        return
    for begin, end in pairwise([0, *begins.tolist(), len(cut)]):
        offset = np.asarray(data["box_offset"])[begin : end + 1]
        boxes = {name: data[name][offset[0] : offset[-1]] for name in _BOX_COLUMNS}
        frames = {name: data[name][begin:end] for name in _FRAME_COLUMNS}
        yield Shot({**data, **frames, **boxes, "box_offset": offset - offset[0]}, int(offset[0]), begin)
