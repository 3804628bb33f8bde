"""Rounds of linking: what is unlinked again as an outlier, and what is not."""

from __future__ import annotations

import numpy as np

from tests.linking.examples import proposals, walk
from vcma.linking.detections import read_detections
from vcma.linking.joining import unlink_outliers

CHAIN = np.array([1, 2, 3, 4, 5, -1])


def test_what_does_not_look_like_its_tracklet_is_unlinked() -> None:
    feature = np.tile(np.eye(2, 8)[0], (6, 1))
    feature[3] = -feature[3]
    detections = read_detections(proposals([[box] for box in walk(6)], feature))
    assert unlink_outliers(detections, CHAIN, min_cosine=0.5).tolist() == [1, 2, -1, -1, 5, -1]


def test_a_detection_of_unknown_appearance_is_no_outlier() -> None:
    feature = np.tile(np.eye(2, 8)[0], (6, 1))
    feature[3] = np.nan
    data = proposals([[box] for box in walk(6)], feature)
    data["class_prob"][3] = np.nan
    assert unlink_outliers(read_detections(data), CHAIN, min_cosine=0.5).tolist() == CHAIN.tolist()
