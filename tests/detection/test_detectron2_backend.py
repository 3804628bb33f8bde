"""detectron2's detectors: both heads, the public layouts, weights and configurations that do not fit."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.conftest import ROOT
from tests.detection.narrow_models import C4, FPN, narrow_block, narrow_model, zoo_pickle
from tests.detection.networks import LIMITS, check_regions, random_picture
from vcma.detection import detectron2_config
from vcma.detection.colours import COLOUR_ATTRIBUTES, named_colours
from vcma.detection.detectron2_config import catalogued_classes, read_config, without_old_warnings
from vcma.detection.detectron2_model import build_model, fill
from vcma.detection.registry import cached_detector, load_detector
from vcma.detection.weights import read_checkpoint
from vcma.errors import InputError


@pytest.fixture(scope="module")
def fpn(tmp_path_factory):
    """COCO's R50-FPN, narrow: its folder and detector."""
    folder = tmp_path_factory.mktemp("fpn")
    zoo_pickle(narrow_model(folder, FPN, 80), folder / "model.pkl")
    return folder, load_detector(narrow_block(), folder)


@pytest.fixture(scope="module")
def visual_genome(tmp_path_factory):
    """The Visual Genome detector, narrow: its folder and detector, from weights of the public layout."""
    folder = tmp_path_factory.mktemp("vg")
    zoo_pickle(narrow_model(folder, C4, 30, 7), folder / "model.pkl")
    return folder, load_detector(narrow_block(attributes="attributes"), folder)


def test_pyramid_without_attribute_head_tells_colours(fpn):
    _, detector = fpn
    picture = random_picture()
    (regions,) = detector.detect([picture], **LIMITS)
    check_regions(regions, detector, picture, 20)
    assert len(regions) > 3
    assert detector.attribute_names == COLOUR_ATTRIBUTES and detector.feature_dim == 24
    np.testing.assert_allclose(regions.attribute_prob, named_colours(picture, regions.box), atol=1e-3)


def test_c4_with_attribute_head(visual_genome):
    _, detector = visual_genome
    picture = random_picture()
    (regions,) = detector.detect([picture], **LIMITS)
    check_regions(regions, detector, picture, 20)
    assert len(regions) > 1
    assert detector.attribute_names == tuple(f"attribute {i}" for i in range(7))
    assert (regions.attribute_prob.astype(float).sum(1) < 1).all()  # "none" takes its share


@pytest.mark.parametrize("which", ["fpn", "visual_genome"])
def test_answers_are_those_of_detectron2_itself(which, request, tmp_path):
    """Boxes, scores and classes agree with the model's own inference, whose suppression is per class."""
    folder, detector = request.getfixturevalue(which)
    picture = random_picture(3)
    cfg = read_config("model.yaml", folder)
    classes = len(detector.class_names)
    cfg.MODEL.ROI_HEADS.NUM_CLASSES, cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = classes, 0.0
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.NUM_CLASSES = len(detector.attribute_names) if which != "fpn" else 0
    cfg.TEST.DETECTIONS_PER_IMAGE = 5000
    cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST = 1.0
    model = build_model(cfg, "cpu").eval()
    fill(model, read_checkpoint(folder / "model.pkl"), folder)
    height, width = picture.shape[:2]
    with torch.no_grad(), without_old_warnings():
        (image,) = detector._way.prepare([picture])
        theirs = model([{"image": image, "height": height, "width": width}])[0]["instances"]
    (ours,) = detector.detect([picture], **LIMITS | {"nms_threshold": 1.0, "top_k": 50, "min_size": 0.01})
    score, box, label = theirs.scores.numpy(), theirs.pred_boxes.tensor.numpy(), theirs.pred_classes.numpy()
    assert len(ours) > 3
    for i in range(len(ours)):
        same = np.flatnonzero(np.abs(box - ours.box[i]).max(1) < 0.02)
        assert len(same)
        best = same[score[same].argmax()]
        assert score[best] == pytest.approx(ours.score[i], abs=1e-3)
        assert label[best] == ours.class_prob[i].argmax() or np.ptp(np.sort(ours.class_prob[i])[-2:]) < 1e-3


