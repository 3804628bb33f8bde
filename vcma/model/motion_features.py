"""Geometry and motion features of tubes and pairs of tubes, the input of the relation emission. NumPy only.

Axes: N tubes, T sampled frames; the last axes are SINGLE_FEATURES and PAIR_FEATURES. The features exclude absolute
position and size, because these identify the videos of a small corpus and the emission would memorise them. Lengths
are relative to box size (square root of the area), velocities in box sizes per second; most unbounded
values are squashed by tanh.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_LAGS = (1, 3)  # lags of central differences, in sampled frames
_WINDOW = 3  # half-width of the window for standard deviations, in sampled frames
_BY_LAG = ("", "_slow")
SINGLE_FEATURES = (
    "size",
    "aspect",
    *(f"{name}{lag}" for lag in _BY_LAG for name in ("x", "y", "speed", "growth_w", "growth_h", "growth")),
    *("unrest_x", "unrest_y", "unrest_width", "unrest_height", "jerk_x", "jerk_y"),
)
PAIR_FEATURES = (
    *("right", "below", "aside", "distance", "upper_edge", "lower_edge", "gap_x", "gap_y", "larger"),
    *("iou", "subject_inside", "object_inside"),
    *(f"{name}{lag}" for lag in _BY_LAG for name in ("subject_nears", "object_flees", "approach", "apart_speed")),
    "comotion",
)


class _Near:
    """Differences over neighbouring frames, clamped at the ends of the clip; x is [N, T, c]."""

    def __init__(self, time: np.ndarray):
        self.time, self.at = time, np.arange(len(time))

    def index(self, by: int) -> np.ndarray:
        return np.clip(self.at + by, 0, len(self.at) - 1)

    def rate(self, x: np.ndarray, lag: int) -> np.ndarray:
        """Central difference over `lag` frames on either side, per second."""
        after, before = self.index(lag), self.index(-lag)
        seconds = np.maximum(self.time[after] - self.time[before], 1e-2)
        return (x[:, after] - x[:, before]) / seconds[:, None]

    def deviation(self, x: np.ndarray) -> np.ndarray:
        """Standard deviation in a window of frames."""
        near = np.stack([x[:, self.index(k)] for k in range(-_WINDOW, _WINDOW + 1)])
        return np.sqrt(near.var(0) + 1e-6)

    def jerk(self, x: np.ndarray) -> np.ndarray:
        """Second difference."""
        return x - (x[:, self.index(1)] + x[:, self.index(-1)]) / 2


def _bodies(box: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres [N, T, 2], extents [N, T, 2] and sizes [N, T] (square root of the area) of boxes [N, T, 4]."""
    extent = np.maximum(box[..., 2:] - box[..., :2], 1e-3)
    return (box[..., :2] + box[..., 2:]) / 2, extent, np.sqrt(extent.prod(-1))


def single_features(box: Float[np.ndarray, "N T 4"], time: Float[np.ndarray, " T"]) -> Float[np.ndarray, "N T c"]:
    """Return SINGLE_FEATURES of boxes (xyxy, relative to the frame height, held where absent) at times in s.

    Size and aspect ratio relative to the tube's mean; velocity and growth over two lags; standard deviations of
    position and shape in a window ("unrest"), and of the position's second difference ("jerk").
    """
    near = _Near(time)
    centre, extent, size = _bodies(box)
    shape = np.stack([np.log(size), np.log(extent[..., 0] / extent[..., 1])], -1)
    found = [shape - shape.mean(1, keepdims=True)]
    for lag in _LAGS:
        velocity = near.rate(centre, lag) / size[..., None]
        growth = near.rate(np.log(extent), lag)
        speed = np.linalg.norm(velocity, axis=-1, keepdims=True)
        change = np.abs(growth).sum(-1, keepdims=True)
        found.append(np.tanh(np.concatenate([velocity, speed, growth, change], -1) / 2))
    place = np.concatenate([centre / size[..., None], np.log(extent)], -1)
    found += [near.deviation(place), near.deviation(near.jerk(place[..., :2]))]
    return np.concatenate(found, -1).astype(np.float32)


def pair_features(box: Float[np.ndarray, "N T 4"], time: Float[np.ndarray, " T"]) -> Float[np.ndarray, "N N T c"]:
    """Return PAIR_FEATURES of every ordered pair of tubes; the first axis is the subject. Arguments as above."""
    near = _Near(time)
    centre, extent, size = _bodies(box)
    n, m = (slice(None), None), (None, slice(None))
    scale = (size[n] + size[m]) / 2
    apart = (centre[m] - centre[n]) / scale[..., None]
    distance = np.maximum(np.linalg.norm(apart, axis=-1), 1e-3)
    direction = apart / distance[..., None]
    inner = np.minimum(box[n][..., 2:], box[m][..., 2:]) - np.maximum(box[n][..., :2], box[m][..., :2])
    meet, area = np.clip(inner, 0, None).prod(-1), extent.prod(-1)
    edges = (box[m] - box[n])[..., 1::2] / scale[..., None]  # upper and lower edges: above, in front of
    gap = -inner / scale[..., None]
    found = [
        *np.moveaxis(np.tanh(apart), -1, 0),
        np.tanh(np.abs(apart[..., 0])),
        np.tanh(distance / 2),
        *np.moveaxis(np.tanh(edges), -1, 0),
        *np.moveaxis(np.tanh(gap), -1, 0),
        np.log(size[m] / size[n]),
        meet / (area[n] + area[m] - meet),
        meet / area[n],
        meet / area[m],
    ]
    for lag in _LAGS:
        velocity = near.rate(centre, lag)
        vn, vm = velocity[n] / scale[..., None], velocity[m] / scale[..., None]
        nears, flees = (vn * direction).sum(-1), (vm * direction).sum(-1)
        parting = np.linalg.norm(vn - vm, axis=-1)
        found += [np.tanh(x / 2) for x in (nears, flees, nears - flees, parting)]
        together = np.tanh((vn * vm).sum(-1))
    found.append(together)  # at the longest lag, where jitter averages out
    return np.stack(found, -1).astype(np.float32)
