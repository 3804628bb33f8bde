"""OpenCV's detectors: their layouts, their settings and their errors."""

import json
import re

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.detection.answers import SIDE, Things, answer_of, some_things
from tests.detection.networks import (
    LIMITS,
    check_regions,
    constant_network,
    random_picture,
    suppressing_network,
)
from vcma.boxes import pairwise_iou
from vcma.detection.colours import COLOUR_ATTRIBUTES, HISTOGRAM_DIM
from vcma.detection.layouts import LAYOUTS, likely_layout
from vcma.detection.registry import load_detector
from vcma.errors import InputError


def _dnn(tmp_path, answer, layout, classes=3, **more):
    constant_network(tmp_path / "net.onnx", answer, SIDE)
    (tmp_path / "names").write_text("\n".join(f"name {i}" for i in range(classes)))
    block = {"backend": "opencv_dnn", "layout": layout, "weights": "net.onnx", "classes": "names"}
    return load_detector(block | {"input_size": SIDE} | more, tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_things_come_out_as_they_went_in_whatever_the_layout(tmp_path, layout):
    things = some_things()
    detector = _dnn(tmp_path, answer_of(layout, things)[0], layout)
    picture = random_picture(height=128, width=128)
    (regions,) = detector.detect([picture], **LIMITS | {"score_threshold": 0.1, "nms_threshold": 1.0})
    check_regions(regions, detector, picture, 20)
    order = np.argsort(-things.score)
    np.testing.assert_allclose(regions.box, (things.box[order] * 128).clip(0, 128), atol=0.01)
    found = regions.class_prob.argmax(1)
    np.testing.assert_array_equal(found, things.label[order])
    np.testing.assert_allclose(regions.score, things.score[order], rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(regions.feature.astype(float), axis=1), 1, atol=0.01)
    assert detector.feature_dim == 3 + HISTOGRAM_DIM and detector.attribute_names == COLOUR_ATTRIBUTES


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_wide_picture_keeps_its_proportions_where_the_layout_does(tmp_path, layout):
    """Of an input that the upper half is filled of, or all."""
    things = Things(np.array([[0.3, 0.1, 0.5, 0.3]]), np.array([0.6]), np.array([1]))
    detector = _dnn(tmp_path, answer_of(layout, things)[0], layout)
    picture = random_picture(height=80, width=160)
    (regions,) = detector.detect([picture], **LIMITS | {"score_threshold": 0.5})
    stretched = {"fastestdet": [48, 8, 80, 24], "ssd": [48, 8, 80, 24]}
    np.testing.assert_allclose(regions.box, [stretched.get(layout, [48, 16, 80, 48])], atol=0.01)


def test_one_class_a_detection_is_told_as_surely_as_it_scores(tmp_path):
    """Also where the score is below what each class would get by chance."""
    things = Things(np.array([[0.1, 0.1, 0.3, 0.3], [0.6, 0.6, 0.9, 0.9]]), np.array([0.8, 0.2]), np.array([1, 2]))
    for layout in ("ssd", "end2end"):
        detector = _dnn(tmp_path, answer_of(layout, things)[0], layout)
        (regions,) = detector.detect([random_picture()], **LIMITS)
        expected = [[0.2 / 3, 0.8 + 0.2 / 3, 0.2 / 3], [0.8 / 3, 0.8 / 3, 0.2 + 0.8 / 3]]
        np.testing.assert_allclose(regions.class_prob, expected, atol=1e-3)


@pytest.mark.parametrize("classes", [1, 3, 20])
def test_each_layout_is_recognised_among_all(tmp_path, classes):
    outputs = {name: answer_of(name, some_things(classes), classes)[0].astype(np.float32) for name in LAYOUTS}
    for name, output in outputs.items():
        told = name if name in ("end2end", "ssd") else f"{name} with {classes} classes"
        assert likely_layout([output], classes, SIDE) == told
        assert likely_layout([output], 17, SIDE) == told  # whatever the names are
        assert [other for other in LAYOUTS if _accepts(tmp_path, output, other, classes)] == [name]


def _accepts(tmp_path, output, layout, classes):
    try:
        return bool(_dnn(tmp_path, output, layout, classes))
    except InputError as error:
        assert "its layout is most likely" in str(error)
        return False


@pytest.mark.parametrize(
    "output",
    [
        np.full((1, 255, 4, 4), 3.0),  # raw cells of three anchors each
        np.full((1, 3, 8, 8, 85), 0.5),
        np.full((1, 300, 84), 0.5),  # relative boxes (RT-DETR)
        np.full((1, 1000), 0.5),  # a classifier
    ],
    ids=lambda output: str(output.shape),
)
def test_no_layout_is_named_where_none_fits(tmp_path, output):
    with pytest.raises(
        InputError, match=r"C = 80 class names; correct layout \(one of fastestdet, .*detectors\.md"
    ):
        _dnn(tmp_path, output, "yolov8", 80)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("broken", [np.nan, 12.0])
def test_scores_that_are_no_probabilities_are_refused(tmp_path, layout, broken):
    """Logits, of a network exported without its last sigmoid; or weights that are damaged."""
    answer, scores = answer_of(layout, some_things())
    with pytest.raises(InputError, match="C = 3 class names; correct layout"):
        _dnn(tmp_path, np.where(scores > 0, broken, answer), layout)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("layout", "place", "value"),
    [
        ("fastestdet", (0, 3, 0, 0), -1e4),
        ("yolox", (0, 0, 2), 1e4),
        ("end2end", (0, 0, 0), np.nan),
        ("ssd", (0, 0, 0, 3), np.inf),
    ],
)
def test_one_box_that_is_not_finite_does_no_harm(tmp_path, layout, place, value):
    things = some_things()
    answer = answer_of(layout, things)[0]
    answer[place] = value
    picture = random_picture()
    detector = _dnn(tmp_path, answer, layout)
    (regions,) = detector.detect([picture], **LIMITS | {"nms_threshold": 1.0, "score_threshold": 0.1})
    check_regions(regions, detector, picture, 20)
    assert len(things.score) - 1 <= len(regions) <= len(things.score)


