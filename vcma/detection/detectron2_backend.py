"""Detectors for detectron2: any Faster R-CNN it can build, with feature pyramid or C4 heads.

The PyPI build of detectron2 lacks its C++ part; nothing a Faster R-CNN needs is in it (NMS and RoI pooling are
torchvision's), so an empty module stands in, only where the real one is missing.

The score of a region is the greatest softmax probability of a class, background competing; its class
distribution is that softmax without the background, renormalised: the score says whether, the distribution what.
Features are the box head's, of the proposals the kept boxes came from: backbone and heads run once. Attributes
come from the attribute head where the weights have one, else they are colours named from the pixels.
"""

from __future__ import annotations

import importlib
import itertools
import json
import logging
import sys
import types
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vcma.detection.base import Regions, existing_file, fingerprint, read_names, resolve
from vcma.detection.colours import COLOUR_ATTRIBUTES, named_colours
from vcma.detection.weights import read_checkpoint
from vcma.errors import InputError

_VERSION = 1  # part of the fingerprint: raise it when the same weights would give other answers


def import_detectron2() -> types.ModuleType:
    """Import detectron2 with the project's parts registered, C++ part or not: the module `detectron2_heads`."""
    import PIL.Image

    try:
        import detectron2
        import torch  # noqa: F401 - detectron2's C++ part needs its libraries loaded
    except ImportError as error:
        raise InputError(
            f"detectron2 or torch cannot be imported: {error}", "detector", "install it as the README says"
        ) from error
    try:
        importlib.import_module("detectron2._C")
    except ImportError:
        detectron2._C = sys.modules["detectron2._C"] = types.ModuleType("detectron2._C")
    if not hasattr(PIL.Image, "LINEAR"):
        PIL.Image.LINEAR = PIL.Image.BILINEAR  # type: ignore[attr-defined]
    with without_old_warnings():
        from vcma.detection import detectron2_heads as rcnn
    return rcnn


@contextmanager
def without_old_warnings() -> Iterator[None]:
    """Silence the deprecations that detectron2 0.6 is older than, and no others."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit\.script", FutureWarning)
        warnings.filterwarnings("ignore", r"torch\.meshgrid", UserWarning)
        warnings.filterwarnings("ignore", r"(?s).*pkg_resources is deprecated", UserWarning)
        yield


class DetectronDetector:
    """A built model; see vcma.detection.base for what `detect` answers."""

    def __init__(
        self,
        model: Any,
        cfg: Any,
        class_names: tuple[str, ...],
        attribute_names: tuple[str, ...],
        identity: str,
    ):
        from detectron2.data.transforms import ResizeShortestEdge

        self.class_names = class_names
        self.has_attribute_head = hasattr(model.roi_heads.box_predictor, "attributes")
        self.attribute_names = attribute_names if self.has_attribute_head else COLOUR_ATTRIBUTES
        self.feature_dim = model.roi_heads.box_predictor.cls_score.in_features
        self.fingerprint = identity
        self._model = model
        self._rgb = cfg.INPUT.FORMAT == "RGB"
        self._resize = ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)

    def detect(
        self,
        pictures: Sequence[np.ndarray],
        *,
        top_k: int,
        score_threshold: float,
        nms_threshold: float,
        min_size: float,
    ) -> list[Regions]:
        """Regions of each picture; neighbours of one size share a forward pass."""
        import torch

        answers: list[Regions] = []
        with torch.inference_mode(), without_old_warnings():
            for _, run in itertools.groupby(pictures, key=lambda picture: picture.shape):
                same = list(run)
                for picture, found in zip(same, self._forward(same), strict=True):
                    kept = _keep(found["box"], found["score"], top_k, score_threshold, nms_threshold, min_size)
                    answers.append(self._describe(picture, {key: value[kept] for key, value in found.items()}))
        return answers

    def _forward(self, pictures: list[np.ndarray]) -> Iterator[dict[str, Any]]:
        """All regions of pictures of one size as tensors: box (in their pixels), score, logits, feature."""
        import torch

        model = self._model
        images = model.preprocess_image([{"image": self._tensor(picture)} for picture in pictures])
        maps = model.backbone(images.tensor)
        proposals, _ = model.proposal_generator(images, maps, None)
        features = _box_features(model.roi_heads, maps, [p.proposal_boxes for p in proposals])
        predictions = model.roi_heads.box_predictor(features)
        boxes = model.roi_heads.box_predictor.predict_boxes(predictions, proposals)
        counts = [len(p) for p in proposals]
        height, width = pictures[0].shape[:2]
        scale = torch.tensor([width, height] * 2, device=features.device) / torch.tensor(
            images.image_sizes[0][::-1] * 2, device=features.device
        )
        rows = zip(boxes, predictions[0].split(counts), features.split(counts), strict=True)
        for box, logits, feature in rows:
            score, label = logits.softmax(1)[:, :-1].max(1)
            per_class = box.view(len(box), box.shape[1] // 4, 4)  # one box a region, or one a class
            chosen = label if per_class.shape[1] > 1 else torch.zeros_like(label)
            box = per_class[torch.arange(len(label), device=label.device), chosen] * scale
            box = torch.minimum(box.clamp(min=0), scale.new_tensor([width, height] * 2))
            yield {"box": box, "score": score, "logits": logits, "feature": feature}

    def _tensor(self, picture: np.ndarray) -> Any:
        """The network's input: resized as in testing, (3, h, w), in the channel order it was trained on."""
        import torch

        resized = self._resize.get_transform(picture).apply_image(picture)
        resized = resized[:, :, ::-1] if self._rgb else resized
        return torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1), np.float32))

    def _describe(self, picture: np.ndarray, kept: dict[str, Any]) -> Regions:
        foreground = kept["logits"][:, :-1]
        box = kept["box"].cpu().numpy()
        if self.has_attribute_head:
            predictor = self._model.roi_heads.box_predictor
            attributes = predictor.attributes(kept["feature"], foreground.argmax(1)).cpu().numpy()
        else:
            attributes = named_colours(picture, box)
        return {
            "box": box.astype(np.float32),
            "score": kept["score"].cpu().numpy().astype(np.float32),
            "class_prob": foreground.softmax(1).cpu().numpy().astype(np.float16),
            "attribute_prob": attributes.astype(np.float16),
            "feature": kept["feature"].cpu().numpy().astype(np.float16),
        }


