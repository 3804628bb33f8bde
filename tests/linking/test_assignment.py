"""Assignment: equal to brute force, dense and sparse."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcma.linking import blocks
from vcma.linking.assignment import assign, unambiguous_links


@st.composite
def links(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pairs = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), unique=True, max_size=9))
    gain = draw(st.lists(st.floats(0.01, 1), min_size=len(pairs), max_size=len(pairs)))
    left, right = np.array(pairs, dtype=int).reshape(-1, 2).T
    return left, right, np.array(gain)


def brute_force(left: np.ndarray, right: np.ndarray, gain: np.ndarray) -> float:
    """Maximum total gain of any set of links that uses no node twice."""
    best = 0.0
    for size in range(1, len(gain) + 1):
        for some in map(list, itertools.combinations(range(len(gain)), size)):
            if len(set(left[some])) == size == len(set(right[some])):
                best = max(best, float(gain[some].sum()))
    return best


@given(links())
def test_assignment_equals_brute_force(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    left, right, gain = case
    chosen = assign(left, right, gain)
    assert len(set(left[chosen])) == len(set(right[chosen])) == len(chosen)
    assert gain[chosen].sum() == pytest.approx(brute_force(left, right, gain))


@given(links())
def test_the_sparse_assignment_equals_brute_force(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    left, right, gain = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "MAX_DENSE_ELEMENTS", 0)
        chosen = assign(left, right, gain)
    assert len(set(left[chosen])) == len(set(right[chosen])) == len(chosen)
    assert gain[chosen].sum() == pytest.approx(brute_force(left, right, gain))


@given(links(), st.sampled_from([0.0, 0.1, 0.5]))
def test_unambiguous_links_beat_every_rival(case: tuple[np.ndarray, np.ndarray, np.ndarray], margin: float) -> None:
    left, right, gain = case
    expected = []
    for k in range(len(gain)):
        rivals = ((left == left[k]) | (right == right[k])) & (np.arange(len(gain)) != k)
        if gain[k] > gain[rivals].max(initial=0) + margin:
            expected.append(k)
    assert unambiguous_links(left, right, gain, margin).tolist() == expected
