"""Motion of the ends of tracklets: a line through their last detections, followed across a gap."""

from __future__ import annotations

import numpy as np

from tests.linking.examples import proposals, walk
from vcma.linking import constants
from vcma.linking.detections import read_detections
from vcma.linking.motion import fit_ends, predicted_overlap
from vcma.linking.tracklets import inverse

SUCCESSOR = np.array([1, 2, 3, -1, 5, 6, 7, -1])  # two tracklets of one object, with a gap between them


def test_moving_an_end_across_a_gap_finds_the_start_that_its_box_misses() -> None:
    seen = [[box] if t not in (4, 5) else [] for t, box in enumerate(walk(10, speed=18))]
    detections = read_detections(proposals(seen))
    predecessor = inverse(SUCCESSOR)
    ends = fit_ends(detections, np.array([3]), predecessor)
    starts = fit_ends(detections, np.array([4]), SUCCESSOR)
    assert detections.iou(np.array([3]), np.array([4])) == 0
    overlap, in_reach = predicted_overlap(detections, ends, starts, np.array([0]), np.array([0]))
    assert in_reach.all() and overlap[0] > 0.7
    assert 0.8 * 18 < ends.velocity[0, 0] < 18  # the ridge shrinks the velocity of 3 points
    np.testing.assert_allclose(ends.velocity, starts.velocity, rtol=1e-5)
    still = fit_ends(detections, np.array([3]), np.full(8, -1))
    assert still.velocity.tolist() == [[0, 0]] and still.centre.tolist() == detections.centre[[3]].tolist()


def test_a_straight_course_is_fitted_to_many_detections_and_a_turn_to_those_after_it() -> None:
    chain = np.array([*range(1, 12), -1])
    straight = read_detections(proposals([[box] for box in walk(12, speed=8)]))
    turned = read_detections(proposals([[b] for b in [*walk(8, start=100, speed=-8), *walk(4, start=52, speed=8)]]))
    long, short = (fit_ends(detections, np.array([11]), inverse(chain)) for detections in (straight, turned))
    assert (long.count[0], short.count[0]) == (constants.MOTION_POINTS, 5)  # the fifth is the turning point
    np.testing.assert_allclose([long.velocity[0, 0], short.velocity[0, 0]], [8, 8], rtol=0.05)
