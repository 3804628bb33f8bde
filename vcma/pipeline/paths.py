"""Paths: the folder of a data set's videos, and the file names of their artifacts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vcma.errors import InputError

_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
_MAX_STEM = 180  # bytes; leaves room for a suffix and the affixes of a partial file below the usual 255
_READABLE = 100  # bytes of a longer name that are kept before its digest


def file_stem(video_id: str) -> str:
    """Return the file name, without suffix, of a video's artifacts: ASCII, 1 to 180 characters, unique for each id.

    Letters, digits, `-`, `_` and dots are kept, except a leading dot, which would make a hidden file or a folder;
    every other byte of the UTF-8 becomes `%XX`. A longer name is cut and ends in `~` and the SHA-256 of the id. The
    empty id becomes `%`. Neither `~` nor a lone `%` can result from any other id.
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
    """Return the folder of a data set's videos, `videos:` of its block; raises InputError if it does not exist."""
    return root_folder(block, "videos", project_root)


def root_folder(block: Mapping[str, Any], key: str, project_root: Path) -> Path:
    """Return the folder given by a key of a data set's block, relative to the project unless absolute.

    Raises InputError if the key is not set or the folder does not exist.
    """
    value = block.get(key)
    if not isinstance(value, str) or not value:
        raise InputError(f"the data set has no '{key}:' folder", "pipeline.yaml", f"set '{key}:' in its block")
    folder = project_root / Path(value).expanduser()
    if not folder.is_dir():
        without = ", or set it to null if there are no boxes" if key == "boxes" else ""
        remedy = f"create it, or set '{key}:' in the data set's block of pipeline.yaml{without}"
        raise InputError("no such folder", folder, remedy)
    return folder


def is_file(path: Path) -> bool:
    """Return whether a file exists; unlike `Path.is_file` it does not raise for names that are too long."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Return whether a folder exists; unlike `Path.is_dir` it does not raise for names that are too long."""
    return os.path.isdir(path)  # noqa: PTH112
