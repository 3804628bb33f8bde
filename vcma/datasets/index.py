"""What every annotation format becomes: samples, truth of the evaluated splits, and what was left out.

Weak supervision by construction: a reader hands `truth` of the train split over only if the data set's block
says `train_truth: true` (the supervised ceiling); otherwise it does not even look at it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.pipeline.paths import is_file
from vcma.records.columns import Columns, offsets

# Where files of several splits hold the same sample, the first split here keeps the plain id.
SPLITS = ("test", "val", "train")
SKIP_FILE = "skip.json"  # beside the annotations: {sample or video id: reason}, written by `vcma check --fix-index`
SKIP_LISTED = f"listed in {SKIP_FILE}"
NOT_OFFICIAL = "not in the official list"
_CHOSEN = (SKIP_LISTED, NOT_OFFICIAL)  # left out on purpose: no reason for a strict run to end
_LARGEST = 1 << 31
_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".flv", ".wmv", ".ts")


class UnusableError(Exception):
    """One item cannot be used: what kind of trouble, and the particulars. It is skipped and counted, and ends a
    strict run."""

    def __init__(self, kind: str, detail: str = ""):
        self.kind, self.detail = kind, detail
        super().__init__(f"{kind}: {detail}" if detail else kind)


@dataclass(frozen=True)
class Video:
    """A video as annotated; what the annotation does not say is 0."""

    id: str
    fps: float = 0.0
    frames: int = 0
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Truth:
    """The truth of one sample in native frames: span [begin, end), box_frame int64 [n], box float32 [n, 4].

    rivals: track ids of the others of the target's category; distractors: how many of them matter, -1 if unknown.
    """

    span: tuple[int, int]
    box_frame: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    box: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    target_id: int = -1
    category: str = ""
    predicate: str = ""
    rivals: tuple[int, ...] = ()
    distractors: int = -1


@dataclass(frozen=True)
class Entry:
    """A sentence of an annotation file and the segment [begin, end) of native frames that is searched for it.

    An end of -1 is the video's end. file: the video's file name, with or without suffix; path: where below the
    video root it is said to be. truth is None where it may not be known or there is none.
    """

    id: str
    split: str
    video: Video
    file: str
    path: str | None
    sentence: str
    query_type: str
    segment: tuple[int, int]
    truth: Truth | None = None


@dataclass(frozen=True)
class Problem:
    """An entry that cannot be used, under its sample id or `<file>#<record number>`, and why."""

    id: str
    split: str
    error: UnusableError
    query_type: str = ""


@dataclass(frozen=True)
class Index:
    """A data set: the SAMPLES columns, and the TRUTH columns of val, test and any other split it may be known of.

    Where there is no truth the columns are empty.
    """

    samples: Columns
    truths: dict[str, Columns]


class VideoFolder:
    """The videos below a root, at most one folder deep; listed once. Raises InputError if that is refused."""

    def __init__(self, root: Path):
        self.root = root
        self._by_name: dict[str, list[str]] = {}
        try:
            listed = self._files()
        except OSError as error:
            raise InputError(f"cannot be listed ({error.strerror})", root, "mend its permissions") from error
        for path in listed:
            names = {path, path.rpartition("/")[2]}
            if path.lower().endswith(_SUFFIXES):
                names |= {name.rpartition(".")[0] for name in names}
            for name in names:
                self._by_name.setdefault(name, []).append(path)

    def _files(self) -> list[str]:
        found = []
        with os.scandir(self.root) as top:
            for entry in top:
                if entry.is_dir():
                    with os.scandir(entry.path) as inner:
                        found += [f"{entry.name}/{e.name}" for e in inner if not e.is_dir()]
                else:
                    found.append(entry.name)
        return sorted(found, key=lambda path: (path.count("/"), path))

    def find(self, name: str, hint: str | None = None) -> str:
        """Path below the root of a video named with or without folder and suffix; raises UnusableError.

        hint: a path below the root to prefer. Of several videos of one name the least deep, then first, is taken.
        """
        if hint is not None and is_inside(hint) and is_file(self.root / hint):
            return hint
        found = self._by_name.get(name)
        if not found:
            raise UnusableError("video missing")
        return found[0]


def file_facts(path: Path) -> tuple[int, int]:
    """(bytes, modification time in s) of a video; raises UnusableError if missing, empty or unreadable."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        raise UnusableError("video missing") from None
    if not stat.S_ISREG(status.st_mode) or not os.access(path, os.R_OK):
        raise UnusableError("video unreadable", "no permission, or no file")
    if status.st_size == 0:
        raise UnusableError("video unreadable", "empty file")
    return status.st_size, int(status.st_mtime)


def inner_path(path: str) -> str:
    """The path itself if, joined to a folder, it stays below it; else raises UnusableError."""
    if not is_inside(path):
        raise UnusableError("video outside its folder", path)
    return path


def is_inside(path: str) -> bool:
    """Whether a relative path stays below the folder it is joined to."""
    parts = Path(path).parts
    return bool(parts) and not Path(path).is_absolute() and ".." not in parts and "\0" not in path


