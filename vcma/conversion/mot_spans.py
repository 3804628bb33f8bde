"""Predictions as MOT text and a table of spans, `spans.csv`: sample,begin,end and, if there are several, track."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from vcma.conversion import mot_text
from vcma.conversion.answers import StatedAnswer
from vcma.conversion.dropped import Dropped
from vcma.conversion.samples import Sample
from vcma.conversion.sources import source_of, unique_names
from vcma.conversion.track_rows import TrackRows
from vcma.errors import InputError
from vcma.pipeline.paths import file_stem
from vcma.pipeline.storage import text_lines

CONVENTIONS = mot_text.CONVENTIONS
SPANS = "spans.csv"
_REMEDY = "start it with the line sample,begin,end,track"


def read(path: Path, spans: Path | None, samples: Mapping[str, Sample], dropped: Dropped) -> Iterator[StatedAnswer]:
    """Yield the predictions of a text file, or of a folder with one file per video; raises InputError.

    spans: the table of spans, by default spans.csv in the folder.
    """
    names = unique_names({sample.video.id for sample in samples.values()})
    tracks_of = lru_cache(4)(lambda file: mot_text.read(file, dropped))
    for line, row in _rows(spans or (path / SPANS if path.is_dir() else path.with_name(SPANS))):
        sample = samples.get(row["sample"])
        if sample is None:
            dropped.add("spans that match no sample of the split", row["sample"])
            continue
        file = source_of(path, names[sample.video.id], mot_text.SUFFIXES) if path.is_dir() else path
        if file is None:
            dropped.add("samples whose video has no text file", sample.id)
            continue
        rows = _track(tracks_of(file), row["track"], f"line {line} of the spans", file)
        yield StatedAnswer(sample, (row["begin"], row["end"]), rows.time, rows.box)


def _track(rows: TrackRows, track: int | None, place: str, file: Path) -> TrackRows:
    """Return the rows of a track, or all rows if `track` is None and there is only one."""
    ids = np.unique(rows.track)
    if track is None and len(ids) > 1:
        raise InputError(f"has {len(ids)} tracks, but {place} does not say which", file, "add the column track")
    chosen = rows.at(rows.track == track) if track is not None else rows
    if not len(chosen):
        raise InputError(f"has no track {track}, which {place} refers to", file, "use one of its ids")
    return chosen


def _rows(path: Path) -> Iterator[tuple[int, dict]]:
    """Yield (line, {sample, begin, end, track}) for each row of the table of spans."""
    table = csv.DictReader(text_lines(path), skipinitialspace=True)
    if not {"sample", "begin", "end"} <= set(table.fieldnames or ()):
        raise InputError("has no columns sample, begin and end", path, _REMEDY)
    for row in table:
        try:
            track = int(row["track"]) if (row.get("track") or "").strip() else None
            yield table.line_num, {
                "sample": row["sample"], "begin": float(row["begin"]), "end": float(row["end"]), "track": track
            }  # fmt: skip
        except (TypeError, ValueError):
            raise InputError(f"line {table.line_num} is not sample,begin,end,track", path, _REMEDY) from None


def written(answers: Iterable[StatedAnswer]) -> dict[str, str]:
    """Return {file name: content}: a text file per video with a track per sample, and the table of spans."""
    lines: dict[str, list[list[float]]] = {}
    spans = io.StringIO()
    table = csv.writer(spans, lineterminator="\n")
    table.writerow(["sample", "begin", "end", "track"])
    tracks: dict[str, int] = {}
    for answer in answers:
        file = f"{file_stem(answer.sample.video.id)}.txt"
        track = tracks[file] = tracks.get(file, 0) + 1
        table.writerow([answer.sample.id, *(f"{t:g}" for t in answer.span or ()), track])
        boxes = zip(answer.time.tolist(), answer.box.tolist(), strict=True)
        lines.setdefault(file, []).extend([t, track, *box, 1, -1, 0] for t, box in boxes)
    texts = {file: mot_text.written(TrackRows.of(found, len(found))) for file, found in lines.items()}
    return texts | {SPANS: spans.getvalue()}
