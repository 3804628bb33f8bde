"""The journal of a per-video stage: what each artifact followed from when it was made, and the file it became."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vcma.pipeline import storage

_ENTRY_KEYS = {"key", "counts", "size", "modified", "sha256"}


class Ledger:
    """`with Ledger(path) as ledger`: the journal of one stage, a JSON line [video, entry] for each finished video.

    An entry holds the key of what the artifact followed from, its counts, and size, modification time and SHA-256
    of its file. Of several lines for a video the last one counts. Whoever opens a ledger holds the stage's lock.
    """

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> Ledger:
        text = self.path.read_bytes().decode(errors="replace") if self.path.exists() else ""
        # Not splitlines(): a video's name may hold what that takes for the end of a line.
        self.entries = dict(entry for line in text.split("\n") if (entry := _parsed(line)) is not None)
        compacted = "".join(map(_line, self.entries.items()))
        if compacted != text:
            storage.write_bytes(self.path, compacted.encode())
        self.file = open(self.path, "a", encoding="utf-8", buffering=1)
        return self

    def entry(self, video: str) -> dict:
        """What was noted of a video; empty if nothing was."""
        return self.entries.get(video, {})

    def add(self, video: str, entry: dict) -> None:
        """Note a finished video at once, so that a killed run resumes behind it."""
        self.file.write(_line((video, entry)))

    def __exit__(self, *_: Any) -> None:
        self.file.close()


def _line(item: tuple[str, dict]) -> str:
    return json.dumps(item, ensure_ascii=False) + "\n"


def _parsed(line: str) -> tuple[str, dict] | None:
    """The video and entry of a line; None of one that is none, such as the torn last line of a killed run."""
    try:
        video, entry = json.loads(line)
        counted = entry.keys() == _ENTRY_KEYS and all(isinstance(n, int) for n in entry["counts"].values())
        return (video, entry) if isinstance(video, str) and counted else None
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def is_current(entry: Mapping[str, Any], key: str, path: Path) -> bool:
    """Whether a file is the one that was written, and follows from the same as now."""
    if entry.get("key") != key or not path.is_file():
        return False
    # An untouched file need not be read again; a touched one must still be the one that was written.
    untouched = all(entry[name] == value for name, value in _stat(path).items())
    return untouched or _digest(path) == entry["sha256"]


def file_entry(path: Path) -> dict[str, Any]:
    """What an entry holds of a file: size, modified (ns) and sha256."""
    return {**_stat(path), "sha256": _digest(path)}


def _stat(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"size": stat.st_size, "modified": stat.st_mtime_ns}


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
