"""Detect cuts, where a new shot begins from one frame to the next.

Frames are compared by their colour histograms, which hardly change when the camera or objects move. A cut is a
large difference that stands out from the differences just before and after it; during fast camera motion or
flicker, several consecutive differences are equally large. Dissolves and fades are not detected.
"""

from __future__ import annotations

import numpy as np

_SIDE = 48  # approximate number of pixels sampled along each side of a frame
_LEVELS = 4  # levels of each colour channel
BINS = _LEVELS**3

_MIN_DIFFERENCE = 0.15  # minimum share of pixels that change colour; at cuts between joined real clips it is >= 0.2
_MIN_PROMINENCE = 2.0  # minimum ratio to the differences around it; within single real clips it is <= 1.5
LONGEST_STEP = 0.4  # s, maximum interval of sampled frames at which cuts are detected
_AROUND = 2  # frames on either side from which a cut must stand out, so that a flash of that length is not a cut


def colour_histogram(picture: np.ndarray) -> np.ndarray:
    """Return the colour histogram float32 [BINS], with sum 1, of a grid of pixels of a frame uint8 [H, W, 3]."""
    height, width = picture.shape[:2]
    grid = picture[:: max(height // _SIDE, 1), :: max(width // _SIDE, 1)].reshape(-1, 3).astype(np.int64)
    level = grid * _LEVELS // 256
    colour = (level[:, 0] * _LEVELS + level[:, 1]) * _LEVELS + level[:, 2]
    return (np.bincount(colour, minlength=BINS) / max(len(colour), 1)).astype(np.float32)


def find_cuts(histograms: np.ndarray) -> np.ndarray:
    """Return whether a new shot begins at each frame, bool [T], from colour histograms [T, BINS].

    False for the first frame. Frames may be up to a third of a second apart, with some errors.
    """
    frames = len(histograms)
    difference = np.zeros(frames)
    difference[1:] = 1 - np.minimum(histograms[1:], histograms[:-1]).sum(1)
    padded = np.pad(difference, _AROUND)
    around = [padded[shift : shift + frames] for shift in range(2 * _AROUND + 1) if shift != _AROUND]
    return (difference >= _MIN_DIFFERENCE) & (difference >= _MIN_PROMINENCE * np.max(around, axis=0))


def sampled_cuts(histograms: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return the column `cut` of the sampled frames: whether a new shot began after the previous sampled frame.

    histograms [S, BINS]; time [S], s. Between frames more than LONGEST_STEP apart no cut is reported, because it
    cannot be distinguished from a moving camera.
    """
    close = np.diff(time, prepend=-np.inf) <= LONGEST_STEP
    return find_cuts(histograms) & close
