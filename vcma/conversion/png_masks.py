"""Masks as PNG files: DAVIS, YouTube-VOS and SAM 2 write a folder a video, with a picture a frame.

A pixel's value, the index into the palette, is its object's number, 0 none; or the objects have a folder each
(`<video>/<object>/<frame>.png`, as SA-V has), where all but 0 is the object. The number in a file's name is its
frame's. 255 is what DAVIS and YouTube-VOS leave open, unless it is all there is. A box reaches to the edges of a
mask's outermost pixels.
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
_REMEDY = "write the object's number as each pixel's value, or its index into the palette"


def read(folder: Path, dropped: Dropped) -> TrackRows:
    """The boxes of the masks of one video, by frame and object; raises InputError."""
    found, sizes = [], set()
    for track, path in _files(folder):
        mask = _mask(path)
        sizes.add(mask.shape)
        if len(sizes) > 1:
            raise InputError(
                "has another size than the masks before", path, "write all masks of a video in one size"
            )
        mask = mask if track is None else (mask > 0) * track
        found += [[_frame(path), number, *box, 1.0, -1] for number, box in _boxes(mask)]
    rows = [[*line, row] for row, line in enumerate(sorted(found, key=lambda line: line[:2]))]
    height, width = sizes.pop() if sizes else (0, 0)
    tracks = TrackRows.of(rows, len(rows), width, height)
    void = tracks.track == _VOID
    if void.any() and not void.all():
        dropped.add("masks of the value 255, which leaves pixels open", folder.name, int(void.sum()))
        tracks = tracks.at(~void)
    return tracks


def _files(folder: Path) -> Iterator[tuple[int | None, Path]]:
    """(object, file) of every mask; the object is None where a file has all of them."""
    own = sorted(folder.glob("*.png"))
    if own:
        yield from ((None, path) for path in own)
    else:
        yield from ((int(p.parent.name), p) for p in sorted(folder.glob("*/*.png")) if p.parent.name.isdecimal())


def _frame(path: Path) -> int:
    try:
        return number_in(path.name)
    except ValueError:
        raise InputError("its name has no frame number", path, "name masks <frame>.png") from None


def _mask(path: Path) -> np.ndarray:
    """Object numbers [height, width]."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=["PNG"]) as picture:
            mode, mask = picture.mode, np.asarray(picture)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise InputError(f"not readable as a picture ({error})", path, "write it again") from error
    if mask.ndim != 2:
        raise InputError(f"is a picture in colours ({mode}), no mask", path, _REMEDY)
    return mask.astype(np.int64)


def _boxes(mask: np.ndarray) -> Iterator[tuple[int, list[int]]]:
    """(object, [x1, y1, x2, y2]) of each object of a mask."""
    from scipy.ndimage import find_objects

    for number, place in enumerate(find_objects(mask), start=1):
        if place is not None:
            y, x = place
            yield number, [x.start, y.start, x.stop, y.stop]