def test_a_wrong_number_of_names_is_told_with_the_right_one(tmp_path):
    answer = answer_of("yolov8", some_things())[0]
    message = "is 1 x 7 x 84, not 1 x (4 + C) x N with C = 4 class names; its layout is most likely yolov8 with 3"
    with pytest.raises(InputError, match=re.escape(message)):
        _dnn(tmp_path, answer, "yolov8", 4)


def test_decoded_yolox_is_of_the_layout_yolov5(tmp_path):
    """As exported with --decode_in_inference: as many candidates as YOLOX, in input pixels."""
    things = some_things()
    decoded = answer_of("yolov5", things)[0][:, :84]
    with pytest.raises(InputError, match="most likely yolov5 with 3 classes"):
        _dnn(tmp_path, decoded, "yolox")
    detector = _dnn(tmp_path, decoded, "yolov5", scale=1.0, swap_rb=False)
    (regions,) = detector.detect([random_picture(height=64, width=64)], **LIMITS | {"nms_threshold": 1.0})
    np.testing.assert_allclose(regions.box, (things.box[np.argsort(-things.score)] * 64).clip(0, 64), atol=0.01)


def test_a_network_that_suppresses_boxes_itself_is_refused(tmp_path):
    """Before OpenCV runs it, which would end the process."""
    suppressing_network(tmp_path / "net.onnx", SIDE)
    (tmp_path / "names").write_text("a")
    block = {"backend": "opencv_dnn", "layout": "end2end", "weights": "net.onnx", "classes": "names"}
    with pytest.raises(InputError, match=r"net\.onnx: .*NonMaxSuppression.* without NMS"):
        load_detector(block | {"input_size": SIDE}, tmp_path)


def test_ssd_class_beyond_the_names(tmp_path):
    answer = np.zeros((1, 1, 1, 7), np.float32)
    answer[0, 0, 0] = (0, 9, 0.8, 0.1, 0.1, 0.5, 0.5)
    with pytest.raises(InputError, match="outputs class 9, but there are 3 class names"):
        _dnn(tmp_path, answer, "ssd").detect([random_picture()], **LIMITS)


def test_dnn_bad_files(tmp_path):
    (tmp_path / "names").write_text("a\nb")
    block = {"backend": "opencv_dnn", "layout": "ssd", "weights": "net.onnx", "classes": "names", "input_size": 64}
    with pytest.raises(InputError, match=r"net\.onnx: detector weights not found; "):
        load_detector(block, tmp_path)
    with pytest.raises(InputError, match=r"download https://example\.org/n\.onnx to this path or correct"):
        load_detector(block | {"source": "https://example.org/n.onnx"}, tmp_path)
    with pytest.raises(InputError, match="environment variable in its path is not set"):
        load_detector(block | {"weights": "$VCMA_NO_SUCH_FOLDER/net.onnx"}, tmp_path)
    (tmp_path / "net.onnx").write_bytes(b"not a network")
    with pytest.raises(InputError, match=r"net\.onnx: .*download it again"):
        load_detector(block, tmp_path)
    (tmp_path / "names").write_text("\n")
    with pytest.raises(InputError, match="contains no names"):
        load_detector(block, tmp_path)


