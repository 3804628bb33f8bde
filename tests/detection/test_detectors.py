"""The detectors: both backends, their layouts and their errors, colours from pixels, and the training."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcma.detection import opencv_backend
from vcma.detection.base import read_names
from vcma.detection.colours import COLOUR_ATTRIBUTES, HISTOGRAM_DIM, lab_histograms, named_colours
from vcma.detection.registry import cached_detector, load_detector
from vcma.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
REAL = Path(os.environ["VCMA_TEST_DATA"]) if "VCMA_TEST_DATA" in os.environ else None
LOOSE = {"top_k": 20, "score_threshold": 0.0, "nms_threshold": 0.5, "min_size": 2}


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


def _picture(seed=0, height=96, width=128):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def _check(regions, detector, picture, top_k):
    count = len(regions["box"])
    assert count <= top_k
    shapes = {
        "box": ((count, 4), np.float32),
        "score": ((count,), np.float32),
        "class_prob": ((count, len(detector.class_names)), np.float16),
        "attribute_prob": ((count, len(detector.attribute_names)), np.float16),
        "feature": ((count, detector.feature_dim), np.float16),
    }
    assert {name: (value.shape, value.dtype) for name, value in regions.items()} == shapes
    assert all(np.isfinite(value).all() for value in regions.values())
    assert (np.diff(regions["score"]) <= 0).all()
    assert (regions["box"] >= 0).all() and (regions["box"] <= np.tile(picture.shape[1::-1], 2) + 1e-3).all()
    np.testing.assert_allclose(regions["class_prob"].astype(float).sum(1), 1, atol=0.02)


# --- colours -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "bgr"),
    [
        ("black", (15, 15, 15)), ("white", (245, 245, 245)), ("grey", (128, 128, 128)), ("red", (30, 30, 210)),
        ("orange", (20, 130, 245)), ("yellow", (40, 220, 240)), ("green", (60, 160, 50)), ("blue", (210, 90, 30)),
        ("purple", (170, 40, 120)), ("pink", (190, 130, 250)), ("brown", (35, 70, 125)),
    ],
)  # fmt: skip
def test_each_colour_has_its_name(name, bgr):
    picture = np.full((40, 40, 3), bgr, np.uint8)
    shares = named_colours(picture, np.array([[0, 0, 40, 40]]))[0]
    assert shares[COLOUR_ATTRIBUTES.index(f"upper:{name}")] == 1
    assert shares[COLOUR_ATTRIBUTES.index(f"lower:{name}")] == 1


def test_upper_and_lower_half_are_told_apart():
    picture = np.zeros((60, 40, 3), np.uint8)
    picture[:30], picture[30:] = (30, 30, 210), (210, 90, 30)
    shares = named_colours(picture, np.array([[5, 10, 35, 50]]))[0]
    assert shares[COLOUR_ATTRIBUTES.index("upper:red")] == 1
    assert shares[COLOUR_ATTRIBUTES.index("lower:blue")] == 1


@given(st.lists(st.tuples(*[st.floats(-50, 150)] * 4), max_size=5))
@settings(max_examples=30, deadline=None)
def test_colour_shares_are_distributions_wherever_the_box_lies(boxes):
    boxes = np.array(boxes).reshape(-1, 4)
    picture = _picture()
    for shares in (named_colours(picture, boxes), lab_histograms(picture, boxes)):
        assert (shares >= 0).all()
        np.testing.assert_allclose(shares.reshape(len(boxes), 2, shares.shape[1] // 2).sum(2), 1, rtol=1e-5)


# --- OpenCV DNN --------------------------------------------------------------------------------------------------


def _field(number, value):
    """One protobuf field: an int as varint, bytes as a length-delimited field."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _tensor(name, array):
    kind = 7 if array.dtype == np.int64 else 1
    dims = b"".join(_field(1, int(n)) for n in array.shape)
    return dims + _field(2, kind) + _field(8, name) + _field(9, np.ascontiguousarray(array).tobytes())


