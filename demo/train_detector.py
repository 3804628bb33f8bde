"""Train the demo's detector on still pictures of the drawn world: how demo/detector.pth was made.

python demo/train_detector.py --config envs/detectors/demo.yaml --output demo/detector.pth
"""

from typing import Any

import click
from joblib import Parallel, cpu_count, delayed

from vcma.commands.train_detector import training_options
from vcma.detector_training.pictures import Still, encoded
from vcma.detector_training.trainer import Split, train
from vcma.pipeline.exit_codes import exit_on_error
from world.dataset import ATTRIBUTES, CATEGORIES, still_pictures

_SERIES = 100  # stills of the drawn world that one worker draws at a time


def world_stills(seed: int, count: int) -> list[Still]:
    """Still pictures of the drawn world, drawn by all cores: a series of its own for each hundred."""
    sizes = [min(_SERIES, count - start) for start in range(0, count, _SERIES)]
    drawn = Parallel(n_jobs=min(len(sizes), cpu_count()))(
        delayed(_world_series)(1000 * seed + i, size) for i, size in enumerate(sizes)
    )
    return [still for series in drawn for still in series]


def _world_series(seed: int, count: int) -> list[Still]:
    return [
        Still(
            encoded(picture),
            boxes,
            tuple(CATEGORIES[c] for c in classes),
            tuple(tuple(name for name, holds in zip(ATTRIBUTES, row, strict=True) if holds) for row in attributes),
        )
        for picture, boxes, classes, attributes in still_pictures(seed, count)
    ]


@click.command()
@training_options
def main(**options: Any) -> None:
    """Train a detector on still pictures of the drawn world."""

    def stills(cfg: Any) -> Split:
        sets = cfg.DATASETS
        return world_stills(cfg.SEED, sets.STILLS_TRAIN), world_stills(cfg.SEED + 1, sets.STILLS_TEST)

    with exit_on_error():
        train(stills=stills, **options)


if __name__ == "__main__":
    main()
