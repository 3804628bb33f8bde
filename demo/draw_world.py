"""Draw a data set of the drawn world to disk, in the formats of VidSTG and VidOR."""

import shutil
import sys
import time
from pathlib import Path

import click

from world.dataset import SIZES, VERSION, draw_world


@click.command()
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--size", type=click.Choice(list(SIZES)), required=True, help="How many videos.")
@click.option("--seed", type=int, required=True, help="Everything follows from it.")
@click.option("--jobs", type=int, default=-1, show_default=True, help="Processes; -1 takes all cores.")
def main(root: Path, size: str, seed: int, jobs: int) -> None:
    """Draw the data set SIZE below ROOT, replacing what is there."""
    start = time.perf_counter()
    if root.exists() and any(root.iterdir()) and not (root / "world.json").exists():
        raise click.ClickException(f"{root} holds something else than a drawn world: name another folder.")
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