@pytest.mark.parametrize("which", ["fpn", "visual_genome"])
def test_batches_and_order_change_nothing(which, request):
    _, detector = request.getfixturevalue(which)
    pictures = [random_picture(0), random_picture(1), random_picture(2, 80, 80), random_picture(3)]
    together, again = detector.detect(pictures, **LIMITS), detector.detect(pictures, **LIMITS)
    alone = [detector.detect([picture], **LIMITS)[0] for picture in pictures]
    for a, b, c in zip(together, again, alone, strict=True):
        for name in vars(a):
            first, second, single = (getattr(regions, name) for regions in (a, b, c))
            np.testing.assert_array_equal(first, second)
            size = 100 if name == "box" else 1  # pixels; everything else is of the order of 1
            np.testing.assert_allclose(first.astype(float) / size, single.astype(float) / size, 1e-3, 1e-3)
    assert detector.detect([], **LIMITS) == []


def test_limits_are_kept(fpn):
    _, detector = fpn
    picture = random_picture()
    (regions,) = detector.detect([picture], **LIMITS | {"min_size": 40})
    assert (regions.box[:, 2:] - regions.box[:, :2]).min(initial=99) >= 40
    (regions,) = detector.detect([picture], **LIMITS | {"score_threshold": 1.0})
    check_regions(regions, detector, picture, 0)


def test_public_layout_of_the_visual_genome_weights():
    """Layer names and shapes of bottom-up attention's detector, at full size (no memory is taken for them)."""
    cfg = read_config("envs/detectors/vg_r101_c4.yaml", ROOT)
    shapes = {k: tuple(v.shape) for k, v in build_model(cfg, "meta").state_dict().items()}
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
    cfg = read_config("envs/detectors/coco_r50_fpn.yaml", ROOT)
    shapes = {k: tuple(v.shape) for k, v in build_model(cfg, "meta").state_dict().items()}
    assert shapes["backbone.bottom_up.res5.2.conv3.weight"] == (2048, 512, 1, 1)
    assert shapes["backbone.fpn_output5.weight"] == (256, 256, 3, 3)
    assert shapes["roi_heads.box_head.fc2.weight"] == (1024, 1024)
    assert shapes["roi_heads.box_predictor.cls_score.weight"] == (81, 1024)
    assert len(catalogued_classes(cfg)) == 80


def test_the_other_public_spelling_of_attribute_layers(visual_genome, tmp_path):
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
    other = load_detector(narrow_block(attributes="attributes", weights="other.pth"), folder)
    for a, b in zip(
        detector.detect([random_picture()], **LIMITS), other.detect([random_picture()], **LIMITS), strict=True
    ):
        np.testing.assert_array_equal(a.attribute_prob, b.attribute_prob)
    assert other.fingerprint != detector.fingerprint


def test_fingerprint_follows_content_not_place(fpn, tmp_path):
    folder, detector = fpn
    for name in ("model.yaml", "model.pkl", "classes"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert load_detector(narrow_block(), tmp_path).fingerprint == detector.fingerprint
    (tmp_path / "classes").write_text("\n".join(f"thing {i}" for i in range(80)))
    assert load_detector(narrow_block(), tmp_path).fingerprint != detector.fingerprint
    assert cached_detector(narrow_block(), tmp_path) is cached_detector(narrow_block(), tmp_path)


def test_weights_that_do_not_fit_are_refused(fpn):
    folder, _ = fpn
    (folder / "few").write_text("a\nb")
    with pytest.raises(InputError, match=r"cls_score\.weight is 81 x 24 in the weights, but 3 x 24 by"):
        load_detector(narrow_block(classes="few"), folder)
    data = pickle.loads((folder / "model.pkl").read_bytes())  # written above
    del data["model"]["backbone.fpn_output5.weight"]
    (folder / "part.pkl").write_bytes(pickle.dumps(data))
    with pytest.raises(
        InputError,
        match=r"1 layers .* are missing in the weights, e\.g\. backbone\.fpn_output5\.weight",
    ):
        load_detector(narrow_block(weights="part.pkl"), folder)


class _Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
def test_pickles_run_no_code(fpn, suffix, monkeypatch, tmp_path):
    folder, _ = fpn
    monkeypatch.chdir(tmp_path)
    (folder / f"harmful{suffix}").write_bytes(pickle.dumps({"model": {"a": np.zeros(2)}, "x": _Harmful()}))
    with pytest.raises(InputError, match="cannot read these weights"):
        load_detector(narrow_block(weights=f"harmful{suffix}"), folder)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file", b"\x80\x02}", pickle.dumps([1, 2])])