def _value(name, shape):
    dims = b"".join(_field(1, _field(1, n)) for n in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, dims)))


def _node(kind, inputs, output):
    return b"".join(_field(1, i) for i in inputs) + _field(2, output) + _field(4, kind)


def constant_network(path, answer, side):
    """An ONNX file that answers `answer` whatever the picture: the mean pixel times 0, plus a constant."""
    flat = answer.reshape(1, -1, 1, 1).astype(np.float32)
    nodes = [
        _node(b"GlobalAveragePool", [b"x"], b"mean"),
        _node(b"Conv", [b"mean", b"zero"], b"nothing"),
        _node(b"Add", [b"nothing", b"answer"], b"flat"),
        _node(b"Reshape", [b"flat", b"shape"], b"y"),
    ]
    constants = {
        b"zero": np.zeros((flat.shape[1], 3, 1, 1), np.float32),
        b"answer": flat,
        b"shape": np.array(answer.shape, np.int64),
    }
    graph = b"".join(_field(1, n) for n in nodes) + _field(2, b"g")
    graph += b"".join(_field(5, _tensor(name, array)) for name, array in constants.items())
    graph += _field(11, _value(b"x", (1, 3, side, side))) + _field(12, _value(b"y", answer.shape))
    path.write_bytes(_field(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _field(2, 13)))
    return path


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
    picture = _picture(height=80, width=160)
    (regions,) = detector.detect([picture], **LOOSE | {"score_threshold": 0.3})
    _check(regions, detector, picture, 20)
    np.testing.assert_allclose(regions["box"], [[40, 10, 120, 30]], atol=0.01)
    np.testing.assert_allclose(regions["score"], [0.9**0.6 * 0.8**0.4], rtol=1e-5)
    assert detector.class_names[regions["class_prob"][0].argmax()] == "b"
    assert np.linalg.norm(regions["feature"][0].astype(float)) == pytest.approx(1, abs=0.01)
    assert detector.feature_dim == 3 + HISTOGRAM_DIM and detector.attribute_names == COLOUR_ATTRIBUTES


def test_yolov8_layout_keeps_the_proportions(tmp_path):
    answer = np.zeros((1, 7, 5), np.float32)
    answer[0, :, 0] = (32, 16, 16, 8, 0.1, 0.2, 0.7)  # in pixels of the 64 x 64 input, half of which is filled
    answer[0, :, 1] = (33, 16, 16, 8, 0.1, 0.6, 0.2)  # nearly the same box, another class: suppressed
    detector = _dnn(tmp_path, answer, "yolov8")
    picture = _picture(height=80, width=160)
    (regions,) = detector.detect([picture], **LOOSE | {"score_threshold": 0.05})
    _check(regions, detector, picture, 20)
    np.testing.assert_allclose(regions["box"], [[60, 30, 100, 50]], atol=0.01)
    np.testing.assert_allclose(regions["class_prob"][0], [0.1, 0.2, 0.7], atol=1e-3)


def test_ssd_layout(tmp_path):
    answer = np.full((1, 1, 4, 7), -1, np.float32)
    answer[0, 0, 0] = (0, 2, 0.8, 0.25, 0.5, 0.75, 1.2)
    answer[0, 0, 1] = (0, 3, 0.4, 0.0, 0.0, 0.2, 0.2)
    detector = _dnn(tmp_path, answer, "ssd")
    picture = _picture(height=100, width=200)
    (regions,) = detector.detect([picture], **LOOSE | {"score_threshold": 0.1})
    _check(regions, detector, picture, 20)
    np.testing.assert_allclose(regions["box"], [[50, 50, 150, 100], [0, 0, 40, 20]], atol=0.01)
    np.testing.assert_allclose(regions["class_prob"][0], [0.1, 0.8, 0.1], atol=1e-3)
    (best,) = detector.detect([picture], **LOOSE | {"top_k": 1})
    assert len(best["box"]) == 1
    (none,) = detector.detect([picture], **LOOSE | {"score_threshold": 0.9})
    _check(none, detector, picture, 0)


