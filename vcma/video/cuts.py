"""Cuts: where a video shows something else from one frame to the next.

Two frames differ by their colour histograms, which hardly change when the camera moves or things move in the
picture. A cut is a large difference that stands out from those just before and after it: where the camera whirls or
the light flickers, several neighbours differ as much. Dissolves and fades, which are no cuts, are not found.
"""

from __future__ import annotations

import numpy as np

_SIDE = 48  # pixels looked at on each side of a picture, about
_LEVELS = 4  # levels of each colour channel
BINS = _LEVELS**3

_MIN_DIFFERENCE = 0.15  # share of pixels that change colour; between the shots of joined real clips at least 0.2
_MIN_PROMINENCE = 2.0  # times the differences around: within single real clips at most 1.5
LONGEST_STEP = 0.4  # s between two sampled frames
_AROUND = 2  # frames on either side that a cut must stand out from; a flash is as short


def colour_histogram(picture: np.ndarray) -> np.ndarray:
    """Shares float32 [BINS] of the colours of a picture uint8 [height, width, 3], of a grid of its pixels."""
    height, width = picture.shape[:2]
    grid = picture[:: max(height // _SIDE, 1), :: max(width // _SIDE, 1)].reshape(-1, 3).astype(np.int64)
    level = grid * _LEVELS // 256
    colour = (level[:, 0] * _LEVELS + level[:, 1]) * _LEVELS + level[:, 2]
    return (np.bincount(colour, minlength=BINS) / max(len(colour), 1)).astype(np.float32)


def find_cuts(histograms: np.ndarray) -> np.ndarray:
    """Whether a shot begins at each frame [T], from the colour histograms [T, BINS] of consecutive frames.

    The first frame begins none. Frames a third of a second apart still do, with some errors.
    """
    frames = len(histograms)
    difference = np.zeros(frames)
    difference[1:] = 1 - np.minimum(histograms[1:], histograms[:-1]).sum(1)
    padded = np.pad(difference, _AROUND)
    around = [padded[shift : shift + frames] for shift in range(2 * _AROUND + 1) if shift != _AROUND]
    return (difference >= _MIN_DIFFERENCE) & (difference >= _MIN_PROMINENCE * np.max(around, axis=0))


def sampled_cuts(histograms: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Column `cut` of the sampled frames: whether a new shot has begun since the sampled frame before.

    histograms [S, BINS]; time [S], s. Frames sampled more than LONGEST_STEP apart show too little of what lies
    between them to tell a cut from a moving camera: none is found there.
    """
    close = np.diff(time, prepend=-np.inf) <= LONGEST_STEP
    return find_cuts(histograms) & close
