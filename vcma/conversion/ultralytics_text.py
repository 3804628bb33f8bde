"""Ultralytics' tracking output of `yolo track ... save_txt=True`: a text file per frame, `<video>_<frame>.txt`.

A line is `class x y w h [confidence] id`, centre and size relative to the frame, or, for segmentation, `class x1 y1
x2 y2 ... [confidence] id`, a polygon. Frames are counted from 1; with `vid_stride`, only those read are counted.
Lines without an id are from frames without tracks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from vcma.conversion.conventions import Conventions
from vcma.conversion.dropped import Dropped
from vcma.conversion.track_rows import TrackRows
from vcma.errors import InputError
from vcma.pipeline.storage import text_lines

CONVENTIONS = Conventions(box="cxcywh", normalised=True, first=1)
_NAME = re.compile(r"(.+)_(\d+)\.txt")
_REMEDY = "give the folder labels/ of yolo track with save_txt=True"


def files_by_video(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    """Return {video: (frame, file), ascending} of a folder, or of its subfolder `labels`; raises InputError."""
    folder = folder / "labels" if (folder / "labels").is_dir() else folder
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in folder.glob("*.txt"):
        if match := _NAME.fullmatch(path.name):
            found.setdefault(match[1], []).append((int(match[2]), path))
    if not found:
        raise InputError("has no files <video>_<frame>.txt", folder, _REMEDY)
    return {video: sorted(files) for video, files in sorted(found.items())}


def read(files: Iterable[tuple[int, Path]], dropped: Dropped) -> TrackRows:
    """Read one video's (frame, file) pairs; raises InputError if they have no tracks."""
    lines = [
        (frame, path, _numbers(line, path)) for frame, path in files for line in text_lines(path) if line.strip()
    ]
    confident = _have_confidence([values for _, _, values in lines])
    rows = []
    for row, (frame, path, values) in enumerate(lines):
        if not _has_id(values, confident):
            dropped.add("boxes without a track id", path.name)
            continue
        score = values[-2] if confident else 1.0
        rows.append([frame, values[-1], *_box(values[1 : -2 if confident else -1]), score, values[0], row])
    if lines and not rows:
        raise InputError("no box has a track id", lines[0][1].parent, "run yolo track, not yolo predict")
    return TrackRows.of(rows, len(lines))


def _have_confidence(lines: list[list[float]]) -> bool:
    """Return whether a confidence precedes the id: otherwise a line has an even number of values."""
    return sum(_has_id(v, True) for v in lines) > sum(_has_id(v, False) for v in lines)


def _has_id(values: list[float], confident: bool) -> bool:
    return len(values) % 2 == confident and len(values) >= 6 + confident and values[-1] >= 1 and values[-1] % 1 == 0


def _box(coordinates: list[float]) -> list[float]:
    """Return centre and size, for a polygon those of its bounding box."""
    if len(coordinates) == 4:
        return coordinates
    x, y = coordinates[::2], coordinates[1::2]
    return [(min(x) + max(x)) / 2, (min(y) + max(y)) / 2, max(x) - min(x), max(y) - min(y)]


def _numbers(line: str, path: Path) -> list[float]:
    try:
        values = list(map(float, line.split()))
    except ValueError:
        raise InputError("contains a value that is not a number", path, _REMEDY) from None
    if len(values) < 5:
        raise InputError(f"a line has {len(values)} values", path, _REMEDY)
    return values
