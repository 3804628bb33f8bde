"""Sample a video's frames on a time grid and encode them as JPEG: the `frames` artifact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.records.columns import offsets
from vcma.video.conversion import Picture
from vcma.video.cuts import colour_histogram, sampled_cuts
from vcma.video.decoding import FrameReader
from vcma.video.picture_array import Pictures
from vcma.video.pictures import opencv
from vcma.video.timeline import Timeline

_BEARABLE = 0.5  # minimum share of the sampled frames that must be decoded


def time_grid(segments: Iterable[tuple[int, int]], elapsed: np.ndarray, rate: float, max_frames: int) -> np.ndarray:
    """Return the native indices (int64) of the frames to sample: one grid per video, over all segments.

    segments: half-open [begin, end) in native frames; an end of -1 is the video's end. elapsed [n]: time since the
    first frame, s, ascending. A frame is sampled whenever floor(elapsed * rate) increases, and at the first frame
    of a segment; for a constant frame rate this is the sampling of protocol `tubedetr`. If there are n > max_frames
    samples, those of number floor(j * n / max_frames), j < max_frames, are kept.
    """
    count = len(elapsed)
    slot = np.floor(elapsed * rate + 1e-9)
    wanted = np.zeros(count, bool)
    for begin, end in segments:
        frame = np.arange(max(0, begin), count if end < 0 else min(end, count))
        wanted[frame[np.diff(slot[frame], prepend=-1) > 0]] = True
    grid = np.flatnonzero(wanted)
    if len(grid) > max_frames:
        grid = grid[np.arange(max_frames) * len(grid) // max_frames]
    return grid


def extract(
    path: Path,
    segments: Iterable[tuple[int, int]],
    *,
    timeline: Timeline | None = None,
    tell: Callable[[str], object] = lambda note: None,
    **parameters: Any,
) -> dict[str, Any]:
    """Return the FRAMES columns of a video file, as `sample`; timeline: the video's, read from it if not given."""
    return sample(FrameReader(path, timeline), segments, tell=tell, **parameters)


def sample(
    reader: Pictures,
    segments: Iterable[tuple[int, int]],
    *,
    rate: float,
    max_frames: int,
    max_side: int,
    quality: int,
    tell: Callable[[str], object] = lambda note: None,
    watch: Callable[[Iterable, int], Iterable] = lambda frames, total: frames,
) -> dict[str, Any]:
    """Return the FRAMES columns of a video: the frames of its time grid as JPEG.

    rate: frames per second; max_side: maximum side of a stored frame, px; quality: of JPEG, 1 to 100. tell: called
    with notes for the user about the video. watch(frames, total): wraps the iteration over frames to show progress.
    Raises InputError if fewer than half of the sampled frames can be decoded, or if a truncated file lacks a part
    of a segment.
    """
    path = str(reader.path)
    timeline, segments = reader.timeline, list(segments)
    if timeline.missing and any(end < 0 or end > len(timeline) for _, end in segments):
        raise InputError(timeline.missing, path, "download the video again; `vcma check` finds all such videos")
    grid = time_grid(segments, timeline.elapsed, rate, max_frames)
    frames, times, files, colours = [], [], [], []
    for index, time, picture in watch(reader.read(grid), len(grid)):
        if (file := _jpeg(picture, max_side, quality)) is not None:
            frames.append(index)
            times.append(time)
            files.append(file)
            colours.append(colour_histogram(picture))
    if reader.size is None or len(frames) < _BEARABLE * len(grid):
        found = f"only {len(frames)}" if frames else "none"
        raise InputError(
            f"{found} of {len(grid)} sampled frames could be decoded", path, "download the video again"
        )
    for note in (*timeline.notes, *_notes(reader, grid, frames)):
        tell(note)
    return {
        "frame": np.array(frames, dtype=np.int64),
        "time": np.array(times, dtype=np.float64),
        "cut": sampled_cuts(np.stack(colours), np.array(times)),
        "jpeg_offset": offsets(map(len, files)),
        "jpeg": np.concatenate(files),
        "width": np.int64(reader.size[0]),
        "height": np.int64(reader.size[1]),
        "fps": np.float64(timeline.fps),
        "frame_count": np.int64(len(timeline)),
    }


def _jpeg(picture: Picture, max_side: int, quality: int) -> np.ndarray | None:
    """Encode an image as JPEG, uint8 [bytes], no side longer than max_side; None if that fails."""
    cv2 = opencv()
    height, width = picture.shape[:2]
    scale = max_side / max(width, height)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    coded, file = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return file.ravel() if coded else None


def _notes(reader: Pictures, grid: np.ndarray, found: list[int]) -> Iterator[str]:
    """Yield notes about problems met while reading the frames of a grid."""
    if reader.broken:
        yield f"{reader.broken} of its {len(reader.timeline):,} frames cannot be decoded"
    if len(found) < len(grid):
        lost = np.setdiff1d(grid, found)
        first = reader.timeline.time[lost[0]]
        yield f"{len(lost)} of {len(grid)} sampled frames are lost, the first at {first:.1f} s"
    if reader.damaged:
        yield f"{reader.damaged} of {len(grid)} sampled frames are damaged"
    if reader.resized and reader.size:
        frame, (width, height) = reader.resized
        yield (
            f"its frame size changes from {reader.size[0]}x{reader.size[1]} to {width}x{height} by frame {frame}: "
            "later frames are fitted into the first size, with black bars"
        )
