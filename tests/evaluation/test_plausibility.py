"""Predictions that mean something else than they are read as: told as what they most likely are, with the count."""

import numpy as np
import pytest

from tests.evaluation.truths import make_truth, predicted, still
from vcma.evaluation.plausibility import doubts

BOX = [40, 30, 100, 110]  # in a picture of 192 x 144
SPAN, SEGMENT = (100, 150), (0, 500)


def truth(n=3, box=BOX, sized=True):
    made = make_truth(*[(SPAN, SEGMENT, still(*SPAN, box), 25.0)] * n)
    return made | ({"width": np.full(n, 192), "height": np.full(n, 144)} if sized else {})


def told(span=SPAN, box=BOX, n=3, **options):
    return list(doubts(truth(**options), predicted(*[(list(span), still(*SPAN, box))] * n)))


def test_nothing_is_told_of_right_and_of_merely_bad_predictions():
    assert told() == []
    assert told((300, 400), [0, 0, 20, 30]) == []
    assert list(doubts(truth(), predicted((list(SPAN), {})))) == []
    assert told(span=(20, 90)) == []  # early, and no better as seconds


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([40 / 192, 30 / 144, 100 / 192, 110 / 144], "all 150 predicted boxes are between 0 and 1"),
        ([40, 30, 60, 80], "150 predicted boxes (0 empty) .* read as [x, y, width, height]"),
        ([100, 90, 60, 80], "150 of 150 predicted boxes are empty, probably [x, y, width, height]"),
    ],
)
def test_boxes_of_another_kind(box, words, sized):
    (said,) = told(box=box, sized=sized)
    head, _, tail = words.partition(" .* ")
    assert said.startswith(head) and tail in said


def test_empty_boxes_that_are_right_as_widths_and_heights():
    theirs = predicted(*[(list(SPAN), still(*SPAN, [100, 90, 60, 50]))] * 3)
    (said,) = doubts(truth(box=[100, 90, 160, 140]), theirs)
    assert said.startswith("150 predicted boxes (150 empty) match the ground truth far better")


def test_boxes_beyond_the_picture():
    (said,) = told(box=[4000, 3000, 5000, 6000])
    assert said.startswith("150 of 150 predicted boxes are entirely outside the frame, probably pixels of a")
    assert told(box=[4000, 3000, 5000, 6000], sized=False) == []  # nobody knows the picture


def test_spans_in_seconds_and_beyond_the_video():
    (said,) = told(span=(4, 6))
    assert said.startswith("3 predicted spans match the ground truth far better when read as seconds")
    (said,) = told(span=(100, 501))
    assert said.startswith(
        "3 of 3 predicted spans end after the end of the video, probably frames at another frame rate"
    )


def test_predictions_for_no_sample_are_not_looked_at():
    assert list(doubts(truth(1), predicted(None, None, ([0, 9], still(0, 9, [0, 0, 1, 1]))))) == []
