"""Metrics as text, published results beside them."""

import numpy as np

from vcma.evaluation.coverage import Coverage
from vcma.evaluation.metrics import METRICS
from vcma.evaluation.tables import metrics_table


def test_published_results_are_printed_only_where_they_belong():
    value = {"value": 0.1, "low": 0.05, "high": 0.2}
    found = {"n": 4610, "missing": 0, "missing_boxes": 0} | dict.fromkeys(METRICS, value)
    ours = {name: {"declarative": found} for name in ("tubedetr", "stcat")}
    text = metrics_table(ours, {}, "vidstg", Coverage("test"))
    assert "TA-STVG (ICLR 2025), full, published, stcat" in text and "published, tubedetr" not in text
    assert "VCMA (ECCV 2024), weak, published, protocol not stated" in text
    alone = metrics_table({"stcat": ours["stcat"]}, {}, "vidstg", Coverage("test"))
    assert [row.split()[-3:] for row in alone.splitlines() if "CoSPaL" in row] == [["16.0", "20.1", "13.1"]]
    assert [row.split()[-3:] for row in alone.splitlines() if "VCMA (" in row] == [["14.45", "18.57", "8.8"]]
    # A single protocol that is not the data set's default gets none of those whose protocol is unknown.
    assert "published" not in metrics_table({"tubedetr": ours["tubedetr"]}, {}, "vidstg", Coverage("test"))
    assert "published" not in metrics_table(ours, {}, "vidstg", Coverage("val"))


def test_a_part_of_a_split_does_not_look_complete():
    value = {"value": 0.1, "low": 0.05, "high": 0.2}
    found = {"n": 41, "missing": 0, "missing_boxes": 0} | dict.fromkeys(METRICS, value)
    reasons = ["no such video"] * 8800 + ["video is not readable: why"] * 63
    truth = {"sample": np.full(93, "s", object), "skipped_reason": np.array(reasons, object)}
    coverage = Coverage.of(truth, "test")
    head = metrics_table({"stcat": {"declarative": found}}, {}, "vidstg", coverage).splitlines()[0]
    assert "n = 41 (93 of 8,956 samples of test are scored), missing 0" in head
    assert coverage.reasons == "left out of test: 8,863 (8,800 no such video, 63 video is not readable)"
    whole = Coverage.of(truth | {"skipped_reason": np.array([], object)}, "test")
    assert whole.share == "" and whole.reasons == "left out of test: 0"
    assert "n = 41, missing 0" in metrics_table({"stcat": {"declarative": found}}, {}, "vidstg", whole)
