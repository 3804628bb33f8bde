"""How likely a tube is what any sentence is about, before one is read: the detector's doubt, cover and size.

A tube of clutter has a low detection score, is there for a moment and is small. The log-odds of a tube against the
others of its clip add up to

    prominence(n) = 2 log(mean score) + log(share of the frames it is in) + 3/8 log(mean share of the picture)

The first two factors come from conditional logit fits of the best tube on three sets of real footage, which nearly
agree; the fitted factor of size is twice as large, which costs small things dear and hardly helps on footage. Only
differences between the tubes of a clip count, so a detector whose scores are all half of another's says the same.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from vcma.model.clip import Clip

_SCORE, _COVER, _SIZE = 2.0, 1.0, 0.375
_BOXES = 4  # the motion of a pair is read off two boxes in two frames
_LOWEST = 0.01  # score and share of the picture below which nothing is told apart; also of tubes without scores


def prominence(clip: Clip) -> Float[np.ndarray, " N"]:
    """Log-odds of each tube of a clip, up to a constant, in nats; `score_prior` in pipeline.yaml weighs it."""
    present = clip.present.sum(1)
    sides = np.maximum(clip.box[..., 2:] - clip.box[..., :2], 0).astype(np.float64)
    share = np.maximum(sides.prod(-1) / max(clip.size[0] * clip.size[1], 1), _LOWEST**2)
    size = (np.log(share) * clip.present).sum(1) / present
    cover = np.log(present / clip.present.shape[1])
    return (_SCORE * np.log(np.maximum(clip.score, _LOWEST)) + _COVER * cover + _SIZE * size).astype(np.float32)


def reliability(clip: Clip) -> float:
    """How far the geometry of a clip's tubes can be trusted, 0 to 1: the score of a likely tube, once a box.

    Boxes that the detector is not sure of jump, which looks like motion, and lie about what touches what.
    """
    weight = prominence(clip)
    weight = np.exp(weight - weight.max(initial=0))
    return float((weight * clip.score).sum() / weight.sum()) ** _BOXES
