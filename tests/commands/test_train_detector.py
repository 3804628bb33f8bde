"""`vcma train-detector`: both formats of boxes, and one line where there are none."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.detector_training.tiny import train_tiny, write_coco, write_vidor
from vcma.commands.train_detector import train_detector
from vcma.detection.colours import COLOUR_ATTRIBUTES
from vcma.detection.registry import load_detector
from vcma.errors import InputError

BLOCK = {"backend": "detectron2", "config": "tiny.yaml", "weights": "d.pth"}


def test_training_on_coco_boxes(tmp_path):
    options = ("--coco", write_coco(tmp_path), "--pictures", tmp_path, "--output", tmp_path / "d.pth")
    assert train_tiny(train_detector, tmp_path, *options).exit_code == 0
    detector = load_detector(BLOCK, tmp_path)
    assert detector.class_names == ("dog",) and detector.attribute_names == ("red",)


def test_training_on_vidor_boxes(tmp_path):
    options = ("--vidor", write_vidor(tmp_path), "--videos", tmp_path, "--output", tmp_path / "d.pth")
    assert train_tiny(train_detector, tmp_path, *options).exit_code == 0
    detector = load_detector(BLOCK, tmp_path)
    assert detector.attribute_names == COLOUR_ATTRIBUTES  # the annotations have no attributes


def test_a_single_picture_is_too_few(tmp_path):
    options = ("--coco", write_coco(tmp_path, 1), "--pictures", tmp_path, "--output", tmp_path / "d.pth")
    with pytest.raises(InputError, match=r"coco\.json: has fewer than two images with boxes; give more"):
        train_tiny(train_detector, tmp_path, *options)


@pytest.mark.parametrize("given", [(), ("--coco",), ("--videos",), ("--coco", "--pictures", "--vidor", "--videos")])
def test_what_to_train_on_is_asked_for_in_one_line(tmp_path, given):
    place = {"--coco": write_coco(tmp_path), "--pictures": tmp_path, "--vidor": tmp_path, "--videos": tmp_path}
    options = [word for name in given for word in (name, place[name])]
    done = train_tiny(train_detector, tmp_path, "--output", tmp_path / "d.pth", *options)
    assert done.exit_code == 2
    error = done.output.splitlines()[-1]
    assert error.startswith("Error: give --coco with --pictures, or --vidor with --videos; ")
    assert "demo/train_detector.py" in error


def test_help_comes_without_heavy_libraries():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from vcma.__main__ import main\n"
        "shown = CliRunner().invoke(main, ['train-detector', '--help']).output\n"
        "order = ['--coco', '--pictures', '--vidor', '--videos', '--config', '--output', '--iterations']\n"
        "assert sorted(order, key=shown.index) == order, shown\n"
        "assert not {'torch', 'cv2', 'detectron2', 'scipy', 'pycocotools'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)
