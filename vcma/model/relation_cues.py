"""What a predicate's words say of geometry and motion before any training: the relation side of the label prior.

A cue is a weighting of the geometry and motion that the relation emission sees (motion_features): "above" looks at
who is higher, "chase" at who moves where. It is general knowledge of English, not of a data set; a predicate that
has no known phrase has none, and `train_em.relation_prior: 0` reads no cue at all.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

Weights = Mapping[str, float]

_ABOVE: Weights = {"below": 2, "aside": -1}
_BENEATH: Weights = {"below": -2, "aside": -1}
_NEAR: Weights = {"distance": -2}
_LEFT: Weights = {"right": 2}
_RIGHT: Weights = {"right": -2}
_INSIDE: Weights = {"subject_inside": 2}
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


def _phrases(*rows: tuple[str, Weights]) -> dict[str, Weights]:
    """The cue of every phrase of the rows; a row is its phrases, parted by bars, and their cue."""
    return {phrase.strip(): cue for phrases, cue in rows for phrase in phrases.split("|")}


# A predicate's longest phrase decides; of equally long ones the first here. What has no weights is known to say
# nothing of geometry, though a shorter phrase inside it would: "point to" does not approach, "put on" is not above.
PAIR_CUES: Mapping[str, Weights] = _phrases(
    ("above | over | atop", _ABOVE),
    ("beneath | under | below | underneath", _BENEATH),
    ("away | away from | leave | get off", _AWAY),
    ("towards | toward | approach | up to", _TOWARDS),
    ("chase | follow | pursue | trail | after", _AFTER),
    ("front | in front of", _FRONT),
    ("behind", _BEHIND),
    ("left of", _LEFT),
    ("right of", _RIGHT),
    ("inside", _INSIDE),
    ("next to | close to | beside | near | by | speak to | talk to | say to", _NEAR),
    ("carry | push | pull | ride | drag | lead | drive | walk with | away with", _TOGETHER),
    ("hold | lift | raise | hug | touch | grab | kiss | pat | caress | bite | feed", _CONTACT),
    ("hold hand of | shake hand with | put hand on | lean on | lean against | pick up | put on", _CONTACT),
    ("hand to | give to | pass to", _CONTACT),
    ("kick | throw | hit | toss", _FLIES),
    ("point to | wave to | wave hand to | shout to | turn to | listen to | reach out to | look over", {}),
    ("look from | watch from | turn over", {}),
    ("from", _AWAY),
    ("to", _TOWARDS),
    ("on", _ABOVE),
)
SINGLE_CUES: Mapping[str, Weights] = _phrases(
    ("jump | hop | leap | bounce", _JUMPS),
    ("wave | gesture", _WAVES),
    ("spin | turn | rotate | whirl", _SPINS),
    ("fall | lie | collapse", _FALLS),
    ("walk | run | move | crawl", _GOES),
)


def phrase_in(predicate: str, table: Mapping[str, Weights]) -> str | None:
    """The phrase of the table that a predicate's words contain: the longest, of equals the table's first."""
    words = f" {' '.join(predicate.lower().split())} "
    found = [phrase for phrase in table if f" {phrase} " in words]
    return max(found, key=lambda phrase: phrase.count(" "), default=None)


def cues(
    predicates: list[str], table: Mapping[str, Weights], features: tuple[str, ...]
) -> Float[np.ndarray, "K c"]:
    """One weighting of `features` a predicate; 0 where no phrase of it has a cue in the table."""
    found = np.zeros((len(predicates), len(features)), np.float32)
    for row, predicate in enumerate(predicates):
        phrase = phrase_in(predicate, table)
        for feature, weight in table[phrase].items() if phrase else ():
            found[row, features.index(feature)] = weight
    return found
