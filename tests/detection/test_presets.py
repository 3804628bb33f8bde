"""The detectors that pipeline.yaml and the documentation offer."""

import re
import shutil

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.detection.networks import LIMITS
from vcma.detection import registry
from vcma.detection.detectron2_config import catalogued_classes, read_config
from vcma.detection.layouts import LAYOUTS
from vcma.detection.registry import BACKENDS, load_detector
from vcma.errors import InputError
from vcma.pipeline.project import load_project

DOCS = (ROOT / "docs" / "detectors.md").read_text()
SMALL = load_project(ROOT / "pipeline.yaml", "clips_cpu").detector


@pytest.fixture
def root(tmp_path):
    """A project's root with the names that belong to the small detector, but no weights."""
    (tmp_path / "envs" / "detectors").mkdir(parents=True)
    shutil.copy(ROOT / SMALL["classes"], tmp_path / SMALL["classes"])
    return tmp_path


def test_the_small_detector_without_weights_says_where_they_are(root):
    with pytest.raises(InputError) as told:
        load_detector(SMALL, root)
    assert "yolox_nano.onnx: detector weights not found; download https://" in str(told.value)
    assert SMALL["source"] in str(told.value)
    for text in (DOCS, (ROOT / "README.md").read_text()):
        assert f"curl -Lo {SMALL['weights']} \\\n  {SMALL['source']}\n" in text
        assert "--dataset clips_cpu --untrained" in text


def test_the_small_detector_runs_with_its_public_weights(root, test_data):
    shutil.copy(test_data / "yolox" / "yolox_nano.onnx", root / SMALL["weights"])
    detector = load_detector(SMALL, root)
    assert detector.class_names[0] == "person" and len(detector.class_names) == 80
    (regions,) = detector.detect([np.zeros((720, 1280, 3), np.uint8)], **LIMITS | {"score_threshold": 0.05})
    assert len(regions) == 0


def test_both_data_sets_of_clips_know_the_same_classes():
    """So that a sentence means the same by either."""
    names = catalogued_classes(read_config("envs/detectors/coco_r50_fpn.yaml", ROOT))
    assert tuple((ROOT / "envs" / "detectors" / "coco.names").read_text().splitlines()) == names


def test_every_backend_and_layout_is_documented():
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| .+ \| .+ \|$", DOCS, re.M)
    axes = {name: axes.split(",")[0] for name, axes in rows}
    assert axes == {name: layout.axes for name, layout in LAYOUTS.items()}
    assert set(re.findall(r"^- `(\w+)`:", DOCS, re.M)) == set(BACKENDS)
    assert " | ".join(LAYOUTS) in registry.__doc__
    for backend in BACKENDS.values():
        for setting in backend.required | backend.optional:
            assert f"`{setting}" in DOCS, setting
