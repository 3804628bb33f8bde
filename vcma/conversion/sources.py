"""Which of other programs' files belongs to which video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from vcma.datasets.video_files import SUFFIXES, is_inside
from vcma.errors import InputError
from vcma.pipeline.paths import file_stem


def _names_of(video: str) -> tuple[str, ...]:
    """The names under which other programs may know a video, the likeliest first: its id, the file name of its
    artifacts, and both without a video's suffix and without folder."""
    short = video[: -len(PurePosixPath(video).suffix)] if video.lower().endswith(SUFFIXES) else video
    inner = (name.rpartition("/")[2] for name in (video, short))
    return tuple(dict.fromkeys((video, short, file_stem(video), file_stem(short), *inner)))


def unique_names(videos: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """{video: its names that mean no other video, the likeliest first}."""
    names = {video: _names_of(video) for video in videos}
    meanings = Counter(name for found in names.values() for name in found)
    return {v: tuple(n for n in found if meanings[n] == 1 or n == v) for v, found in names.items()}


def source_of(folder: Path, names: Iterable[str], suffixes: Sequence[str]) -> Path | None:
    """What in a folder has one of the names, with one of the suffixes behind it; None where nothing has."""
    for name in names:
        for suffix in suffixes:
            if is_inside(f"{name}{suffix}") and (path := folder / f"{name}{suffix}").exists():
                return path
    return None


def videos_by_name(videos: Iterable[str]) -> dict[str, str]:
    """{name: video} of all names that mean one video only."""
    listed = unique_names(videos)
    return {name: video for video, names in listed.items() for name in names} | {v: v for v in listed}


def one_video(videos: Sequence[str], wanted: str | None, source: Path) -> str:
    """The video that a single file is of: the one named, or the only one of the data set; raises InputError."""
    if wanted is None:
        if len(videos) != 1:
            raise InputError(f"is of which of the {len(videos):,} videos?", source, "name it with --video")
        return videos[0]
    found = videos_by_name(videos).get(wanted)
    if found is None:
        raise InputError(f"no video '{wanted}' in the data set", remedy=f"ids are like '{videos[0]}'")
    return found
