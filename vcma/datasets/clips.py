"""Unannotated videos: a CSV or JSON Lines file of `video,sentence`.

`video` is a path below the data set's `videos:` folder and also the video's id; the whole video is searched.
Sample ids are `<video>/<line>`, the line number in the file, counted from 1 including the header. Lines end in a
newline, optionally preceded by a carriage return. A row that spans several lines is refused, because an unclosed
quote would swallow the rows after it.
"""

from __future__ import annotations

import csv
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vcma.datasets.annotation_files import EVALUATED_SPLITS, split_files
from vcma.datasets.entries import Entry, UnusableEntry, UnusableError, Video, Watch, with_unique_ids
from vcma.datasets.index import Index, build
from vcma.datasets.video_files import VideoFolder, inner_path
from vcma.errors import InputError
from vcma.pipeline import strict_json
from vcma.pipeline.paths import video_root
from vcma.video.timeline import read_timeline

_REMEDY = 'start it with the line "video,sentence", or write one {"video": ..., "sentence": ...} per line'
_QUOTE = "quote a sentence that contains a comma, double the quotes within it, and close each quote on its line"


def index(
    annotations: Path,
    block: Mapping[str, Any],
    project_root: Path,
    *,
    strict: bool = False,
    videos: bool = True,
    watch: Watch = iter,
) -> Index:
    """Index videos that have sentences only; the ground truth is empty.

    annotations: folder of the files listed under `splits:`. Raises InputError if a file or folder is missing, a
    file is not such a table, no sample is usable, or, if `strict`, at the first skipped sample.
    """
    entries = read_entries(annotations, block, ())
    folder = None
    if videos:
        folder = VideoFolder(video_root(block, project_root))
        entries = _whole_videos(entries, folder)
    return build("clips", entries, EVALUATED_SPLITS, folder, annotations, strict, watch)


def _whole_videos(entries: Iterator[Entry | UnusableEntry], folder: VideoFolder) -> Iterator[Entry | UnusableEntry]:
    """Set the segments to the whole video where its length is known; yield truncated videos as unusable."""
    lengths: dict[str, tuple[int, str]] = {}
    for entry in entries:
        if isinstance(entry, Entry):
            if entry.video.id not in lengths:
                lengths[entry.video.id] = _length(entry, folder)
            frames, missing = lengths[entry.video.id]
            if missing:
                yield UnusableEntry(entry.id, entry.split, UnusableError("video truncated", missing))
                continue
            if frames:
                entry = replace(entry, segment=(0, frames))
        yield entry


def _length(entry: Entry, folder: VideoFolder) -> tuple[int, str]:
    """Return the number of native frames of an entry's video, and a description of what is missing from it.

    Returns 0 if the video cannot be read; that is reported by the stage that needs its frames.
    """
    try:
        timeline = read_timeline(folder.root / folder.find(entry.file, entry.path))
    except (InputError, UnusableError):
        return 0, ""
    return len(timeline), timeline.missing


def read_entries(
    annotations: Path, block: Mapping[str, Any], truth_splits: Container[str]
) -> Iterator[Entry | UnusableEntry]:
    """Yield every sentence of every split, never with ground truth. Raises InputError like `index`."""
    return with_unique_ids(_read_entries(annotations, block))


def _read_entries(annotations: Path, block: Mapping[str, Any]) -> Iterator[Entry | UnusableEntry]:
    for split, file in split_files(annotations, block).items():
        read_rows = _json_lines if strict_json.is_lines(file) else _csv_rows
        for line, row in read_rows(file, _content(file)):
            video, sentence = row.get("video"), row.get("sentence")
            try:
                if any(surplus := row.get(_SURPLUS, [])):
                    what = (
                        f"line {line} has {len(surplus)} more fields than the header, from '{surplus[0]}'; {_QUOTE}"
                    )
                    raise UnusableError("malformed record", what)
                if not isinstance(video, str) or not isinstance(sentence, str):
                    raise UnusableError("malformed record", "no video or no sentence")
                path = inner_path(video)
                yield Entry(f"{video}/{line}", split, Video(video), path, path, sentence, "unknown", (0, -1))
            except UnusableError as error:
                yield UnusableEntry(f"{file.name}#{line}", split, error)


def _content(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", file, "put it there or set 'splits:' in pipeline.yaml") from None
    except (OSError, ValueError) as error:
        raise InputError(f"not readable as UTF-8 text ({error})", file, _REMEDY) from error


_SURPLUS = ""  # key of a row's fields beyond those of the header


def _csv_rows(file: Path, text: str) -> Iterator[tuple[int, dict]]:
    """Yield (line, row) for each non-blank row below the header of a CSV file; raises InputError if malformed."""
    # StringIO would also end lines at a lone carriage return.
    rows = csv.reader((line + "\n" for line in text.split("\n")), skipinitialspace=True, strict=True)
    before = 0
    header: list[str] = []
    try:
        for fields in rows:
            first, before = before + 1, rows.line_num
            if before > first:
                what = f"a quoted field spans lines {first} to {before}"
                raise InputError(what, file, _QUOTE)
            if not header:
                header = _header(fields, file)
            elif any(field.strip() for field in fields):
                named = dict(zip(header, fields, strict=False))
                yield before, named | {_SURPLUS: fields[len(header) :]}
    except csv.Error as error:
        raise InputError(f"line {before + 1} is not valid CSV ({error})", file, _QUOTE) from error
    if not header:
        _header([], file)


def _header(fields: list[str], file: Path) -> list[str]:
    """Return the column names; raises InputError if `video` or `sentence` is missing or occurs twice."""
    for name in ("video", "sentence"):
        if fields.count(name) > 1:
            raise InputError(f"has two columns '{name}'", file, "rename or remove one of them")
    if not {"video", "sentence"} <= set(fields):
        raise InputError("has no columns 'video' and 'sentence'", file, _REMEDY)
    return fields


def _json_lines(file: Path, text: str) -> Iterator[tuple[int, dict]]:
    """Yield (line, row) for each line of a JSON Lines file; raises InputError if malformed."""
    try:
        for number, row in strict_json.lines(text):
            yield number, row if isinstance(row, dict) else {}
    except ValueError as error:
        raise InputError(str(error), file, _REMEDY) from error
