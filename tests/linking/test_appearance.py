"""Appearance embeddings: unit vectors that do not depend on the blocks they are computed in."""

from __future__ import annotations

import numpy as np
import pytest

from vcma.linking import blocks
from vcma.linking.appearance import Appearance

ROW = np.arange(1, 19)
FIRST = np.array([0, 0, 2, 0, 4, 2, 6, 6, 8, 0, 2, 6, 12, 12, 14, 15, 16, 0])  # 0, 2, 6 and 12 begin tracklets


def appearance() -> Appearance:
    rng = np.random.default_rng(0)
    feature, class_prob = rng.normal(2, 1, (20, 6)), rng.dirichlet(np.ones(3), 20)
    feature[3], feature[5], class_prob[5] = np.nan, np.inf, np.nan
    return Appearance.read(feature.astype(np.float16), class_prob.astype(np.float16), ROW, centred=True)


def test_embeddings_have_unit_length_and_are_0_where_nothing_is_known() -> None:
    length = np.linalg.norm(appearance().of_detections(np.arange(18)), axis=1)
    assert length[4] == 0  # row 5: neither its feature nor its class distribution is finite
    np.testing.assert_allclose(np.delete(length, 4), 1, atol=1e-5)
    assert np.flatnonzero(~appearance().is_known).tolist() == [4]


def test_the_embedding_of_a_tracklet_is_the_mean_of_its_detections() -> None:
    averaged = appearance().averaged(FIRST)
    own = averaged.of_detections(np.arange(18))
    mean = np.stack([own[first == FIRST].mean(0) for first in FIRST])
    np.testing.assert_allclose(averaged.of_tracklets(np.arange(18))[[4, 8]], own[[4, 8]])
    length = np.linalg.norm(mean, axis=1)
    expected = mean / np.where(length > 0, length, 1)[:, None]
    np.testing.assert_allclose(averaged.of_tracklets(np.arange(18)), expected, atol=1e-5)
    cosine = np.where(np.bincount(FIRST)[FIRST] > 1, (own * expected).sum(1), 1)
    np.testing.assert_allclose(averaged.cosine_to_tracklet(), cosine, atol=1e-5)


def test_blocks_are_of_no_consequence(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = appearance().averaged(FIRST)
    monkeypatch.setattr(blocks, "MAX_CACHED_ELEMENTS", 0)
    monkeypatch.setattr(blocks, "ELEMENTS_PER_BLOCK", 20)
    parts = appearance().averaged(FIRST)
    assert not len(parts.cached)
    everything = np.arange(18)
    np.testing.assert_allclose(parts.of_tracklets(everything), whole.of_tracklets(everything), atol=1e-5)
    np.testing.assert_allclose(parts.cosine_to_tracklet(), whole.cosine_to_tracklet(), atol=1e-5)
