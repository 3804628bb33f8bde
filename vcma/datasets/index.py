"""What every annotation format becomes: samples, truth of the evaluated splits, and what was left out.

Weak supervision by construction: a reader hands `truth` of the train split over only if the data set's block
says `train_truth: true` (the supervised ceiling); otherwise it does not even look at it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vcma.artifact import Columns, offsets
from vcma.errors import InputError

# Where files of several splits hold the same sample, the first split here keeps the plain id.
SPLITS = ("test", "val", "train")
SKIP_FILE = "skip.json"  # beside the annotations: {sample or video id: reason}, written by `vcma check --fix-index`
_LARGEST = 1 << 31
_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".flv", ".wmv", ".ts")


class UnusableError(Exception):
    """One item cannot be used; the text says why. It is skipped and counted, and ends a strict run."""


@dataclass(frozen=True)
class Video:
    """A video as annotated; what the annotation does not say is 0."""

    id: str
    fps: float = 0.0
    frames: int = 0
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Sample:
    """A sentence and the segment [begin, end) of native frames it is searched in; end -1: the video's end."""

    id: str
    split: str
    sentence: str
    query_type: str
    segment: tuple[int, int]


@dataclass(frozen=True)
class Truth:
    """The truth of one sample in native frames: span [begin, end), box_frame int64 [n], box float32 [n, 4]."""

    span: tuple[int, int]
    box_frame: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    box: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    target_id: int = -1
    category: str = ""
    predicate: str = ""
    distractors: int = -1


@dataclass(frozen=True)
class Index:
    """A data set: the SAMPLES columns, and the TRUTH columns of each split whose truth may be known."""

    samples: Columns
    truths: dict[str, Columns]


class VideoFolder:
    """The videos below a root, at most one folder deep; listed once."""

    def __init__(self, root: Path):
        self.root = root
        self._by_name: dict[str, list[str]] = {}
        for path in self._files():
            self._by_name.setdefault(Path(path).name, []).append(path)
            if path.lower().endswith(_SUFFIXES):
                self._by_name.setdefault(Path(path).stem, []).append(path)

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
        """Path below the root of a video named by its file name, with or without suffix; raises UnusableError.

        hint: a path below the root to prefer. Of several videos of one name the least deep, then first, is taken.
        """
        if hint is not None and is_inside(hint) and (self.root / hint).is_file():
            return hint
        found = self._by_name.get(name)
        if not found:
            raise UnusableError("video missing")
        return found[0]

    def describe(self, path: str) -> tuple[int, int]:
        """(bytes, modification time in s) of a video; raises UnusableError if missing, empty or unreadable."""
        try:
            status = (self.root / path).stat()
        except (OSError, ValueError):
            raise UnusableError("video missing") from None
        if not stat.S_ISREG(status.st_mode) or not os.access(self.root / path, os.R_OK):
            raise UnusableError("video not readable")
        if status.st_size == 0:
            raise UnusableError("video is an empty file")
        return status.st_size, int(status.st_mtime)


def is_inside(path: str) -> bool:
    """Whether a relative path stays below the folder it is joined to."""
    parts = Path(path).parts
    return bool(parts) and not Path(path).is_absolute() and ".." not in parts and "\0" not in path


class Collector:
    """Gathers samples, truths and skips of one data set into an Index.

    annotations: folder of the data set's files, whose skip list is honoured. strict: the first skip raises
    InputError instead. folder: where its videos are.
    """

    def __init__(self, annotations: Path, folder: VideoFolder, form: str, strict: bool):
        self.folder, self.form, self.strict = folder, form, strict
        self.unwanted = _skip_list(annotations / SKIP_FILE)
        self._videos: dict[str, tuple] = {}
        self._samples: list[tuple[Sample, str]] = []
        self._truths: dict[str, list[tuple[Sample, Video, Truth]]] = {}
        self._skipped: list[tuple[str, str]] = []
        self._taken: set[str] = set()

    def unique(self, sample_id: str, split: str) -> str:
        """The id itself or, where another split already has it, the id with `@split` behind it."""
        if sample_id in self._taken:
            sample_id = f"{sample_id}@{split}"
        self._taken.add(sample_id)
        return sample_id

    def skip(self, what: str, reason: object) -> None:
        if self.strict:
            raise InputError(str(reason), what, "mend or remove it, or run without --strict")
        self._skipped.append((what, str(reason)))

    def open_split(self, split: str) -> None:
        """Say that the truth of this split is known, even if no sample of it turns out to be usable."""
        self._truths.setdefault(split, [])

    def add(self, sample: Sample, video: Video, path: str, truth: Truth | None) -> None:
        """Take one sample, with its truth if it may be known; raises UnusableError if its video or text is bad.

        path: the video below the root.
        """
        for key in (sample.id, video.id):
            if key in self.unwanted:
                raise UnusableError(f"listed in {SKIP_FILE}: {self.unwanted[key]}")
        if not sample.sentence.strip():
            raise UnusableError("empty sentence")
        if any(text != _storable(text) for text in (sample.id, sample.sentence, video.id, path)):
            raise UnusableError("id, sentence or file name is no valid text")
        if video.id not in self._videos:
            self._videos[video.id] = (video, path, *self.folder.describe(path))
        self._samples.append((sample, video.id))
        if truth is not None:
            self._truths[sample.split].append((sample, video, truth))

    def index(self, where: Path) -> Index:
        """The finished index; raises InputError if nothing usable is left."""
        if not self._samples:
            first = f"; the first skipped: {': '.join(self._skipped[0])}" if self._skipped else ""
            raise InputError(
                f"no usable sample among {len(self._skipped)}{first}", where, "check 'videos:' in pipeline.yaml"
            )
        samples = _sample_columns(self._videos, self._samples, self._skipped)
        return Index(samples, {split: _truth_columns(self.form, rows) for split, rows in self._truths.items()})


