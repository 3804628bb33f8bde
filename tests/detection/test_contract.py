"""What every detector promises, whatever backend and layout it is of."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.detection.answers import ANSWERS, SIDE, answer_of, some_things
from tests.detection.narrow_models import C4, FPN, narrow_block, narrow_model, zoo_pickle
from tests.detection.networks import LIMITS, check_regions, constant_network, random_picture
from tests.detection.tiny_grounding_dino import tiny_block, tiny_grounding_dino
from vcma.boxes import pairwise_iou
from vcma.detection.layouts import LAYOUTS
from vcma.detection.registry import BACKENDS, load_detector

CASES = (*LAYOUTS, "detectron2 fpn", "detectron2 c4", "open vocabulary")


def make_block(case, folder, seed=0):
    """Write a detector's files, and return its `detector:` block."""
    folder.mkdir(exist_ok=True)
    if case in LAYOUTS:
        answer, scores = answer_of(case, some_things(seed=seed))
        white = 255 * LAYOUTS[case].scale  # a value of the input
        constant_network(folder / "net.onnx", answer, SIDE, 0.1 * scores / white)
        (folder / "names").write_text("person\ndog\nball")
        files = {"weights": "net.onnx", "classes": "names"}
        return {"backend": "opencv_dnn", "layout": case, "input_size": SIDE} | files
    if case == "open vocabulary":
        tiny_grounding_dino(folder, seed)
        return tiny_block()
    text, attributes = (FPN, 0) if case == "detectron2 fpn" else (C4, 7)
    zoo_pickle(narrow_model(folder, text, 20, attributes, seed=seed), folder / "model.pkl")
    return narrow_block(**({"attributes": "attributes"} if attributes else {}))


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def folder(case, tmp_path_factory):
    return tmp_path_factory.mktemp("detector")


@pytest.fixture(scope="module")
def block(case, folder):
    return make_block(case, folder)


@pytest.fixture(scope="module")
def detector(block, folder):
    return load_detector(block, folder)


def columns(regions):
    return {name: value.tobytes() for name, value in vars(regions).items()}


def test_every_backend_and_layout_is_among_the_cases():
    assert set(ANSWERS) == set(LAYOUTS)
    assert set(BACKENDS) == {"opencv_dnn", "detectron2", "open_vocabulary"}


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (301, 3), (97, 61), (64, 64), (480, 853)], ids=str)
def test_regions_of_pictures_of_any_size(detector, size):
    picture = random_picture(1, *size)
    (regions,) = detector.detect([picture], **LIMITS | {"min_size": 0})
    check_regions(regions, detector, picture, LIMITS["top_k"])
    assert len(regions)
    assert (regions.box[:, 2:] > regions.box[:, :2]).all()


def test_more_is_asked_of_a_detector_and_less_comes(detector):
    picture = random_picture()
    (all_regions,) = detector.detect([picture], **LIMITS | {"top_k": 500})
    assert len(all_regions) >= 4
    (few,) = detector.detect([picture], **LIMITS | {"top_k": 3})
    np.testing.assert_array_equal(few.box, all_regions.box[:3])
    threshold = float(all_regions.score[2])
    (sure,) = detector.detect([picture], **LIMITS | {"score_threshold": threshold})
    np.testing.assert_array_equal(sure.score, all_regions.score[all_regions.score > threshold])
    (large,) = detector.detect([picture], **LIMITS | {"min_size": 30})
    assert (large.box[:, 2:] - large.box[:, :2] >= 30).all()


@pytest.mark.parametrize("threshold", [0.05, 0.5, 1.0])
def test_no_two_boxes_overlap_more_than_asked_for(detector, threshold):
    (regions,) = detector.detect([random_picture()], **LIMITS | {"top_k": 500, "nms_threshold": threshold})
    for i in range(1, len(regions)):
        assert (pairwise_iou(regions.box[i], regions.box[:i]) <= threshold).all()
    (all_regions,) = detector.detect([random_picture()], **LIMITS | {"top_k": 500, "nms_threshold": 1.0})
    assert (len(regions) < len(all_regions)) == (threshold < 0.5) or threshold == 0.5


def test_where_nothing_is_found_the_axes_remain(detector):
    picture = random_picture()
    for limits in ({"score_threshold": 1.0}, {"min_size": 1000}, {"top_k": 0}):
        (regions,) = detector.detect([picture], **LIMITS | limits)
        check_regions(regions, detector, picture, 0)
    assert detector.detect([], **LIMITS) == []


def test_the_same_pictures_give_the_same_regions_in_any_company(detector, block, folder):
    pictures = [random_picture(0), random_picture(1), random_picture(2, 70, 50), np.zeros((64, 64, 3), np.uint8)]
    together = detector.detect(pictures, **LIMITS)
    assert list(map(columns, together)) == list(map(columns, detector.detect(pictures, **LIMITS)))
    assert list(map(columns, together)) == list(
        map(columns, load_detector(block, folder).detect(pictures, **LIMITS))
    )
    assert columns(together[0]) != columns(together[1])
    for picture, regions in zip(pictures, together, strict=True):
        (alone,) = detector.detect([picture], **LIMITS)
        for name, value in vars(regions).items():
            size = 100 if name == "box" else 1  # px; everything else is of the order of 1
            np.testing.assert_allclose(
                value.astype(float) / size, getattr(alone, name).astype(float) / size, 1e-3, 1e-3
            )


def test_a_picture_is_left_as_it_is(detector):
    picture = random_picture()
    before = picture.copy()
    detector.detect([picture], **LIMITS)
    assert (picture == before).all()


def test_the_fingerprint_tells_detectors_apart(case, detector, block, folder, tmp_path):
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert load_detector(block, moved).fingerprint == detector.fingerprint
    names = moved / block["classes"]
    names.write_text(names.read_text().replace("a", "b"))
    other = make_block(case, tmp_path / "other", seed=1)
    found = {detector.fingerprint, load_detector(block, moved).fingerprint}
    found.add(load_detector(other, tmp_path / "other").fingerprint)
    if case in LAYOUTS:
        found |= {load_detector(block | {"scale": 0.5}, folder).fingerprint}
        found |= {load_detector(block | {"swap_rb": not LAYOUTS[case].swap_rb}, folder).fingerprint}
        assert len(found) == 5
    elif case == "open vocabulary":
        (moved / "vocab.txt").write_text("another")
        found.add(load_detector(block | {"classes": "names"}, moved).fingerprint)
        assert len(found) == 4
    else:
        config = (folder / "model.yaml").read_text().replace("MIN_SIZE_TEST: 64", "MIN_SIZE_TEST: 72")
        (folder / "other.yaml").write_text(config)
        found.add(load_detector(block | {"config": "other.yaml"}, folder).fingerprint)
        assert len(found) == 4
