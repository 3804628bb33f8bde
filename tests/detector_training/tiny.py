"""A detector so small that training it takes a second, and a COCO file to train it on."""

import json

import click.testing
import cv2

from tests.conftest import ROOT
from tests.detection.networks import random_picture

_CONFIG = """
_BASE_: {root}/envs/detectors/demo.yaml
MODEL:
  RESNETS: {STEM_OUT_CHANNELS: 8, STAGE_WIDTHS: [8, 12, 16], STAGE_BLOCKS: [1, 1, 1]}
  FPN: {OUT_CHANNELS: 8}
  ROI_BOX_HEAD: {FC_DIM: 16}
INPUT: {MIN_SIZE_TRAIN: [64]}
DATASETS: {STILLS_TRAIN: 4, STILLS_TEST: 2, VIDEO_STEP: 2}
SOLVER: {IMS_PER_BATCH: 2}
"""


def train_tiny(command, folder, *options):
    """The result of a command that trains, for two iterations of folder/tiny.yaml."""
    (folder / "tiny.yaml").write_text(_CONFIG.replace("{root}", str(ROOT)))
    arguments = ["--config", str(folder / "tiny.yaml"), "--iterations", "2", *map(str, options)]
    return click.testing.CliRunner().invoke(command, arguments, catch_exceptions=False)


def write_coco(folder, count=4):
    """folder/coco.json, of pictures with a red dog and a crowd that does not count."""
    for i in range(count):
        cv2.imwrite(str(folder / f"{i}.png"), random_picture(i))
    one = {"category_id": 7, "bbox": [10, 20, 50, 40]}
    things = [one | {"id": i, "image_id": i, "attributes": ["red"]} for i in range(count)]
    data = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(count)],
        "categories": [{"id": 7, "name": "dog"}],
        "annotations": [*things, one | {"id": count, "image_id": 0, "iscrowd": 1}],
    }
    (folder / "coco.json").write_text(json.dumps(data))
    return folder / "coco.json"


def write_vidor(folder):
    """folder/notes/v.json, of a dog in six of the seven frames of folder/v.avi."""
    writer = cv2.VideoWriter(str(folder / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5, (128, 96))
    for i in range(7):
        writer.write(random_picture(i))
    writer.release()
    box = {"xmin": 10, "ymin": 20, "xmax": 60, "ymax": 60}
    data = {
        "video_path": "v.avi",
        "subject/objects": [{"tid": 3, "category": "dog"}],
        "trajectories": [[{"tid": 3, "bbox": box}]] * 6 + [[]],
    }
    (folder / "notes").mkdir()
    (folder / "notes" / "v.json").write_text(json.dumps(data))
    return folder / "notes"