def build(
    form: str,
    entries: Iterable[Entry | Problem],
    known: Iterable[str],
    folder: VideoFolder | None,
    annotations: Path,
    strict: bool,
) -> Index:
    """The Index of all entries whose video and text are of use.

    known: the splits whose truth is given. folder: where the videos are; None asks for none, and says nothing about
    their files. annotations: folder of the data set's files, whose skip list is honoured. Raises InputError if
    nothing usable is left and, under `strict`, at the first skip.
    """
    unwanted = read_skip_list(annotations / SKIP_FILE)
    used: list[Entry] = []
    videos: dict[str, tuple] = {}
    skipped: list[tuple[str, str, str]] = []
    for entry in entries:
        try:
            if isinstance(entry, Problem):
                raise entry.error
            _check(entry, unwanted)
            if entry.video.id not in videos:
                videos[entry.video.id] = (entry.video, *_file_of(entry, folder))
            used.append(entry)
        except UnusableError as error:
            if strict and error.kind not in _CHOSEN:
                raise InputError(str(error), entry.id, "mend or remove it, or run without --strict") from None
            skipped.append((entry.split, entry.id, str(error)))
    if not used:
        first = f"; the first: {': '.join(skipped[0][1:])}" if skipped else ""
        raise InputError(
            f"none of {len(skipped)} samples is usable{first}", annotations, "check 'videos:' in pipeline.yaml"
        )
    truths = {
        split: _truth_columns(form, [e for e in used if e.truth and e.split == split])
        | _skip_columns(item for item in skipped if item[0] == split)
        for split in known
    }
    return Index(_sample_columns(videos, used) | _skip_columns(skipped), truths)


def _file_of(entry: Entry, folder: VideoFolder | None) -> tuple[str, int, int]:
    """Path below the root, bytes and modification time of an entry's video; raises UnusableError."""
    if folder is None:
        return "", 0, 0
    path = folder.find(entry.file, entry.path)
    return path, *file_facts(folder.root / path)


def known_splits(block: Mapping[str, Any]) -> tuple[str, ...]:
    """The splits whose truth may be known: train only where the block says `train_truth: true`."""
    return SPLITS if block.get("train_truth") is True else SPLITS[:2]


def unique(entries: Iterable[Entry | Problem]) -> Iterator[Entry | Problem]:
    """The entries under ids that occur once: where an earlier split has the id, `@split` is put behind it."""
    taken: set[str] = set()
    for entry in entries:
        if entry.id in taken:
            entry = replace(entry, id=f"{entry.id}@{entry.split}")
        taken.add(entry.id)
        yield entry


def _check(entry: Entry, unwanted: Mapping[str, str]) -> None:
    for key in (entry.id, entry.video.id):
        if key in unwanted:
            raise UnusableError(SKIP_LISTED, unwanted[key])
    if not entry.sentence.strip():
        raise UnusableError("empty sentence")
    if any(text != _storable(text) for text in (entry.id, entry.sentence, entry.video.id, entry.path or "")):
        raise UnusableError("id, sentence or file name is no valid text")


def split_files(annotations: Path, block: Mapping[str, Any]) -> dict[str, Path]:
    """Which annotation file serves as which split; raises InputError where the block is wrong or names no file."""
    splits = block.get("splits")
    if not isinstance(splits, dict) or not set(splits) <= set(SPLITS) or not any(splits.values()):
        raise InputError(
            "the data set has no usable 'splits:'", "pipeline.yaml", "e.g. {test: test_annotations.json}"
        )
    return {split: annotations / str(splits[split]) for split in SPLITS if splits.get(split)}


def read_annotations(path: Path, kind: type, what: str, key: str = "splits") -> Any:
    """A JSON file whose top level is of the given kind; raises InputError naming file and remedy.

    key: where in the data set's block such files are named.
    """
    remedy = f"put {what} there, or name another file under '{key}:' in pipeline.yaml"
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError("no such file", path, remedy) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"not readable as JSON ({error})", path, remedy) from error
    if not isinstance(value, kind):
        raise InputError(f"is not {what}", path, remedy)
    return value


def whole(value: object, what: str) -> int:
    """A whole number of an annotation, at most 2^31 in size; raises UnusableError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST or value % 1:
        raise UnusableError("malformed record", f"{what} is no whole number")
    return int(value)


def positive(value: object, what: str) -> float:
    """A positive number of an annotation, at most 2^31; raises UnusableError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LARGEST:
        raise UnusableError("malformed record", f"{what} is no positive number")
    return float(value)


def read_skip_list(path: Path) -> dict[str, str]:
    """{sample or video id: reason} of what is left out, empty without the file; raises InputError if it is none."""
    if not path.exists():
        return {}
    listed = read_annotations(path, dict, "a skip list {id: reason}")
    return {str(key): str(reason) for key, reason in listed.items()}


def _storable(text: str) -> str:
    """The text without what a UTF-8 column cannot hold: lone surrogates (broken JSON) and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def _text(values: Iterable[str]) -> np.ndarray:
    return np.array([_storable(v) for v in values], dtype=object)


def _skip_columns(skipped: Iterable[tuple[str, str, str]]) -> Columns:
    listed = list(skipped)
    return {"skipped": _text(what for _, what, _ in listed), "skipped_reason": _text(why for *_, why in listed)}


def _sample_columns(videos: dict[str, tuple], entries: list[Entry]) -> Columns:
    row = {video: i for i, video in enumerate(videos)}
    video, path, size, modified = zip(*videos.values(), strict=True)
    return {
        "video": _text(v.id for v in video),
        "video_path": _text(path),
        "video_fps": np.array([v.fps for v in video], np.float64),
        "video_frames": np.array([v.frames for v in video], np.int64),
        "video_width": np.array([v.width for v in video], np.int64),
        "video_height": np.array([v.height for v in video], np.int64),
        "video_bytes": np.array(size, np.int64),
        "video_modified": np.array(modified, np.int64),
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
    }