def test_ssd_class_beyond_the_names(tmp_path):
    answer = np.zeros((1, 1, 1, 7), np.float32)
    answer[0, 0, 0] = (0, 9, 0.8, 0.1, 0.1, 0.5, 0.5)
    with pytest.raises(InputError, match="answers class 9, there are 3 class names"):
        _dnn(tmp_path, answer, "ssd").detect([_picture()], **LOOSE)


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


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({}, "backend None is unknown; use one of detectron2, opencv_dnn"),
        ({"backend": "opencv_dnn", "layout": "ssd", "weights": "w"}, "needs classes, input_size"),
        ({"backend": "detectron2", "config": "c", "wieghts": "w"}, "wieghts is no setting of detectron2"),
    ],
)
def test_bad_blocks(tmp_path, block, message):
    with pytest.raises(InputError, match=message):
        load_detector(block, tmp_path)


def test_unknown_layout_and_bad_numbers(tmp_path):
    with pytest.raises(InputError, match="layout 'yolov9' is unknown; use one of fastestdet, yolov8, ssd"):
        _dnn(tmp_path, _fastestdet_answer(), "yolov9")
    with pytest.raises(InputError, match="not a number"):
        _dnn(tmp_path, _fastestdet_answer(), "fastestdet", scale="big")
    with pytest.raises(InputError, match="input_size must be above 0"):
        _dnn(tmp_path, _fastestdet_answer(), "fastestdet", input_size=0)


def test_names_take_the_first_synonym(tmp_path):
    (tmp_path / "names").write_text("yolk\nbathtub,bath tub\n\n dog \n")
    assert read_names(tmp_path / "names") == ("yolk", "bathtub", "dog")


_BOXES = st.lists(st.tuples(*[st.integers(0, 30)] * 4, st.integers(0, 9)), max_size=12)


@given(_BOXES, st.floats(0.1, 0.9), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_both_suppressions_equal_the_definition(rows, threshold, top_k):
    import torch

    from vcma.detection import detectron2_backend

    rows = np.array(rows, np.float32).reshape(-1, 5)
    boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], 1)
    scores = ((rows[:, 4] + np.arange(len(rows)) * 1e-3) / 10).astype(np.float32)  # no ties
    expected: list[int] = []
    for i in np.argsort(-scores):
        fit = (rows[i, 2:4] >= 4).all() and scores[i] > 0.2 and len(expected) < top_k
        if fit and all(opencv_backend._iou(boxes[i], boxes[[j]])[0] <= threshold for j in expected):
            expected.append(int(i))
    kept = opencv_backend._keep(boxes, scores, top_k, 0.2, threshold, 4)
    assert kept.tolist() == expected
    kept = detectron2_backend._keep(torch.from_numpy(boxes), torch.from_numpy(scores), top_k, 0.2, threshold, 4)
    assert kept.tolist() == expected


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
        (regions,) = detector.detect([picture], **LOOSE | {"score_threshold": 0.5, "top_k": 30})
        _check(regions, detector, picture, 30)
        found[video] = {detector.class_names[p.argmax()] for p in regions["class_prob"]}
    assert {"person", "car"} <= found["8665030691"]
    assert found["4240545211"] & {"person", "bicycle"}


# --- detectron2 --------------------------------------------------------------------------------------------------

_NARROW = """
MODEL:
  RESNETS: {STEM_OUT_CHANNELS: 8, RES2_OUT_CHANNELS: 16, WIDTH_PER_GROUP: 8}
  RPN: {PRE_NMS_TOPK_TEST: 60, POST_NMS_TOPK_TEST: 30}
"""
FPN = (
    "_BASE_: {root}/envs/detectors/coco_r50_fpn.yaml"
    + _NARROW
    + """
  FPN: {OUT_CHANNELS: 16}
  ROI_BOX_HEAD: {FC_DIM: 24}
INPUT: {MIN_SIZE_TEST: 64}
"""
)
C4 = (
    "_BASE_: {root}/envs/detectors/vg_r101_c4.yaml"
    + _NARROW
    + """
  ROI_BOX_HEAD: {POOLER_RESOLUTION: 4}
  ROI_ATTRIBUTE_HEAD: {OBJ_EMBED_DIM: 6, FC_DIM: 8}
INPUT: {MIN_SIZE_TEST: 64}
"""
)


