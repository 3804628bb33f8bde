"""`vcma convert predictions`: every format survives the way there and back, and the numbers of others are ours."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from tests.datasets.examples import lay_out_clips, lay_out_hcstvg, tube
from tests.evaluation.predictions_files import annotate, configure, perfect, write
from vcma.__main__ import main
from vcma.conversion.dropped import Dropped
from vcma.conversion.samples import Sample, checked_numbers
from vcma.evaluation.exchange import read_predictions

CAPTION, QUESTION, SECOND = "100/0/captions/0", "100/0/questions/0", "200/1/captions/0"


@pytest.fixture
def project(tmp_path):
    annotate(tmp_path)
    return tmp_path


def convert(root, *arguments, code=0):
    given = ["convert", "predictions", *map(str, arguments), "--config", str(root / "pipeline.yaml")]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == code, done.output
    return done.stderr


def read(path):
    """{sample: (span, {frame: box})} of a predictions file of ours."""
    found = read_predictions(path)
    points = np.split(np.arange(len(found.box)), found.box_offset[1:-1])
    return {
        name: (span, dict(zip(found.box_frame[at].tolist(), found.box[at].tolist(), strict=True)))
        for name, span, at in zip(found.sample.tolist(), found.span.tolist(), points, strict=True)
    }


def tubedetr(video_predictions, predictions, **more):
    """log_stats.json as main.py --eval --test writes it."""
    block = {"declarative_viou": 0.1, "predictions": predictions, "video_predictions": video_predictions, **more}
    return {"test_vidstg_loss": 1.5, "test_vidstg_vidstg": block, "n_parameters": 7}


def test_tubedetr_numbers_questions_before_captions(project):
    spans = {
        "0": {"sted": [11.0, 16.0], "qtype": "interrogative"},
        "1": {"sted": [5.0, 31.0], "qtype": "declarative"},
        "2": {"sted": [10.0, 30.0], "qtype": "declarative"},
    }
    boxes = {
        "0_10": {"boxes": [[1, 2, 3.5, 4]]},
        "0_15": {"boxes": [[2, 2, 4, 4]]},
        "2_5": {"boxes": [[0, 0, 1, 1]]},
    }
    metrics = {n: {"gt_sted": [10, 30], "img_metrics": {}} for n in spans}
    write(project / "log_stats.json", tubedetr(spans, boxes, vid_metrics=metrics))
    told = convert(project, project / "log_stats.json", project / "ours.json", "--from", "tubedetr")
    assert read(project / "ours.json") == {
        QUESTION: ([11, 16], {10: [1, 2, 3.5, 4], 15: [2, 2, 4, 4]}),
        CAPTION: ([5, 31], {}),
        SECOND: ([10, 30], {5: [0, 0, 1, 1]}),
    }
    assert "left out: 2 members that are not predictions, e.g. declarative_viou, vid_metrics" in told
    assert "convert: 3 of 4 sentences of test, 3 boxes" in told


@pytest.mark.parametrize("suffix", ["json", "pt"])
def test_the_stcat_family_numbers_captions_before_questions(project, suffix):
    block = {
        "inter_viou": np.float64(0.25),
        "predictions": {1: {10: [[1.0, 2.0, 3.0, 4.0]], 11: [[2.0, 2.0, 4.0, 4.0]]}, 0: {}},
        "video_predictions": {1: {"sted": [10, 12], "qtype": "inter"}, 0: {"sted": [5, 6], "qtype": "declar"}},
        "vid2names": {0: "100", 1: "100", 2: "200"},
        "vid2sents": {0: "an adult holds a dog .", 1: "What does the adult hold ?"},
    }
    path = project / f"test_results.{suffix}"
    path.write_text(json.dumps(block)) if suffix == "json" else torch.save(block, path)
    convert(project, path, project / "ours.json", "--from", "stcat")
    assert read(project / "ours.json") == {
        QUESTION: ([10, 12], {10: [1, 2, 3, 4], 11: [2, 2, 4, 4]}),
        CAPTION: ([5, 6], {}),
    }


def test_a_pickle_that_would_run_code_is_refused(project):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    torch.save({"predictions": Evil()}, project / "results.pt")
    told = convert(project, project / "results.pt", project / "o.json", "--from", "stcat", code=1)
    assert "not readable as plain results" in told and told.count("\n") == 1


@pytest.mark.parametrize("form", ["tubedetr", "stcat", "coco", "mot"])
def test_predictions_survive_the_way_there_and_back(project, form):
    ours = write(project / "ours.json", perfect())
    told = convert(project, ours, project / "theirs", "--to", form)
    convert(project, project / "theirs", project / "back.json", "--from", form)
    expected, found = read(ours), read(project / "back.json")
    if form == "tubedetr":  # its model sees 5 frames a second: of 25, from the segment's first frame on
        expected = {n: (s, {f: b for f, b in boxes.items() if f % 5 == 0}) for n, (s, boxes) in expected.items()}
        assert "left out: 84 boxes in frames that TubeDETR does not sample" in told
    assert found == expected and len(found) == 3


@pytest.mark.parametrize(
    ("options", "span", "box"),
    [
        (["--boxes", "xywh"], [10, 30], [6, 12, 26, 12]),
        (["--boxes", "cxcywh", "--normalised"], [10, 30], [19 / 64, 18 / 48, 26 / 64, 12 / 48]),
        (["--first-frame", "1", "--end", "inclusive"], [11, 30], [6, 12, 32, 24]),
        (["--times", "seconds"], [10 / 25, 30 / 25], [6, 12, 32, 24]),
    ],
)
def test_boxes_and_times_in_other_units(project, options, span, box):
    first = 8 + ("--first-frame" in options)
    key = str(8 / 25) if "--times" in options else str(first)
    write(project / "theirs.json", {CAPTION: {"span": span, "boxes": {key: box}}})
    convert(project, project / "theirs.json", project / "ours.json", *options)
    span, boxes = read(project / "ours.json")[CAPTION]
    assert span == [10, 30] and list(boxes) == [8] and np.allclose(boxes[8], [6, 12, 32, 24])


def test_hcstvg_numbers_are_the_order_of_the_file_and_names_go_first(tmp_path):
    videos = {"1_a.mp4": tube(), "2_b.mp4": tube(caption="The woman sits.")}
    block = lay_out_hcstvg(tmp_path / "data" / "hcstvg", {"test": videos})
    configure(tmp_path, block, "hcstvg")
    metrics = {"0": {"gt_sted": [11, 41]}, "1": {"gt_sted": [11, 41]}}  # st_frame 11, taken as counted from 0
    theirs = tubedetr({"0": {"sted": [3.0, 9.0]}, "1": {"sted": [4.0, 9.0]}}, {}, vid_metrics=metrics)
    write(tmp_path / "log_stats.json", theirs)
    convert(tmp_path, tmp_path / "log_stats.json", tmp_path / "o.json", "--from", "tubedetr")
    assert read(tmp_path / "o.json") == {"1_a.mp4": ([3, 9], {}), "2_b.mp4": ([4, 9], {})}
    family = {"predictions": {}, "video_predictions": {"0": {"sted": [3, 9]}}, "vid2names": {"0": "2_b.mp4"}}
    write(tmp_path / "results.json", family)
    convert(tmp_path, tmp_path / "results.json", tmp_path / "o.json", "--from", "stcat")
    assert read(tmp_path / "o.json") == {"2_b.mp4": ([3, 9], {})}


QTYPES = {"0": {"sted": [0, 1], "qtype": "declarative"}, "1": {"sted": [0, 1], "qtype": "interrogative"}}


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        ([], "tubedetr", "is not a JSON object"),
        ({"predictions": {}}, "tubedetr", "has no predictions and video_predictions"),
        (tubedetr({"9": {"sted": [0, 1]}}, {}), "tubedetr", "number 9 is not one of the 4 sentences"),
        (tubedetr(QTYPES, {}), "tubedetr", "query types of 2 of 2 numbers differ from the annotations"),
        (tubedetr({"0": {"sted": [0, 1]}}, {"0": {"5": [[0, 0, 1, 1]]}}), "tubedetr", "try --from stcat"),
        (tubedetr({"0": {"sted": [0]}}, {}), "tubedetr", "number 0 has no sted [begin, end]"),
        (tubedetr({"0": {"sted": [0, 1]}}, {"0_5": {"boxes": []}}), "tubedetr", "0_5 has no single box"),
        (
            {"predictions": {}, "video_predictions": {"0": {"sted": [0, 1]}}, "vid2names": {"0": "200"}},
            "stcat",
            "videos of 1 of 1 numbers differ from the annotations",
        ),
        (
            {"predictions": {}, "video_predictions": {"0": {"sted": [0, 1]}}, "vid2sents": {"0": "a cat"}},
            "stcat",
            "sentences of 1 of 1 numbers differ from the annotations",
        ),
        ([{"video_id": 1, "score": 1}], "coco", "is a list of results without videos"),
        ({"videos": [{"id": 1}], "annotations": [{"video_id": 2, "bboxes": [[0, 0, 1, 1]]}]}, "coco", "lacks 2"),
        ({CAPTION: {"span": [0.5, 1]}}, "vcma", "frame 0.5 is not an integer"),
        ({"other": {"span": [0, 1]}}, "coco", "has no videos"),
    ],
)
def test_what_does_not_fit_is_one_line_and_writes_nothing(project, content, form, message):
    theirs = write(project / "theirs.json", content)
    told = convert(project, theirs, project / "ours.json", "--from", form, "--boxes", "xywh", code=1)
    assert message in told and "theirs.json" in told and told.count("\n") == 1
    assert not (project / "ours.json").exists()


def test_coco_videos_are_named_by_sample_or_by_video_and_sentence(project):
    videos = [
        {"id": 1, "name": "100", "caption": "What does the adult hold"},
        {"id": 2, "name": SECOND, "span": [7, 20]},
        {"id": 3, "name": "100"},
    ]
    images = [{"id": v * 100 + f, "video_id": v, "frame_id": f} for v in (1, 2, 3) for f in (6, 7)]
    annotations = [
        {"image_id": 106, "instance_id": 1, "bbox": [1, 1, 4, 4], "score": 0.4},
        {"image_id": 106, "instance_id": 2, "bbox": [2, 2, 4, 4], "score": 0.9},
        {"image_id": 107, "instance_id": 2, "bbox": [3, 3, 4, 4], "score": 0.9},
        {"image_id": 207, "instance_id": 5, "bbox": [1, 2, 3, 4]},
        {"image_id": 306, "instance_id": 5, "bbox": [1, 2, 3, 4]},
    ]
    write(project / "coco.json", {"videos": videos, "images": images, "annotations": annotations})
    told = convert(project, project / "coco.json", project / "ours.json", "--from", "coco")
    assert read(project / "ours.json") == {
        QUESTION: ([6, 8], {6: [2, 2, 6, 6], 7: [3, 3, 7, 7]}),
        SECOND: ([7, 20], {7: [1, 2, 4, 6]}),
    }
    assert "1 tracks with a lower score than another of their sample, e.g. 100" in told
    assert "1 videos that do not match exactly one sample of the split, e.g. 100" in told


def test_mot_text_with_a_table_of_spans(project):
    (project / "mot").mkdir()
    (project / "mot" / "100.txt").write_text("1,4,10,10,5,5,0.9,-1,-1,-1\n2 4 11 10 5 5\n2,5,0,0,5,5,1\n")
    table = f"sample,begin,end,track\n{CAPTION},1,3,4\n{SECOND},1,2,\nnone,0,1,1\n"
    (project / "mot" / "spans.csv").write_text(table)
    told = convert(project, project / "mot", project / "ours.json", "--from", "mot")
    assert read(project / "ours.json") == {CAPTION: ([0, 2], {0: [10, 10, 15, 15], 1: [11, 10, 16, 15]})}
    assert "1 samples whose video has no text file, e.g. 200/1/captions/0" in told
    assert "1 spans that match no sample of the split, e.g. none" in told
    for row, message in (
        (f"{CAPTION},1,3,", "has 2 tracks, but line 2 of the spans does not say which"),
        (f"{CAPTION},1,3,9", "has no track 9, which line 2 of the spans refers to"),
        (f"{CAPTION},1,x,4", "line 2 is not sample,begin,end,track"),
        (f"{CAPTION},0.04,0.1,4", "frame 0.04 is not an integer: is it in seconds?"),
    ):
        (project / "mot" / "spans.csv").write_text(f"sample,begin,end,track\n{row}\n")
        told = convert(project, project / "mot", project / "o.json", "--from", "mot", code=1)
        assert message in told and told.count("\n") == 1, told


def test_what_is_no_box_or_of_no_frame_is_left_out_and_counted(project):
    boxes = {"4": [0, 0, 1, 1], "50": [0, 0, 1, 1], "6": [0, 0, 1, None], "4.0": [0, 0, 2, 2]}
    write(project / "theirs.json", {CAPTION: {"span": [0, 9], "boxes": boxes}, QUESTION: {"span": [9, 3]}})
    told = convert(project, project / "theirs.json", project / "ours.json", "--boxes", "xywh")
    assert read(project / "ours.json") == {CAPTION: ([0, 9], {4: [0, 0, 1, 1]})}
    for line in ("1 boxes that are not finite", "1 boxes in frames outside their video"):
        assert f"left out: {line}, e.g. {CAPTION}" in told
    assert "left out: 1 second boxes for one frame" in told and "1 samples without a usable span" in told


def test_what_only_our_format_holds_is_told(project):
    write(project / "ours.json", {CAPTION: {"span": [1, 2], "doubts": [], "absent": 0.5}})
    told = convert(project, project / "ours.json", project / "theirs.json", "--to", "stcat")
    assert "left out: 2 members of each prediction besides span and boxes, e.g. absent, doubts" in told


def test_clips_have_no_numbers(tmp_path):
    configure(
        tmp_path, lay_out_clips(tmp_path / "data" / "clips", "clips.csv", "video,sentence\na.mp4,a dog\n"), "clips"
    )
    write(tmp_path / "theirs.json", tubedetr({"0": {"sted": [0, 1]}}, {}))
    told = convert(tmp_path, tmp_path / "theirs.json", tmp_path / "o.json", "--from", "tubedetr", code=1)
    assert "the format clips has no sentence numbers" in told


def test_a_few_numbers_that_disagree_are_kept_and_told():
    order = [Sample(f"s{i}", sentence="a dog", query_type="declarative") for i in range(20)]
    told = {"query_type": {str(i): "interrogative" if i == 7 else "declarative" for i in range(20)}}
    dropped = Dropped()
    found = checked_numbers(map(str, range(20)), order, told, Path("theirs.json"), dropped)
    assert found["7"].id == "s7"
    assert list(dropped.lines()) == ["kept: 1 of 20 numbers with other query types than annotated"]