def _box_features(heads: Any, maps: dict[str, Any], boxes: list) -> Any:
    """Box-head features (R, D) of all proposals: what the box predictor is given."""
    if hasattr(heads, "res5"):
        return heads._shared_roi_transform([maps[name] for name in heads.in_features], boxes).mean(dim=(2, 3))
    return heads.box_head(heads.box_pooler([maps[name] for name in heads.box_in_features], boxes)).flatten(1)


def _keep(box: Any, score: Any, top_k: int, score_threshold: float, nms_threshold: float, min_size: float) -> Any:
    """Rows kept by score, size and class-agnostic non-maximum suppression, best first."""
    from torchvision.ops import nms

    sides = (box[:, 2:] - box[:, :2]).amin(1)
    fit = box.isfinite().all(1) & (score > score_threshold) & (sides >= min_size) & (sides > 0)
    rows = fit.nonzero()[:, 0]
    return rows[nms(box[rows], score[rows], nms_threshold)[:top_k]]


def load(settings: Mapping[str, Any], root: Path, device: str) -> DetectronDetector:
    """Build the model of a configuration and fill it with weights; raises InputError with what does not fit."""
    import torch

    import_detectron2()
    cfg = read_config(settings["config"], root)
    weights = _weights_file(settings.get("weights"), cfg.MODEL.WEIGHTS, root)
    checkpoint = read_checkpoint(weights)
    classes = _names(settings, "classes", root) or checkpoint["class_names"] or _catalogued(cfg)
    attributes = _names(settings, "attributes", root) or checkpoint["attribute_names"]
    if not classes:
        raise InputError("names no classes", weights, "add classes: FILE, one name a line, to the detector: block")
    # Many detectors exist in both kinds: what the weights hold decides.
    cfg.MODEL.ATTRIBUTE_ON &= any(".attr_score." in name for name in checkpoint["model"])
    if cfg.MODEL.ATTRIBUTE_ON and not attributes:
        raise InputError("names no attributes", weights, "add attributes: FILE to the detector: block")
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = len(classes)
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.NUM_CLASSES = len(attributes)
    model = build_model(cfg, device)
    fill(model, checkpoint, weights)
    _fuse_norms(model)
    if device == "cpu":
        model.to(memory_format=torch.channels_last)  # a quarter faster there
    description = _described(settings["config"], root, cfg) + repr((classes, attributes))
    identity = fingerprint("detectron2", description, weights)
    return DetectronDetector(model.eval(), cfg, classes, attributes, identity)


def read_config(config: str, root: Path) -> Any:
    """A detectron2 configuration from a YAML file, or by name from the model zoo of the installed detectron2."""
    import yaml
    from detectron2.config import get_cfg

    rcnn = import_detectron2()
    file, from_zoo = _config_file(config, root)
    cfg = get_cfg()
    rcnn.add_keys(cfg)
    problems = (KeyError, ValueError, AssertionError, TypeError, AttributeError, OSError, yaml.YAMLError)
    try:
        cfg.merge_from_file(str(file), allow_unsafe=False)
    except problems as error:
        raise InputError(
            f"not a detectron2 configuration: {error}", file, "start from one of envs/detectors"
        ) from error
    if from_zoo:
        cfg.MODEL.WEIGHTS = _zoo_weights(config)  # the file itself names those the training began with
    cfg.MODEL.MASK_ON = cfg.MODEL.KEYPOINT_ON = False  # only boxes are wanted: their weights are left unread
    return cfg


