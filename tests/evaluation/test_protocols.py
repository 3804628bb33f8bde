"""What each protocol counts; how they score is tested with the metrics."""

import pytest

from tests.evaluation.truths import make_truth
from vcma.errors import InputError
from vcma.evaluation.protocols import chosen_protocols, protocols_for, sampled_frames, view_of


@pytest.mark.parametrize(
    ("begin", "end", "fps", "expected"),
    [
        (0, 30, 30.0, [0, 6, 12, 18, 24]),
        (0, 31, 30.0, [0, 6, 12, 18, 24, 30]),
        (4, 20, 30.0, [4, 6, 12, 18]),  # the segment's first frame always counts
        (6, 13, 30.0, [6, 12]),
        (3, 7, 5.0, [3, 4, 5, 6]),
        (3, 7, 3.0, [3, 4, 5, 6]),  # no frame is taken twice
        (0, 13, 12.0, [0, 3, 5, 8, 10, 12]),
        (7, 7, 30.0, [7]),
    ],
)
def test_sampled_frames(begin, end, fps, expected):
    assert sampled_frames(begin, end, fps).tolist() == expected


def test_more_than_200_sampled_frames_are_thinned_evenly():
    frames = sampled_frames(0, 300, 5.0)
    assert frames.tolist() == [j * 300 // 200 for j in range(200)]


def test_default_and_all_are_those_of_the_data_set_and_a_name_is_itself():
    for form, default in (("vidstg", "stcat"), ("hcstvg", "official")):
        truth = make_truth(form=form)
        assert chosen_protocols(truth, "default") == (default,)
        assert chosen_protocols(truth, "all") == protocols_for(truth)
        assert chosen_protocols(truth, "tubedetr") == ("tubedetr",)
    with pytest.raises(InputError, match="not defined for vidstg"):
        view_of(make_truth(), "official")
