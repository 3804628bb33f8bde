"""MOT Challenge text: a line a box, `frame,id,x,y,w,h[,confidence[,class[,visibility ...]]]`, frames from 1.

Commas or white space separate. ByteTrack, BoxMOT, DeepSORT and others write it, mostly with -1 behind the
confidence. Rows of confidence 0 are those that MOT's ground truth says to ignore.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vcma.conversion.conventions import Conventions
from vcma.conversion.dropped import Dropped
from vcma.conversion.track_rows import TrackRows
from vcma.errors import InputError
from vcma.pipeline.storage import text_lines

CONVENTIONS = Conventions(box="xywh", first=1)
SUFFIXES = (".txt", "/gt/gt.txt")  # behind the name of a video or sequence
_CONFIDENCE, _CLASS = 6, 7  # columns
_REMEDY = "write frame,id,x,y,w,h,confidence"


def read(path: Path, dropped: Dropped) -> TrackRows:
    """The rows of a MOT text file; raises InputError where it is none, or one of detections without ids."""
    lines = [(number, line) for number, line in enumerate(text_lines(path), 1) if line.strip()]
    table = np.array([_numbers(line, number, path) for number, line in lines], np.float64).reshape(-1, 8)
    track, score = table[:, 1], table[:, _CONFIDENCE]
    if len(track) and (track < 0).all():
        raise InputError("all ids are below 0: detections, no tracks", path, "run a tracker over them")
    if (track != np.rint(track)).any():
        raise InputError("an id is no whole number", path, _REMEDY)
    dropped.add("boxes whose id is below 0", path.name, int((track < 0).sum()))
    dropped.add("boxes marked to be ignored (confidence 0)", path.name, int(((score == 0) & (track >= 0)).sum()))
    score = np.ones(len(score)) if (score < 0).all() else score
    columns = [table[:, 0], track, *table[:, 2:6].T, score, table[:, _CLASS], np.arange(len(table))]
    return TrackRows.of(np.stack(columns, axis=1), len(table)).at((track >= 0) & (table[:, _CONFIDENCE] != 0))


def _numbers(line: str, number: int, path: Path) -> list[float]:
    """Frame, id, box, confidence (1 where there is none) and class (-1 where there is none) of a line."""
    fields = line.replace(",", " ").split()
    try:
        values = list(map(float, fields[:8]))
    except ValueError:
        raise InputError(f"line {number} holds what is no number", path, _REMEDY) from None
    if len(values) < _CONFIDENCE:
        raise InputError(f"line {number} has {len(fields)} fields", path, _REMEDY)
    return values + [1.0, -1.0][len(values) - _CONFIDENCE :] if len(values) < 8 else values


def written(rows: TrackRows) -> str:
    """A MOT text file of rows in its conventions, by frame."""
    order = np.lexsort((rows.track, rows.time))
    columns = zip(rows.time[order], rows.track[order], rows.box[order], rows.score[order], strict=True)
    lines = (f"{t:g},{i},{x:.2f},{y:.2f},{w:.2f},{h:.2f},{s:g},-1,-1,-1" for t, i, (x, y, w, h), s in columns)
    return "".join(line + "\n" for line in lines)
