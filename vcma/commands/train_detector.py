"""`vcma train-detector`: a Faster R-CNN from your own boxes, in COCO's or VidOR's format."""

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

Split = tuple[Sequence[AnnotatedPicture], Sequence[AnnotatedPicture]]  # to train on, and held out


def training_options(command: Callable) -> Callable:
    """The options of every command that trains a detector: what `train_and_evaluate` takes besides pictures."""
    options = (
        click.option(
            "--config", type=_FILE, required=True, help="detectron2 configuration, e.g. one of envs/detectors."
        ),
        click.option("--output", type=click.Path(path_type=Path), required=True, help="Weights to write (.pth)."),
        click.option(
            "--iterations", type=click.IntRange(1), help="Instead of the configuration's SOLVER.MAX_ITER."
        ),
        click.option("--seed", type=click.IntRange(0), help="Instead of the configuration's SEED."),
        click.option("--device", default="cpu", show_default=True, help="Torch device, e.g. cuda:0."),
        click.option(
            "--threads", type=click.IntRange(1), help="Threads of torch; the result depends on their number."
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
@click.option("--coco", type=_FILE, help="COCO annotation file to train on; with --pictures.")
@click.option("--pictures", type=_FOLDER, help="Folder of the COCO file's pictures.")
@click.option("--vidor", type=_FOLDER, help="Folder of VidOR annotation files to train on; with --videos.")
@click.option("--videos", type=_FOLDER, help="Folder of VidOR's videos.")
@training_options
def train_detector(
    coco: Path | None, pictures: Path | None, vidor: Path | None, videos: Path | None, **options: Any
) -> None:
    """Train a detector on your own boxes, in COCO's or VidOR's format.

    Every tenth picture is held out to evaluate the result.
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
    """The pictures that have boxes, every tenth held out (the last, where there are fewer)."""
    found = [picture for picture in pictures if picture.labels]
    if len(found) < 2:
        raise InputError("fewer than two pictures with boxes", source, "give more")
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
    """Train the detector of a configuration, write its weights and print its metrics on the pictures held out.

    pictures(cfg) are those to train on and those held out. Raises InputError for a configuration or pictures that
    cannot be used.
    """
    # Threads that spin while they wait lose to whatever else the machine does; torch reads this when it loads.
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
    click.echo(f"{len(training)} pictures, {len(classes)} classes, {len(attributes)} attributes", err=True)
    model = train(cfg, training, classes, attributes)
    save(model, classes, attributes, output)
    _print_metrics(config, output, held_out)
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    size, seconds = output.stat().st_size / 1e6, time.monotonic() - start
    click.echo(f"{parameters:.2f} M parameters, {size:.1f} MB, {seconds:.0f} s -> {output}")


def _print_metrics(config: Path, weights: Path, held_out: Sequence[AnnotatedPicture]) -> None:
    """Evaluate the file that was written, on pictures it was not trained on."""
    block = {"backend": "detectron2", "config": str(config.resolve()), "weights": str(weights.resolve())}
    metrics = evaluate_detector(load_detector(block, Path()), held_out)
    auc = list(metrics["attribute_auc"].values())
    click.echo(
        f"AP {metrics['ap']:.3f}, AP50 {metrics['ap50']:.3f}, recall@0.5 {metrics['recall']:.3f}, "
        f"class {metrics['class_accuracy']:.3f}, attributes (AUC) {np.mean(auc) if auc else float('nan'):.3f}"
    )
    for name, recall in metrics["recall_by_category"].items():
        click.echo(f"  {name}: recall {recall:.3f}")
