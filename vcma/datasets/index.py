"""Index of a data set: samples, ground truth of the evaluated splits, and skipped entries, as columns.

Weak supervision by construction: a reader passes on the ground truth of the train split only if the data set's
block sets `train_truth: true` (for the supervised upper bound); otherwise it does not even parse it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vcma.datasets.entries import Entry, UnusableEntry, UnusableError, Video, Watch
from vcma.datasets.skip_list import SKIP_FILE, read_skip_list
from vcma.datasets.video_files import VideoFolder, check_length, size_and_mtime
from vcma.errors import InputError
from vcma.records.columns import Columns, offsets
from vcma.video.container import declared_frames

NOT_OFFICIAL = "not in the official list"
_SKIP_LISTED = f"listed in {SKIP_FILE}"
_LEFT_OUT_ON_PURPOSE = (_SKIP_LISTED, NOT_OFFICIAL)  # these do not end a strict run


@dataclass(frozen=True)
class Index:
    """A data set: the SAMPLES columns, and by split the TRUTH columns of every split whose truth may be read.

    The columns of a split without ground truth are empty.
    """

    samples: Columns
    truths: dict[str, Columns]


class _IndexedVideo(NamedTuple):
    """A video with its path below the video root, size in bytes and modification time in s."""

    video: Video
    path: str
    size: int
    modified: int


class _Skipped(NamedTuple):
    split: str
    id: str
    reason: str


def build(
    form: str,
    entries: Iterable[Entry | UnusableEntry],
    truth_splits: Iterable[str],
    folder: VideoFolder | None,
    annotations: Path,
    strict: bool,
    watch: Watch = iter,
) -> Index:
    """Build the Index of all entries whose video and text are usable.

    truth_splits: the splits whose ground truth is given. folder: where the videos are; if None, no video file is
    required or described. annotations: folder of the data set's files, whose skip list is applied. watch: yields
    the entries and may display progress. Raises InputError if no sample is usable and, if `strict`, at the first
    skipped sample.
    """
    skip_list = read_skip_list(annotations / SKIP_FILE)
    used: list[Entry] = []
    videos: dict[str, _IndexedVideo] = {}
    skipped: list[_Skipped] = []
    for entry in watch(entries):
        try:
            if isinstance(entry, UnusableEntry):
                raise entry.error
            _check(entry, skip_list)
            if entry.video.id not in videos:
                videos[entry.video.id] = _indexed(entry, folder)
            used.append(entry)
        except UnusableError as error:
            if strict and error.kind not in _LEFT_OUT_ON_PURPOSE:
                raise InputError(str(error), entry.id, "fix or remove it, or run without --strict") from None
            skipped.append(_Skipped(entry.split, entry.id, str(error)))
    if not used:
        raise _nothing_usable(skipped, annotations)
    truths = {
        split: _truth_columns(form, [e for e in used if e.truth and e.split == split])
        | _skip_columns([item for item in skipped if item.split == split])
        for split in truth_splits
    }
    return Index(_sample_columns(videos, used) | _skip_columns(skipped), truths)


def _check(entry: Entry, skip_list: Mapping[str, str]) -> None:
    """Raise UnusableError for an entry in the skip list, an empty sentence, or text that HDF5 cannot store."""
    for key in (entry.id, entry.video.id):
        if key in skip_list:
            raise UnusableError(_SKIP_LISTED, skip_list[key])
    if not entry.sentence.strip():
        raise UnusableError("empty sentence")
    if any(text != _storable(text) for text in (entry.id, entry.sentence, entry.video.id, entry.path or "")):
        raise UnusableError("id, sentence or file name is not valid text")


def _indexed(entry: Entry, folder: VideoFolder | None) -> _IndexedVideo:
    """Return an entry's video with its file, located if a folder is given; raises UnusableError."""
    if folder is None:
        return _IndexedVideo(entry.video, "", 0, 0)
    path = folder.find(entry.file, entry.path)
    found = _IndexedVideo(entry.video, path, *size_and_mtime(folder.root / path))
    if entry.video.frames:
        check_length(declared_frames(folder.root / path), entry.video.frames)
    return found


def _nothing_usable(skipped: list[_Skipped], annotations: Path) -> InputError:
    first = f"; first: {skipped[0].id}: {skipped[0].reason}" if skipped else ""
    what = f"none of {len(skipped)} samples is usable{first}"
    return InputError(what, annotations, "check 'videos:' in pipeline.yaml")


def _storable(text: str) -> str:
    """Replace characters that an HDF5 text column cannot hold: lone surrogates (broken JSON) and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def _text(values: Iterable[str]) -> np.ndarray:
    return np.array([_storable(v) for v in values], dtype=object)


def _skip_columns(skipped: list[_Skipped]) -> Columns:
    return {"skipped": _text(s.id for s in skipped), "skipped_reason": _text(s.reason for s in skipped)}


def _sample_columns(videos: dict[str, _IndexedVideo], entries: list[Entry]) -> Columns:
    row = {video: i for i, video in enumerate(videos)}
    indexed = list(videos.values())
    return {
        "video": _text(v.video.id for v in indexed),
        "video_path": _text(v.path for v in indexed),
        "video_fps": np.array([v.video.fps for v in indexed], np.float64),
        "video_frames": np.array([v.video.frames for v in indexed], np.int64),
        "video_width": np.array([v.video.width for v in indexed], np.int64),
        "video_height": np.array([v.video.height for v in indexed], np.int64),
        "video_bytes": np.array([v.size for v in indexed], np.int64),
        "video_modified": np.array([v.modified for v in indexed], np.int64),
        "sample": _text(e.id for e in entries),
        "sample_video": np.array([row[e.video.id] for e in entries], np.int64),
        "split": _text(e.split for e in entries),
        "sentence": _text(e.sentence for e in entries),
        "query_type": _text(e.query_type for e in entries),
        "segment_begin": np.array([e.segment[0] for e in entries], np.int64),
        "segment_end": np.array([e.segment[1] for e in entries], np.int64),
    }


def _truth_columns(form: str, entries: list[Entry]) -> Columns:
    truths = [e.truth for e in entries if e.truth]
    return {
        "format": form,
        "sample": _text(e.id for e in entries),
        "video": _text(e.video.id for e in entries),
        "query_type": _text(e.query_type for e in entries),
        "span_begin": np.array([t.span[0] for t in truths], np.int64),
        "span_end": np.array([t.span[1] for t in truths], np.int64),
        "segment_begin": np.array([e.segment[0] for e in entries], np.int64),
        "segment_end": np.array([e.segment[1] for e in entries], np.int64),
        "frame_count": np.array([e.video.frames for e in entries], np.int64),
        "fps": np.array([e.video.fps for e in entries], np.float64),
        "target_id": np.array([t.target_id for t in truths], np.int64),
        "category": _text(t.category for t in truths),
        "predicate": _text(t.predicate for t in truths),
        "distractors": np.array([t.distractors for t in truths], np.int64),
        "box_offset": offsets(len(t.box) for t in truths),
        "box_frame": np.concatenate([np.zeros(0, np.int64), *(t.box_frame for t in truths)]),
        "box": np.concatenate([np.zeros((0, 4), np.float32), *(t.box for t in truths)]),
        "width": np.array([e.video.width for e in entries], np.int64),
        "height": np.array([e.video.height for e in entries], np.int64),
    }
