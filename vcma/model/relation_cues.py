"""Relation cues: hand-written weights of geometry and motion features for predicates, which need no training.

A cue weights the features of the relation emission (motion_features): "above" uses relative height, "chase"
relative motion. Cues express the meaning of English words: what is pushed moves away, what is held hangs off the
ground. The weights were chosen with true tubes of the drawn world's training split. A predicate without a listed
phrase has no cue, and `train_em.relation_prior: 0` disables cues.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

Weights = Mapping[str, float]

_ABOVE: Weights = {"below": 2, "aside": -2}
_BENEATH: Weights = {"below": -2, "aside": -2, "gap_y": -1}
_NEAR: Weights = {"distance": -2, "gap_y": -1, "apart_speed": -1}
_LEFT: Weights = {"right": 2}
_RIGHT: Weights = {"right": -2}
_INSIDE: Weights = {"subject_inside": 2}
_FRONT: Weights = {"lower_edge": -2, "distance": -2, "gap_x": -1}
_BEHIND: Weights = {"lower_edge": 2, "distance": -2, "gap_x": -1}
_TOWARDS: Weights = {"subject_nears": 1, "subject_nears_slow": 1}
_AWAY: Weights = {"subject_nears": -1, "subject_nears_slow": -1}
_AFTER: Weights = {"subject_nears": 1, "object_flees": 1, "subject_nears_slow": 1, "object_flees_slow": 1}
_TOUCHING: Weights = {"gap_x": -1, "gap_y": -1}
_CONTACT: Weights = {**_TOUCHING, "distance": -2}
_HELD: Weights = {**_CONTACT, "below": -1}
_LIFTED: Weights = {**_TOUCHING, "distance": -1, "below": -2}
_TOGETHER: Weights = {**_TOUCHING, "comotion": 2}
_RIDDEN: Weights = {**_TOGETHER, "aside": -2}
_PUSHED: Weights = {**_TOGETHER, "object_flees": 1, "object_flees_slow": 1}
_PULLED: Weights = {**_TOGETHER, "object_flees": -1, "object_flees_slow": -1}
_FLIES: Weights = {"apart_speed": 1, "object_flees": 1, "object_flees_slow": 1, "gap_y": -1}
# Up and down on the spot: fast over one frame, but not over several.
_JUMPS: Weights = {"unrest_y": 4, "unrest_x": -2, "jerk_y": 6, "speed": 4, "speed_slow": -6}
_WAVES: Weights = {"unrest_width": 2, "speed_slow": -4}
_SPINS: Weights = {"unrest_width": 4, "growth": 1, "speed_slow": -2}
_FALLS: Weights = {"aspect": 4, "unrest_height": 4, "speed_slow": -1}
_GOES: Weights = {"speed": 1, "speed_slow": 1}


def _phrases(*rows: tuple[str, Weights]) -> dict[str, Weights]:
    """Map phrases to cues; each row contains phrases, separated by bars, and their common cue."""
    return {phrase.strip(): cue for phrases, cue in rows for phrase in phrases.split("|")}


# The longest phrase in a predicate decides, the first of equally long ones. Phrases without weights have no
# geometric meaning, although a shorter phrase in them would: "point to" does not approach.
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
    ("carry | drive | walk with | away with", _TOGETHER),
    ("ride", _RIDDEN),
    ("push", _PUSHED),
    ("pull | drag | lead", _PULLED),
    ("lift | raise | pick up", _LIFTED),
    ("hold | grab", _HELD),
    ("hug | touch | kiss | pat | caress | bite | feed", _CONTACT),
    ("hold hand of | shake hand with | put hand on | lean on | lean against | put on", _CONTACT),
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
    """Return the longest phrase of the table in a predicate, the first of equally long ones; None without one."""
    words = f" {' '.join(predicate.lower().split())} "
    found = [phrase for phrase in table if f" {phrase} " in words]
    return max(found, key=lambda phrase: phrase.count(" "), default=None)


def cues(
    predicates: list[str], table: Mapping[str, Weights], features: tuple[str, ...]
) -> Float[np.ndarray, "K c"]:
    """Return the weights of `features` for each predicate; 0 for predicates without a cue in the table."""
    found = np.zeros((len(predicates), len(features)), np.float32)
    for row, predicate in enumerate(predicates):
        phrase = phrase_in(predicate, table)
        for feature, weight in table[phrase].items() if phrase else ():
            found[row, features.index(feature)] = weight
    return found