def _model(folder, text, classes, attributes=0, spread=10.0):
    """A narrow model of a ready configuration, random weights; its heads are opinionated, as trained ones are."""
    import torch

    from vcma.detection import detectron2_backend

    (folder / "model.yaml").write_text(text.replace("{root}", str(ROOT)))
    (folder / "classes").write_text("\n".join(f"class {i}" for i in range(classes)))
    (folder / "attributes").write_text("\n".join(f"attribute {i}" for i in range(attributes)))
    cfg = detectron2_backend.read_config("model.yaml", folder)
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = classes
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.NUM_CLASSES = attributes
    torch.manual_seed(0)
    model = detectron2_backend.build_model(cfg, "cpu").eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "cls_score.weight" in name or "attr_score.weight" in name:
                weight.mul_(spread)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
            if name.endswith("conv3.norm.weight"):
                buffer.mul_(0.2)  # else a hundred untrained layers overflow
    return model


def _zoo_pickle(model, path):
    arrays = {name: value.numpy() for name, value in model.state_dict().items()}
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "nobody"}))


def _block(**more):
    return {"backend": "detectron2", "config": "model.yaml", "weights": "model.pkl", "classes": "classes"} | more


@pytest.fixture(scope="module")
def fpn(tmp_path_factory):
    """COCO's R50-FPN, narrow: its folder and detector."""
    folder = tmp_path_factory.mktemp("fpn")
    _zoo_pickle(_model(folder, FPN, 80), folder / "model.pkl")
    return folder, load_detector(_block(), folder)


@pytest.fixture(scope="module")
def visual_genome(tmp_path_factory):
    """The Visual Genome detector, narrow: its folder and detector, from weights of the public layout."""
    folder = tmp_path_factory.mktemp("vg")
    _zoo_pickle(_model(folder, C4, 30, 7), folder / "model.pkl")
    return folder, load_detector(_block(attributes="attributes"), folder)


def test_pyramid_without_attribute_head_tells_colours(fpn):
    _, detector = fpn
    picture = _picture()
    (regions,) = detector.detect([picture], **LOOSE)
    _check(regions, detector, picture, 20)
    assert len(regions["box"]) > 3
    assert detector.attribute_names == COLOUR_ATTRIBUTES and detector.feature_dim == 24
    np.testing.assert_allclose(regions["attribute_prob"], named_colours(picture, regions["box"]), atol=1e-3)


def test_c4_with_attribute_head(visual_genome):
    _, detector = visual_genome
    picture = _picture()
    (regions,) = detector.detect([picture], **LOOSE)
    _check(regions, detector, picture, 20)
    assert len(regions["box"]) > 1
    assert detector.attribute_names == tuple(f"attribute {i}" for i in range(7))
    assert (regions["attribute_prob"].astype(float).sum(1) < 1).all()  # "none" takes its share


