"""The time grid of a video, and its frames as JPEG: the `frames` artifact."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.records.columns import offsets
from vcma.video.container import declared_frames
from vcma.video.decoding import SequentialDecoder, frames_of
from vcma.video.extent import extent
from vcma.video.pictures import opencv


def time_grid(
    segments: Iterable[tuple[int, int]], frame_count: int, fps: float, rate: float, max_frames: int
) -> np.ndarray:
    """Native indices (int64) of the frames to keep: one grid a video, over all segments its samples use.

    A frame is taken whenever floor(frame * rate / fps) grows, and at the first frame of a segment (protocol
    `tubedetr`). segments are half-open [begin, end) in native frames, an end of -1 is the video's end. Of more
    than max_frames, the j-th kept is number floor(j * n / max_frames).
    """
    step = min(1.0, rate / fps) if fps > 0 else 1.0
    wanted = np.zeros(max(0, frame_count), bool)
    for begin, end in segments:
        stop = frame_count if end < 0 else min(end, frame_count)
        frame = np.arange(max(0, begin), max(0, stop))
        slot = np.floor(frame * step + 1e-9)
        wanted[frame[np.diff(slot, prepend=-1) > 0]] = True
    grid = np.flatnonzero(wanted)
    if len(grid) > max_frames:
        grid = grid[np.arange(max_frames) * len(grid) // max_frames]
    return grid


_LONGEST = 1 << 24  # frames; a damaged file that declares more must not fill the memory


def extract(
    path: Path,
    segments: Iterable[tuple[int, int]],
    *,
    rate: float,
    max_frames: int,
    max_side: int,
    quality: int,
) -> dict[str, Any]:
    """The FRAMES columns of one video: its time grid's frames as JPEG, no side longer than max_side.

    rate is in frames a second, quality is JPEG's 1..100. Raises InputError if no wanted frame can be decoded, or if
    the file is cut off before the last one.
    """
    cv2 = opencv()
    frames, times, files = [], [], []
    with SequentialDecoder(path) as plain:
        fps, width, height = plain.shape()
        declared = declared_frames(path)
        whole = None if declared else extent(path)
        count = whole.frames if whole else declared
        grid = time_grid(segments, min(count, _LONGEST), fps, rate, max_frames)
        for index, time, picture in frames_of(path, plain, grid):
            height, width = picture.shape[:2]
            scale = max_side / max(width, height)
            if scale < 1:
                size = max(1, round(width * scale)), max(1, round(height * scale))
                picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            coded, file = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
            if coded:
                frames.append(index)
                times.append(time)
                files.append(file.ravel())
    if not frames:
        raise InputError(f"none of {len(grid)} wanted frames could be decoded", path, "fetch the video again")
    short = frames[-1] < grid[-1] if declared else any(end < 0 or end > count for _, end in segments)
    if short and (missing := (whole or extent(path)).missing):
        raise InputError(missing, path, "fetch the video again; `vcma check` finds all of its kind")
    return {
        "frame": np.array(frames, dtype=np.int64),
        "time": np.array(times, dtype=np.float64),
        "jpeg_offset": offsets(map(len, files)),
        "jpeg": np.concatenate(files).astype(np.uint8),
        "width": np.int64(width),
        "height": np.int64(height),
        "fps": np.float64(fps),
        "frame_count": np.int64(count),
    }
