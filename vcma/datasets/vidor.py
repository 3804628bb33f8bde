"""VidOR's annotations, one JSON file per video: the path of its file, and the boxes of its objects over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vcma.boxes import FAR
from vcma.datasets.annotation_files import read_annotations
from vcma.datasets.entries import UnusableError
from vcma.errors import InputError

Tracks = Mapping[int, tuple[np.ndarray, np.ndarray]]  # track id -> frame int64 [n], box float32 [n, 4] xyxy px
NO_TRACK = (np.zeros(0, np.int64), np.zeros((0, 4), np.float32))


@dataclass(frozen=True)
class Trajectories:
    """One video of VidOR: the stated path of its file below the video root, and its tracks."""

    video_path: str | None
    tracks: Tracks


class VidorFolder:
    """VidOR's annotations below a root, `training/<group>/<vid>.json` or with fewer folders; listed once."""

    def __init__(self, root: Path):
        self._paths = {path.stem: path for path in sorted(root.rglob("*.json"), reverse=True)}

    def path(self, vid: str) -> Path | None:
        return self._paths.get(vid)


def read_trajectories(path: Path | None) -> Trajectories:
    """Read VidOR's annotation of one video; raises UnusableError if it is missing or malformed."""
    if path is None:
        raise UnusableError("no boxes", "VidOR has no annotation of the video")
    try:
        content = read_annotations(path, dict, "a VidOR annotation")
        place = content.get("video_path")
        return Trajectories(place if isinstance(place, str) else None, _tracks(content["trajectories"]))
    except InputError as error:
        raise UnusableError("no boxes", f"VidOR's annotation of the video is broken ({error.what})") from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UnusableError("no boxes", f"VidOR's annotation of the video is broken ({error!r})") from error


def _tracks(trajectories: list) -> Tracks:
    """Convert VidOR's lists of {tid, bbox}, one per frame, to arrays; drops a second box of a track in a frame.

    Raises UnusableError for a box that is not finite; KeyError, TypeError or ValueError for malformed lists.
    """
    frames: dict[int, list[int]] = {}
    boxes: dict[int, list[tuple]] = {}
    for frame, objects in enumerate(trajectories):
        for item in objects:
            tid, b = int(item["tid"]), item["bbox"]
            track = frames.setdefault(tid, [])
            if not track or track[-1] != frame:
                track.append(frame)
                boxes.setdefault(tid, []).append((b["xmin"], b["ymin"], b["xmax"], b["ymax"]))
    exact = {tid: np.array(b, np.float64) for tid, b in boxes.items()}
    if not all((np.abs(b) < FAR).all() for b in exact.values()):
        raise UnusableError("no boxes", "VidOR's annotation of the video is broken (a box is not finite)")
    return {tid: (np.array(frames[tid], np.int64), b.astype(np.float32)) for tid, b in exact.items()}
