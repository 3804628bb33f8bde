"""Entries: the common form of all annotation formats, each a sentence about a video, with or without its truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

Watch = Callable[[Iterable], Iterable]  # yields the items of its argument, and may display progress


class UnusableError(Exception):
    """An item cannot be used: kind of problem, and details. It is skipped and counted, or ends a strict run."""

    def __init__(self, kind: str, detail: str = ""):
        self.kind, self.detail = kind, detail
        super().__init__(f"{kind}: {detail}" if detail else kind)


@dataclass(frozen=True)
class Video:
    """A video as annotated; values that the annotation does not state are 0."""

    id: str
    fps: float = 0.0
    frames: int = 0
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class AnnotatedTube:
    """Ground truth of an entry in native frames: span [begin, end), box_frame int64 [n], box float32 [n, 4] xyxy.

    rivals: track ids of the other objects of the target's category; distractors: how many of them count as
    distractors, -1 if unknown. contradictions: descriptions of other annotated values that disagree with the span.
    """

    span: tuple[int, int]
    box_frame: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    box: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    target_id: int = -1
    category: str = ""
    predicate: str = ""
    rivals: tuple[int, ...] = ()
    distractors: int = -1
    contradictions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A sentence of an annotation file and the segment [begin, end) of native frames in which it is searched.

    An end of -1 means the end of the video. file: the video's file name, with or without suffix; path: its stated
    path below the video root. truth is None if there is none or it must not be read.
    """

    id: str
    split: str
    video: Video
    file: str
    path: str | None
    sentence: str
    query_type: str
    segment: tuple[int, int]
    truth: AnnotatedTube | None = None


@dataclass(frozen=True)
class UnusableEntry:
    """An entry that cannot be used, with its sample id or `<file>#<record number>`, and the reason."""

    id: str
    split: str
    error: UnusableError
    query_type: str = ""


def with_unique_ids(entries: Iterable[Entry | UnusableEntry]) -> Iterator[Entry | UnusableEntry]:
    """Make ids unique: append `@split` to an id that an earlier split already has."""
    taken: set[str] = set()
    for entry in entries:
        if entry.id in taken:
            entry = replace(entry, id=f"{entry.id}@{entry.split}")
        taken.add(entry.id)
        yield entry
