"""Places and ranks of tubes: the one that is meant is the likeliest, and only things of its kind are counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vcma.inference.untrained import label_encoder
from vcma.model.clip import Clip
from vcma.model.place_evidence import place_evidence
from vcma.records.demand import Demand
from vcma.records.sentence import Sentence


def clip(boxes: list[tuple[float, float, float, float]], score: list[float] | None = None) -> Clip:
    """Still tubes over three frames of a picture of 100 by 100 px."""
    N = len(boxes)
    return Clip(
        frame=np.arange(3),
        time=np.arange(3, dtype=np.float32),
        end=3,
        tube=np.arange(N),
        box=np.repeat(np.array(boxes, np.float32)[:, None], 3, 1),
        present=np.ones((N, 3), bool),
        feature=np.zeros((N, 1), np.float32),
        class_prob=np.zeros((N, 0), np.float32),
        attribute_prob=np.zeros((N, 0), np.float32),
        score=np.array(score or [0.9] * N, np.float32),
        embedding=np.zeros((N, 0), np.float32),
        size=(100.0, 100.0),
    )


ROW = [(x, 40, x + 10, 60) for x in (70, 10, 40, 85)]  # from the left: 1, 2, 0, 3
SIZES = [(10, 10, 20, 20), (40, 10, 70, 40), (80, 5, 85, 60)]  # small, large, tall


@pytest.mark.parametrize(
    ("boxes", "end", "rank", "meant"),
    [
        (ROW, "left", 1, 1),
        (ROW, "left", 2, 2),
        (ROW, "left", 3, 0),
        (ROW, "right", 1, 3),
        (ROW, "right", 2, 0),
        (ROW, "left", 0, 1),
        (ROW, "middle", 0, 2),
        ([(40, y, 60, y + 10) for y in (5, 80)], "top", 0, 0),
        ([(40, y, 60, y + 10) for y in (5, 80)], "bottom", 1, 1),
        (SIZES, "large", 1, 1),
        (SIZES, "small", 1, 0),
        (SIZES, "tall", 1, 2),
        (SIZES, "short", 1, 0),
        ([(10, 20, 20, 40), (50, 40, 80, 95)], "near", 1, 1),
        ([(10, 20, 20, 40), (50, 40, 80, 95)], "far", 1, 0),
    ],
)
def test_the_one_that_is_meant_is_likeliest(boxes, end: str, rank: int, meant: int):
    found = place_evidence([Demand(end, rank)], clip(boxes), np.zeros(len(boxes)))
    assert found.argmax() == meant and (found <= 1e-6).all()
    assert (np.delete(found, meant) < found[meant] - 0.3).all()


def test_other_things_and_clutter_are_not_counted():
    other = np.array([0.0, -6.0, 0.0, 0.0])  # the leftmost is of another kind
    assert (place_evidence([Demand("left", 1)], clip(ROW), other) + other).argmax() == 2
    clutter = clip(ROW, score=[0.9, 0.01, 0.9, 0.9])
    found = place_evidence([Demand("left", 2)], clutter, np.zeros(4))
    assert found[0] == found[[0, 2, 3]].max()


def test_tubes_in_other_frames_are_not_compared():
    two = clip(ROW[:2])
    two.present[0, 1:] = False
    two.present[1, 0] = False
    assert (place_evidence([Demand("left", 1)], two, np.zeros(2)) > -0.01).all()


def test_ranks_add_up_to_one_thing_each():
    """Over all ranks a tube's probabilities add up to 1, and the order of the tubes does not matter."""
    likelihood = [np.exp(place_evidence([Demand("left", k)], clip(ROW), np.zeros(4))) for k in (1, 2, 3, 4)]
    assert np.allclose((np.array(likelihood) - 0.05).sum(0) / 0.95, 1, atol=1e-4)
    turned = place_evidence([Demand("left", 2)], clip(ROW[::-1]), np.zeros(4))
    assert np.allclose(turned[::-1], place_evidence([Demand("left", 2)], clip(ROW), np.zeros(4)), atol=1e-5)


@pytest.mark.parametrize(("attribute", "meant"), [("leftmost", 1), ("on right", 3), ("tall", None)])
def test_a_sentence_prefers_the_tube_in_its_place(attribute: str, meant: int | None):
    sentence = Sentence("s", "v", 0, -1, ("dog",), ("dog",), ((attribute,),), 0, ())
    dogs = replace(clip(ROW), class_prob=np.ones((4, 1), np.float32))
    encoder = label_encoder(["dog"], [], 1)
    encoder.prepare([sentence])
    (label,) = encoder.label_prior(sentence, dogs)
    assert label.argmax() == meant if meant is not None else np.ptp(label) == 0


def test_no_demand_or_an_unknown_one_says_nothing():
    assert not place_evidence([], clip(ROW), np.zeros(4)).any()
    assert not place_evidence([Demand("inside", 1), Demand("tall", 0)], clip(ROW), np.zeros(4)).any()
    assert place_evidence([Demand("left", 1)], clip(ROW[:1]), np.zeros(1)).shape == (1,)


def test_a_second_tube_of_one_thing_and_one_of_another_time_are_no_rivals():
    twice = clip([(10, 40, 20, 60), (10.2, 40, 20.2, 60), (60, 40, 70, 60)])
    assert (place_evidence([Demand("left", 1)], twice, np.zeros(3))[:2] > np.log(0.9)).all()
    pair = clip([(10, 40, 20, 60), (60, 40, 70, 60)])
    apart = replace(pair, present=np.array([[True, True, False], [False, False, True]]))
    assert (place_evidence([Demand("left", 1)], apart, np.zeros(2)) > np.log(0.9)).all()


def test_a_side_is_also_told_among_the_others():
    """Both are right of the picture's middle."""
    found = place_evidence([Demand("left")], clip([(60, 40, 70, 60), (80, 40, 90, 60)]), np.zeros(2))
    assert found[0] > found[1] + 0.5
    far = place_evidence([Demand("far")], clip([(10, 20, 20, 40), (50, 40, 80, 95)]), np.zeros(2))
    assert far[0] > far[1] + 0.5
