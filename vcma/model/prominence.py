"""Prominence: prior log-odds that a tube is the object of any sentence, from its score, duration and size.

Clutter tubes have low detection scores, are short and small. The log-odds relative to the other tubes of a clip are

    prominence(n) = 3 log(mean score) + log(share of frames) + 3/8 mean(log(min(share of the frame area, 3 %)))

Real and drawn data sets with three detectors agree on a plateau of coefficients, within which these are. 3 % of
the frame is a "large" object by COCO's definition (96 x 96 of 640 x 480 px): above it, size says nothing, and
without the limit, clutter that fills half of the frame outranks a car. Only differences within a clip matter, so
the scale of a detector's scores does not.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from vcma.model.clip import Clip

_SCORE, _COVER, _SIZE = 3.0, 1.0, 0.375
_LARGE = 0.03  # share of the frame area above which all objects are equally prominent
_BOXES = 4  # number of boxes that determine the motion of a pair: two boxes in two frames
_LOWEST = 0.01  # lower bound of scores, and of the square root of the area share


def prominence(clip: Clip) -> Float[np.ndarray, " N"]:
    """Return the prominence of each tube of a clip, in nats; `score_prior` in pipeline.yaml is its weight."""
    present = clip.present.sum(1)
    sides = np.maximum(clip.box[..., 2:] - clip.box[..., :2], 0).astype(np.float64)
    share = np.clip(sides.prod(-1) / max(clip.size[0] * clip.size[1], 1), _LOWEST**2, _LARGE)
    size = (np.log(share) * clip.present).sum(1) / present
    cover = np.log(present / clip.present.shape[1])
    return (_SCORE * np.log(np.maximum(clip.score, _LOWEST)) + _COVER * cover + _SIZE * size).astype(np.float32)


def reliability(clip: Clip) -> float:
    """Return the reliability of a clip's geometry, in [0, 1]: the prominence-weighted mean score to the power 4.

    Boxes of low confidence jump, which resembles motion, and are unreliable about contact. The power is the number
    of boxes that determine the motion of a pair.
    """
    weight = prominence(clip)
    weight = np.exp(weight - weight.max(initial=0))
    return float((weight * clip.score).sum() / weight.sum()) ** _BOXES
