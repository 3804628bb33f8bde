"""Masks as PNG files: DAVIS, YouTube-VOS and SAM 2 write a folder per video with an image per frame.

A pixel's value (palette index) is the number of its object, 0 for none. Alternatively there is a folder per object
(`<video>/<object>/<frame>.png`, as in SA-V), where every value but 0 is the object. The frame is the number in the
file name. In DAVIS and YouTube-VOS 255 means unlabelled, unless it is the only value. A box extends to the outer
edges of a mask's outermost pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vcma.conversion.coco_video import number_in
from vcma.conversion.conventions import Conventions
from vcma.conversion.dropped import Dropped
from vcma.conversion.track_rows import TrackRows
from vcma.errors import InputError

CONVENTIONS = Conventions()
_VOID = 255
_REMEDY = "write the object's number as each pixel's value or palette index"


def read(folder: Path, dropped: Dropped) -> TrackRows:
    """Return the boxes of the masks of one video, sorted by frame and object; raises InputError."""
    found, sizes = [], set()
    for track, path in _files(folder):
        mask = _mask(path)
        sizes.add(mask.shape)
        if len(sizes) > 1:
            raise InputError(
                "differs in size from the masks before it", path, "write all masks of a video in one size"
            )
        mask = mask if track is None else (mask > 0) * track
        found += [[_frame(path), number, *box, 1.0, -1] for number, box in _boxes(mask)]
    rows = [[*line, row] for row, line in enumerate(sorted(found, key=lambda line: line[:2]))]
    height, width = sizes.pop() if sizes else (0, 0)
    tracks = TrackRows.of(rows, len(rows), width, height)
    void = tracks.track == _VOID
    if void.any() and not void.all():
        dropped.add("masks of value 255, which means unlabelled", folder.name, int(void.sum()))
        tracks = tracks.at(~void)
    return tracks


def _files(folder: Path) -> Iterator[tuple[int | None, Path]]:
    """Yield (object, file) for every mask; the object is None if a file has all of them."""
    own = sorted(folder.glob("*.png"))
    if own:
        yield from ((None, path) for path in own)
    else:
        yield from ((int(p.parent.name), p) for p in sorted(folder.glob("*/*.png")) if p.parent.name.isdecimal())


def _frame(path: Path) -> int:
    try:
        return number_in(path.name)
    except ValueError:
        raise InputError("file name without a frame number", path, "name masks <frame>.png") from None


def _mask(path: Path) -> np.ndarray:
    """Read object numbers [height, width]."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=["PNG"]) as picture:
            mode, mask = picture.mode, np.asarray(picture)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise InputError(f"not readable as an image ({error})", path, "write it again") from error
    if mask.ndim != 2:
        raise InputError(f"is a colour image ({mode}), not a mask", path, _REMEDY)
    return mask.astype(np.int64)


def _boxes(mask: np.ndarray) -> Iterator[tuple[int, list[int]]]:
    """Yield (object, [x1, y1, x2, y2]) for each object of a mask."""
    from scipy.ndimage import find_objects

    for number, place in enumerate(find_objects(mask), start=1):
        if place is not None:
            y, x = place
            yield number, [x.start, y.start, x.stop, y.stop]
