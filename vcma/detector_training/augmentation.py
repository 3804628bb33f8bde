"""Data augmentation: annotated images resized, cropped, flipped and degraded at random, as input of detectron2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vcma.boxes import area, clip
from vcma.detector_training.pictures import AnnotatedPicture, decode, encode_jpeg

_MIN_VISIBLE = 0.35  # minimum share of an object's area inside a crop; below, the object is not annotated


class TrainingMapper:
    """detectron2 dataset mapper for {"picture": AnnotatedPicture}.

    Applies the configuration's resizing, crops and flips, then random brightness, contrast, blur and JPEG noise.
    """

    def __init__(self, cfg: Any, class_names: Sequence[str], attribute_names: Sequence[str]):
        from detectron2.data import transforms
        from detectron2.data.detection_utils import build_augmentation

        self._classes = {name: i for i, name in enumerate(class_names)}
        self._attributes = {name: i for i, name in enumerate(attribute_names)}
        self._augment = transforms.AugmentationList(
            [
                *build_augmentation(cfg, is_train=True),
                transforms.RandomBrightness(0.75, 1.25),
                transforms.RandomContrast(0.8, 1.2),
            ]
        )
        self._rgb = cfg.INPUT.FORMAT == "RGB"

    def __call__(self, row: dict[str, AnnotatedPicture]) -> dict[str, Any]:
        import torch
        from detectron2.data.transforms import AugInput

        picture = row["picture"]
        augmented = AugInput(picture.pixels(), boxes=picture.boxes.astype(np.float64))
        self._augment(augmented)
        pixels = _degraded(augmented.image)
        instances = self._instances(picture, augmented.boxes, pixels.shape[:2])
        pixels = pixels[:, :, ::-1] if self._rgb else pixels
        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32))
        return {"image": image, "instances": instances}

    def _instances(self, picture: AnnotatedPicture, boxes: np.ndarray, size: tuple[int, int]) -> Any:
        """detectron2 ground truth: the sufficiently visible objects, with boxes clipped to size (height, width)."""
        import torch
        from detectron2.structures import Boxes, Instances

        height, width = size
        clipped = clip(boxes, width, height)
        kept = np.flatnonzero(area(clipped) > _MIN_VISIBLE * area(boxes))
        instances = Instances(size)
        instances.gt_boxes = Boxes(torch.from_numpy(clipped[kept].astype(np.float32)))
        instances.gt_classes = torch.tensor([self._classes[picture.labels[i]] for i in kept], dtype=torch.int64)
        instances.gt_attributes = torch.zeros(len(kept), len(self._attributes))
        for row, i in enumerate(kept):
            instances.gt_attributes[row, [self._attributes[name] for name in picture.attributes[i]]] = 1
        return instances


def _degraded(picture: np.ndarray) -> np.ndarray:
    """Degrade an image to resemble a video frame: slight blur with probability 0.5, JPEG artefacts always."""
    import cv2

    picture = picture.clip(0, 255).astype(np.uint8)
    if np.random.rand() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), np.random.uniform(0.3, 1.0))
    return decode(encode_jpeg(picture, int(np.random.randint(35, 96))))
