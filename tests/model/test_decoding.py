"""The choice of a span and of tubes from posteriors, and how far their probabilities may be believed."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vcma.model.decoding import assign, best_interval, tempered
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
