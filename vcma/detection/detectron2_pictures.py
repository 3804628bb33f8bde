"""Detection picture by picture around the forward pass: detectron2's own resizing and selection, which are fastest
on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.data.transforms import ResizeShortestEdge
from torchvision.ops import nms

from vcma.detection.base import detection_mask
from vcma.detection.detectron2_candidates import Candidates, Limits, Selected, answers, candidates


class PictureByPicture:
    """The steps of `DetectronDetector` for pictures of one size."""

    def __init__(self, model: Any, cfg: Any):
        self._model = model
        self._rgb = cfg.INPUT.FORMAT == "RGB"
        self._resize = ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)

    def prepare(self, pictures: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """The network's input of each: resized as in testing, (3, h, w), in the channel order it was trained on."""
        return [self._tensor(picture) for picture in pictures]

    def run(
        self, inputs: Sequence[torch.Tensor], size: tuple[int, int], limits: Limits
    ) -> Callable[[], list[Selected]]:
        """What is kept of pictures of that size (height, width)."""
        images = self._model.preprocess_image([{"image": picture} for picture in inputs])
        found, counts = candidates(self._model, images, size)
        of_pictures = zip(*(values.split(counts) for values in found), strict=True)
        selected = [self._selected(Candidates(*values), limits) for values in of_pictures]
        return lambda: selected

    def _tensor(self, picture: np.ndarray) -> torch.Tensor:
        resized = self._resize.get_transform(picture).apply_image(picture)
        resized = resized[:, :, ::-1] if self._rgb else resized
        return torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1), np.float32))

    def _selected(self, found: Candidates, limits: Limits) -> Selected:
        kept = _select(found.box, found.score, limits)
        values = answers(self._model.roi_heads.box_predictor, Candidates(*(value[kept] for value in found)))
        return Selected(*(value.cpu().numpy() for value in values))


def _select(box: torch.Tensor, score: torch.Tensor, limits: Limits) -> torch.Tensor:
    """Rows kept by score, size and class-agnostic non-maximum suppression, best first."""
    rows = detection_mask(box, score, limits.score_threshold, limits.min_size).nonzero()[:, 0]
    return rows[nms(box[rows], score[rows], limits.nms_threshold)[: limits.top_k]]
