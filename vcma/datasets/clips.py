"""Your own videos: a CSV or JSON-lines file of `video,sentence`, and no annotation at all.

`video` is a path below the data set's `videos:` folder and is also the video's id; the whole video is searched.
Sample ids are `<video>/<line>`, the line of the file on which the entry ends, counted from 1 with the header.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vcma.datasets.index import Collector, Index, Sample, UnusableError, Video, VideoFolder, is_inside, split_files
from vcma.errors import InputError
from vcma.names import video_root

_REMEDY = 'begin it with the line "video,sentence", or write one {"video": ..., "sentence": ...} a line'


def index(annotations: Path, block: Mapping[str, Any], project_root: Path, *, strict: bool = False) -> Index:
    """Index videos with sentences only; there is no truth.

    annotations: folder of the files named under `splits:`. Raises InputError where a file or folder is missing or
    no such table, if no sample is usable, and under `strict` at the first skip.
    """
    collector = Collector(annotations, VideoFolder(video_root(block, project_root)), "clips", strict)
    for split, file in split_files(annotations, block).items():
        for line, entry in _entries(file):
            video, sentence = entry.get("video"), entry.get("sentence")
            name = collector.unique(f"{video}/{line}" if isinstance(video, str) else f"{file.name}/{line}", split)
            try:
                if not isinstance(video, str) or not isinstance(sentence, str):
                    raise UnusableError("entry has no video or no sentence")
                if not is_inside(video):
                    raise UnusableError("video is outside the video folder")
                sample = Sample(name, split, sentence, "unknown", (0, -1))
                collector.add(sample, Video(video), video, None)
            except UnusableError as reason:
                collector.skip(name, reason)
    return collector.index(annotations)


def _entries(file: Path) -> Iterator[tuple[int, dict]]:
    """(line, entry) of each entry of a CSV or JSON-lines file; raises InputError if it is neither."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", file, "put it there or set 'splits:' in pipeline.yaml") from None
    except (OSError, ValueError) as error:
        raise InputError(f"not readable as UTF-8 text ({error})", file, _REMEDY) from error
    yield from (_json_lines(file, text) if file.suffix.lower() in (".jsonl", ".ndjson") else _csv_rows(file, text))


def _csv_rows(file: Path, text: str) -> Iterator[tuple[int, dict]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        if not {"video", "sentence"} <= set(rows.fieldnames or ()):
            raise InputError("has no columns 'video' and 'sentence'", file, _REMEDY)
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        raise InputError(f"line {rows.line_num} is no CSV ({error})", file, _REMEDY) from error


def _json_lines(file: Path, text: str) -> Iterator[tuple[int, dict]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"line {number} is no JSON ({error})", file, _REMEDY) from error
        yield number, entry if isinstance(entry, dict) else {}
