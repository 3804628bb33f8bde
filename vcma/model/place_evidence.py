"""Likelihood of place and rank attributes ("on the left", "second from the right") of tubes, by boxes. NumPy only.

Tube m is a rival of tube n with probability a(m), that m is of the named kind, times the share of n's frames in
which m is also present, weighted by 1 - IoU (a high IoU means the same object). Whether m is further towards an end
than n is decided softly, by a sigmoid. "k-th from an end" is the probability that exactly k - 1 rivals are further
towards that end: a sum of independent Bernoulli variables (Poisson-binomial). "On a side" (rank 0) is the mean of a
sigmoid of the box centre's offset from the middle of the frame, and of the share of rivals that are not further
towards that side; "in the background" has no side of the frame and uses only the latter.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from vcma.boxes import iou_matrix
from vcma.model.clip import Clip
from vcma.records.demand import Demand

_FLOOR = 0.05  # minimum likelihood: a wrong box must not exclude a tube, as with attributes
_SIDE = 0.08  # width of the sigmoid for a side, relative to the frame
_MIDDLE = 0.17  # standard deviation of "middle", relative to the frame: about the inner third
_PLACE_STEP, _SIZE_STEP = 0.02, 0.1  # width of the sigmoid for "further", relative to the frame, and in log lengths
# The axis of each end, and the sign with which values increase towards it.
_AXES = {
    "left": ("x", -1), "right": ("x", 1), "top": ("y", -1), "bottom": ("y", 1), "large": ("area", 1),
    "small": ("area", -1), "tall": ("height", 1), "short": ("height", -1), "near": ("near", 1), "far": ("near", -1),
}  # fmt: skip


def place_evidence(
    demands: Iterable[Demand], clip: Clip, agreement: Float[np.ndarray, " N"]
) -> Float[np.ndarray, " N"]:
    """Return the log-likelihood of place and rank demands for each tube, at most 0.

    agreement: log-agreement of each tube with the other words of the phrase. a(m) is exp(agreement) times the
    score, each relative to the maximum. Demands that cannot be measured are ignored.
    """
    kind = np.exp(agreement - agreement.max(initial=-np.inf))
    kind = kind * clip.score / max(clip.score.max(initial=0), 1e-6)
    found = np.zeros(len(clip.tube), np.float64)
    for demand in demands:
        likelihood = _rank(demand, clip, kind) if demand.rank else _side(demand.end, clip, kind)
        found += np.log(_FLOOR + (1 - _FLOOR) * likelihood)
    return found.astype(np.float32)


def _side(end: str, clip: Clip, kind: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Probability of being on a side, of the frame and among the rivals."""
    x, y = _values("x", clip), _values("y", clip)
    if end == "middle":
        return _mean(np.exp(-(((x - 0.5) / _MIDDLE) ** 2) / 2), clip)
    if end not in _AXES or _AXES[end][0] in ("area", "height"):
        return np.ones(len(clip.tube))
    rivals = _rivals(clip, kind)
    among = (0.5 + (rivals.sum(2) - _further(end, clip, rivals)).sum(1)) / (1 + rivals.sum((1, 2)))
    axis, sign = _AXES[end]
    if axis == "near":
        return among
    beyond = _sigmoid(sign * ((x if axis == "x" else y) - 0.5) / _SIDE)
    return (_mean(beyond, clip) + among) / 2


def _rank(demand: Demand, clip: Clip, kind: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Probability that exactly rank - 1 rivals are further towards the end."""
    if demand.end not in _AXES:
        return np.ones(len(clip.tube))
    p = _further(demand.end, clip, _rivals(clip, kind))
    counts = np.zeros((len(p), demand.rank))  # P(count of further rivals), up to the rank
    counts[:, 0] = 1
    for m in range(len(p)):
        moved = np.concatenate([np.zeros((len(p), 1)), counts[:, :-1]], axis=1)
        counts = counts * (1 - p[:, m, None]) + moved * p[:, m, None]
    return counts[:, -1]


def _rivals(clip: Clip, kind: Float[np.ndarray, " N"]) -> Float[np.ndarray, "N N T"]:
    """Weight of tube m (second axis) as a rival of tube n (first) per frame, normalised by the frames of n."""
    together = (clip.present[None] & clip.present[:, None]) / np.maximum(clip.present.sum(1), 1)[:, None, None]
    by_frame = np.moveaxis(clip.box, 1, 0)
    same = np.moveaxis(iou_matrix(by_frame, by_frame), 0, -1)
    other = ~np.eye(len(kind), dtype=bool)
    return other[..., None] * together * kind[None, :, None] * (1 - same)


def _further(end: str, clip: Clip, rivals: Float[np.ndarray, "N N T"]) -> Float[np.ndarray, "N N"]:
    """Probability that tube m is a rival of tube n and is further towards the end."""
    axis, sign = _AXES[end]
    value = sign * _values(axis, clip)
    step = _PLACE_STEP if axis in ("x", "y") else _SIZE_STEP
    return (rivals * _sigmoid((value[None] - value[:, None]) / step)).sum(2)


def _mean(value: Float[np.ndarray, "N T"], clip: Clip) -> Float[np.ndarray, " N"]:
    """Mean over the frames in which each tube is present."""
    return (value * clip.present).sum(1) / np.maximum(clip.present.sum(1), 1)


def _values(axis: str, clip: Clip) -> Float[np.ndarray, "N T"]:
    """Values along an axis: relative centre, log size, log height, or nearness (log size plus lower edge)."""
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
