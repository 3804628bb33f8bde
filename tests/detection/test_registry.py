"""The `detector:` block: unknown backends and settings, and what is imported when."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from vcma.detection.registry import load_detector
from vcma.errors import InputError


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({}, "backend None is unknown; use one of detectron2, opencv_dnn"),
        ({"backend": "opencv_dnn", "layout": "ssd", "weights": "w"}, "needs classes, input_size"),
        ({"backend": "detectron2", "config": "c", "wieghts": "w"}, "unknown setting of detectron2: wieghts"),
    ],
)
def test_bad_blocks(tmp_path, block, message):
    with pytest.raises(InputError, match=message):
        load_detector(block, tmp_path)


def test_import_takes_no_heavy_library():
    modules = "vcma.detection.registry, vcma.detection.proposals, vcma.detection.colours"
    code = f"import sys, {modules}; assert not {{'torch', 'cv2', 'detectron2'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)
