"""Matching files of other programs to videos by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from vcma.datasets.video_files import SUFFIXES, is_inside
from vcma.errors import InputError
from vcma.pipeline.paths import file_stem


def _names_of(video: str) -> tuple[str, ...]:
    """Return the names under which other programs may store a video, most likely first.

    These are its id, the file name of its artifacts, and both without video suffix and without folder.
    """
    short = video[: -len(PurePosixPath(video).suffix)] if video.lower().endswith(SUFFIXES) else video
    inner = (name.rpartition("/")[2] for name in (video, short))
    return tuple(dict.fromkeys((video, short, file_stem(video), file_stem(short), *inner)))


def unique_names(videos: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return {video: its names that match no other video, most likely first}."""
    names = {video: _names_of(video) for video in videos}
    meanings = Counter(name for found in names.values() for name in found)
    return {v: tuple(n for n in found if meanings[n] == 1 or n == v) for v, found in names.items()}


def source_of(folder: Path, names: Iterable[str], suffixes: Sequence[str]) -> Path | None:
    """Return the path in a folder that is one of the names plus one of the suffixes; None if none exists."""
    for name in names:
        for suffix in suffixes:
            if is_inside(f"{name}{suffix}") and (path := folder / f"{name}{suffix}").exists():
                return path
    return None


def videos_by_name(videos: Iterable[str]) -> dict[str, str]:
    """Return {name: video} for all names that match only one video."""
    listed = unique_names(videos)
    return {name: video for video, names in listed.items() for name in names} | {v: v for v in listed}


def one_video(videos: Sequence[str], wanted: str | None, source: Path) -> str:
    """Return the video of a single file: `wanted`, or the data set's only one; raises InputError."""
    if wanted is None:
        if len(videos) != 1:
            what = f"does not say which of {len(videos):,} videos it belongs to"
            raise InputError(what, source, "name it with --video")
        return videos[0]
    found = videos_by_name(videos).get(wanted)
    if found is None:
        raise InputError(f"no video '{wanted}' in the data set", remedy=f"ids are like '{videos[0]}'")
    return found
