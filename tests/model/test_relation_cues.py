"""Cues: the right feature for the word, nothing for a word that is not known."""

import numpy as np
import pytest
import torch

from vcma.model.motion_features import PAIR_FEATURES, SINGLE_FEATURES, pair_features, single_features
from vcma.model.networks import cue_evidence
from vcma.model.relation_cues import PAIR_CUES, SINGLE_CUES, cues, phrase_in
from vcma.text.label_matching import attribute_weights, label_prior


def geometry(centres: list[list[tuple[float, float]]], half: float = 0.05):
    """Features of a batch of one clip, whose tubes have the given centres, four frames a second."""
    centre = np.array(centres)
    box = np.concatenate([centre - half, centre + half], -1)
    time = np.arange(box.shape[1]) / 4
    return tuple(torch.as_tensor(features(box, time))[None] for features in (pair_features, single_features))


def test_features_have_the_names_that_cues_use():
    pair, single = geometry([[(0.2, 0.2)] * 8, [(0.6, 0.2)] * 8])
    assert pair.shape[-1] == len(PAIR_FEATURES) == len(set(PAIR_FEATURES))
    assert single.shape[-1] == len(SINGLE_FEATURES) == len(set(SINGLE_FEATURES))
    for known, names in ((PAIR_CUES, PAIR_FEATURES), (SINGLE_CUES, SINGLE_FEATURES)):
        assert all(feature in names for weights in known.values() for feature in weights)


LEFT, RIGHT = (0.2, 0.5), (0.8, 0.5)
RUNS = [(0.2 + 0.05 * t, 0.5) for t in range(8)]
FLEES = [(0.5 + 0.05 * t, 0.5) for t in range(8)]


@pytest.mark.parametrize(
    ("predicate", "subject", "other"),
    [
        ("above", [(0.5, 0.2)] * 8, [(0.5, 0.8)] * 8),
        ("be beneath", [(0.5, 0.8)] * 8, [(0.5, 0.2)] * 8),
        ("walk towards", RUNS, [RIGHT] * 8),
        ("away from", RUNS, [(0.1, 0.5)] * 8),
        ("run after", RUNS, FLEES),
        ("in front of", [(0.5, 0.55)] * 8, [(0.5, 0.5)] * 8),
        ("behind", [(0.5, 0.45)] * 8, [(0.5, 0.5)] * 8),
        ("left of", [LEFT] * 8, [RIGHT] * 8),
        ("right of", [RIGHT] * 8, [LEFT] * 8),
        ("push", RUNS, FLEES),
        ("pull", FLEES, RUNS),
        ("lift", [(0.5, 0.6)] * 8, [(0.5, 0.4)] * 8),
    ],
)
def test_a_cue_prefers_the_right_direction(predicate, subject, other):
    pair, _ = geometry([subject, other])
    same = torch.eye(2, dtype=torch.bool)[None, ..., None].expand(1, 2, 2, 8)
    cue = torch.as_tensor(cues([predicate], PAIR_CUES, PAIR_FEATURES))
    told = cue_evidence(cue, pair, torch.tensor([0]), same).mean(-1)[0]
    assert told[0, 1] > told[1, 0]


@pytest.mark.parametrize("other", [[RIGHT] * 8, RUNS], ids=["standing", "walking"])
def test_jumping_is_told_from(other):
    up = [(0.2, 0.5 - 0.1 * (t % 2)) for t in range(8)]
    _, single = geometry([up, other])
    cue = torch.as_tensor(cues(["jump up"], SINGLE_CUES, SINGLE_FEATURES))
    told = cue_evidence(cue, single, torch.tensor([0]), torch.zeros(1, 2, 8, dtype=torch.bool)).mean(-1)[0]
    assert told[0] > told[1]


@pytest.mark.parametrize(
    ("predicate", "own", "other"),
    [
        ("in front of", [(0.3, 0.5)] * 8, [(0.9, 0.5)] * 8),
        ("behind", [(0.3, 0.5)] * 8, [(0.9, 0.5)] * 8),
        ("hold", [(0.3, 0.5)] * 8, [(0.5, 0.5)] * 8),
        ("throw", FLEES, [(0.5 - 0.02 * t, 0.5) for t in range(8)]),
    ],
)
def test_a_cue_prefers_the_nearer_thing_or_the_one_that_leaves(predicate, own, other):
    """Of the first tube's relations to `own` and to `other`, the cue prefers the first."""
    pair, _ = geometry([[(0.28, 0.5)] * 8, own, other])
    same = torch.eye(3, dtype=torch.bool)[None, ..., None].expand(1, 3, 3, 8)
    cue = torch.as_tensor(cues([predicate], PAIR_CUES, PAIR_FEATURES))
    told = cue_evidence(cue, pair, torch.tensor([0]), same).mean(-1)[0]
    assert told[0, 1] > told[0, 2]


