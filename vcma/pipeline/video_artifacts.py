"""One video's artifact, read from the folder that a per-video stage has written."""

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
    """Where the artifact of a video is, or would be."""
    return folder / f"{file_stem(video)}.h5"


def read_tubes(folder: Path, video: str, *, features: bool = True) -> Tubes | None:
    """The tubes of a video; None if the pipeline has none for it (its failure was reported)."""
    path = video_file(folder, video)
    if not path.exists():
        return None
    return Tubes.of(artifact.read(schemas.TUBES, path, None if features else _WITHOUT_FEATURES))


def read_embeddings(path: Path, tubes: Path) -> Embeddings:
    """Return the embeddings of the tubes of one video, stored in two artifacts.

    Raises InputError if there are none, or they are of other tubes.
    """
    found = Embeddings.of(artifact.read(schemas.EMBEDDINGS, path))
    if artifact.attributes(path)["inputs"].get("tubes") != artifact.attributes(tubes)["content"]:
        raise InputError("was made of other tubes than there are", path, schemas.EMBEDDINGS.remedy)
    return found


def tell_strays(folder: Path, samples: Path) -> None:
    """Say on stderr which files of a folder of artifacts belong to no video of samples.h5; they are not read."""
    wanted = {
        video_file(folder, video).name for video in artifact.read(schemas.SAMPLES, samples, ("video",))["video"]
    }
    strays = sorted(path.name for path in folder.glob("*.h5") if path.name not in wanted)
    if strays:
        what = f"{len(strays):,} files are of no video of this data set and ignored, e.g. {strays[0]}"
        click.echo(f"note: {folder}: {what}", err=True)


def no_tubes() -> Tubes:
    """The tubes of a video that has none."""
    return Tubes.of(schemas.empty(schemas.TUBES, width=0, height=0, detector=""))


def tubes_reader(folder: Path) -> Callable[[str], Tubes]:
    """A function from a video to its tubes without features, empty where there are none; it keeps the latest."""

    @lru_cache(8)  # sentences of one video follow one another
    def read(video: str) -> Tubes:
        tubes = read_tubes(folder, video, features=False)
        return no_tubes() if tubes is None else tubes

    return read


def read_regions(folder: Path, video: str) -> Columns:
    """frame, box_offset and box of a video's proposals; none at all if the pipeline has none for it."""
    path = video_file(folder, video)
    names = ("frame", "box_offset", "box")
    if path.exists():
        return artifact.read(schemas.PROPOSALS, path, names)
    nothing = schemas.empty(schemas.PROPOSALS, width=0, height=0, detector="")
    return {name: nothing[name] for name in names}
