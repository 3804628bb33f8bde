"""Batched pre- and postprocessing around the forward pass, for a GPU.

The uint8 images are transferred at once and resized on the GPU; only the selected regions are copied back, in one
asynchronous transfer. No step synchronises with the device per image. The network input is bit-identical to that
of `detectron2_per_image`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from detectron2.data.transforms import ResizeShortestEdge
from torch import Tensor

from vcma.detection.base import detection_mask
from vcma.detection.detectron2_candidates import Candidates, Limits, Selected, answers, candidates
from vcma.detection.resizing import resized
from vcma.detection.rpn_proposals import predict_proposals
from vcma.detection.suppression import first, greedy


class WholeBatches:
    """Steps of `DetectronDetector` for a batch of images of equal size."""

    def __init__(self, model: Any, cfg: Any):
        self._model = model
        self._rgb = cfg.INPUT.FORMAT == "RGB"
        self._resize = ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)
        model.proposal_generator.predict_proposals = partial(predict_proposals, model.proposal_generator)

    def prepare(self, images: Sequence[np.ndarray]) -> Tensor:
        """Stack the images to (B, H, W, 3) uint8, in pinned memory if the device is a GPU."""
        stacked = torch.from_numpy(np.stack(images))
        return stacked.pin_memory() if self._model.device.type == "cuda" else stacked

    def run(self, inputs: Tensor, size: tuple[int, int], limits: Limits) -> Callable[[], list[Selected]]:
        """Detect in images of the given size (height, width); the returned callable waits for the results."""
        resize = self._resize.get_transform(np.empty((*size, 3), np.uint8))
        images = inputs.to(self._model.device, non_blocking=True)
        images = resized(images.permute(0, 3, 1, 2), (resize.new_h, resize.new_w)).float()
        images = images.flip(1) if self._rgb else images
        image_list = self._model.preprocess_image([{"image": image} for image in images])
        found, counts = candidates(self._model, image_list, size)
        rows, real = select(found.box, found.score, counts, limits)
        kept = Candidates(*(value[rows.flatten()] for value in found))
        return _Transfer.begun(real, answers(self._model.roi_heads.box_predictor, kept)).selected


def select(box: Tensor, score: Tensor, counts: Sequence[int], limits: Limits) -> tuple[Tensor, Tensor]:
    """Select rows (B, k) for each of B images, best first, k <= top_k, with a mask (B, k) of the valid entries.

    box (R, 4) and score (R,) concatenate the images, with `counts` rows each. The selection equals that of
    `detectron2_per_image`: by score, size and class-agnostic non-maximum suppression.
    """
    count = torch.tensor(counts, device=box.device)
    position = torch.arange(max(counts, default=0), device=box.device)
    row = (count.cumsum(0) - count)[:, None] + position
    row = row.where(position < count[:, None], 0)
    box, score = box[row], score[row]
    mask = (position < count[:, None]) & detection_mask(box, score, limits.score_threshold, limits.min_size)
    order = score.masked_fill(~mask, -torch.inf).sort(dim=1, descending=True, stable=True).indices
    box, mask = box.gather(1, order[..., None].expand(-1, -1, 4)), mask.gather(1, order)
    position, real = first(greedy(box, mask, limits.nms_threshold), limits.top_k)
    return row.gather(1, order.gather(1, position)), real


class _Transfer(NamedTuple):
    """Pending copy to the host: the mask of valid rows (B, k) and the tensors of `Selected`, (B, k, ...)."""

    real: Tensor
    values: list[Tensor]
    arrived: Any

    @classmethod
    def begun(cls, real: Tensor, values: Sequence[Tensor]) -> _Transfer:
        """Start copying a mask (B, k) and values whose B * k rows concatenate the images."""
        there, *rest = (value.to("cpu", non_blocking=True) for value in (real, *values))
        return cls(there, [value.unflatten(0, real.shape) for value in rest], _event(real.device))

    def selected(self) -> list[Selected]:
        """Wait for the copy and return the regions of each image."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return [
            Selected(*(value[image, :count].numpy() for value in self.values))
            for image, count in enumerate(self.real.sum(1).tolist())
        ]


def _event(device: torch.device) -> Any:
    """Event that marks the work queued on the device so far; None on a CPU, which does not queue."""
    return None if device.type == "cpu" else torch.accelerator.current_stream(device).record_event()
