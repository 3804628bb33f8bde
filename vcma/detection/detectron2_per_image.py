"""Per-image pre- and postprocessing around the forward pass, with detectron2's resizing: fastest on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.data.transforms import ResizeShortestEdge
from torchvision.ops import nms

from vcma.detection.base import detection_mask
from vcma.detection.detectron2_candidates import Candidates, Limits, Selected, answers, candidates


class PerImage:
    """Steps of `DetectronDetector` for images of equal size."""

    def __init__(self, model: Any, cfg: Any):
        self._model = model
        self._rgb = cfg.INPUT.FORMAT == "RGB"
        self._resize = ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)

    def prepare(self, images: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """Return the network input of each image: (3, h, w), test-time size, in the channel order of training."""
        return [self._tensor(image) for image in images]

    def run(
        self, inputs: Sequence[torch.Tensor], size: tuple[int, int], limits: Limits
    ) -> Callable[[], list[Selected]]:
        """Detect in images of the given size (height, width); the callable returns the selected regions."""
        image_list = self._model.preprocess_image([{"image": image} for image in inputs])
        found, counts = candidates(self._model, image_list, size)
        per_image = zip(*(values.split(counts) for values in found), strict=True)
        selected = [self._selected(Candidates(*values), limits) for values in per_image]
        return lambda: selected

    def _tensor(self, image: np.ndarray) -> torch.Tensor:
        resized = self._resize.get_transform(image).apply_image(image)
        resized = resized[:, :, ::-1] if self._rgb else resized
        return torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1), np.float32))

    def _selected(self, found: Candidates, limits: Limits) -> Selected:
        kept = _select(found.box, found.score, limits)
        values = answers(self._model.roi_heads.box_predictor, Candidates(*(value[kept] for value in found)))
        return Selected(*(value.cpu().numpy() for value in values))


def _select(box: torch.Tensor, score: torch.Tensor, limits: Limits) -> torch.Tensor:
    """Rows selected by score, size and class-agnostic non-maximum suppression, best first."""
    rows = detection_mask(box, score, limits.score_threshold, limits.min_size).nonzero()[:, 0]
    return rows[nms(box[rows], score[rows], limits.nms_threshold)[: limits.top_k]]
