"""The skip list: samples and videos excluded by hand or by `vcma check --fix-index`."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from vcma.datasets.annotation_files import read_annotations
from vcma.datasets.entries import Entry, UnusableEntry

SKIP_FILE = "skip.json"  # beside the annotations: {sample or video id: reason}, written by `vcma check --fix-index`


def read_skip_list(path: Path) -> dict[str, str]:
    """Read {sample or video id: reason}, empty without the file; raises InputError if malformed."""
    if not path.exists():
        return {}
    listed = read_annotations(path, dict, "a skip list {id: reason}")
    return {str(key): str(reason) for key, reason in listed.items()}


def remaining(entries: Iterable[Entry | UnusableEntry], left_out: Container[str]) -> Iterator[Entry]:
    """Yield the usable entries whose own id and video id are not in `left_out`."""
    for entry in entries:
        if isinstance(entry, Entry) and entry.id not in left_out and entry.video.id not in left_out:
            yield entry
