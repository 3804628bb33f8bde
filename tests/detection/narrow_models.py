"""Faster R-CNNs of the ready configurations, narrow and of random weights."""

import pickle

import torch

from tests.conftest import ROOT
from vcma.detection.detectron2_config import read_config
from vcma.detection.detectron2_model import build_model

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


def narrow_model(folder, text, classes, attributes=0, spread=10.0, seed=0):
    """A narrow model of a ready configuration, random weights; its heads are opinionated, as trained ones are."""
    (folder / "model.yaml").write_text(text.replace("{root}", str(ROOT)))
    (folder / "classes").write_text("\n".join(f"class {i}" for i in range(classes)))
    (folder / "attributes").write_text("\n".join(f"attribute {i}" for i in range(attributes)))
    cfg = read_config("model.yaml", folder)
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = classes
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.NUM_CLASSES = attributes
    torch.manual_seed(seed)
    model = build_model(cfg, "cpu").eval()
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


def zoo_pickle(model, path):
    """The weights as detectron2's model zoo stores them."""
    arrays = {name: value.numpy() for name, value in model.state_dict().items()}
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "nobody"}))


def narrow_block(**more):
    """The `detector:` block of `narrow_model`'s files."""
    return {"backend": "detectron2", "config": "model.yaml", "weights": "model.pkl", "classes": "classes"} | more
