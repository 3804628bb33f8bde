"""MOT Challenge text: one box per line, `frame,id,x,y,w,h[,confidence[,class[,visibility ...]]]`, frames from 1.

Separators are commas or white space. Written by ByteTrack, BoxMOT, DeepSORT and others, mostly with -1 after the
confidence. MOT's ground truth marks boxes to be ignored with confidence 0.
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
SUFFIXES = (".txt", "/gt/gt.txt")  # appended to the name of a video or sequence
_CONFIDENCE, _CLASS = 6, 7  # columns
_REMEDY = "write frame,id,x,y,w,h,confidence"


def read(path: Path, dropped: Dropped) -> TrackRows:
    """Read a MOT text file; raises InputError if it is not one, or has detections without ids."""
    lines = [(number, line) for number, line in enumerate(text_lines(path), 1) if line.strip()]
    table = np.array([_numbers(line, number, path) for number, line in lines], np.float64).reshape(-1, 8)
    track, score = table[:, 1], table[:, _CONFIDENCE]
    if len(track) and (track < 0).all():
        raise InputError("all ids are negative: detections, not tracks", path, "run a tracker on them")
    if (track != np.rint(track)).any():
        raise InputError("an id is not an integer", path, _REMEDY)
    dropped.add("boxes with a negative id", path.name, int((track < 0).sum()))
    dropped.add("boxes marked to be ignored (confidence 0)", path.name, int(((score == 0) & (track >= 0)).sum()))
    score = np.ones(len(score)) if (score < 0).all() else score
    columns = [table[:, 0], track, *table[:, 2:6].T, score, table[:, _CLASS], np.arange(len(table))]
    return TrackRows.of(np.stack(columns, axis=1), len(table)).at((track >= 0) & (table[:, _CONFIDENCE] != 0))


def _numbers(line: str, number: int, path: Path) -> list[float]:
    """Return frame, id, box, confidence (default 1) and class (default -1) of a line."""
    fields = line.replace(",", " ").split()
    try:
        values = list(map(float, fields[:8]))
    except ValueError:
        raise InputError(f"line {number} contains a field that is not a number", path, _REMEDY) from None
    if len(values) < _CONFIDENCE:
        raise InputError(f"line {number} has {len(fields)} fields", path, _REMEDY)
    return values + [1.0, -1.0][len(values) - _CONFIDENCE :] if len(values) < 8 else values


def written(rows: TrackRows) -> str:
    """Format rows, in MOT's conventions, as a MOT text file, sorted by frame."""
    order = np.lexsort((rows.track, rows.time))
    columns = zip(rows.time[order], rows.track[order], rows.box[order], rows.score[order], strict=True)
    lines = (f"{t:g},{i},{x:.2f},{y:.2f},{w:.2f},{h:.2f},{s:g},-1,-1,-1" for t, i, (x, y, w, h), s in columns)
    return "".join(line + "\n" for line in lines)
