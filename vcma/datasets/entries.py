"""What every annotation format is read as: entries, each a sentence about a video, with or without its truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

Watch = Callable[[Iterable], Iterable]  # iterates over what it is given, and may show how far it is


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
class AnnotatedTube:
    """The truth of one entry in native frames: span [begin, end), box_frame int64 [n], box float32 [n, 4] xyxy px.

    rivals: track ids of the other objects of the target's category; distractors: how many of them matter, -1 if
    unknown. contradictions: what else the annotation says of the span, in words, where that is another one.
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
    truth: AnnotatedTube | None = None


@dataclass(frozen=True)
class UnusableEntry:
    """An entry that cannot be used, under its sample id or `<file>#<record number>`, and why."""

    id: str
    split: str
    error: UnusableError
    query_type: str = ""


def with_unique_ids(entries: Iterable[Entry | UnusableEntry]) -> Iterator[Entry | UnusableEntry]:
    """The entries under ids that occur once: where an earlier split has the id, `@split` is put behind it."""
    taken: set[str] = set()
    for entry in entries:
        if entry.id in taken:
            entry = replace(entry, id=f"{entry.id}@{entry.split}")
        taken.add(entry.id)
        yield entry
