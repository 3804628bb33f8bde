"""Baselines that need no model: seeded, bounded by the oracles, and without boxes where there is nothing."""

import numpy as np
import pytest

from tests.conftest import make_tubes
from tests.evaluation.truths import SQUARE, make_truth
from vcma.evaluation.baselines import chance, identity_oracle, oracle
from vcma.evaluation.metrics import score
from vcma.pipeline.video_artifacts import no_tubes
from vcma.records.tubes import Tubes


def tubes_truth():
    tubes = Tubes.of(make_tubes(3))
    frame = np.arange(6, 30)
    boxes = dict(zip(frame.tolist(), tubes.boxes_at(2, frame).tolist(), strict=True))
    return tubes, make_truth(((6, 30), (0, 36), boxes), ((0, 6), (0, 36), {}))


def test_oracle_takes_the_best_tube_over_the_true_span():
    tubes, truth = tubes_truth()
    best = oracle(truth, lambda video: tubes)
    scores = score(truth, best, "stcat")
    assert scores.viou[0] == pytest.approx(1, abs=1e-5) and scores.tiou.tolist() == [1, 1]
    assert np.diff(best.box_offset).tolist() == [24, 0]  # without true boxes no tube can be called best


def test_no_random_tube_beats_the_oracle():
    tubes, truth = tubes_truth()
    best = score(truth, oracle(truth, lambda video: tubes), "stcat").viou[0]
    for seed in range(20):
        assert score(truth, chance(truth, lambda video: tubes, seed=seed, whole=False), "stcat").viou[0] <= best


def regions(*frames):
    """box, box_offset and frame of proposals: (frame, boxes) each."""
    box = np.array([b for _, boxes in frames for b in boxes], np.float32).reshape(-1, 4)
    count = [len(boxes) for _, boxes in frames]
    return {"frame": np.array([f for f, _ in frames]), "box_offset": np.cumsum([0, *count]), "box": box}


def test_identity_oracle_follows_the_target_and_fills_gaps():
    """The target walks right; a better placed rival never wins, and a frame that misses it is interpolated."""
    true = {f: [f, 0, f + 20, 20] for f in range(4, 13)}
    truth = make_truth(((4, 13), (0, 20), true))
    poor = [18, 0, 38, 20]  # overlaps the true box of frame 8 by a third
    found = regions((0, [[0, 0, 20, 20]]), (4, [poor, [4, 0, 24, 20]]), (8, [poor]), (12, [[12, 0, 32, 20], poor]))
    answer = identity_oracle(truth, lambda video: found)
    np.testing.assert_allclose(answer.box, list(true.values()))
    assert answer.span.tolist() == [[4, 13]] and score(truth, answer, "stcat").viou.tolist() == [1]


def test_identity_oracle_without_a_detection_of_the_target_has_no_box():
    truth = make_truth(((4, 8), (0, 20), {f: SQUARE for f in range(4, 8)}))
    far = [[v + 1000 for v in SQUARE]]
    for found in (regions(), regions((4, []), (6, far)), regions((0, [SQUARE]))):
        answer = identity_oracle(truth, lambda video, found=found: found)
        assert len(answer.box) == 0 and score(truth, answer, "stcat").viou.tolist() == [0]


def test_chance_is_seeded_and_stays_in_the_segment():
    tubes, truth = tubes_truth()
    spans = []
    for seed in range(40):
        drawn = chance(truth, lambda video: tubes, seed=seed, whole=False)
        again = chance(truth, lambda video: tubes, seed=seed, whole=False)
        np.testing.assert_array_equal(drawn.box, again.box)
        spans.append(drawn.span[0].tolist())
        assert drawn.span.min() >= 0 and drawn.span.max() <= 36 and (drawn.span[:, 0] < drawn.span[:, 1]).all()
    assert len({tuple(s) for s in spans}) > 30
    assert chance(truth, lambda video: tubes, seed=0, whole=True).span.tolist() == [[0, 36], [0, 36]]


def test_a_video_without_tubes_has_references_without_boxes():
    _, truth = tubes_truth()
    for prediction in (
        oracle(truth, lambda video: no_tubes()),
        chance(truth, lambda video: no_tubes(), seed=0, whole=False),
    ):
        assert len(prediction.box) == 0 and len(prediction.sample) == 2
