"""Rounds of linking: what is unlinked again as an outlier, and what is not."""

from __future__ import annotations

import numpy as np

from tests.linking.examples import proposals, walk
from vcma.linking.detections import read_detections
from vcma.linking.joining import Linking, join, unlink_outliers

CHAIN = np.array([1, 2, 3, 4, 5, -1])


def test_what_does_not_look_like_its_tracklet_is_unlinked() -> None:
    feature = np.tile(np.eye(2, 8)[0], (6, 1))
    feature[3] = -feature[3]
    seen = [[[box[0], box[1] + 40 * (t == 3), box[2], box[3] + 40 * (t == 3)]] for t, box in enumerate(walk(6))]
    detections = read_detections(proposals(seen, feature))
    assert unlink_outliers(detections, CHAIN, min_cosine=0.5).tolist() == [1, 2, -1, -1, 5, -1]


def test_a_detection_of_unknown_appearance_is_no_outlier() -> None:
    feature = np.tile(np.eye(2, 8)[0], (6, 1))
    feature[3] = np.nan
    data = proposals([[box] for box in walk(6)], feature)
    data["class_prob"][3] = np.nan
    assert unlink_outliers(read_detections(data), CHAIN, min_cosine=0.5).tolist() == CHAIN.tolist()


def test_what_is_where_its_neighbours_put_it_is_no_outlier() -> None:
    feature = np.tile(np.eye(2, 8)[0], (6, 1))
    feature[3] = -feature[3]
    detections = read_detections(proposals([[box] for box in walk(6)], feature))
    assert unlink_outliers(detections, CHAIN, min_cosine=0.5).tolist() == CHAIN.tolist()


def test_a_link_with_a_rival_is_left_out_by_those_that_take_clear_ones_alone() -> None:
    """Two look-alikes side by side, then a third box between them, that could continue either."""
    seen = [[[20, 20, 60, 60], [40, 20, 80, 60]], [[30, 20, 70, 60]], [[30, 20, 70, 60]]]
    detections = read_detections(proposals(seen, np.ones((4, 8))))
    none, linking = np.full(4, -1), Linking(alpha=0.5, min_score=0.2, min_cosine=0.0)
    clear = join(detections, none, linking, max_gap=0.0, singletons=True, only_unambiguous=True)
    assert clear.tolist() == [-1, -1, 3, -1]
    every = join(detections, none, linking, max_gap=0.0, singletons=True)
    assert every[2] == 3 and (every[:2] == 2).sum() == 1


def test_the_sure_detection_of_two_is_linked() -> None:
    seen = [[[20, 20, 60, 60], [40, 20, 80, 60]], [[30, 20, 70, 60]]]
    linking = Linking(alpha=0.5, min_score=0.2, min_cosine=0.0)
    for score in ([0.9, 0.1, 0.5], [0.1, 0.9, 0.5]):
        data = proposals(seen, np.ones((3, 8)))
        data["score"] = np.array(score, np.float32)
        detections = read_detections(data)
        out = join(detections, np.full(3, -1), linking, max_gap=0.0, singletons=True)
        assert out.tolist() == [2, -1, -1]  # detections are sorted by falling score within a frame


def test_scores_that_say_nothing_change_no_link() -> None:
    data = proposals([[box] for box in walk(4)], np.ones((4, 8)))
    data["score"][:] = 0
    linking = Linking(alpha=0.5, min_score=0.2, min_cosine=0.0)
    out = join(read_detections(data), np.full(4, -1), linking, max_gap=0.0, singletons=True)
    assert out.tolist() == [1, 2, 3, -1]
