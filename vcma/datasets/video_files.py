"""Video files: finding them below the video root, and checking their size and length."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vcma.datasets.entries import UnusableError
from vcma.errors import InputError
from vcma.pipeline.paths import is_file

_COUNTING, _LENGTH_TOLERANCE = 2, 0.1  # frames, and share of the annotated frames, by which counts may differ
SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".flv", ".wmv", ".ts")


class VideoFolder:
    """Videos in a root folder and its direct subfolders, listed once. Raises InputError if it cannot be listed."""

    def __init__(self, root: Path):
        self.root = root
        self._paths_by_name: dict[str, list[str]] = {}
        try:
            paths = self._list_files()
        except OSError as error:
            raise InputError(f"cannot be listed ({error.strerror})", root, "fix its permissions") from error
        for path in paths:
            names = {path, path.rpartition("/")[2]}
            if path.lower().endswith(SUFFIXES):
                names |= {name.rpartition(".")[0] for name in names}
            for name in names:
                self._paths_by_name.setdefault(name, []).append(path)

    def _list_files(self) -> list[str]:
        found = []
        with os.scandir(self.root) as top:
            for entry in top:
                if entry.is_dir():
                    with os.scandir(entry.path) as inner:
                        found += [f"{entry.name}/{e.name}" for e in inner if not e.is_dir()]
                else:
                    found.append(entry.name)
        return sorted(found, key=lambda path: (path.count("/"), path))

    def videos(self) -> list[str]:
        """Return the paths of all video files below the root (by suffix), sorted."""
        paths = {path for listed in self._paths_by_name.values() for path in listed}
        return sorted(path for path in paths if path.lower().endswith(SUFFIXES))

    def find(self, name: str, hint: str | None = None) -> str:
        """Return the path below the root of a video given with or without folder and suffix.

        hint: a path below the root that takes precedence. Of several videos with the same name, those in the root
        come first, then alphabetical order decides. Raises UnusableError if there is none.
        """
        if hint is not None and is_inside(hint) and is_file(self.root / hint):
            return hint
        found = self._paths_by_name.get(name)
        if not found:
            raise UnusableError("video missing")
        return found[0]


def size_and_mtime(path: Path) -> tuple[int, int]:
    """Return (bytes, modification time in s) of a video; raises UnusableError if missing, empty or unreadable."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        raise UnusableError("video missing") from None
    if not stat.S_ISREG(status.st_mode) or not os.access(path, os.R_OK):
        raise UnusableError("video unreadable", "no permission, or not a file")
    if status.st_size == 0:
        raise UnusableError("video unreadable", "empty file")
    return status.st_size, int(status.st_mtime)


def check_length(frames: int, annotated: int) -> None:
    """Raise UnusableError if a file with this many frames cannot be the annotated video; 0 means unknown.

    Containers, decoders and annotators differ by a frame or two in how they count; a difference of up to 2 frames
    or 10 % is accepted as the same video.
    """
    if frames and annotated and abs(frames - annotated) > max(_COUNTING, annotated * _LENGTH_TOLERANCE):
        raise UnusableError("another video", f"{frames} frames, annotated {annotated}")


def inner_path(path: str) -> str:
    """Return the path if it stays inside the folder it is joined to; else raises UnusableError."""
    if not is_inside(path):
        raise UnusableError("video outside its folder", path)
    return path


def is_inside(path: str) -> bool:
    """Return whether a relative path stays inside the folder it is joined to."""
    parts = Path(path).parts
    return bool(parts) and not Path(path).is_absolute() and ".." not in parts and "\0" not in path
