"""Generate a data set of the drawn world on disk, in the formats of VidSTG and VidOR."""

import shutil
import sys
import time
from pathlib import Path

import click

from world.dataset import SIZES, VERSION, draw_world


@click.command()
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--size", type=click.Choice(list(SIZES)), required=True, help="Name of the data set, sets its size.")
@click.option("--seed", type=int, required=True, help="Seed of all random choices.")
@click.option("--jobs", type=int, default=-1, show_default=True, help="Number of processes; -1: all cores.")
def main(root: Path, size: str, seed: int, jobs: int) -> None:
    """Generate the data set SIZE in ROOT, replacing its contents."""
    start = time.perf_counter()
    if root.exists() and any(root.iterdir()) and not (root / "world.json").exists():
        raise click.ClickException(f"{root} is not a drawn world: choose another folder.")
    partial = root.with_name(f"{root.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    counts = draw_world(partial, size, seed, jobs)
    shutil.rmtree(root, ignore_errors=True)
    partial.rename(root)
    videos, records = sum(SIZES[size].values()), sum(counts.values())
    seconds = time.perf_counter() - start
    print(f"world {VERSION}: {videos} videos, {records} records, {seconds:.0f} s -> {root}", file=sys.stderr)


if __name__ == "__main__":
    main()