def test_unknown_layout_and_bad_numbers(tmp_path):
    with pytest.raises(InputError, match="layout 'yolov9' is unknown; use one of fastestdet, yolox, yolov5"):
        _dnn(tmp_path, answer_of("fastestdet", some_things())[0], "yolov9")
    with pytest.raises(InputError, match="not a number"):
        _dnn(tmp_path, answer_of("fastestdet", some_things())[0], "fastestdet", scale="big")
    with pytest.raises(InputError, match="input_size must be positive"):
        _dnn(tmp_path, answer_of("fastestdet", some_things())[0], "fastestdet", input_size=0)


def _pictures(video, frames):
    """The pictures of some native frames."""
    capture = cv2.VideoCapture(str(video))
    for frame in range(frames[-1] + 1):
        assert capture.grab()
        if frame in frames:
            yield capture.retrieve()[1]


WEIGHTS = {"fastestdet": ("fastestdet/FastestDet.onnx", 352), "yolox": ("yolox/yolox_nano.onnx", 416)}


def _public(test_data, layout):
    file, size = WEIGHTS[layout]
    names = test_data / "fastestdet" / "coco.names"
    block = {"backend": "opencv_dnn", "layout": layout, "weights": str(test_data / file), "classes": str(names)}
    return load_detector(block | {"input_size": size}, ROOT)


@pytest.mark.parametrize(("layout", "recall"), [("fastestdet", 0.765), ("yolox", 0.926)])
def test_public_weights_find_the_people_of_a_street(test_data, layout, recall):
    """Share of true boxes that a region called a person, of score > .3, covers with IoU >= .5."""
    detector = _public(test_data, layout)
    covered = []
    for file in sorted((test_data / "street" / "vidor" / "annotation" / "validation" / "0000").glob("*.json")):
        truth = json.loads(file.read_text())["trajectories"]
        video = test_data / "street" / "video" / "0000" / f"{file.stem}.mp4"
        for frame, picture in zip((10, 60, 110), _pictures(video, (10, 60, 110)), strict=True):
            (regions,) = detector.detect([picture], **LIMITS | {"score_threshold": 0.3})
            check_regions(regions, detector, picture, 20)
            people = [detector.class_names[p.argmax()] == "person" for p in regions.class_prob]
            for thing in truth[frame]:
                box = np.array([thing["bbox"][side] for side in ("xmin", "ymin", "xmax", "ymax")], np.float32)
                covered.append(((pairwise_iou(box, regions.box) >= 0.5) & people).any())
    assert len(covered) == 162
    assert np.mean(covered) == pytest.approx(recall, abs=0.02)


@pytest.mark.parametrize("layout", WEIGHTS)
def test_public_weights_find_nothing_in_an_empty_picture(test_data, layout):
    detector = _public(test_data, layout)
    for grey in (0, 114, 255):
        (regions,) = detector.detect([np.full((240, 320, 3), grey, np.uint8)], **LIMITS | {"score_threshold": 0.3})
        assert len(regions) == 0


@pytest.mark.parametrize("layout", WEIGHTS)
def test_public_weights_name_what_is_in_real_clips(test_data, layout):
    detector = _public(test_data, layout)
    for video, frame, expected in (("8665030691", 300, {"person", "car"}), ("4240545211", 161, {"person"})):
        (picture,) = _pictures(test_data / "vidstg" / "videos" / f"{video}.mp4", (frame,))
        (regions,) = detector.detect([picture], **LIMITS | {"score_threshold": 0.4})
        check_regions(regions, detector, picture, 20)
        assert expected <= {detector.class_names[p.argmax()] for p in regions.class_prob}


@pytest.mark.parametrize(("layout", "other"), [("fastestdet", "yolox"), ("yolox", "fastestdet")])
def test_public_weights_of_another_layout_are_recognised(test_data, layout, other):
    names = test_data / "fastestdet" / "coco.names"
    block = {"backend": "opencv_dnn", "layout": other, "classes": str(names), "input_size": WEIGHTS[layout][1]}
    with pytest.raises(InputError, match=f"its layout is most likely {layout} with 80 classes"):
        load_detector(block | {"weights": str(test_data / WEIGHTS[layout][0])}, ROOT)
