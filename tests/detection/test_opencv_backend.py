"""OpenCV's detectors: their layouts, their settings and their errors."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.detection.networks import LIMITS, check_regions, constant_network, random_picture
from vcma.detection.colours import COLOUR_ATTRIBUTES, HISTOGRAM_DIM
from vcma.detection.registry import load_detector
from vcma.errors import InputError

REAL = Path(os.environ["VCMA_TEST_DATA"]) if "VCMA_TEST_DATA" in os.environ else None


def _dnn(tmp_path, answer, layout, classes=3, **more):
    constant_network(tmp_path / "net.onnx", answer, 64)
    (tmp_path / "names").write_text("\n".join("abcdefgh"[:classes]))
    block = {"backend": "opencv_dnn", "layout": layout, "weights": "net.onnx", "classes": "names", "input_size": 64}
    return load_detector(block | more, tmp_path)


def _fastestdet_answer():
    """A 4 x 4 grid with one thing of class 1, centre (0.5, 0.25), half as wide and a quarter as high as all."""
    cells = np.zeros((1, 8, 4, 4), np.float32)
    cells[0, 5:] = 1 / 3
    cells[0, 0, 1, 2] = 0.9
    cells[0, 3, 1, 2], cells[0, 4, 1, 2] = 0, np.log(0.25 / 0.75)
    cells[0, 5:, 1, 2] = (0.1, 0.8, 0.1)
    return cells


def test_fastestdet_layout(tmp_path):
    detector = _dnn(tmp_path, _fastestdet_answer(), "fastestdet")
    picture = random_picture(height=80, width=160)
    (regions,) = detector.detect([picture], **LIMITS | {"score_threshold": 0.3})
    check_regions(regions, detector, picture, 20)
    np.testing.assert_allclose(regions.box, [[40, 10, 120, 30]], atol=0.01)
    np.testing.assert_allclose(regions.score, [0.9**0.6 * 0.8**0.4], rtol=1e-5)
    assert detector.class_names[regions.class_prob[0].argmax()] == "b"
    assert np.linalg.norm(regions.feature[0].astype(float)) == pytest.approx(1, abs=0.01)
    assert detector.feature_dim == 3 + HISTOGRAM_DIM and detector.attribute_names == COLOUR_ATTRIBUTES


def test_yolov8_layout_keeps_the_proportions(tmp_path):
    answer = np.zeros((1, 7, 5), np.float32)
    answer[0, :, 0] = (32, 16, 16, 8, 0.1, 0.2, 0.7)  # in pixels of the 64 x 64 input, half of which is filled
    answer[0, :, 1] = (33, 16, 16, 8, 0.1, 0.6, 0.2)  # nearly the same box, another class: suppressed
    detector = _dnn(tmp_path, answer, "yolov8")
    picture = random_picture(height=80, width=160)
    (regions,) = detector.detect([picture], **LIMITS | {"score_threshold": 0.05})
    check_regions(regions, detector, picture, 20)
    np.testing.assert_allclose(regions.box, [[60, 30, 100, 50]], atol=0.01)
    np.testing.assert_allclose(regions.class_prob[0], [0.1, 0.2, 0.7], atol=1e-3)


def test_ssd_layout(tmp_path):
    answer = np.full((1, 1, 4, 7), -1, np.float32)
    answer[0, 0, 0] = (0, 2, 0.8, 0.25, 0.5, 0.75, 1.2)
    answer[0, 0, 1] = (0, 3, 0.4, 0.0, 0.0, 0.2, 0.2)
    detector = _dnn(tmp_path, answer, "ssd")
    picture = random_picture(height=100, width=200)
    (regions,) = detector.detect([picture], **LIMITS | {"score_threshold": 0.1})
    check_regions(regions, detector, picture, 20)
    np.testing.assert_allclose(regions.box, [[50, 50, 150, 100], [0, 0, 40, 20]], atol=0.01)
    np.testing.assert_allclose(regions.class_prob[0], [0.1, 0.8, 0.1], atol=1e-3)
    (best,) = detector.detect([picture], **LIMITS | {"top_k": 1})
    assert len(best) == 1
    (none,) = detector.detect([picture], **LIMITS | {"score_threshold": 0.9})
    check_regions(none, detector, picture, 0)


def test_ssd_class_beyond_the_names(tmp_path):
    answer = np.zeros((1, 1, 1, 7), np.float32)
    answer[0, 0, 0] = (0, 9, 0.8, 0.1, 0.1, 0.5, 0.5)
    with pytest.raises(InputError, match="answers class 9, there are 3 class names"):
        _dnn(tmp_path, answer, "ssd").detect([random_picture()], **LIMITS)


@pytest.mark.parametrize(("layout", "classes"), [("yolov8", 3), ("ssd", 3), ("fastestdet", 4)])
def test_output_of_another_layout_is_named_when_loading(tmp_path, layout, classes):
    with pytest.raises(
        InputError, match=r"net\.onnx: the network's output is 1 x 8 x 4 x 4, not .* correct layout"
    ):
        _dnn(tmp_path, _fastestdet_answer(), layout, classes)


def test_dnn_bad_files(tmp_path):
    (tmp_path / "names").write_text("a\nb")
    block = {"backend": "opencv_dnn", "layout": "ssd", "weights": "net.onnx", "classes": "names", "input_size": 64}
    with pytest.raises(InputError, match=r"net\.onnx: detector weights not found; "):
        load_detector(block, tmp_path)
    with pytest.raises(InputError, match="environment variable in its path is not set"):
        load_detector(block | {"weights": "$VCMA_NO_SUCH_FOLDER/net.onnx"}, tmp_path)
    (tmp_path / "net.onnx").write_bytes(b"not a network")
    with pytest.raises(InputError, match=r"net\.onnx: .*fetch it again"):
        load_detector(block, tmp_path)
    (tmp_path / "names").write_text("\n")
    with pytest.raises(InputError, match="holds no names"):
        load_detector(block, tmp_path)


def test_unknown_layout_and_bad_numbers(tmp_path):
    with pytest.raises(InputError, match="layout 'yolov9' is unknown; use one of fastestdet, yolov8, ssd"):
        _dnn(tmp_path, _fastestdet_answer(), "yolov9")
    with pytest.raises(InputError, match="not a number"):
        _dnn(tmp_path, _fastestdet_answer(), "fastestdet", scale="big")
    with pytest.raises(InputError, match="input_size must be above 0"):
        _dnn(tmp_path, _fastestdet_answer(), "fastestdet", input_size=0)


@pytest.mark.skipif(REAL is None, reason="VCMA_TEST_DATA is not set")
def test_fastestdet_finds_people_and_cars_in_real_clips():
    block = {
        "backend": "opencv_dnn",
        "layout": "fastestdet",
        "weights": "$VCMA_TEST_DATA/fastestdet/FastestDet.onnx",
        "classes": "$VCMA_TEST_DATA/fastestdet/coco.names",
        "input_size": 352,
    }
    detector = load_detector(block, ROOT)
    found = {}
    for video, frame in {"8665030691": 300, "4240545211": 161}.items():
        capture = cv2.VideoCapture(str(REAL / "vidstg" / "videos" / f"{video}.mp4"))
        for _ in range(frame + 1):
            capture.grab()
        picture = capture.retrieve()[1]
        (regions,) = detector.detect([picture], **LIMITS | {"score_threshold": 0.5, "top_k": 30})
        check_regions(regions, detector, picture, 30)
        found[video] = {detector.class_names[p.argmax()] for p in regions.class_prob}
    assert {"person", "car"} <= found["8665030691"]
    assert found["4240545211"] & {"person", "bicycle"}
