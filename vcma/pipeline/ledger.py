"""Journal of a per-video stage: for each artifact, a digest of what it was computed from, and the file written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vcma.pipeline import storage

_ENTRY_KEYS = {"key", "counts", "size", "modified", "sha256"}


class Ledger:
    """Journal of one stage, a context manager: one JSON line [video, entry] for each finished video.

    An entry holds the key (digest of parameters, inputs and code), the counts, and the size, modification time and
    SHA-256 of the artifact's file. If a video has several lines, the last one counts. The caller must hold the
    stage's lock.
    """

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> Ledger:
        text = self.path.read_bytes().decode(errors="replace") if self.path.exists() else ""
        # Not splitlines(): a video's name may contain characters that it treats as line ends.
        self.entries = dict(entry for line in text.split("\n") if (entry := _parsed(line)) is not None)
        compacted = "".join(map(_line, self.entries.items()))
        if compacted != text:
            storage.write_bytes(self.path, compacted.encode())
        self.file = open(self.path, "a", encoding="utf-8", buffering=1)
        return self

    def entry(self, video: str) -> dict:
        """Return the entry of a video, empty if it has none."""
        return self.entries.get(video, {})

    def add(self, video: str, entry: dict) -> None:
        """Record a finished video immediately, so that a killed run resumes after it."""
        self.file.write(_line((video, entry)))

    def __exit__(self, *_: Any) -> None:
        self.file.close()


def _line(item: tuple[str, dict]) -> str:
    return json.dumps(item, ensure_ascii=False) + "\n"


def _parsed(line: str) -> tuple[str, dict] | None:
    """Parse the video and entry of a line; None if it is invalid, such as the partial last line of a killed run."""
    try:
        video, entry = json.loads(line)
        counted = entry.keys() == _ENTRY_KEYS and all(isinstance(n, int) for n in entry["counts"].values())
        return (video, entry) if isinstance(video, str) and counted else None
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def is_current(entry: Mapping[str, Any], key: str, path: Path) -> bool:
    """Return whether a file is unchanged since it was written and its key equals the current one."""
    if entry.get("key") != key or not path.is_file():
        return False
    # A file with the same size and time need not be read again; otherwise its content must be unchanged.
    untouched = all(entry[name] == value for name, value in _stat(path).items())
    return untouched or _digest(path) == entry["sha256"]


def file_entry(path: Path) -> dict[str, Any]:
    """Return the part of an entry that describes a file: size, modified (ns) and sha256."""
    return {**_stat(path), "sha256": _digest(path)}


def _stat(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"size": stat.st_size, "modified": stat.st_mtime_ns}


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
