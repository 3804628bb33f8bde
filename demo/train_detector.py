"""Train the demo's detector on still images of the drawn world; demo/detector.pth was made with

python demo/train_detector.py --config envs/detectors/demo.yaml --output demo/detector.pth
"""

from typing import Any

import click
from joblib import Parallel, cpu_count, delayed

from vcma.commands.train_detector import Split, train_and_evaluate, training_options
from vcma.detector_training.pictures import AnnotatedPicture, encode_jpeg
from vcma.pipeline.exit_codes import exit_on_error
from world.dataset import ATTRIBUTES, CATEGORIES, still_pictures

_SERIES = 100  # images per task of a worker


def world_pictures(seed: int, count: int) -> list[AnnotatedPicture]:
    """Draw still images of the drawn world on all cores; every 100 images have their own seed."""
    sizes = [min(_SERIES, count - start) for start in range(0, count, _SERIES)]
    drawn = Parallel(n_jobs=min(len(sizes), cpu_count()))(
        delayed(_series)(1000 * seed + i, size) for i, size in enumerate(sizes)
    )
    return [picture for series in drawn for picture in series]


def _series(seed: int, count: int) -> list[AnnotatedPicture]:
    return [
        AnnotatedPicture(
            encode_jpeg(picture),
            boxes,
            tuple(CATEGORIES[c] for c in classes),
            tuple(tuple(name for name, holds in zip(ATTRIBUTES, row, strict=True) if holds) for row in attributes),
        )
        for picture, boxes, classes, attributes in still_pictures(seed, count)
    ]


@click.command()
@training_options
def main(**options: Any) -> None:
    """Train a detector on still images of the drawn world, and evaluate it on held-out ones."""

    def pictures(cfg: Any) -> Split:
        sizes = cfg.DATASETS
        return world_pictures(cfg.SEED, sizes.STILLS_TRAIN), world_pictures(cfg.SEED + 1, sizes.STILLS_TEST)

    with exit_on_error():
        train_and_evaluate(pictures, **options)


if __name__ == "__main__":
    main()
