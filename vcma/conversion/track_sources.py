"""The tracks of each video in other programs' files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from vcma.conversion import coco_video, mot_text, png_masks, ultralytics_text
from vcma.conversion.conventions import Conventions
from vcma.conversion.dropped import Dropped
from vcma.conversion.sources import one_video, source_of, unique_names, videos_by_name
from vcma.conversion.track_rows import TrackRows
from vcma.errors import InputError

# How each format writes boxes and times unless told otherwise.
CONVENTIONS: Mapping[str, Conventions] = {
    "mot": mot_text.CONVENTIONS,
    "ultralytics": ultralytics_text.CONVENTIONS,
    "coco": coco_video.CONVENTIONS,
    "masks": png_masks.CONVENTIONS,
}
FORMATS = tuple(CONVENTIONS)
Reader = Callable[[], TrackRows]


@dataclass(frozen=True)
class TrackSources:
    """A reader of the tracks of each video that has some, and the names of the file's classes by number.

    Readers raise InputError.
    """

    readers: dict[str, Reader]
    class_names: dict[int, str] = field(default_factory=dict)


def track_sources(
    form: str, path: Path, videos: Iterable[str], wanted: str | None, beside: Path | None, dropped: Dropped
) -> TrackSources:
    """The tracks in a file or folder of one of FORMATS, by the ids of the data set's videos.

    wanted: the video that a file without names is of. beside: the file that names the videos of COCO results.
    Raises InputError where there is nothing of any of the videos.
    """
    if not path.exists():
        raise InputError("no such file or folder", path)
    listed = list(videos)
    if form == "coco":
        found, names = coco_video.read(path, beside, dropped)
        named: dict[str, Reader] = {v.name: (lambda rows=v.rows: rows) for v in found}  # type: ignore[misc]
        sources = TrackSources(_by_id(named, listed, dropped), names)
    elif form == "ultralytics":
        files = ultralytics_text.files_by_video(path)
        named = {n: (lambda f=f: ultralytics_text.read(f, dropped)) for n, f in files.items()}  # type: ignore[misc]
        if wanted is not None and len(named) == 1:
            named = {one_video(listed, wanted, path): reader for reader in named.values()}
        sources = TrackSources(_by_id(named, listed, dropped))
    else:
        sources = TrackSources(dict(_places(form, path, listed, wanted, dropped)))
    if wanted is not None:
        chosen = one_video(listed, wanted, path)
        sources = replace(sources, readers={v: r for v, r in sources.readers.items() if v == chosen})
    if not sources.readers:
        example = f", e.g. for '{listed[0]}'" if listed else ""
        raise InputError(
            f"has nothing for the data set's {len(listed):,} videos{example}", path, "see docs/conversion.md"
        )
    return sources


def _by_id(named: Mapping[str, Reader], videos: list[str], dropped: Dropped) -> dict[str, Reader]:
    """Readers by video id instead of by the name in a file."""
    video_of = videos_by_name(videos)
    found = {}
    for name, reader in named.items():
        if name in video_of:
            found[video_of[name]] = reader
        else:
            dropped.add("videos that the data set does not have", name)
    return found


def _places(
    form: str, path: Path, videos: list[str], wanted: str | None, dropped: Dropped
) -> Iterator[tuple[str, Reader]]:
    """(video, reader) of the files of MOT text or the folders of masks."""
    read, suffixes = {"mot": (mot_text.read, mot_text.SUFFIXES), "masks": (png_masks.read, ("",))}[form]
    names_of = unique_names(videos)
    alone = path.is_file() or (form == "masks" and any(path.glob("*.png")))
    if alone or (form == "masks" and wanted in names_of and source_of(path, names_of[wanted], suffixes) is None):
        yield one_video(videos, wanted, path), lambda: read(path, dropped)
        return
    used = set()
    for video, names in names_of.items():
        place = source_of(path, names, suffixes)
        if place is not None and place != path:
            used.add(place.relative_to(path).parts[0])
            yield video, (lambda place=place: read(place, dropped))  # type: ignore[misc]
    others = [
        p.name for p in sorted(path.iterdir()) if p.name not in used and (form == "masks" or p.suffix == ".txt")
    ]
    dropped.add("files of videos that the data set does not have", (others or [""])[0], len(others))
