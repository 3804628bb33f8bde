"""What a predicate's words say of geometry and motion before any training: the relation side of the label prior.

A cue is a weighting of the geometry and motion that the relation emission sees (motion_features): "above" looks at
who is higher, "chase" at who moves where. It is general knowledge of English, not of a data set; a predicate that
has no known word has none, and `train_em.relation_prior: 0` reads no cue at all.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

Weights = Mapping[str, float]

_ABOVE: Weights = {"below": 2, "aside": -1}
_BENEATH: Weights = {"below": -2, "aside": -1}
_NEAR: Weights = {"distance": -2}
_FRONT: Weights = {"lower_edge": -2, "distance": -1}
_BEHIND: Weights = {"lower_edge": 2, "distance": -1}
_TOWARDS: Weights = {"subject_nears": 1, "subject_nears_slow": 1}
_AWAY: Weights = {"subject_nears": -1, "subject_nears_slow": -1}
_AFTER: Weights = {"subject_nears": 1, "object_flees": 1, "subject_nears_slow": 1, "object_flees_slow": 1}
_CONTACT: Weights = {"gap_x": -1, "gap_y": -1}
_TOGETHER: Weights = {"gap_x": -1, "gap_y": -1, "comotion": 2}
_FLIES: Weights = {"apart_speed": 1, "distance": -1}
_JUMPS: Weights = {"unrest_y": 2, "jerk_y": 4}
_WAVES: Weights = {"unrest_width": 2}
_SPINS: Weights = {"unrest_width": 2, "growth": 1}
_FALLS: Weights = {"aspect": 2}
_GOES: Weights = {"speed": 1, "speed_slow": 1}

# Of words in the order of how much they say: the first that occurs in a predicate decides.
PAIR_CUES: Mapping[str, Weights] = {
    **dict.fromkeys(("above", "over", "atop"), _ABOVE),
    **dict.fromkeys(("beneath", "under", "below", "underneath"), _BENEATH),
    **dict.fromkeys(("away", "leave", "from"), _AWAY),
    **dict.fromkeys(("towards", "toward", "approach", "up", "to"), _TOWARDS),
    **dict.fromkeys(("chase", "follow", "after", "pursue", "trail"), _AFTER),
    "front": _FRONT,
    "behind": _BEHIND,
    **dict.fromkeys(("next", "beside", "near", "by", "close"), _NEAR),
    **dict.fromkeys(("carry", "push", "pull", "ride", "drag", "lead", "drive"), _TOGETHER),
    **dict.fromkeys(
        ("hold", "lift", "raise", "hug", "touch", "grab", "kiss", "pat", "caress", "bite", "feed"), _CONTACT
    ),
    **dict.fromkeys(("kick", "throw", "hit", "toss"), _FLIES),
    "on": _ABOVE,
}
SINGLE_CUES: Mapping[str, Weights] = {
    **dict.fromkeys(("jump", "hop", "leap", "bounce"), _JUMPS),
    **dict.fromkeys(("wave", "gesture"), _WAVES),
    **dict.fromkeys(("spin", "turn", "rotate", "whirl"), _SPINS),
    **dict.fromkeys(("fall", "lie", "collapse"), _FALLS),
    **dict.fromkeys(("walk", "run", "move", "crawl"), _GOES),
}


def cues(
    predicates: list[str], table: Mapping[str, Weights], features: tuple[str, ...]
) -> Float[np.ndarray, "K c"]:
    """One weighting of `features` a predicate; 0 where no word of it has a cue in the table."""
    found = np.zeros((len(predicates), len(features)), np.float32)
    for row, predicate in enumerate(predicates):
        words = predicate.lower().split()
        word = next((w for w in table if w in words), None)
        for feature, weight in table[word].items() if word else ():
            found[row, features.index(feature)] = weight
    return found
