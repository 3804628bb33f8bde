"""Build a detectron2 model from a configuration, load its weights and fuse its batch normalisation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vcma.errors import InputError


def build_model(cfg: Any, device: str) -> Any:
    """Build the model of a configuration, with initial weights; raises InputError if it is not a Faster R-CNN."""
    from detectron2.modeling import build_model as build

    cfg.MODEL.DEVICE = device
    try:
        model = build(cfg)
    except (KeyError, AssertionError, ValueError) as error:
        raise InputError(
            f"detectron2 cannot build this configuration: {error}", "detector", "correct it"
        ) from error
    heads: Any = getattr(model, "roi_heads", None)
    predictor = getattr(heads, "box_predictor", None)
    if not (hasattr(heads, "box_pooler") or hasattr(heads, "res5")) or not hasattr(predictor, "cls_score"):
        raise InputError(
            f"{cfg.MODEL.META_ARCHITECTURE} with {cfg.MODEL.ROI_HEADS.NAME} is not a Faster R-CNN",
            "detector",
            "use a GeneralizedRCNN with StandardROIHeads or Res5ROIHeads",
        )
    return model


def fill(model: Any, checkpoint: dict[str, Any], path: Path) -> None:
    """Load the weights with detectron2's checkpointer; raises InputError for missing layers and wrong shapes."""
    from detectron2.checkpoint import DetectionCheckpointer

    content = {
        "model": dict(checkpoint["model"]),
        "__author__": "Caffe2" if checkpoint["caffe2"] else "",
        "matching_heuristics": checkpoint["heuristic"],
    }
    logging.getLogger("detectron2.checkpoint.c2_model_loading").setLevel(logging.ERROR)
    result = DetectionCheckpointer(model)._load_model(content)
    if result.incorrect_shapes:
        name, found, wanted = result.incorrect_shapes[0]
        raise InputError(
            f"{name} is {_shape(found)} in the weights, but {_shape(wanted)} by configuration and names",
            path,
            "check that the configuration and the class and attribute names belong to these weights",
        )
    missing = [name for name in result.missing_keys if not name.endswith("num_batches_tracked")]
    if missing:
        raise InputError(
            f"{len(missing)} layers of the configuration are missing in the weights, e.g. {missing[0]}",
            path,
            "check that the configuration belongs to these weights",
        )


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def fuse_norms(model: Any) -> None:
    """Fold each batch normalisation into the preceding convolution: the same function, computed faster."""
    import torch

    for layer in model.modules():
        norm: Any = getattr(layer, "norm", None)
        if isinstance(layer, torch.nn.Conv2d) and hasattr(norm, "running_var"):
            scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
            bias = layer.bias if layer.bias is not None else 0
            layer.bias = torch.nn.Parameter((norm.bias + (bias - norm.running_mean) * scale).detach())
            layer.weight = torch.nn.Parameter((layer.weight * scale[:, None, None, None]).detach())
            layer.norm = None  # type: ignore[assignment]
