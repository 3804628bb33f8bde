"""Crossings: tracklets that meet a look-alike are taken apart there, others are not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.linking.examples import proposals, walk
from vcma.linking.crossings import unlink_crossings
from vcma.linking.detections import read_detections


@pytest.mark.parametrize(("alike", "kept"), [(True, [0, 1, 2, 3, 6, 7, 8, 9]), (False, range(10))])
def test_links_are_cut_where_look_alikes_meet(alike: bool, kept: object) -> None:
    there, back = walk(10, start=10, speed=12), walk(10, start=118, speed=-12)
    look = np.tile(np.eye(2, 8)[[0, 0 if alike else 1]], (10, 1))
    detections = read_detections(proposals([list(pair) for pair in zip(there, back, strict=True)], look))
    successor = np.array([*range(2, 20), -1, -1])
    out = unlink_crossings(detections, successor, min_cosine=0.5 if not alike else -0.5)
    linked = np.flatnonzero((out >= 0) | np.isin(np.arange(20), out))
    assert sorted(set(detections.position[linked].tolist())) == list(kept)  # type: ignore[call-overload]


def test_a_single_detection_is_no_tracklet_to_be_exchanged_with() -> None:
    seen = [[box] for box in walk(6)]
    seen[3] = [seen[3][0], [box + 2 for box in seen[3][0]]]
    detections = read_detections(proposals(seen, np.ones((7, 8))))
    successor = np.array([1, 2, 3, 5, -1, 6, -1])
    assert unlink_crossings(detections, successor, min_cosine=-0.5).tolist() == successor.tolist()