# Every predicate of the drawn world as its sentences say it, and the 49 of VidSTG's validation annotations, most
# frequent first, with the phrase that decides; None: nothing is said of geometry.
PAIR_PHRASES = {
    # VidSTG
    "above": "above", "hold": "hold", "lean on": "lean on", "towards": "towards", "beneath": "beneath",
    "behind": "behind", "away": "away", "next to": "next to", "in front of": "in front of",
    "speak to": "speak to", "watch": None, "ride": "ride", "hold hand of": "hold hand of", "play": None,
    "hug": "hug", "touch": "touch", "carry": "carry", "caress": "caress", "press": None, "inside": "inside",
    "use": None, "push": "push", "bite": "bite", "hit": "hit", "pull": "pull", "lift": "lift", "pat": "pat",
    "grab": "grab", "chase": "chase", "wave": None, "get on": "on", "feed": "feed", "kiss": "kiss",
    "point to": "point to", "get off": "get off", "wave hand to": "wave hand to", "release": None, "kick": "kick",
    "shake hand with": "shake hand with", "shout at": None, "drive": "drive", "cut": None, "lick": None,
    "throw": "throw", "squeeze": None, "smell": None, "close": None, "open": None, "knock": None,
    # the drawn world
    "run after": "after", "walk after": "after", "follow": "follow", "raise": "raise", "ride on": "ride",
    "put hand on": "put hand on", "walk towards": "towards", "come up to": "up to", "walk away from": "away from",
    "pursue": "pursue", "trail": "trail", "grip": None, "hoist": None, "toss": "toss", "shove": None,
    "drag": "drag", "embrace": None, "approach": "approach", "move away from": "away from", "over": "over",
    "under": "under", "away from": "away from", "below": "below", "underneath": "underneath",
    # what a shorter phrase would misread
    "close to": "close to", "near": "near", "walk to": "to", "talk to": "talk to", "walk up to": "up to",
    "pick up": "pick up", "put on": "put on", "throw to": "throw", "follow to": "follow", "turn to": "turn to",
    "sit on": "on", "lean against": "lean against", "stand up from": "from",
}  # fmt: skip
SINGLE_PHRASES = {
    "jump": "jump", "jump up and down": "jump", "wave": "wave", "wave hand": "wave", "spin": "spin",
    "turn around": "turn", "fall": "fall", "fall down": "fall", "hop": "hop", "whirl": "whirl", "tumble": None,
    "walk to left": "walk", "stop": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("table", "phrases"), [(PAIR_CUES, PAIR_PHRASES), (SINGLE_CUES, SINGLE_PHRASES)], ids=["pair", "single"]
)
def test_the_longest_phrase_decides(table, phrases):
    assert {predicate: phrase_in(predicate, table) for predicate in phrases} == phrases


@pytest.mark.parametrize(
    ("predicate", "means", "not_this"),
    [("next to", "near", "walk to"), ("close to", "near", "walk to"), ("speak to", "near", "walk to")],
)
def test_to_inside_a_phrase_does_not_approach(predicate, means, not_this):
    found, same, other = cues([predicate, means, not_this], PAIR_CUES, PAIR_FEATURES)
    assert (found == same).all() and (found != other).any()


def test_pointing_at_a_thing_says_nothing_of_geometry():
    assert not cues(["point to", "turn to", "close"], PAIR_CUES, PAIR_FEATURES).any()


def test_an_unknown_word_says_nothing():
    assert not cues(["xyzzy"], PAIR_CUES, PAIR_FEATURES).any()
    assert not cues(["xyzzy"], SINGLE_CUES, SINGLE_FEATURES).any()


def test_a_detector_without_attributes_has_a_label_prior_all_the_same():
    (demands,) = attribute_weights([("red", "shirt")], ())
    assert demands.shape == (0, 0)
    label = label_prior(np.array([1.0, 0.0]), demands, np.array([[0.9, 0.1], [0.2, 0.8]]), np.zeros((2, 0)))
    assert label[0] > label[1]
