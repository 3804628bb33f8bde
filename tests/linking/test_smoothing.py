"""Smoothing: true motion is kept, tubes do not influence each other."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vcma.linking.smoothing import smooth


def test_smoothing_follows_what_truly_moves() -> None:
    t = np.arange(40.0)
    centre = np.stack([100 + 60 * np.sin(t * 1.1), 80 + 50 * np.cos(t * 0.9)], axis=1)
    size = np.tile([40.0, 50.0], (40, 1))
    seen = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    assert np.abs(smooth(t, centre, size, np.array([0, 40]), 1.0) - seen).max() < 5


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_smoothing_does_not_mix_tubes(first: int, second: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = first + second
    at = np.concatenate([np.arange(first), np.arange(second)]).astype(float)
    centre, size = rng.uniform(0, 200, (count, 2)), rng.uniform(20, 90, (count, 2))
    both = smooth(at, centre, size, np.array([0, first, count]), 1.0)
    for part in (slice(0, first), slice(first, count)):
        length = part.stop - part.start
        alone = smooth(at[part], centre[part], size[part], np.array([0, length]), 1.0)
        np.testing.assert_allclose(both[part], alone, atol=1e-6)