@pytest.mark.parametrize("which", ["fpn", "visual_genome"])
def test_answers_are_those_of_detectron2_itself(which, request, tmp_path):
    """Boxes, scores and classes agree with the model's own inference, whose suppression is per class."""
    import torch

    from vcma.detection import detectron2_backend
    from vcma.detection.weights import read_checkpoint

    folder, detector = request.getfixturevalue(which)
    picture = _picture(3)
    cfg = detectron2_backend.read_config("model.yaml", folder)
    classes = len(detector.class_names)
    cfg.MODEL.ROI_HEADS.NUM_CLASSES, cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = classes, 0.0
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.NUM_CLASSES = len(detector.attribute_names) if which != "fpn" else 0
    cfg.TEST.DETECTIONS_PER_IMAGE = 5000
    cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST = 1.0
    model = detectron2_backend.build_model(cfg, "cpu").eval()
    detectron2_backend.fill(model, read_checkpoint(folder / "model.pkl"), folder)
    height, width = picture.shape[:2]
    with torch.no_grad(), detectron2_backend.without_old_warnings():
        theirs = model([{"image": detector._tensor(picture), "height": height, "width": width}])[0]["instances"]
    (ours,) = detector.detect([picture], **LOOSE | {"nms_threshold": 1.0, "top_k": 50, "min_size": 0.01})
    score, box, label = theirs.scores.numpy(), theirs.pred_boxes.tensor.numpy(), theirs.pred_classes.numpy()
    assert len(ours["box"]) > 3
    for i in range(len(ours["box"])):
        same = np.flatnonzero(np.abs(box - ours["box"][i]).max(1) < 0.02)
        assert len(same)
        best = same[score[same].argmax()]
        assert score[best] == pytest.approx(ours["score"][i], abs=1e-3)
        assert label[best] == ours["class_prob"][i].argmax() or np.ptp(np.sort(ours["class_prob"][i])[-2:]) < 1e-3


