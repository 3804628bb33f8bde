"""Suppression of many sets at once is that of torchvision, set by set."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import nms

from vcma.detection.suppression import first, greedy

_CORNERS = st.lists(st.tuples(*[st.integers(0, 12)] * 4), min_size=6, max_size=6)


@given(st.lists(_CORNERS, min_size=1, max_size=4), st.sampled_from([0.1, 1 / 3, 0.5, 0.6, 0.7, 1.0]), st.data())
@settings(max_examples=80, deadline=None)
def test_of_each_set_what_torchvision_keeps(rows, threshold, data):
    """Boxes that touch, are equal or empty, and an IoU of exactly the threshold, among them."""
    rows = torch.tensor(rows, dtype=torch.float32)
    box = torch.cat([rows[..., :2], rows[..., :2] + rows[..., 2:]], -1)
    valid = torch.tensor([[data.draw(st.booleans()) for _ in s] for s in rows])
    kept = greedy(box, valid, threshold)
    score = torch.arange(box.shape[1], 0, -1, dtype=torch.float32)
    for of_set, fit, found in zip(box, valid, kept, strict=True):
        expected = fit.nonzero()[:, 0][nms(of_set[fit], score[fit], threshold)]
        assert found.nonzero()[:, 0].tolist() == expected.tolist()


def test_an_iou_of_a_third_exceeds_the_threshold_one_third_as_it_does_in_torchvision():
    """float32(1 / 3) is above the 1 / 3 of float64."""
    box = torch.tensor([[[0.0, 6, 1, 18], [0, 3, 1, 11]]])
    kept = greedy(box, torch.ones(1, 2, dtype=torch.bool), 1 / 3)
    assert kept[0].tolist() == [True, False] and nms(box[0], torch.tensor([2.0, 1.0]), 1 / 3).tolist() == [0]


def test_a_chain_longer_than_the_updates_between_two_looks():
    """Each box suppresses the next alone, so every second one remains."""
    left = torch.arange(101) * 4.0
    box = torch.stack([left, torch.zeros(101), left + 10, torch.full((101,), 10.0)], 1)[None]
    kept = greedy(box, torch.ones(1, 101, dtype=torch.bool), 0.3)
    assert kept[0].nonzero()[:, 0].tolist() == list(range(0, 101, 2))


def test_boxes_that_are_not_finite_suppress_nothing():
    box = torch.tensor([[[0, 0, np.inf, 9], [0, np.nan, 9, 9], [0, 0, 9, 9], [0, 0, 9, 9]]])
    kept = greedy(box, torch.tensor([[False, False, True, True]]), 0.5)
    assert kept.tolist() == [[False, False, True, False]]


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_no_sets_and_no_boxes(shape):
    kept = greedy(torch.zeros(*shape, 4), torch.ones(shape, dtype=torch.bool), 0.5)
    position, real = first(kept, 5)
    assert kept.shape == shape and position.shape == real.shape == shape


def test_the_first_of_a_mask():
    position, real = first(torch.tensor([[0, 1, 0, 1, 1], [0, 0, 1, 0, 0]], dtype=torch.bool), 2)
    assert position[0].tolist() == [1, 3] and int(position[1, 0]) == 2
    assert real.tolist() == [[True, True], [True, False]]
