"""Metrics as text, published results beside them."""

from vcma.evaluation.metrics import METRICS
from vcma.evaluation.tables import left_out, metrics_table


def test_published_results_are_printed_only_where_they_belong():
    value = {"value": 0.1, "low": 0.05, "high": 0.2}
    found = {"n": 4610, "missing": 0, "missing_boxes": 0} | dict.fromkeys(METRICS, value)
    ours = {name: {"declarative": found} for name in ("tubedetr", "stcat")}
    text = metrics_table(ours, {}, "vidstg", "test")
    assert "TA-STVG (ICLR 2025), full, published, stcat" in text and "published, tubedetr" not in text
    assert "VCMA (ECCV 2024), weak, published, protocol not stated" in text
    alone = metrics_table({"stcat": ours["stcat"]}, {}, "vidstg", "test")
    assert [row.split()[-3:] for row in alone.splitlines() if "CoSPaL" in row] == [["16.0", "20.1", "13.1"]]
    assert [row.split()[-3:] for row in alone.splitlines() if "VCMA (" in row] == [["14.45", "18.57", "8.8"]]
    # A single protocol that is not the data set's default gets none of those whose protocol is unknown.
    assert "published" not in metrics_table({"tubedetr": ours["tubedetr"]}, {}, "vidstg", "test")
    assert "published" not in metrics_table(ours, {}, "vidstg", "val")
    assert left_out("test", [], 0) == "left out of test: 0"
