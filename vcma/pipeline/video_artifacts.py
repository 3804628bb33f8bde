"""Read the artifact of one video from the folder of a per-video stage."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import click

from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.paths import file_stem
from vcma.records.columns import Columns
from vcma.records.embeddings import Embeddings
from vcma.records.tubes import Tubes

_WITHOUT_FEATURES = tuple(name for name in schemas.TUBES.columns if name != "feature")


def video_file(folder: Path, video: str) -> Path:
    """Return the path of a video's artifact, whether it exists or not."""
    return folder / f"{file_stem(video)}.h5"


def read_tubes(folder: Path, video: str, *, features: bool = True) -> Tubes | None:
    """Read the tubes of a video; None if there is no file (an earlier stage skipped and reported the video)."""
    path = video_file(folder, video)
    if not path.exists():
        return None
    return Tubes.of(artifact.read(schemas.TUBES, path, None if features else _WITHOUT_FEATURES))


def read_embeddings(path: Path, tubes: Path) -> Embeddings:
    """Read the embeddings of a video's tubes; `tubes` is the file of the tubes.

    Raises InputError if the embeddings are missing or were computed from different tubes.
    """
    found = Embeddings.of(artifact.read(schemas.EMBEDDINGS, path))
    if artifact.attributes(path)["inputs"].get("tubes") != artifact.attributes(tubes)["content"]:
        raise InputError(f"was computed from other tubes than {tubes}", path, schemas.EMBEDDINGS.remedy)
    return found


def report_strays(folder: Path, samples: Path) -> None:
    """Print a note on stderr about artifacts that belong to no video of samples.h5; they are ignored."""
    wanted = {
        video_file(folder, video).name for video in artifact.read(schemas.SAMPLES, samples, ("video",))["video"]
    }
    strays = sorted(path.name for path in folder.glob("*.h5") if path.name not in wanted)
    if strays:
        what = f"{len(strays):,} files belong to no video of this data set and are ignored, e.g. {strays[0]}"
        click.echo(f"note: {folder}: {what}", err=True)


def no_tubes() -> Tubes:
    """Return the empty tubes of a video without any."""
    return Tubes.of(schemas.empty(schemas.TUBES, width=0, height=0, detector=""))


def tubes_reader(folder: Path) -> Callable[[str], Tubes]:
    """Return a cached function from a video to its tubes without features, empty if it has none."""

    @lru_cache(8)  # consecutive sentences often belong to the same video
    def read(video: str) -> Tubes:
        tubes = read_tubes(folder, video, features=False)
        return no_tubes() if tubes is None else tubes

    return read


def read_regions(folder: Path, video: str) -> Columns:
    """Read frame, box_offset and box of a video's proposals, empty if there is no file."""
    path = video_file(folder, video)
    names = ("frame", "box_offset", "box")
    if path.exists():
        return artifact.read(schemas.PROPOSALS, path, names)
    nothing = schemas.empty(schemas.PROPOSALS, width=0, height=0, detector="")
    return {name: nothing[name] for name in names}
