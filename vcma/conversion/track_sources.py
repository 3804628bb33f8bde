"""Tracks of each video in files of other programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from vcma.conversion import coco_video, mot_text, png_masks, ultralytics_text
from vcma.conversion.conventions import Conventions
from vcma.conversion.dropped import Dropped
from vcma.conversion.sources import one_video, source_of, unique_names, videos_by_name
from vcma.conversion.track_rows import TrackRows
from vcma.errors import InputError

# Default conventions of each format for boxes and times.
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
    """A reader of the tracks of each video that has any, and the names of the file's classes by number.

    Readers raise InputError.
    """

    readers: dict[str, Reader]
    class_names: dict[int, str] = field(default_factory=dict)


def track_sources(
    form: str, path: Path, videos: Iterable[str], wanted: str | None, beside: Path | None, dropped: Dropped
) -> TrackSources:
    """Find the tracks of the data set's videos in a file or folder of one of FORMATS.

    wanted: the video of a file that names none. beside: the file that lists the videos of COCO results. Raises
    InputError if there are no tracks of any of the videos.
    """
    if not path.exists():
        raise InputError("no such file or folder", path)
    listed = list(videos)
    class_names: dict[int, str] = {}
    if form == "coco":
        found, class_names = coco_video.read(path, beside, dropped)
        named = [(v.name, partial(_same, v.rows)) for v in found]
        sources = TrackSources(_by_id(named, listed, wanted, path, dropped), class_names)
    elif form == "ultralytics":
        files = ultralytics_text.files_by_video(path)
        named = [(name, partial(ultralytics_text.read, f, dropped)) for name, f in files.items()]
        sources = TrackSources(_by_id(named, listed, wanted, path, dropped))
    else:
        sources = TrackSources(dict(_places(form, path, listed, wanted, dropped)))
    if wanted is not None:
        chosen = one_video(listed, wanted, path)
        sources = replace(sources, readers={v: r for v, r in sources.readers.items() if v == chosen})
    if not sources.readers:
        example = f", e.g. for '{listed[0]}'" if listed else ""
        raise InputError(
            f"has no tracks of the data set's {len(listed):,} videos{example}", path, "see docs/conversion.md"
        )
    return sources


def _same(rows: TrackRows) -> TrackRows:
    return rows


def _by_id(
    named: Sequence[tuple[str, Reader]], videos: Sequence[str], wanted: str | None, path: Path, dropped: Dropped
) -> dict[str, Reader]:
    """Map readers from names in a file to video ids; a single one belongs to the wanted video, if given."""
    if wanted is not None and len(named) == 1:
        return {one_video(videos, wanted, path): named[0][1]}
    video_of = videos_by_name(videos)
    found: dict[str, Reader] = {}
    for name, reader in named:
        if name not in video_of:
            dropped.add("videos that the data set does not have", name)
        elif found.setdefault(video_of[name], reader) is not reader:
            raise InputError(f"has the video '{video_of[name]}' twice", path, "keep one of the two")
    return found


def _places(
    form: str, path: Path, videos: list[str], wanted: str | None, dropped: Dropped
) -> Iterator[tuple[str, Reader]]:
    """Yield (video, reader) for the files of MOT text or the folders of masks."""
    read, suffixes = {"mot": (mot_text.read, mot_text.SUFFIXES), "masks": (png_masks.read, ("",))}[form]
    if path.is_file() and form == "masks":
        raise InputError("is a file", path, "give the folder of the masks")
    names_of = unique_names(videos)
    alone = (form == "mot" and path.is_file()) or (form == "masks" and any(path.glob("*.png")))
    if alone or (form == "masks" and wanted in names_of and source_of(path, names_of[wanted], suffixes) is None):
        yield one_video(videos, wanted, path), partial(read, path, dropped)
        return
    used = set()
    for video, names in names_of.items():
        place = source_of(path, names, suffixes)
        if place is not None and place != path:
            used.add(place.relative_to(path).parts[0])
            yield video, partial(read, place, dropped)
    others = [
        p.name for p in sorted(path.iterdir()) if p.name not in used and (form == "masks" or p.suffix == ".txt")
    ]
    dropped.add("files of videos that the data set does not have", (others or [""])[0], len(others))
