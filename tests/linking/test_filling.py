"""Gaps of tubes: which detections fill them."""

from __future__ import annotations

import numpy as np

from tests.linking.examples import proposals, walk
from vcma.linking.detections import Detections, read_detections
from vcma.linking.filling import fill_gaps


def filled(successor: list[int], score: list[float]) -> tuple[Detections, list[int]]:
    """Six frames of one object; successor and scores of its detections, one a frame."""
    data = proposals([[box] for box in walk(6)], np.ones((6, 8)))
    data["score"] = np.array(score, np.float32)
    detections = read_detections(data)
    return detections, fill_gaps(detections, np.array(successor), data["time"]).tolist()


def test_a_detection_alone_on_the_course_of_a_tube_fills_its_gap() -> None:
    assert filled([1, 3, -1, 4, 5, -1], [0.1] * 6)[1] == [1, 2, 3, 4, 5, -1]


def test_a_much_weaker_tube_gives_its_detections_and_an_equal_one_keeps_them() -> None:
    chains = [1, 4, 3, -1, 5, -1]
    assert filled(chains, [0.9, 0.9, 0.2, 0.2, 0.9, 0.9])[1] == [1, 2, 3, 4, 5, -1]
    assert filled(chains, [0.5, 0.5, 0.9, 0.9, 0.5, 0.5])[1] == chains


def test_what_lies_off_the_course_does_not_fill_a_gap() -> None:
    seen = [[box] for box in walk(6)]
    seen[2] = [[box + 30 for box in seen[2][0]]]
    data = proposals(seen, np.ones((6, 8)))
    chain = np.array([1, 3, -1, 4, 5, -1])
    assert fill_gaps(read_detections(data), chain, data["time"]).tolist() == chain.tolist()
