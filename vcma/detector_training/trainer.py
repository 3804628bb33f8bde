"""Training of a Faster R-CNN on annotated images, with detectron2's trainer.

The configuration (SOLVER, INPUT) contains all training parameters. The result is a half-precision checkpoint that
includes the class and attribute names.
"""

from __future__ import annotations

import io
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma.detection.detectron2_config import without_old_warnings
from vcma.detection.detectron2_model import build_model
from vcma.detector_training.augmentation import TrainingMapper
from vcma.detector_training.pictures import AnnotatedPicture
from vcma.pipeline.storage import write_bytes


def train(
    cfg: Any, pictures: Sequence[AnnotatedPicture], class_names: Sequence[str], attribute_names: Sequence[str]
) -> Any:
    """Train the model of a configuration; deterministic given cfg.SEED and the number of threads.

    Without attribute names the model has no attribute head. Raises InputError if detectron2 cannot build the model.
    """
    import torch

    random.seed(cfg.SEED)
    np.random.seed(cfg.SEED)
    torch.manual_seed(cfg.SEED)
    cfg.MODEL.ATTRIBUTE_ON = bool(attribute_names)
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = len(class_names)
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.NUM_CLASSES = len(attribute_names)
    model = build_model(cfg, cfg.MODEL.DEVICE)
    with without_old_warnings():
        loader = _loader(cfg, pictures, TrainingMapper(cfg, class_names, attribute_names))
        _optimise(cfg, model, loader)
    return model.eval()


def _loader(cfg: Any, pictures: Sequence[AnnotatedPicture], mapper: TrainingMapper) -> Any:
    from detectron2.data import build_detection_train_loader
    from detectron2.data.samplers import TrainingSampler

    return build_detection_train_loader(
        [{"picture": picture} for picture in pictures],
        mapper=mapper,
        sampler=TrainingSampler(len(pictures), seed=cfg.SEED),
        total_batch_size=cfg.SOLVER.IMS_PER_BATCH,
        aspect_ratio_grouping=False,
        num_workers=0,
    )


def _optimise(cfg: Any, model: Any, loader: Any) -> None:
    """Run AdamW for SOLVER.MAX_ITER iterations with the configuration's schedule."""
    import torch
    from detectron2.engine import SimpleTrainer
    from detectron2.engine.hooks import LRScheduler
    from detectron2.solver import build_lr_scheduler
    from detectron2.solver.build import get_default_optimizer_params

    parameters = get_default_optimizer_params(model, weight_decay_norm=0.0)
    optimizer = torch.optim.AdamW(parameters, cfg.SOLVER.BASE_LR, weight_decay=cfg.SOLVER.WEIGHT_DECAY)
    trainer = SimpleTrainer(model, loader, optimizer)
    trainer.register_hooks([LRScheduler(optimizer, build_lr_scheduler(cfg, optimizer)), _progress(cfg)])
    trainer.train(0, cfg.SOLVER.MAX_ITER)


def _progress(cfg: Any) -> Any:
    """Hook that prints smoothed losses about forty times."""
    from detectron2.engine import HookBase

    class Progress(HookBase):
        def before_train(self) -> None:
            self.start = time.monotonic()

        def after_step(self) -> None:
            done, total = self.trainer.iter + 1, cfg.SOLVER.MAX_ITER
            if done % max(total // 40, 1) == 0 or done == total:
                losses = self.trainer.storage.latest_with_smoothing_hint(50)
                shown = "  ".join(
                    f"{k.removeprefix('loss_')} {v:.3f}" for k, (v, _) in losses.items() if "loss" in k
                )
                seconds = time.monotonic() - self.start
                left = seconds / done * (total - done)
                click.echo(f"{done}/{total} iterations, {seconds:.0f} s, {left:.0f} s left  {shown}", err=True)

    return Progress()


def save(model: Any, class_names: Sequence[str], attribute_names: Sequence[str], path: Path) -> None:
    """Write the checkpoint atomically, with floats in half precision."""
    import torch

    state = {
        name: value.detach().cpu().half() if value.is_floating_point() else value.detach().cpu()
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")  # step counter of batch normalisation, not used
    }
    names = {"class_names": list(class_names), "attribute_names": list(attribute_names)}
    buffer = io.BytesIO()  # torch.save to a path would store the file name in the archive
    torch.save({"model": state, **names}, buffer)
    write_bytes(path, buffer.getvalue())
