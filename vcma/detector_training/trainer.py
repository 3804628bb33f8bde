"""A Faster R-CNN trained on boxes, through detectron2's own trainer.

All numbers of the training stand in the configuration (SOLVER, INPUT, DATASETS); the result is a checkpoint of half
floats that carries the names of its classes and attributes.
"""

from __future__ import annotations

import io
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma.detection.registry import load_detector
from vcma.detector_training.appraisal import evaluate
from vcma.detector_training.pictures import Still, decoded
from vcma.pipeline.storage import write_bytes

Split = tuple[Sequence[Still], Sequence[Still]]  # to train on, and held out


def train(
    config: Path,
    output: Path,
    stills: Callable[[Any], Split],
    iterations: int | None,
    seed: int | None,
    device: str | None,
    threads: int | None,
) -> None:
    """Train the detector of a configuration, write its weights and print what it does on pictures held out.

    stills(cfg) are the pictures. iterations, seed and device stand in for the configuration's, threads for torch's
    own number; the result depends on them. Raises InputError for a configuration or pictures that cannot be used.
    """
    # Threads that spin while they wait lose to whatever else the machine does; torch reads this when it loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    from vcma.detection.detectron2_config import read_config

    start = time.monotonic()
    cfg = read_config(str(config), Path())
    cfg.SEED = cfg.SEED if seed is None else seed
    cfg.SOLVER.MAX_ITER = iterations or cfg.SOLVER.MAX_ITER
    cfg.MODEL.DEVICE = device or "cpu"
    if threads:
        torch.set_num_threads(threads)
    taught, held_out = stills(cfg)
    class_names = tuple(sorted({label for still in taught for label in still.labels}))
    attribute_names = tuple(sorted({name for still in taught for names in still.attributes for name in names}))
    cfg.MODEL.ATTRIBUTE_ON = bool(attribute_names)
    click.echo(f"{len(taught)} pictures, {len(class_names)} classes, {len(attribute_names)} attributes", err=True)
    model = fit(cfg, taught, class_names, attribute_names)
    save(model, class_names, attribute_names, output)
    _report(config, output, held_out, sum(p.numel() for p in model.parameters()), time.monotonic() - start)


_VISIBLE = 0.35  # a thing of which a crop leaves less is no thing any more


class _Prepare:
    """detectron2's mapper for stills: its own resizing and flips, and what cameras and codecs do to a picture."""

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

    def __call__(self, row: dict) -> dict:
        import torch
        from detectron2.data.transforms import AugInput
        from detectron2.structures import Boxes, Instances

        still: Still = row["still"]
        given = AugInput(still.picture(), boxes=still.boxes.astype(np.float64))
        self._augment(given)
        picture = _compressed(given.image)
        height, width = picture.shape[:2]
        boxes = given.boxes.clip(0, [width, height, width, height])
        area, whole = _areas(boxes), _areas(given.boxes)
        kept = np.flatnonzero(area > _VISIBLE * whole)
        truth = Instances((height, width))
        truth.gt_boxes = Boxes(torch.from_numpy(boxes[kept].astype(np.float32)))
        truth.gt_classes = torch.tensor([self._classes[still.labels[i]] for i in kept], dtype=torch.int64)
        truth.gt_attributes = torch.zeros(len(kept), len(self._attributes))
        for place, i in enumerate(kept):
            for name in still.attributes[i]:
                truth.gt_attributes[place, self._attributes[name]] = 1
        picture = picture[:, :, ::-1] if self._rgb else picture
        image = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32))
        return {"image": image, "instances": truth}


def _compressed(picture: np.ndarray) -> np.ndarray:
    """The picture as a video frame may show it: half of them blurred a little, all with coding noise."""
    import cv2

    picture = picture.clip(0, 255).astype(np.uint8)
    if np.random.rand() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), np.random.uniform(0.3, 1.0))
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(np.random.randint(35, 96))]
    return decoded(cv2.imencode(".jpg", picture, quality)[1])


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)


def fit(cfg: Any, stills: Sequence[Still], class_names: Sequence[str], attribute_names: Sequence[str]) -> Any:
    """Train the model of a configuration on stills; deterministic in cfg.SEED and the number of threads."""
    import torch
    from detectron2.data import build_detection_train_loader
    from detectron2.data.samplers import TrainingSampler
    from detectron2.engine import SimpleTrainer
    from detectron2.engine.hooks import LRScheduler
    from detectron2.solver import build_lr_scheduler
    from detectron2.solver.build import get_default_optimizer_params

    from vcma.detection.detectron2_config import without_old_warnings
    from vcma.detection.detectron2_model import build_model

    random.seed(cfg.SEED)
    np.random.seed(cfg.SEED)
    torch.manual_seed(cfg.SEED)
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = len(class_names)
    cfg.MODEL.ROI_ATTRIBUTE_HEAD.NUM_CLASSES = len(attribute_names)
    model = build_model(cfg, cfg.MODEL.DEVICE)
    rows = [{"still": still} for still in stills]
    with without_old_warnings():
        loader = build_detection_train_loader(
            rows,
            mapper=_Prepare(cfg, class_names, attribute_names),
            sampler=TrainingSampler(len(rows), seed=cfg.SEED),
            total_batch_size=cfg.SOLVER.IMS_PER_BATCH,
            aspect_ratio_grouping=False,
            num_workers=0,
        )
        parameters = get_default_optimizer_params(model, weight_decay_norm=0.0)
        optimizer = torch.optim.AdamW(parameters, cfg.SOLVER.BASE_LR, weight_decay=cfg.SOLVER.WEIGHT_DECAY)
        trainer = SimpleTrainer(model, loader, optimizer)
        trainer.register_hooks([LRScheduler(optimizer, build_lr_scheduler(cfg, optimizer)), _progress(cfg)])
        trainer.train(0, cfg.SOLVER.MAX_ITER)
    return model.eval()


def _progress(cfg: Any) -> Any:
    """A hook that prints the mean losses now and then."""
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
    """Write the checkpoint, floats in half precision, all or nothing."""
    import torch

    state = {
        name: value.detach().cpu().half() if value.is_floating_point() else value.detach().cpu()
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")  # counts the training's steps; nothing reads it
    }
    names = {"class_names": list(class_names), "attribute_names": list(attribute_names)}
    buffer = io.BytesIO()  # written to a path, the archive would hold its name
    torch.save({"model": state, **names}, buffer)
    write_bytes(path, buffer.getvalue())


def _report(config: Path, output: Path, held_out: Sequence[Still], parameters: int, seconds: float) -> None:
    """Judge the file that was written, on pictures it was not trained on."""
    settings = {"backend": "detectron2", "config": str(config.resolve()), "weights": str(output.resolve())}
    result = evaluate(load_detector(settings, Path()), held_out)
    auc = list(result["attribute_auc"].values())
    click.echo(f"AP {result['ap']:.3f}, AP50 {result['ap50']:.3f}, recall@0.5 {result['recall']:.3f}, ", nl=False)
    click.echo(
        f"class {result['class_accuracy']:.3f}, attributes (AUC) {np.mean(auc) if auc else float('nan'):.3f}"
    )
    for name, recall in result["recall_by_category"].items():
        click.echo(f"  {name}: recall {recall:.3f}")
    size = output.stat().st_size / 1e6
    click.echo(f"{parameters / 1e6:.2f} M parameters, {size:.1f} MB, {seconds:.0f} s -> {output}")
