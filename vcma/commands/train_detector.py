"""`vcma train-detector`: a Faster R-CNN from your own boxes, in COCO's or VidOR's format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vcma.detector_training.pictures import coco_stills, vidor_stills
from vcma.detector_training.trainer import Split, train
from vcma.errors import InputError

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def training_options(command: Callable) -> Callable:
    """The options of every command that trains a detector: what `train` takes besides pictures."""
    options = (
        click.option(
            "--config", type=_FILE, required=True, help="detectron2 configuration, e.g. one of envs/detectors"
        ),
        click.option(
            "--output", type=click.Path(path_type=Path), required=True, help="the weights to write (.pth)"
        ),
        click.option("--iterations", type=click.IntRange(1), help="instead of the configuration's SOLVER.MAX_ITER"),
        click.option("--seed", type=click.IntRange(0), help="instead of the configuration's SEED"),
        click.option("--device", help="cpu or cuda, instead of the configuration's MODEL.DEVICE"),
        click.option(
            "--threads", type=click.IntRange(1), help="threads of torch; the result depends on their number"
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("train-detector")
@training_options
@click.option("--coco", type=_FILE, help="train on the boxes of this COCO file")
@click.option("--pictures", type=_FOLDER, help="folder of the COCO file's pictures")
@click.option("--vidor", type=_FOLDER, help="train on the boxes of the VidOR files below this folder")
@click.option("--videos", type=_FOLDER, help="folder of VidOR's videos")
def train_detector(
    coco: Path | None, pictures: Path | None, vidor: Path | None, videos: Path | None, **options: Any
) -> None:
    """Train a detector with your own boxes, in COCO or VidOR format."""
    if (
        (coco is None) != (pictures is None)
        or (vidor is None) != (videos is None)
        or (coco is None) == (vidor is None)
    ):
        raise click.UsageError("give --coco with --pictures, or --vidor with --videos")

    def stills(cfg: Any) -> Split:
        if coco is not None:
            found = list(coco_stills(coco, pictures))  # type: ignore[arg-type]
        else:
            found = list(vidor_stills(vidor, videos, cfg.DATASETS.VIDEO_STEP))  # type: ignore[arg-type]
        found = [still for still in found if still.labels]
        if len(found) < 2:
            raise InputError("fewer than two pictures with boxes", coco or vidor, "give more")
        # Every tenth is held out.
        return [still for i, still in enumerate(found) if i % 10 != 9], found[9::10] or found[-1:]

    train(stills=stills, **options)
