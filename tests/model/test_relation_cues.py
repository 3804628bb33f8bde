"""Cues: the right feature for the word, nothing for a word that is not known."""

import numpy as np
import pytest
import torch

from vcma.model.motion_features import PAIR_FEATURES, SINGLE_FEATURES, pair_features, single_features
from vcma.model.networks import cue_evidence
from vcma.model.relation_cues import PAIR_CUES, SINGLE_CUES, cues
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
    ],
)
def test_a_cue_prefers_the_right_direction(predicate, subject, other):
    pair, _ = geometry([subject, other])
    same = torch.eye(2, dtype=torch.bool)[None, ..., None].expand(1, 2, 2, 8)
    cue = torch.as_tensor(cues([predicate], PAIR_CUES, PAIR_FEATURES))
    told = cue_evidence(cue, pair, torch.tensor([0]), same).mean(-1)[0]
    assert told[0, 1] > told[1, 0]


def test_jumping_is_told_from_standing():
    up = [(0.2, 0.5 - 0.1 * (t % 2)) for t in range(8)]
    _, single = geometry([up, [RIGHT] * 8])
    cue = torch.as_tensor(cues(["jump up"], SINGLE_CUES, SINGLE_FEATURES))
    told = cue_evidence(cue, single, torch.tensor([0]), torch.zeros(1, 2, 8, dtype=torch.bool)).mean(-1)[0]
    assert told[0] > told[1]


def test_an_unknown_word_says_nothing():
    assert not cues(["xyzzy"], PAIR_CUES, PAIR_FEATURES).any()
    assert not cues(["xyzzy"], SINGLE_CUES, SINGLE_FEATURES).any()


def test_a_detector_without_attributes_has_a_label_prior_all_the_same():
    (demands,) = attribute_weights([("red", "shirt")], ())
    assert demands.shape == (0, 0)
    label = label_prior(np.array([1.0, 0.0]), demands, np.array([[0.9, 0.1], [0.2, 0.8]]), np.zeros((2, 0)))
    assert label[0] > label[1]
