"""The choice of a span and of tubes from posteriors, and how far their probabilities may be believed."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vcma.model.decoding import best_interval, native_span, tempered
from vcma.model.sentence_posteriors import assign
from vcma.model.temporal_posterior import CELLS, NEVER, cell_counts, interval_prior
from vcma.training.calibration import TEMPERATURES, calibration_error, fitted_temperature


def random_runs(seed: int, frames: int) -> np.ndarray:
    score = np.random.default_rng(seed).normal(0, 2, (frames + 1, frames + 1))
    score[np.tril_indices(frames + 1)] = NEVER
    return score - np.log(np.exp(score).sum())


@given(st.integers(0, 1000), st.integers(1, 9))
def test_the_chosen_run_has_the_greatest_expected_iou(seed, frames):
    log_q = random_runs(seed, frames)
    runs = list(itertools.combinations(range(frames + 1), 2))

    def expected(run):
        total = 0.0
        for other in runs:
            meet = max(0, min(run[1], other[1]) - max(run[0], other[0]))
            either = run[1] - run[0] + other[1] - other[0] - meet
            total += float(np.exp(log_q[other])) * meet / either
        return total

    assert expected(best_interval(log_q)) == pytest.approx(max(map(expected, runs)))


def test_a_sure_posterior_is_obeyed_and_no_span_is_empty():
    log_q = np.full((9, 9), NEVER)
    log_q[2, 5] = 0
    assert best_interval(log_q) == (2, 5)
    assert best_interval(np.array([[NEVER, 0.0], [NEVER, NEVER]])) == (0, 1)


def test_the_choice_is_exact_for_long_clips():
    """A wide posterior over 64 frames has 2,080 intervals, none of which may be left out of the expectation."""
    log_q = np.full((65, 65), NEVER)
    begin, end = np.triu_indices(65, 1)
    log_q[begin, end] = -np.log(len(begin))
    both = np.clip(np.minimum(end[:, None], end) - np.maximum(begin[:, None], begin), 0, None)
    either = (end - begin)[:, None] + (end - begin) - both
    expected = (both / either).mean(1)
    b, e = best_interval(log_q)
    assert expected[(begin == b) & (end == e)] == pytest.approx(expected.max())


@pytest.mark.parametrize("step", [6.0, 7.5, 20.0])
def test_a_sampled_frame_stands_for_the_frames_around_it(step):
    """Spans drawn at random and seen on the sampled frames come back without a lag, and better than with one."""
    random = np.random.default_rng(0)
    found, late, lag = [], [], []
    for _ in range(500):
        n = int(random.integers(200, 700))
        frame = np.unique(np.arange(0, n, step).astype(np.int64))
        begin, end = sorted(random.integers(0, n + 1, 2).tolist())
        inside = np.flatnonzero((frame >= begin) & (frame < end))
        if not len(inside) or inside[0] == 0 or inside[-1] == len(frame) - 1:
            continue
        a, b = native_span(frame, n, int(inside[0]), int(inside[-1]) + 1)
        c, d = frame[inside[0]], frame[inside[-1] + 1]
        overlap = [max(0, min(y, end) - max(x, begin)) / (max(y, end) - min(x, begin)) for x, y in ((a, b), (c, d))]
        found.append(overlap[0])
        late.append(overlap[1])
        lag.append((a - begin + b - end) / 2)
    assert abs(np.mean(lag)) < step / 10 and np.mean(found) > np.mean(late)


def test_the_first_and_last_sampled_frame_reach_to_the_ends_of_the_segment():
    frame = np.array([10, 20, 30])
    assert native_span(frame, 37, 0, 3) == (10, 37)
    assert native_span(frame, 37, 1, 2) == (15, 25)
    assert native_span(frame, 25, 2, 3) == (25, 31)  # never before the last sampled frame


def test_entities_of_a_sentence_do_not_share_a_tube():
    assert assign(np.log([[0.6, 0.4], [0.9, 0.1]])).tolist() == [1, 0]


@pytest.mark.parametrize("frames", [1, 3, CELLS, 24, 37])
def test_the_prior_over_runs_is_a_distribution_over_runs_alone(frames):
    frame = torch.zeros(2, 40, dtype=torch.bool)
    frame[0, :frames] = frame[1] = True
    table = torch.randn(CELLS, CELLS, generator=torch.Generator().manual_seed(0))
    p = interval_prior(frame, table).exp()
    assert p.sum((1, 2)) == pytest.approx(1, abs=1e-4)
    assert float(p[0].tril().sum()) == 0 and float(p[0, :, frames + 1 :].sum()) == 0


def test_the_table_of_counts_is_where_the_runs_are():
    """A prior that was counted from runs puts its mass where they are, whatever the number of frames."""
    frame = torch.ones(1, 20, dtype=torch.bool)
    q = torch.zeros(1, 21, 21)
    q[0, 4, 10] = 1
    counts = cell_counts(q, frame)
    assert float(counts.sum()) == 1 and float(counts[2, 4]) == 1
    p = interval_prior(torch.ones(1, 40, dtype=torch.bool), (counts + 1e-6).log()).exp()
    assert float(p[0, 8:12, 17:21].sum()) == pytest.approx(1, abs=1e-3)


def test_the_fitted_temperature_mends_an_overconfident_posterior():
    random = np.random.default_rng(0)
    true = random.normal(0, 1.0, (4000, 6))
    p = np.exp(true) / np.exp(true).sum(1, keepdims=True)
    answer = np.array([random.choice(6, p=row) for row in p])
    sharp = true * 4
    chosen = sharp.argmax(1)
    right = chosen == answer
    temperature = fitted_temperature(list(sharp), chosen, right)
    assert temperature == pytest.approx(4, rel=0.15) and temperature in TEMPERATURES
    before = tempered(sharp, 1.0)[np.arange(4000), chosen]
    after = tempered(sharp, temperature)[np.arange(4000), chosen]
    assert calibration_error(before, right) > 0.2 > 0.05 > calibration_error(after, right)
    assert (tempered(sharp, temperature).argmax(1) == chosen).all()


def test_calibration_by_hand():
    assert calibration_error(np.array([0.95, 0.95, 0.15, 0.15]), np.array([1, 0, 0, 0], bool)) == pytest.approx(0.3)
    assert np.isnan(calibration_error(np.zeros(0), np.zeros(0, bool)))
    assert fitted_temperature([], np.zeros(0, int), np.zeros(0, bool)) == 1
