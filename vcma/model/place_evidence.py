"""How well each tube of a clip meets a demand of place or rank, read off the boxes. NumPy only.

On a side of the picture (rank 0): a sigmoid of how far the box's centre lies beyond the middle. The k-th from an
end: the probability that exactly k - 1 others lie further that way. Another tube m counts with the probability
a(m) that it is a thing of the kind that is named, so the number of those further on is a sum of independent
Bernoulli variables with p(m) = a(m) * share of n's frames in which m is there and further on (softly), a
Poisson-binomial variable.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from vcma.model.clip import Clip
from vcma.records.demand import Demand

_FLOOR = 0.05  # of the likelihood: a wrong box must not rule a tube out, as with attributes
_SIDE = 0.08  # softness of a side, in picture widths or heights
_MIDDLE = 0.17  # standard deviation of the middle: it is about the inner third
_PLACE_STEP, _SIZE_STEP = 0.02, 0.1  # softness of "further on", in picture widths or heights, and of log lengths
# The axis of each end, and whether its values grow towards it.
_AXES = {
    "left": ("x", -1), "right": ("x", 1), "top": ("y", -1), "bottom": ("y", 1), "large": ("area", 1),
    "small": ("area", -1), "tall": ("height", 1), "short": ("height", -1), "near": ("near", 1), "far": ("near", -1),
}  # fmt: skip


def place_evidence(
    demands: Iterable[Demand], clip: Clip, agreement: Float[np.ndarray, " N"]
) -> Float[np.ndarray, " N"]:
    """Log-likelihood of the demands for each tube, at most 0; agreement: log-agreement with the other words.

    A demand that cannot be measured says nothing. a(m) is exp(agreement) against the best, times the score against
    the best.
    """
    kind = np.exp(agreement - agreement.max(initial=-np.inf))
    kind = kind * clip.score / max(clip.score.max(initial=0), 1e-6)
    found = np.zeros(len(clip.tube), np.float64)
    for demand in demands:
        likelihood = _rank(demand, clip, kind) if demand.rank else _side(demand.end, clip)
        found += np.log(_FLOOR + (1 - _FLOOR) * likelihood)
    return found.astype(np.float32)


def _side(end: str, clip: Clip) -> Float[np.ndarray, " N"]:
    """Probability of lying on a side of the picture, mean over the frames of each tube."""
    x, y = _values("x", clip), _values("y", clip)
    if end == "middle":
        likelihood = np.exp(-(((x - 0.5) / _MIDDLE) ** 2) / 2)
    elif end in ("left", "right", "top", "bottom"):
        axis, sign = _AXES[end]
        likelihood = _sigmoid(sign * ((x if axis == "x" else y) - 0.5) / _SIDE)
    else:
        return np.ones(len(clip.tube))
    return (likelihood * clip.present).sum(1) / np.maximum(clip.present.sum(1), 1)


def _rank(demand: Demand, clip: Clip, kind: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Probability that exactly rank - 1 others of the kind are further towards the end."""
    if demand.end not in _AXES:
        return np.ones(len(clip.tube))
    axis, sign = _AXES[demand.end]
    value = sign * _values(axis, clip)
    step = _PLACE_STEP if axis in ("x", "y") else _SIZE_STEP
    further = _sigmoid((value[None] - value[:, None]) / step) * (clip.present[None] & clip.present[:, None])
    p = kind * further.sum(2) / np.maximum(clip.present.sum(1), 1)[:, None]
    np.fill_diagonal(p, 0)
    counts = np.zeros((len(p), demand.rank))  # P(so many further on), beyond the rank not kept
    counts[:, 0] = 1
    for m in range(len(p)):
        moved = np.concatenate([np.zeros((len(p), 1)), counts[:, :-1]], axis=1)
        counts = counts * (1 - p[:, m, None]) + moved * p[:, m, None]
    return counts[:, -1]


def _values(axis: str, clip: Clip) -> Float[np.ndarray, "N T"]:
    """Centres in picture widths and heights, log size, log height; nearness: how low a box ends, and its size."""
    box = clip.box.astype(np.float64)
    width, height = (max(side, 1) for side in clip.size)
    extent = np.maximum(box[..., 2:] - box[..., :2], 1)
    area = np.log(extent.prod(-1)) / 2
    values = {
        "x": (box[..., 0] + box[..., 2]) / 2 / width,
        "y": (box[..., 1] + box[..., 3]) / 2 / height,
        "area": area,
        "height": np.log(extent[..., 1]),
        "near": area + box[..., 3] / height,
    }
    return values[axis]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))
