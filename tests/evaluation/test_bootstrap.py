"""Intervals over videos: as a plain loop has them, seeded, and absent where one video cannot give them."""

import numpy as np

from vcma.evaluation.bootstrap import RESAMPLES, mean_with_interval, means_with_intervals


def test_an_interval_is_that_of_the_plain_loop():
    random = np.random.default_rng(3)
    video = np.array([f"v{i}" for i in random.integers(0, 9, 40)])
    values = random.random(40)
    values[5] = np.nan
    names = sorted(set(video))
    drawn = np.random.default_rng(7).multinomial(len(names), [1 / len(names)] * len(names), size=RESAMPLES)
    means = []
    for times in drawn:
        sample = [v for n, k in zip(names, times, strict=True) for v in values[video == n].repeat(k)]
        means.append(np.nanmean(sample))
    found = mean_with_interval(values, video, seed=7)
    np.testing.assert_allclose(found, [np.nanmean(values), *np.percentile(means, [2.5, 97.5])])
    assert found == mean_with_interval(values, video, seed=7) != mean_with_interval(values, video, seed=8)


def test_columns_of_a_table_share_the_videos_drawn():
    random = np.random.default_rng(0)
    table, video = random.random((30, 3)), np.array([f"v{i % 7}" for i in range(30)])
    for column, estimate in zip(table.T, means_with_intervals(table, video), strict=True):
        assert estimate == mean_with_interval(column, video)


def test_one_video_has_a_mean_without_interval_and_no_value_has_neither():
    value, *interval = mean_with_interval(np.array([1.0, 0.0, np.nan]), np.array(["a", "a", "b"]))
    assert value == 0.5 and np.isnan(interval).all()
    assert np.isnan(mean_with_interval(np.full(2, np.nan), np.array(["a", "b"]))).all()