def _config_file(config: str, root: Path) -> tuple[Path, bool]:
    """The file of a configuration, and whether it is the zoo's."""
    zoo = None if resolve(config, root).is_file() else _zoo_config(config)
    return (Path(zoo), True) if zoo else (existing_file(config, root, "detectron2 configuration"), False)


def _described(config: str, root: Path, cfg: Any) -> str:
    """What of a configuration decides the answers, whichever detectron2 reads it (defaults come and go)."""
    file = cfg.load_yaml_with_base(str(_config_file(config, root)[0]), allow_unsafe=False)
    model = {key: value for key, value in file.get("MODEL", {}).items() if key not in ("WEIGHTS", "DEVICE")}
    size = (cfg.INPUT.FORMAT, cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)
    return json.dumps([_VERSION, model, size], sort_keys=True)


def _zoo() -> types.ModuleType:
    with without_old_warnings():
        return importlib.import_module("detectron2.model_zoo")


def _zoo_config(name: str) -> str | None:
    try:
        return _zoo().get_config_file(name)
    except RuntimeError:  # its word for "no such name"; a PyPI build brings no file at all
        return None


def _zoo_weights(name: str) -> str:
    try:
        return _zoo().get_checkpoint_url(name)
    except RuntimeError:
        return ""


def _weights_file(named: str | None, public: str, root: Path) -> Path:
    """The local file of the weights, `public` being those of the configuration, where none are named.

    What has a scheme goes through detectron2's path manager.
    """
    from detectron2.utils.file_io import Detectron2Handler, PathManager

    weights = named or public
    if not weights:
        raise InputError("no weights", "detector", "add weights: FILE to the detector: block")
    if "://" not in weights:
        remedy = "put the file there"
        if "://" in public:
            url = public.replace(Detectron2Handler.PREFIX, Detectron2Handler.S3_DETECTRON2_PREFIX)
            remedy += f" (public weights: {url})"
        return existing_file(weights, root, "detector weights", remedy)
    try:
        return Path(PathManager.get_local_path(weights))
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"cannot be fetched: {error}", weights, "fetch it yourself and name the file under weights:"
        ) from error


def _names(settings: Mapping[str, Any], key: str, root: Path) -> tuple[str, ...]:
    if key not in settings:
        return ()
    return read_names(existing_file(settings[key], root, f"names of the {key}"))


def _catalogued(cfg: Any) -> tuple[str, ...]:
    """Class names of the data set the configuration was trained on, where detectron2 knows it."""
    import detectron2.data  # noqa: F401 - fills the catalogue
    from detectron2.data import MetadataCatalog

    known = [name for name in cfg.DATASETS.TRAIN if name in MetadataCatalog.list()]
    return tuple(MetadataCatalog.get(known[0]).get("thing_classes", ())) if known else ()


def build_model(cfg: Any, device: str) -> Any:
    """The model of a configuration, with initial weights."""
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
            f"{cfg.MODEL.META_ARCHITECTURE} with {cfg.MODEL.ROI_HEADS.NAME} is no Faster R-CNN",
            "detector",
            "use a GeneralizedRCNN with StandardROIHeads or Res5ROIHeads",
        )
    return model


def fill(model: Any, checkpoint: dict[str, Any], path: Path) -> None:
    """Load the weights as detectron2's checkpointer does, but let nothing be missing or of another shape."""
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
            f"{name} is {_shape(found)} in the weights, {_shape(wanted)} by configuration and names",
            path,
            "check that configuration, class and attribute names belong to these weights",
        )
    missing = [name for name in result.missing_keys if not name.endswith("num_batches_tracked")]
    if missing:
        raise InputError(
            f"the weights lack {len(missing)} layers of the configuration, first {missing[0]}",
            path,
            "check that configuration and weights belong together",
        )


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _fuse_norms(model: Any) -> None:
    """Fold each batch normalisation into the convolution before it: the same answers, less work."""
    import torch

    for layer in model.modules():
        norm: Any = getattr(layer, "norm", None)
        if isinstance(layer, torch.nn.Conv2d) and hasattr(norm, "running_var"):
            scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
            bias = layer.bias if layer.bias is not None else 0
            layer.bias = torch.nn.Parameter((norm.bias + (bias - norm.running_mean) * scale).detach())
            layer.weight = torch.nn.Parameter((layer.weight * scale[:, None, None, None]).detach())
            layer.norm = None  # type: ignore[assignment]