@pytest.mark.parametrize("which", ["fpn", "visual_genome"])
def test_batches_and_order_change_nothing(which, request):
    _, detector = request.getfixturevalue(which)
    pictures = [_picture(0), _picture(1), _picture(2, 80, 80), _picture(3)]
    together, again = detector.detect(pictures, **LOOSE), detector.detect(pictures, **LOOSE)
    alone = [detector.detect([picture], **LOOSE)[0] for picture in pictures]
    for a, b, c in zip(together, again, alone, strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
            size = 100 if name == "box" else 1  # pixels; everything else is of the order of 1
            np.testing.assert_allclose(a[name].astype(float) / size, c[name].astype(float) / size, 1e-3, 1e-3)
    assert detector.detect([], **LOOSE) == []


def test_limits_are_kept(fpn):
    _, detector = fpn
    picture = _picture()
    (regions,) = detector.detect([picture], **LOOSE | {"min_size": 40})
    assert (regions["box"][:, 2:] - regions["box"][:, :2]).min(initial=99) >= 40
    (regions,) = detector.detect([picture], **LOOSE | {"score_threshold": 1.0})
    _check(regions, detector, picture, 0)


def test_public_layout_of_the_visual_genome_weights():
    """Layer names and shapes of bottom-up attention's detector, at full size (no memory is taken for them)."""
    from vcma.detection import detectron2_backend

    cfg = detectron2_backend.read_config("envs/detectors/vg_r101_c4.yaml", ROOT)
    shapes = {k: tuple(v.shape) for k, v in detectron2_backend.build_model(cfg, "meta").state_dict().items()}
    expected = {
        "backbone.stem.conv1.weight": (64, 3, 7, 7),
        "backbone.res4.22.conv3.weight": (1024, 256, 1, 1),
        "proposal_generator.rpn_head.conv.weight": (512, 1024, 3, 3),
        "proposal_generator.rpn_head.objectness_logits.weight": (12, 512, 1, 1),
        "roi_heads.res5.0.shortcut.weight": (2048, 1024, 1, 1),
        "roi_heads.box_predictor.cls_score.weight": (1601, 2048),
        "roi_heads.box_predictor.bbox_pred.weight": (6400, 2048),
        "roi_heads.box_predictor.cls_embedding.weight": (1601, 256),
        "roi_heads.box_predictor.fc_attr.weight": (512, 2304),
        "roi_heads.box_predictor.attr_score.weight": (401, 512),
    }
    assert {name: shapes.get(name) for name in expected} == expected


def test_public_layout_of_the_coco_weights():
    from vcma.detection import detectron2_backend

    cfg = detectron2_backend.read_config("envs/detectors/coco_r50_fpn.yaml", ROOT)
    shapes = {k: tuple(v.shape) for k, v in detectron2_backend.build_model(cfg, "meta").state_dict().items()}
    assert shapes["backbone.bottom_up.res5.2.conv3.weight"] == (2048, 512, 1, 1)
    assert shapes["backbone.fpn_output5.weight"] == (256, 256, 3, 3)
    assert shapes["roi_heads.box_head.fc2.weight"] == (1024, 1024)
    assert shapes["roi_heads.box_predictor.cls_score.weight"] == (81, 1024)
    assert len(detectron2_backend._catalogued(cfg)) == 80


def test_the_other_public_spelling_of_attribute_layers(visual_genome, tmp_path):
    import torch

    folder, detector = visual_genome
    data = pickle.loads((folder / "model.pkl").read_bytes())  # written above
    swapped = {
        "box_predictor.cls_embedding": "attribute_predictor.obj_embed",
        "box_predictor.fc_attr": "attribute_predictor.fc.0",
        "box_predictor.attr_score": "attribute_predictor.attr_score",
    }
    state = {}
    for name, value in data["model"].items():
        for old, new in swapped.items():
            name = name.replace(old, new)
        state[name] = torch.from_numpy(value)
    torch.save(state, folder / "other.pth")
    other = load_detector(_block(attributes="attributes", weights="other.pth"), folder)
    for a, b in zip(detector.detect([_picture()], **LOOSE), other.detect([_picture()], **LOOSE), strict=True):
        np.testing.assert_array_equal(a["attribute_prob"], b["attribute_prob"])
    assert other.fingerprint != detector.fingerprint


def test_fingerprint_follows_content_not_place(fpn, tmp_path):
    folder, detector = fpn
    for name in ("model.yaml", "model.pkl", "classes"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert load_detector(_block(), tmp_path).fingerprint == detector.fingerprint
    (tmp_path / "classes").write_text("\n".join(f"thing {i}" for i in range(80)))
    assert load_detector(_block(), tmp_path).fingerprint != detector.fingerprint
    assert cached_detector(_block(), tmp_path) is cached_detector(_block(), tmp_path)


def test_weights_that_do_not_fit_are_refused(fpn):
    folder, _ = fpn
    (folder / "few").write_text("a\nb")
    with pytest.raises(InputError, match=r"cls_score\.weight is 81 x 24 in the weights, 3 x 24 by"):
        load_detector(_block(classes="few"), folder)
    data = pickle.loads((folder / "model.pkl").read_bytes())  # written above
    del data["model"]["backbone.fpn_output5.weight"]
    (folder / "part.pkl").write_bytes(pickle.dumps(data))
    with pytest.raises(
        InputError, match=r"lack 1 layers of the configuration, first backbone\.fpn_output5\.weight"
    ):
        load_detector(_block(weights="part.pkl"), folder)


class _Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
def test_pickles_run_no_code(fpn, suffix, monkeypatch, tmp_path):
    folder, _ = fpn
    monkeypatch.chdir(tmp_path)
    (folder / f"harmful{suffix}").write_bytes(pickle.dumps({"model": {"a": np.zeros(2)}, "x": _Harmful()}))
    with pytest.raises(InputError, match="cannot read these weights"):
        load_detector(_block(weights=f"harmful{suffix}"), folder)
    assert not (tmp_path / "harm").exists()


def test_pickles_of_python_2_are_read(tmp_path):
    """Protocol 2 writes arrays through `_codecs.encode` and NumPy's former module names."""
    from vcma.detection.weights import read_checkpoint

    data = pickle.dumps({"model": {"w": np.arange(3, dtype=np.float32)}, "__author__": "x"}, protocol=2)
    (tmp_path / "old.pkl").write_bytes(data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "old.pkl")["model"]["w"], [0, 1, 2])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file", b"\x80\x02}", pickle.dumps([1, 2])])
