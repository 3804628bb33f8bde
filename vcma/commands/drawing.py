"""Draw stored frames with labelled boxes, and tile images. Images are arrays [H, W, 3], uint8, RGB."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vcma.pipeline import storage
from vcma.records.columns import Columns, rows
from vcma.video.fonts import pillow_font

JPEG_SUFFIXES = (".jpg", ".jpeg")
_LABEL_HEIGHT = 14  # px

Colour = tuple[int, int, int]  # RGB
Spot = tuple[float, float, float, float]  # xyxy px


class DrawnBox(NamedTuple):
    """A box, xyxy in native pixels, with a label (may be empty) and a colour."""

    box: np.ndarray
    label: str
    colour: Colour


def annotated_frame(frames: Columns, row: int, boxes: Sequence[DrawnBox], width: int = 320) -> np.ndarray:
    """Draw one stored frame, scaled to `width` px, with its number, time and boxes."""
    from PIL import Image, ImageDraw

    from vcma.video.pictures import decode

    picture = decode(frames["jpeg"][rows(frames["jpeg_offset"], row)])[..., ::-1]
    image = Image.fromarray(np.ascontiguousarray(picture))
    image = image.resize((width, max(1, round(width * image.height / image.width))))
    canvas, font = ImageDraw.Draw(image), pillow_font("".join(box.label for box in boxes), 12)
    scale = np.array([image.width / frames["width"], image.height / frames["height"]] * 2)
    places = np.array([box for box, *_ in boxes]).reshape(-1, 4) * scale
    for (x1, y1, x2, y2), (_, _, colour) in zip(places, boxes, strict=True):
        canvas.rectangle((x1, y1, max(x1, x2), max(y1, y2)), outline=colour, width=2)
    caption = f"frame {int(frames['frame'][row])}, {float(frames['time'][row]):.1f} s"
    spots = [(0.0, float(image.height - _LABEL_HEIGHT), canvas.textlength(caption, font) + 6, float(image.height))]
    labels: list[tuple[str, Colour]] = [(caption, (255, 255, 255))]
    for corner, (_, label, colour) in zip(places[:, :2], boxes, strict=True):
        if label:
            spot = free_spot(corner, canvas.textlength(label, font) + 6, image.size, places, spots)
            canvas.line((*np.clip(corner, spot[:2], spot[2:]), *corner), fill=colour)
            spots.append(spot)
            labels.append((label, colour))
    for spot, (label, colour) in zip(spots, labels, strict=True):
        bright = np.dot(colour, (0.3, 0.6, 0.1)) > 140
        canvas.rectangle(spot, fill=colour)
        canvas.text((spot[0] + 3, spot[1] - 1), label, fill="black" if bright else "white", font=font)
    return np.asarray(image)


def free_spot(
    corner: np.ndarray, width: float, picture: tuple[int, int], boxes: np.ndarray, labels: Sequence[Spot]
) -> Spot:
    """Find a place for a label: near a corner, over few boxes and, if there is room, over no other label.

    corner: upper left corner of the labelled box, (x, y) px; picture: width and height of the image, px; boxes:
    [B, 4] xyxy px; labels: the places already taken.
    """
    room = max(picture[0] - width, 0), max(picture[1] - _LABEL_HEIGHT, 0)
    wanted = np.clip(corner - (0, _LABEL_HEIGHT), 0, room)
    x, y = np.meshgrid(*(np.append(at, np.arange(0, end, 3)) for at, end in zip(wanted, room, strict=True)))
    cost = (x - wanted[0]) ** 2 + (y - wanted[1]) ** 2
    # The cost is squared distance in px; covering a box costs as much as moving 30 px, covering a label far more.
    for price, (x1, y1, x2, y2) in [*((30.0**2, box) for box in boxes), *((1e9, label) for label in labels)]:
        cost += price * ((x < x2) & (x + width > x1) & (y < y2) & (y + _LABEL_HEIGHT > y1))
    best = int(np.argmin(cost))
    left, top = float(x.flat[best]), float(y.flat[best])
    return left, top, left + width, top + _LABEL_HEIGHT


def tiled(pictures: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Tile images row by row on a white background."""
    height, width = (max(p.shape[axis] for p in pictures) for axis in (0, 1))
    lines = -(-len(pictures) // columns)
    sheet = np.full((lines * height, min(columns, len(pictures)) * width, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = i // columns * height, i % columns * width
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def captioned(picture: np.ndarray, caption: str) -> np.ndarray:
    """Return the image with a line of text above it."""
    from PIL import Image, ImageDraw

    line = Image.new("RGB", (picture.shape[1], 20), "white")
    ImageDraw.Draw(line).text((4, 2), caption, fill="black", font=pillow_font(caption, 14))
    return np.concatenate([np.asarray(line), picture])


def write_picture(picture: np.ndarray, path: Path) -> None:
    """Write an image atomically: JPEG if the file's suffix says so, else PNG."""
    from PIL import Image

    stored = io.BytesIO()
    form = "JPEG" if path.suffix.lower() in JPEG_SUFFIXES else "PNG"
    Image.fromarray(picture).save(stored, form)
    storage.write_bytes(path, stored.getvalue())
