"""Where a data set's videos are, and the file names of their artifacts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vcma.errors import InputError

_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
_MAX_STEM = 180  # bytes; leaves room for a suffix and the affixes of a partial file below the usual 255
_READABLE = 100  # bytes of a longer name that stay readable in front of its digest


def file_stem(video_id: str) -> str:
    """The file name, without suffix, of a video's artifacts: ASCII, 1 to 180 characters; no two ids share one.

    Letters, digits, `-`, `_` and inner dots stand for themselves, every other byte of the UTF-8 is `%XX`; a first
    dot is escaped too, so that no name is hidden or means a folder. A longer name is cut and ends in `~` and the
    SHA-256 of the id; `~` never occurs otherwise, nor does the lone `%` that stands for the empty id.
    """
    raw = video_id.encode("utf-8", "surrogatepass")
    escaped = [chr(b) if b in _SAFE else f"%{b:02X}" for b in raw]
    if escaped and escaped[0] == ".":
        escaped[0] = "%2E"
    stem = "".join(escaped) or "%"
    if len(stem) <= _MAX_STEM:
        return stem
    return f"{stem[:_READABLE]}~{hashlib.sha256(raw).hexdigest()}"


def video_root(block: Mapping[str, Any], project_root: Path) -> Path:
    """The folder of a data set's videos, `videos:` of its block; raises InputError if there is none."""
    return root_folder(block, "videos", project_root)


def root_folder(block: Mapping[str, Any], key: str, project_root: Path) -> Path:
    """The folder that a key of a data set's block names, below the project unless absolute; or InputError."""
    value = block.get(key)
    if not isinstance(value, str) or not value:
        raise InputError(f"the data set has no '{key}:' folder", "pipeline.yaml", f"set '{key}:' in its block")
    folder = project_root / Path(value).expanduser()
    if not folder.is_dir():
        without = ", or null to do without" if key == "boxes" else ""
        remedy = f"make it, or set '{key}:' in the data set's block of pipeline.yaml{without}"
        raise InputError("no such folder", folder, remedy)
    return folder


def is_file(path: Path) -> bool:
    """Whether there is such a file; `Path.is_file` raises where a name is longer than any file's."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; `Path.is_dir` raises where a name is longer than any folder's."""
    return os.path.isdir(path)  # noqa: PTH112
