"""Resizing in tensors is Pillow's, to the bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.detection.networks import random_picture
from vcma.detection.resizing import resized


def both(pictures, size):
    """Of pictures (B, H, W, 3): in tensors, and by Pillow."""
    ours = resized(torch.from_numpy(pictures).permute(0, 3, 1, 2), size).permute(0, 2, 3, 1).numpy()
    theirs = [Image.fromarray(p).resize(size[::-1], Image.Resampling.BILINEAR) for p in pictures]
    return ours, np.stack([np.asarray(p) for p in theirs])


@given(*[st.integers(1, 60)] * 4, st.integers(0, 9))
@settings(max_examples=200, deadline=None)
def test_noise_of_any_size_to_any_size(height, width, other_height, other_width, seed):
    pictures = np.random.default_rng(seed).integers(0, 256, (2, height, width, 3), np.uint8)
    ours, theirs = both(pictures, (other_height, other_width))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("size", "other"), [((360, 640), (750, 1333)), ((1080, 1920), (750, 1333)), ((240, 320), (480, 640))], ids=str
)
def test_sizes_that_occur(size, other):
    ours, theirs = both(random_picture(0, *size)[None], other)
    np.testing.assert_array_equal(ours, theirs)
