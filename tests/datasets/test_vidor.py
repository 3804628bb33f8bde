"""VidOR's annotations: broken ones skip their video, and boxes may begin late."""

import json

import pytest

from tests.datasets.examples import lay_out, read, reasons, record, vidor

NOT_FINITE = "no boxes: VidOR's annotation of the video is broken (a box is not finite)"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "no boxes: VidOR's annotation of the video is broken"),
        ("[]", "no boxes: VidOR's annotation of the video is broken"),
        (json.dumps(vidor(trajectories=[[{"tid": 0}]])), "no boxes: VidOR's annotation of the video is broken"),
        (json.dumps(vidor(frames=5)), "no boxes: object 0 has none in its span"),
        # Python's own reader takes these; as a box each would score 0 without a word.
        (json.dumps(vidor()).replace('"xmin": 12,', '"xmin": NaN,', 1), NOT_FINITE),
        (json.dumps(vidor()).replace('"xmin": 12,', '"xmin": null,', 1), NOT_FINITE),
        (json.dumps(vidor()).replace('"xmin": 12,', '"xmin": 1e39,', 1), NOT_FINITE),
    ],
)
def test_broken_boxes_skip_their_video(tmp_path, content, reason):
    good = {"100": vidor(), "200": vidor()}
    data, block = lay_out(tmp_path, {"test": [record(questions=[]), record("200", questions=[])]}, good)
    (tmp_path / "vidor/annotation/training/0042/200.json").write_text(content)
    index = read(data, block, tmp_path)
    assert index.samples["video"].tolist() == ["100"]
    assert reasons(index)["200/1/captions/0"].startswith(reason)


def test_boxes_that_begin_late_leave_gaps(tmp_path):
    late = vidor()
    late["trajectories"][:15] = [[]] * 15
    data, block = lay_out(tmp_path, {"test": [record(questions=[])]}, {"100": late})
    truth = read(data, block, tmp_path).truths["test"]
    assert truth["box_frame"].tolist() == list(range(15, 30)) and truth["span_begin"].tolist() == [10]
