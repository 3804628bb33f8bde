"""Mean scores of groups of samples, with intervals over their videos."""

from dataclasses import replace

import numpy as np
import pytest

from vcma.report.breakdown import breakdown
from vcma.report.charts import breakdown_charts
from vcma.report.loading import load_report


@pytest.fixture
def cases(project):
    """Twelve samples over three videos, the last of which has all that have no distractor."""
    one = load_report(project / "artifacts" / "clips").cases[0]
    return [
        replace(
            one, sample=f"{i}", video=f"v{i // 4}", viou=i / 12, truth=replace(one.truth, distractors=int(i < 8))
        )
        for i in range(12)
    ]


def test_every_scored_sample_is_in_one_group_and_intervals_need_two_videos(cases):
    unscored = replace(cases[0], sample="none", tiou=None, viou=None)
    groups = breakdown([*cases, unscored])["others of its category"]
    assert [(g.label, g.n) for g in groups] == [("0", 4), ("1", 8)]
    assert [g.mean for g in groups] == pytest.approx([9.5 / 12, 3.5 / 12])
    assert np.isnan([groups[0].low, groups[0].high]).all()
    assert groups[1].low < groups[1].mean < groups[1].high


def test_what_does_not_split_the_samples_is_left_out_and_nothing_scored_is_nothing(cases):
    assert "relation" not in breakdown(cases)
    assert breakdown([replace(c, tiou=None, viou=None) for c in cases]) == {}


def test_a_group_without_an_interval_is_drawn(cases):
    charts = breakdown_charts(breakdown(cases), "vIoU")
    assert "0: 0.79 of 4; 1: 0.29 of 8." in [chart.alt for chart in charts]
    assert all("nan" not in chart.svg for chart in charts)
