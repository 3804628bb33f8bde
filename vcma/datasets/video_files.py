"""Where below the video root each video's file is, and what the file system says of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vcma.datasets.entries import UnusableError
from vcma.errors import InputError
from vcma.pipeline.paths import is_file

_COUNTING, _LENGTH_TOLERANCE = 2, 0.1  # frames, and share of the annotated ones, by which counts may differ
SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".flv", ".wmv", ".ts")


class VideoFolder:
    """The videos below a root, at most one folder deep; listed once. Raises InputError if that is refused."""

    def __init__(self, root: Path):
        self.root = root
        self._paths_by_name: dict[str, list[str]] = {}
        try:
            paths = self._list_files()
        except OSError as error:
            raise InputError(f"cannot be listed ({error.strerror})", root, "mend its permissions") from error
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
        """The paths of all files below the root whose suffix is that of a video, sorted."""
        paths = {path for listed in self._paths_by_name.values() for path in listed}
        return sorted(path for path in paths if path.lower().endswith(SUFFIXES))

    def find(self, name: str, hint: str | None = None) -> str:
        """Path below the root of a video named with or without folder and suffix; raises UnusableError.

        hint: a path below the root to prefer. Of several videos of one name the least deep, then first, is taken.
        """
        if hint is not None and is_inside(hint) and is_file(self.root / hint):
            return hint
        found = self._paths_by_name.get(name)
        if not found:
            raise UnusableError("video missing")
        return found[0]


def size_and_mtime(path: Path) -> tuple[int, int]:
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


def check_length(frames: int, annotated: int) -> None:
    """Raise UnusableError if a file of so many frames cannot be the annotated video; 0 in either is unknown.

    Containers and decoders count a frame or two more or less, and so do annotators: what differs by a tenth or less
    is the same video.
    """
    if frames and annotated and abs(frames - annotated) > max(_COUNTING, annotated * _LENGTH_TOLERANCE):
        raise UnusableError("another video", f"{frames} frames, annotated {annotated}")


def inner_path(path: str) -> str:
    """The path itself if, joined to a folder, it stays below it; else raises UnusableError."""
    if not is_inside(path):
        raise UnusableError("video outside its folder", path)
    return path


def is_inside(path: str) -> bool:
    """Whether a relative path stays below the folder it is joined to."""
    parts = Path(path).parts
    return bool(parts) and not Path(path).is_absolute() and ".." not in parts and "\0" not in path
