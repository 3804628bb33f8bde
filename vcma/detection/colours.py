"""Colours of regions from their pixels: proportions of eleven basic colour names, and Lab histograms. NumPy only.

The upper and the lower half of a region are sampled on a fixed grid of points, so the cost does not depend on the
region's size. Images are uint8 BGR; boxes are continuous xyxy pixels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

COLOURS = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
HALVES = ("upper", "lower")
COLOUR_ATTRIBUTES = tuple(f"{half}:{colour}" for half in HALVES for colour in COLOURS)

LAB_BINS = (4, 4, 4)  # bins of L, a and b
HISTOGRAM_DIM = len(HALVES) * int(np.prod(LAB_BINS))

_GRID = 16  # points along each side of a half
_MIDDLE = 0.7  # central share of the width that is sampled: the sides of a box are mostly background
_LEVELS = 32  # quantisation levels of each channel in the tables below

# Where one hue ends and the next begins, in degrees; the last entry wraps around to red.
_HUE_END = np.array([14.0, 42.0, 68.0, 165.0, 255.0, 290.0, 345.0, 360.0])
_HUE_NAME = np.array(
    [COLOURS.index(c) for c in ("red", "orange", "yellow", "green", "blue", "purple", "pink", "red")]
)


def named_colours(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the share of each basic colour in the upper and lower half of each box: (k, 22) float32.

    The shares of each half sum to 1; columns are COLOUR_ATTRIBUTES. image: (H, W, 3) uint8 BGR; boxes: (k, 4).
    """
    return _shares(_name_table()[_codes(image, boxes)], len(COLOURS))


def lab_histograms(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the joint Lab histogram of each half of each box: (k, HISTOGRAM_DIM) float32, each half sums to 1."""
    return _shares(_lab_table()[_codes(image, boxes)], int(np.prod(LAB_BINS)))


def _codes(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Indices into the colour tables at the grid points of each half: (k, 2, _GRID * _GRID)."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = np.asarray(boxes, np.float64).reshape(-1, 4).T
    across = 0.5 + _MIDDLE * ((np.arange(_GRID) + 0.5) / _GRID - 0.5)
    down = (np.arange(len(HALVES) * _GRID) + 0.5) / (len(HALVES) * _GRID)
    x = np.clip(x1[:, None] + (x2 - x1)[:, None] * across, 0, width - 1).astype(np.intp)
    y = np.clip(y1[:, None] + (y2 - y1)[:, None] * down, 0, height - 1).astype(np.intp)
    points = image[y[:, :, None], x[:, None, :]].astype(np.intp) * _LEVELS // 256
    codes = (points[..., 0] * _LEVELS + points[..., 1]) * _LEVELS + points[..., 2]
    return codes.reshape(len(x), len(HALVES), _GRID * _GRID)


def _shares(labels: np.ndarray, count: int) -> np.ndarray:
    """Normalised histogram of the labels (k, 2, points), in [0, count), of each half: (k, 2 * count) float32."""
    regions, halves, points = labels.shape
    rows = regions * halves
    flat = labels.reshape(rows, points) + count * np.arange(rows)[:, None]
    shares = np.bincount(flat.ravel(), minlength=rows * count) / points
    return shares.reshape(regions, halves * count).astype(np.float32)


def _table_colours() -> np.ndarray:
    """RGB in [0, 1] of each table entry, the centre of its cell: (_LEVELS ** 3, 3)."""
    level = (np.arange(_LEVELS) + 0.5) / _LEVELS
    blue, green, red = np.meshgrid(level, level, level, indexing="ij")
    return np.stack([red, green, blue], -1).reshape(-1, 3)


@lru_cache(maxsize=1)
def _name_table() -> np.ndarray:
    """Index into COLOURS of each table entry, from its hue, saturation and value."""
    rgb = _table_colours()
    value, chroma = rgb.max(1), np.ptp(rgb, 1)
    saturation = chroma / value
    red, green, blue = rgb.T
    sector = np.select(
        [chroma == 0, value == red, value == green],
        [
            np.zeros_like(value),
            (green - blue) / np.maximum(chroma, 1e-9),
            2 + (blue - red) / np.maximum(chroma, 1e-9),
        ],
        4 + (red - green) / np.maximum(chroma, 1e-9),
    )
    hue = sector * 60 % 360
    name = _HUE_NAME[np.searchsorted(_HUE_END, hue, side="right")]
    reddish, warm = name == COLOURS.index("red"), (hue >= 10) & (hue < 55)
    rules = {
        "pink": reddish & (saturation < 0.6) & (value > 0.65),
        "purple": (name == COLOURS.index("pink")) & (value < 0.5),
        "brown": warm & (value < 0.68) & (saturation > 0.25),
        "grey": saturation < 0.16,
        "white": (saturation < 0.16) & (value > 0.8),
        "black": (value < 0.18) | ((saturation < 0.25) & (value < 0.27)),
    }
    for colour, where in rules.items():  # later rules take precedence
        name[where] = COLOURS.index(colour)
    return name


@lru_cache(maxsize=1)
def _lab_table() -> np.ndarray:
    """Joint Lab bin of each table entry (CIE 1976 L*a*b*, sRGB primaries, D65 white)."""
    rgb = _table_colours()
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt((linear @ to_xyz.T) / np.array([0.9505, 1.0, 1.089])).T
    # Natural images cover a small part of the a and b axes: bins of 25 units around grey, open-ended.
    lightness = np.clip((116 * y - 16) / 100 * LAB_BINS[0], 0, LAB_BINS[0] - 1).astype(np.intp)
    a = np.clip(500 * (x - y) / 25 + LAB_BINS[1] / 2, 0, LAB_BINS[1] - 1).astype(np.intp)
    b = np.clip(200 * (y - z) / 25 + LAB_BINS[2] / 2, 0, LAB_BINS[2] - 1).astype(np.intp)
    return (lightness * LAB_BINS[1] + a) * LAB_BINS[2] + b