@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
def test_damaged_weights(fpn, content, suffix):
    folder, _ = fpn
    (folder / f"damaged{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=rf"damaged{suffix}: .*; "):
        load_detector(_block(weights=f"damaged{suffix}"), folder)


def test_truncated_checkpoint(tmp_path, fpn):
    import torch

    folder, _ = fpn
    torch.save({"model": {"a": torch.zeros(1000)}}, folder / "whole.pth")
    (folder / "half.pth").write_bytes((folder / "whole.pth").read_bytes()[:1500])
    with pytest.raises(InputError, match=r"half\.pth"):
        load_detector(_block(weights="half.pth"), folder)


def test_bad_configurations(tmp_path, fpn):
    folder, _ = fpn
    with pytest.raises(InputError, match=r"no\.yaml: detectron2 configuration not found"):
        load_detector(_block(config="no.yaml"), folder)
    with pytest.raises(InputError, match=r"missing\.pkl: detector weights not found"):
        load_detector(_block(weights="missing.pkl"), folder)
    for text in ("MODEL: {NO_SUCH_KEY: 1}", "MODEL: [", "42", "MODEL: !!python/object/apply:os.getcwd []"):
        (folder / "bad.yaml").write_text(text)
        with pytest.raises(InputError, match=r"bad\.yaml: not a detectron2 configuration"):
            load_detector(_block(config="bad.yaml"), folder)
    (folder / "bad.yaml").write_text("VERSION: 2\nMODEL: {META_ARCHITECTURE: RetinaNet}")
    with pytest.raises(InputError):
        load_detector(_block(config="bad.yaml"), folder)


def test_names_are_asked_for(visual_genome):
    folder, _ = visual_genome
    with pytest.raises(InputError, match=r"names no attributes; add attributes: FILE"):
        load_detector(_block(), folder)
    with pytest.raises(InputError, match=r"names no classes; add classes: FILE"):
        load_detector({"backend": "detectron2", "config": "model.yaml", "weights": "model.pkl"}, folder)


def test_urls_go_through_the_path_manager(fpn, monkeypatch):
    from detectron2.utils.file_io import PathManager

    folder, detector = fpn
    asked = []

    def local(path, **_):
        asked.append(path)
        return str(folder / "model.pkl")

    monkeypatch.setattr(PathManager, "get_local_path", local)
    loaded = load_detector(_block(weights="detectron2://some/where.pkl"), folder)
    assert asked == ["detectron2://some/where.pkl"] and loaded.fingerprint == detector.fingerprint

    def refuse(path, **_):
        raise OSError("no route")

    monkeypatch.setattr(PathManager, "get_local_path", refuse)
    with pytest.raises(InputError, match="cannot be fetched: no route; fetch it yourself"):
        load_detector(_block(weights="detectron2://some/where.pkl"), folder)


def test_zoo_names(fpn, monkeypatch):
    """A name is looked up in the zoo of the installed detectron2, with its trained weights."""
    from vcma.detection import detectron2_backend

    folder, detector = fpn

    class Zoo:
        get_config_file = staticmethod(lambda name: str(folder / "model.yaml"))
        get_checkpoint_url = staticmethod(lambda name: str(folder / "model.pkl"))

    monkeypatch.setattr(detectron2_backend, "_zoo", lambda: Zoo)
    loaded = load_detector(
        {"backend": "detectron2", "config": "COCO-Detection/x.yaml", "classes": "classes"}, folder
    )
    assert loaded.fingerprint == detector.fingerprint


def test_shim_acts_only_where_the_extension_is_missing():
    code = (
        "import sys, types, PIL.Image; import detectron2; real = types.ModuleType('detectron2._C');"
        "sys.modules['detectron2._C'] = detectron2._C = real; PIL.Image.LINEAR = 'theirs';"
        "from vcma.detection.detectron2_backend import import_detectron2; import_detectron2();"
        "assert sys.modules['detectron2._C'] is real and PIL.Image.LINEAR == 'theirs'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_import_takes_no_heavy_library():
    code = "import sys, vcma.detection.base; assert not {'torch', 'cv2', 'detectron2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)
