"""What of a truth cannot be met, told with counts before anybody wonders at a score."""

import numpy as np

from tests.evaluation.truths import SQUARE, make_truth, still
from vcma.evaluation.attainable import best_predictions, unattainable
from vcma.evaluation.metrics import score

EMPTY, INVERTED, AWAY = [5, 5, 5, 9], [20, 20, 10, 10], [100, 0, 120, 20]


def test_a_sound_truth_is_met_by_itself_and_nothing_is_told():
    truth = make_truth(((0, 10), (0, 20), still(0, 10)), ((3, 9), (0, 20), still(3, 9)))
    truth |= {"width": np.array([9, 0]), "height": np.array([9, 0])}
    assert list(unattainable(truth, "stcat")) == []
    scores = score(truth, best_predictions(truth, "stcat"), "stcat")
    assert scores.tiou.tolist() == [1, 1] and scores.viou.tolist() == [np.float32(0.81), 1]


def test_boxes_that_nothing_meets_are_counted_with_the_samples_they_cost():
    truth = make_truth(
        ((0, 10), (0, 20), still(0, 10)),
        ((0, 10), (0, 20), still(0, 5) | still(5, 10, EMPTY)),
        ((0, 10), (0, 20), still(0, 10, INVERTED)),
        ((0, 10), (0, 20), still(0, 9, AWAY) | still(9, 10, EMPTY)),
        ((0, 10), (0, 20), still(0, 4)),
    )
    truth |= {"width": np.full(5, 50), "height": np.full(5, 50)}
    assert list(unattainable(truth, "stcat")) == [
        "true boxes that no prediction can overlap: 16 empty and 9 outside the frame, of 44",
        "frames of true spans without a true box: 6; their IoU is 0 in vIoU",
        "samples whose vIoU is 0 for any prediction: 2 of 5 (2 true boxes all empty or outside the frame)",
    ]


def test_spans_that_a_protocol_empties():
    truth = make_truth(((7, 8), (0, 20), {7: SQUARE}), ((11, 13), (0, 20), still(11, 13)), form="hcstvg")
    assert list(unattainable(truth, "official")) == []
    assert list(unattainable(truth, "stcat")) == [
        "samples whose vIoU is 0 for any prediction: 1 of 2 (1 true span without a frame in stcat)"
    ]
    assert list(unattainable(truth, "tubedetr")) == [
        "samples whose vIoU is 0 for any prediction: 1 of 2 (1 no true box in a frame that tubedetr counts)"
    ]


def test_a_truth_without_boxes_has_none_that_cannot_be_met():
    truth = make_truth(((0, 10), (0, 20), {}))
    assert list(unattainable(truth, "stcat")) == []
