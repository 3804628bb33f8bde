"""Detection in whole batches around the forward pass, for a GPU: pictures go there as bytes in one transfer, are
resized there, and of the regions only those kept come back, in one go that nobody waits for until they are needed.

No step waits for the device once a picture. The network's input is to the bit that of `detectron2_pictures`.
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
    """The steps of `DetectronDetector` for pictures of one size."""

    def __init__(self, model: Any, cfg: Any):
        self._model = model
        self._rgb = cfg.INPUT.FORMAT == "RGB"
        self._resize = ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)
        model.proposal_generator.predict_proposals = partial(predict_proposals, model.proposal_generator)

    def prepare(self, pictures: Sequence[np.ndarray]) -> Tensor:
        """The pictures' bytes (B, H, W, 3), where the device can fetch them while it works."""
        stacked = torch.from_numpy(np.stack(pictures))
        return stacked.pin_memory() if self._model.device.type == "cuda" else stacked

    def run(self, inputs: Tensor, size: tuple[int, int], limits: Limits) -> Callable[[], list[Selected]]:
        """What is kept of pictures of that size (height, width), once it is called for."""
        resize = self._resize.get_transform(np.empty((*size, 3), np.uint8))
        pictures = inputs.to(self._model.device, non_blocking=True)
        pictures = resized(pictures.permute(0, 3, 1, 2), (resize.new_h, resize.new_w)).float()
        pictures = pictures.flip(1) if self._rgb else pictures
        images = self._model.preprocess_image([{"image": picture} for picture in pictures])
        found, counts = candidates(self._model, images, size)
        rows, real = select(found.box, found.score, counts, limits)
        kept = Candidates(*(value[rows.flatten()] for value in found))
        return _Transfer.begun(real, answers(self._model.roi_heads.box_predictor, kept)).selected


def select(box: Tensor, score: Tensor, counts: Sequence[int], limits: Limits) -> tuple[Tensor, Tensor]:
    """Rows (B, k) kept of each of B pictures, best first, k <= top_k, and which of them are any (B, k).

    box (R, 4) and score (R,) are those of one picture after another, `counts` of each. Kept is as in
    `detectron2_pictures`: by score, size and class-agnostic non-maximum suppression.
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
    """Answers on their way to the host: which rows are any (B, k), and the tensors of `Selected`, (B, k, ...)."""

    real: Tensor
    values: list[Tensor]
    arrived: Any

    @classmethod
    def begun(cls, real: Tensor, values: Sequence[Tensor]) -> _Transfer:
        """Of a mask (B, k), and of values whose rows are those of all pictures."""
        there, *rest = (value.to("cpu", non_blocking=True) for value in (real, *values))
        return cls(there, [value.unflatten(0, real.shape) for value in rest], _event(real.device))

    def selected(self) -> list[Selected]:
        """Wait for them, and return them picture by picture."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return [
            Selected(*(value[picture, :count].numpy() for value in self.values))
            for picture, count in enumerate(self.real.sum(1).tolist())
        ]


def _event(device: torch.device) -> Any:
    """What is reached when the device has done all it was given until now; None on a CPU, which does it at once."""
    return None if device.type == "cpu" else torch.accelerator.current_stream(device).record_event()
