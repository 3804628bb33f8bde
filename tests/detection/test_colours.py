"""Colours read from pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detection.networks import random_picture
from vcma.detection.colours import COLOUR_ATTRIBUTES, lab_histograms, named_colours


@pytest.mark.parametrize(
    ("name", "bgr"),
    [
        ("black", (15, 15, 15)), ("white", (245, 245, 245)), ("grey", (128, 128, 128)), ("red", (30, 30, 210)),
        ("orange", (20, 130, 245)), ("yellow", (40, 220, 240)), ("green", (60, 160, 50)), ("blue", (210, 90, 30)),
        ("purple", (170, 40, 120)), ("pink", (190, 130, 250)), ("brown", (35, 70, 125)),
    ],
)  # fmt: skip
def test_each_colour_has_its_name(name, bgr):
    picture = np.full((40, 40, 3), bgr, np.uint8)
    shares = named_colours(picture, np.array([[0, 0, 40, 40]]))[0]
    assert shares[COLOUR_ATTRIBUTES.index(f"upper:{name}")] == 1
    assert shares[COLOUR_ATTRIBUTES.index(f"lower:{name}")] == 1


def test_upper_and_lower_half_are_told_apart():
    picture = np.zeros((60, 40, 3), np.uint8)
    picture[:30], picture[30:] = (30, 30, 210), (210, 90, 30)
    shares = named_colours(picture, np.array([[5, 10, 35, 50]]))[0]
    assert shares[COLOUR_ATTRIBUTES.index("upper:red")] == 1
    assert shares[COLOUR_ATTRIBUTES.index("lower:blue")] == 1


@given(st.lists(st.tuples(*[st.floats(-50, 150)] * 4), max_size=5))
@settings(max_examples=30, deadline=None)
def test_colour_shares_are_distributions_wherever_the_box_lies(boxes):
    boxes = np.array(boxes).reshape(-1, 4)
    picture = random_picture()
    for shares in (named_colours(picture, boxes), lab_histograms(picture, boxes)):
        assert (shares >= 0).all()
        np.testing.assert_allclose(shares.reshape(len(boxes), 2, shares.shape[1] // 2).sum(2), 1, rtol=1e-5)
