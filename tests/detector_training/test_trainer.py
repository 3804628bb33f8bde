"""Training a detector on boxes, and the demo's own detector."""

import json

import click.testing
import cv2
import numpy as np
import pytest

from demo.train_detector import main as draw_and_train
from demo.train_detector import world_stills
from tests.conftest import ROOT
from tests.detection.networks import random_picture
from vcma.commands.train_detector import train_detector
from vcma.detection.colours import COLOUR_ATTRIBUTES
from vcma.detection.registry import load_detector
from vcma.detector_training.appraisal import evaluate
from vcma.errors import InputError
from vcma.records.regions import Regions


def test_committed_detector():

    weights = ROOT / "demo" / "detector.pth"
    assert weights.stat().st_size <= 8_000_000
    block = {"backend": "detectron2", "config": "envs/detectors/demo.yaml", "weights": "demo/detector.pth"}
    detector = load_detector(block, ROOT)
    assert sum(p.numel() for p in detector._model.parameters()) <= 4_000_000
    result = evaluate(detector, world_stills(99, 12))
    assert result["recall"] >= 0.95 and result["class_accuracy"] >= 0.92 and result["ap"] >= 0.6


_TINY = """
_BASE_: {root}/envs/detectors/demo.yaml
MODEL:
  RESNETS: {STEM_OUT_CHANNELS: 8, STAGE_WIDTHS: [8, 12, 16], STAGE_BLOCKS: [1, 1, 1]}
  FPN: {OUT_CHANNELS: 8}
  ROI_BOX_HEAD: {FC_DIM: 16}
INPUT: {MIN_SIZE_TRAIN: [64]}
DATASETS: {STILLS_TRAIN: 4, STILLS_TEST: 2, VIDEO_STEP: 2}
SOLVER: {IMS_PER_BATCH: 2}
"""


def _train(folder, *options, command=train_detector):
    (folder / "tiny.yaml").write_text(_TINY.replace("{root}", str(ROOT)))
    arguments = ["--config", str(folder / "tiny.yaml"), "--iterations", "2", *map(str, options)]
    return click.testing.CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_training_on_the_drawn_world_is_reproducible(tmp_path):
    for name in ("a.pth", "b.pth"):
        result = _train(tmp_path, "--output", tmp_path / name, "--threads", 1, command=draw_and_train)
        assert result.exit_code == 0 and "AP " in result.output and "recall@0.5" in result.output
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()
    assert not list(tmp_path.glob(".*partial"))


def _coco(folder):
    for i in range(4):
        cv2.imwrite(str(folder / f"{i}.png"), random_picture(i))
    things = [
        {"id": i, "image_id": i, "category_id": 7, "bbox": [10, 20, 50, 40], "attributes": ["red"]}
        for i in range(4)
    ]
    data = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(4)],
        "categories": [{"id": 7, "name": "dog"}],
        "annotations": things,
    }
    (folder / "coco.json").write_text(json.dumps(data))


def test_training_on_coco_boxes(tmp_path):
    _coco(tmp_path)
    options = ("--coco", tmp_path / "coco.json", "--pictures", tmp_path, "--output", tmp_path / "d.pth")
    assert _train(tmp_path, *options).exit_code == 0
    block = {"backend": "detectron2", "config": "tiny.yaml", "weights": "d.pth"}
    detector = load_detector(block, tmp_path)
    assert detector.class_names == ("dog",) and detector.attribute_names == ("red",)


def test_training_on_vidor_boxes(tmp_path):
    from vcma.detector_training.pictures import vidor_stills

    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5, (128, 96))
    for i in range(7):
        writer.write(random_picture(i))
    writer.release()
    box = {"xmin": 10, "ymin": 20, "xmax": 60, "ymax": 60}
    data = {
        "video_path": "v.avi",
        "subject/objects": [{"tid": 3, "category": "dog"}],
        "trajectories": [[{"tid": 3, "bbox": box}]] * 6 + [[]],
    }
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "v.json").write_text(json.dumps(data))
    stills = list(vidor_stills(tmp_path / "notes", tmp_path, 2))
    assert [still.labels for still in stills] == [("dog",)] * 3 + [()]
    np.testing.assert_array_equal(stills[0].boxes, [[10, 20, 60, 60]])
    options = ("--vidor", tmp_path / "notes", "--videos", tmp_path, "--output", tmp_path / "d.pth")
    assert _train(tmp_path, *options).exit_code == 0
    detector = load_detector({"backend": "detectron2", "config": "tiny.yaml", "weights": "d.pth"}, tmp_path)
    assert detector.attribute_names == COLOUR_ATTRIBUTES  # nothing was told of attributes


def test_training_refuses_what_is_no_annotation(tmp_path):
    from vcma.detector_training.pictures import coco_stills, vidor_stills

    (tmp_path / "x.json").write_text('{"images": 3}')
    with pytest.raises(InputError, match="not a COCO annotation file"):
        list(coco_stills(tmp_path / "x.json", tmp_path))
    with pytest.raises(InputError, match="not a VidOR annotation"):
        list(vidor_stills(tmp_path, tmp_path, 2))
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        list(coco_stills(tmp_path / "x.json", tmp_path))
    assert _train(tmp_path, "--output", tmp_path / "d.pth", "--coco", tmp_path / "x.json").exit_code == 2


def test_evaluation_of_a_perfect_detector():
    """Boxes equal to the truth: AP, recall and accuracy are 1; attributes that follow the truth have AUC 1."""

    stills = world_stills(5, 6)
    names = tuple(sorted({label for still in stills for label in still.labels}))
    words = tuple(sorted({word for still in stills for row in still.attributes for word in row}))

    queue = list(stills)

    class Perfect:
        class_names, attribute_names = names, words

        def detect(self, pictures, **_):
            still = queue.pop(0)
            holds = np.array([[word in row for word in words] for row in still.attributes], np.float16)
            labels = np.array([[label == name for name in names] for label in still.labels], np.float16)
            score = np.linspace(1, 0.5, len(still.boxes), dtype=np.float32)
            return [Regions(still.boxes, score, labels, holds, feature=np.zeros((len(score), 1), np.float16))]

    result = evaluate(Perfect(), stills)
    assert result["ap"] == pytest.approx(1) and result["recall"] == 1
    assert result["class_accuracy"] == 1 and set(result["attribute_auc"].values()) == {1.0}