def split_files(annotations: Path, block: Mapping[str, Any]) -> dict[str, Path]:
    """Which annotation file serves as which split; raises InputError where the block is wrong or names no file."""
    splits = block.get("splits")
    if not isinstance(splits, dict) or not set(splits) <= set(SPLITS) or not any(splits.values()):
        raise InputError(
            "the data set has no usable 'splits:'", "pipeline.yaml", "e.g. {test: test_annotations.json}"
        )
    return {split: annotations / str(splits[split]) for split in SPLITS if splits.get(split)}


def read_json(path: Path, kind: type, what: str) -> Any:
    """A JSON file whose top level is of the given kind; raises InputError naming file and remedy."""
    remedy = f"put {what} there, or name another file under 'splits:' in pipeline.yaml"
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
        raise UnusableError(f"{what} is no whole number")
    return int(value)


def positive(value: object, what: str) -> float:
    """A positive number of an annotation, at most 2^31; raises UnusableError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LARGEST:
        raise UnusableError(f"{what} is no positive number")
    return float(value)


def _skip_list(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    listed = read_json(path, dict, "a skip list {id: reason}")
    return {str(key): str(reason) for key, reason in listed.items()}


def _storable(text: str) -> str:
    """The text without what a UTF-8 column cannot hold: lone surrogates (broken JSON) and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def _text(values: Iterable[str]) -> np.ndarray:
    return np.array([_storable(v) for v in values], dtype=object)


def _sample_columns(videos: dict[str, tuple], samples: list, skipped: list) -> Columns:
    row = {video: i for i, video in enumerate(videos)}
    video, path, size, modified = zip(*videos.values(), strict=True)
    segment = np.array([s.segment for s, _ in samples], dtype=np.int64)
    return {
        "video": _text(v.id for v in video),
        "video_path": _text(path),
        "video_fps": np.array([v.fps for v in video], np.float64),
        "video_frames": np.array([v.frames for v in video], np.int64),
        "video_width": np.array([v.width for v in video], np.int64),
        "video_height": np.array([v.height for v in video], np.int64),
        "video_bytes": np.array(size, np.int64),
        "video_modified": np.array(modified, np.int64),
        "sample": _text(s.id for s, _ in samples),
        "sample_video": np.array([row[v] for _, v in samples], np.int64),
        "split": _text(s.split for s, _ in samples),
        "sentence": _text(s.sentence for s, _ in samples),
        "query_type": _text(s.query_type for s, _ in samples),
        "segment_begin": segment[:, 0].copy(),
        "segment_end": segment[:, 1].copy(),
        "skipped": _text(what for what, _ in skipped),
        "skipped_reason": _text(reason for _, reason in skipped),
    }


def _truth_columns(form: str, rows: list[tuple[Sample, Video, Truth]]) -> Columns:
    def numbers(values: Iterable[float], dtype: type) -> np.ndarray:
        return np.array(list(values), dtype=dtype)

    boxes = [np.zeros((0, 4), np.float32), *(t.box for _, _, t in rows)]
    frames = [np.zeros(0, np.int64), *(t.box_frame for _, _, t in rows)]
    return {
        "format": form,
        "sample": _text(s.id for s, _, _ in rows),
        "video": _text(v.id for _, v, _ in rows),
        "query_type": _text(s.query_type for s, _, _ in rows),
        "span_begin": numbers((t.span[0] for _, _, t in rows), np.int64),
        "span_end": numbers((t.span[1] for _, _, t in rows), np.int64),
        "segment_begin": numbers((s.segment[0] for s, _, _ in rows), np.int64),
        "segment_end": numbers((s.segment[1] for s, _, _ in rows), np.int64),
        "frame_count": numbers((v.frames for _, v, _ in rows), np.int64),
        "fps": numbers((v.fps for _, v, _ in rows), np.float64),
        "target_id": numbers((t.target_id for _, _, t in rows), np.int64),
        "category": _text(t.category for _, _, t in rows),
        "predicate": _text(t.predicate for _, _, t in rows),
        "distractors": numbers((t.distractors for _, _, t in rows), np.int64),
        "box_offset": offsets(len(t.box) for _, _, t in rows),
        "box_frame": np.concatenate(frames).astype(np.int64),
        "box": np.concatenate(boxes).astype(np.float32),
    }
