"""Open video files, choose the video stream, and read what the header declares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from vcma.errors import InputError
from vcma.pipeline.paths import is_file

_NO_TIMES, _CLOCK_MAY_JUMP = 0x0080, 0x0200  # AVFMT_NOTIMESTAMPS, AVFMT_TS_DISCONT


@contextmanager
def open_video(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open a video file; yields PyAV's container and the first video stream that is not a cover image.

    Decoding uses one thread, since a stage decodes one video per core. Raises InputError if the file is missing or
    has no video that can be decoded.
    """
    import av

    if not is_file(path):
        raise InputError("no such video", path, "put it there")
    if str(path) != str(path).encode("utf-8", "replace").decode():
        raise InputError("its name is not valid UTF-8", path, "rename it")
    try:
        # Absolute, because FFmpeg takes the part before a colon for a protocol. Metadata need not be UTF-8.
        container = av.open(str(path.absolute()), metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise InputError("cannot be decoded as video", path, "download it again; it may be truncated") from error
    with container:
        yield container, _video_stream(container, path)


def _video_stream(container: Any, path: Path) -> Any:
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not Disposition.attached_pic & s.disposition]
    if not streams:
        what = "holds a cover image, but no video" if container.streams.video else "holds no video"
        raise InputError(what, path, "remove it from the data set")
    stream = streams[0]
    if stream.codec_context is None:
        raise InputError("its video has a codec that FFmpeg cannot decode", path, "convert it")
    stream.thread_count = 1
    return stream


def has_times(container: Any) -> bool:
    """Return whether a container's format stores presentation times; raw codec streams do not."""
    return not container.format.flags & _NO_TIMES


def clock_may_jump(container: Any) -> bool:
    """Return whether the times of a container's format may be discontinuous, as in a transport stream."""
    return bool(container.format.flags & _CLOCK_MAY_JUMP)


def header_rates(stream: Any) -> list[Fraction]:
    """Return the frame rates in a header, frames per second, the most likely first; all of them may be wrong."""
    return [rate for rate in (stream.guessed_rate, stream.average_rate, stream.base_rate) if rate]


def declared_frames(path: Path) -> int:
    """Return the number of frames in the header; 0 if it has none or the file cannot be read."""
    try:
        with open_video(path) as (_, stream):
            return int(stream.frames)
    except InputError:
        return 0


def declared_seconds(container: Any, stream: Any, path: Path) -> float:
    """Return the end of the last frame according to the header, in s; 0 if unknown or not to be relied on.

    It serves to detect truncated files. mp4 stores it in the stream. FFmpeg corrects AVI's duration, but not its
    frame count, which is used instead. Matroska's duration may be far longer than its video, so it counts only if
    the file is also shorter than its declared size in bytes. Other formats are not usable.
    """
    import av

    form = container.format.name
    if form == "avi":
        return stream.frames / float(stream.average_rate) if stream.average_rate else 0.0
    if "matroska" in form:
        if _segment_end(path) <= path.stat().st_size:
            return 0.0
        tags = (value for key, value in stream.metadata.items() if key.startswith("DURATION"))
        if tag := re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", next(tags, "")):
            return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
        return (container.duration or 0) / av.time_base
    if stream.frames and stream.duration:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    return 0.0


def _segment_end(path: Path) -> int:
    """Return the size of a Matroska file, bytes, declared by its outer elements (header, segment); 0 if unknown."""
    with open(path, "rb") as file:
        head = file.read(4096)
    place, (header, size) = 4, _size(head, 4)
    segment = place + header + size
    if head[segment : segment + 4] != b"\x18\x53\x80\x67":
        return 0
    header, size = _size(head, segment + 4)
    unknown = size == (1 << 7 * header) - 1  # a live stream
    return 0 if unknown else segment + 4 + header + size


def _size(head: bytes, at: int) -> tuple[int, int]:
    """Parse an EBML size: (number of its bytes, value); (0, 0) if it is invalid."""
    first = head[at] if at < len(head) else 0
    length = 9 - first.bit_length() if first else 0
    value = int.from_bytes(head[at : at + length], "big")
    return length, value & ((1 << 7 * length) - 1)
