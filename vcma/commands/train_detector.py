"""`vcma train-detector`: train a Faster R-CNN on your own boxes, in COCO's or VidOR's format."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma.detection.detectron2_config import read_config
from vcma.detection.registry import load_detector
from vcma.detector_training.annotations import coco_pictures, vidor_pictures
from vcma.detector_training.detection_metrics import evaluate_detector
from vcma.detector_training.pictures import AnnotatedPicture
from vcma.detector_training.trainer import save, train
from vcma.errors import InputError
from vcma.pipeline.cli import examples

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

Split = tuple[Sequence[AnnotatedPicture], Sequence[AnnotatedPicture]]  # training, held out


def training_options(command: Callable) -> Callable:
    """Add the options shared by all commands that train a detector: the arguments of `train_and_evaluate`."""
    options = (
        click.option(
            "--config", type=_FILE, required=True, help="detectron2 configuration, e.g. one of envs/detectors."
        ),
        click.option(
            "--output", type=click.Path(path_type=Path), required=True, help="Output file for the weights (.pth)."
        ),
        click.option(
            "--iterations",
            type=click.IntRange(1),
            help="Number of iterations.  [default: the configuration's SOLVER.MAX_ITER]",
        ),
        click.option("--seed", type=click.IntRange(0), help="Random seed.  [default: the configuration's SEED]"),
        click.option("--device", default="cpu", show_default=True, help="Torch device, e.g. cuda:0."),
        click.option(
            "--threads",
            type=click.IntRange(1),
            help="Number of torch threads; results depend on it.  [default: torch's]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(
    "train-detector",
    epilog=examples(
        "vcma train-detector --coco boxes.json --pictures folder --config envs/detectors/demo.yaml --output my.pth"
    ),
)
@click.option("--coco", type=_FILE, help="COCO annotation file to train on; needs --pictures.")
@click.option("--pictures", type=_FOLDER, help="Folder of the COCO file's images.")
@click.option("--vidor", type=_FOLDER, help="Folder of VidOR annotation files to train on; needs --videos.")
@click.option("--videos", type=_FOLDER, help="Folder of VidOR's videos.")
@training_options
def train_detector(
    coco: Path | None, pictures: Path | None, vidor: Path | None, videos: Path | None, **options: Any
) -> None:
    """Train a detector on your own boxes, in COCO's or VidOR's format.

    Every tenth image is held out for evaluation.
    """
    if coco and pictures and not (vidor or videos):
        train_and_evaluate(lambda _: _split(coco_pictures(coco, pictures), coco), **options)
    elif vidor and videos and not (coco or pictures):
        train_and_evaluate(
            lambda cfg: _split(vidor_pictures(vidor, videos, cfg.DATASETS.VIDEO_STEP), vidor), **options
        )
    else:
        raise click.UsageError(
            "give --coco with --pictures, or --vidor with --videos; "
            "the demo's detector is trained by demo/train_detector.py"
        )


def _split(pictures: Iterable[AnnotatedPicture], source: Path) -> Split:
    """Split the images that have boxes: every tenth is held out, or the last one if there are fewer than ten."""
    found = [picture for picture in pictures if picture.labels]
    if len(found) < 2:
        raise InputError("has fewer than two images with boxes", source, "give more")
    return [picture for i, picture in enumerate(found) if i % 10 != 9], found[9::10] or found[-1:]


def train_and_evaluate(
    pictures: Callable[[Any], Split],
    *,
    config: Path,
    output: Path,
    iterations: int | None,
    seed: int | None,
    device: str,
    threads: int | None,
) -> None:
    """Train the detector of a configuration, write its weights and print its metrics on the held-out images.

    pictures(cfg) returns the training and the held-out images. Raises InputError for an unusable configuration or
    unusable images.
    """
    # Threads that spin while waiting are slow on a busy machine. Torch reads this variable when it is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    start = time.monotonic()
    cfg = read_config(str(config), Path())
    cfg.SEED = cfg.SEED if seed is None else seed
    cfg.SOLVER.MAX_ITER = iterations or cfg.SOLVER.MAX_ITER
    cfg.MODEL.DEVICE = device
    if threads:
        torch.set_num_threads(threads)
    training, held_out = pictures(cfg)
    classes = sorted({label for picture in training for label in picture.labels})
    attributes = sorted({name for picture in training for names in picture.attributes for name in names})
    click.echo(f"{len(training)} images, {len(classes)} classes, {len(attributes)} attributes", err=True)
    model = train(cfg, training, classes, attributes)
    save(model, classes, attributes, output)
    _print_metrics(config, output, held_out)
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    size, seconds = output.stat().st_size / 1e6, time.monotonic() - start
    click.echo(f"{parameters:.2f} M parameters, {size:.1f} MB, {seconds:.0f} s -> {output}")


def _print_metrics(config: Path, weights: Path, held_out: Sequence[AnnotatedPicture]) -> None:
    """Evaluate the weights file on the held-out images, and print the metrics."""
    block = {"backend": "detectron2", "config": str(config.resolve()), "weights": str(weights.resolve())}
    metrics = evaluate_detector(load_detector(block, Path()), held_out)
    auc = list(metrics["attribute_auc"].values())
    click.echo(
        f"AP {metrics['ap']:.3f}, AP50 {metrics['ap50']:.3f}, recall@0.5 {metrics['recall']:.3f}, "
        f"class {metrics['class_accuracy']:.3f}, attributes (AUC) {np.mean(auc) if auc else float('nan'):.3f}"
    )
    for name, recall in metrics["recall_by_category"].items():
        click.echo(f"  {name}: recall {recall:.3f}")