@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
def test_damaged_weights(fpn, content, suffix):
    folder, _ = fpn
    (folder / f"damaged{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=rf"damaged{suffix}: .*; "):
        load_detector(narrow_block(weights=f"damaged{suffix}"), folder)


def test_truncated_checkpoint(tmp_path, fpn):
    folder, _ = fpn
    torch.save({"model": {"a": torch.zeros(1000)}}, folder / "whole.pth")
    (folder / "half.pth").write_bytes((folder / "whole.pth").read_bytes()[:1500])
    with pytest.raises(InputError, match=r"half\.pth"):
        load_detector(narrow_block(weights="half.pth"), folder)


def test_bad_configurations(tmp_path, fpn):
    folder, _ = fpn
    with pytest.raises(InputError, match=r"no\.yaml: detectron2 configuration not found"):
        load_detector(narrow_block(config="no.yaml"), folder)
    with pytest.raises(InputError, match=r"missing\.pkl: detector weights not found"):
        load_detector(narrow_block(weights="missing.pkl"), folder)
    for text in ("MODEL: {NO_SUCH_KEY: 1}", "MODEL: [", "42", "MODEL: !!python/object/apply:os.getcwd []"):
        (folder / "bad.yaml").write_text(text)
        with pytest.raises(InputError, match=r"bad\.yaml: not a detectron2 configuration"):
            load_detector(narrow_block(config="bad.yaml"), folder)
    (folder / "bad.yaml").write_text("VERSION: 2\nMODEL: {META_ARCHITECTURE: RetinaNet}")
    with pytest.raises(InputError):
        load_detector(narrow_block(config="bad.yaml"), folder)


def test_names_are_asked_for(visual_genome):
    folder, _ = visual_genome
    with pytest.raises(InputError, match=r"contains no attribute names; add attributes: FILE"):
        load_detector(narrow_block(), folder)
    with pytest.raises(InputError, match=r"contains no class names; add classes: FILE"):
        load_detector({"backend": "detectron2", "config": "model.yaml", "weights": "model.pkl"}, folder)


def test_urls_go_through_the_path_manager(fpn, monkeypatch):
    from detectron2.utils.file_io import PathManager

    folder, detector = fpn
    asked = []

    def local(path, **_):
        asked.append(path)
        return str(folder / "model.pkl")

    monkeypatch.setattr(PathManager, "get_local_path", local)
    loaded = load_detector(narrow_block(weights="detectron2://some/where.pkl"), folder)
    assert asked == ["detectron2://some/where.pkl"] and loaded.fingerprint == detector.fingerprint

    def refuse(path, **_):
        raise OSError("no route")

    monkeypatch.setattr(PathManager, "get_local_path", refuse)
    with pytest.raises(InputError, match="download failed: no route; download the file yourself"):
        load_detector(narrow_block(weights="detectron2://some/where.pkl"), folder)


def test_zoo_names(fpn, monkeypatch):
    """A name is looked up in the zoo of the installed detectron2, with its trained weights."""
    folder, detector = fpn

    class Zoo:
        get_config_file = staticmethod(lambda name: str(folder / "model.yaml"))
        get_checkpoint_url = staticmethod(lambda name: str(folder / "model.pkl"))

    monkeypatch.setattr(detectron2_config, "_zoo", lambda: Zoo)
    loaded = load_detector(
        {"backend": "detectron2", "config": "COCO-Detection/x.yaml", "classes": "classes"}, folder
    )
    assert loaded.fingerprint == detector.fingerprint


def test_shim_acts_only_where_the_extension_is_missing():
    code = (
        "import sys, types, PIL.Image; import detectron2; real = types.ModuleType('detectron2._C');"
        "sys.modules['detectron2._C'] = detectron2._C = real; PIL.Image.LINEAR = 'theirs';"
        "from vcma.detection.detectron2_config import import_detectron2; import_detectron2();"
        "assert sys.modules['detectron2._C'] is real and PIL.Image.LINEAR == 'theirs'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
