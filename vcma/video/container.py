"""What a container says without decoding: packets, key frames, declared length."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Packets(NamedTuple):
    """What a container's packets tell, which are read, not decoded.

    time, key: presentation times of all frames and of the key frames, in stream units, int64 and rising; exact:
    whether there is one packet a frame. end: when the last one is over, in s; seconds: when it should be, by the
    header, 0 if unknown; declared: the frames there should be, 0 if unknown.
    """

    time: np.ndarray
    key: np.ndarray
    exact: bool
    end: float
    seconds: float
    declared: int


def read_packets(path: Path) -> Packets | None:
    """None where there is no such container."""
    import av

    times, keys, end = [], [], 0.0
    try:
        with open_container(path) as container:
            stream = container.streams.video[0]
            exact = stream.codec_context is not None and stream.codec_context.name in _PLAIN
            declared, seconds = int(stream.frames), _seconds(container, path)  # FFmpeg mends both as it reads
            for packet in container.demux(stream):
                if packet.size == 0 and packet.pts is None:  # the flush at the end
                    continue
                if packet.pts is None or packet.size == 0 or packet.is_discard or packet.is_corrupt:
                    exact = False
                    continue
                times.append(packet.pts)
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                if packet.is_keyframe:
                    keys.append(packet.pts)
    except (av.FFmpegError, IndexError):
        return None
    time, key = np.unique(np.array(times, np.int64)), np.array(sorted(keys), np.int64)
    exact = exact and len(time) == len(times) and bool(len(key)) and key[0] == time[0]
    return Packets(time, key, exact, end, seconds, declared)


def _seconds(container: Any, path: Path) -> float:
    """When a container's pictures end, by its header, in s; 0 if unknown, or if nothing says that a file is cut.

    mp4 has it in the stream. AVI's is mended by FFmpeg, but not its frame count. What Matroska says may be far more
    than its last frame's time, so that its number of bytes must be missed, too. Others cannot tell.
    """
    import av

    stream, form = container.streams.video[0], container.format.name
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
    """Bytes that a Matroska file should have by its two outer elements, header and segment; 0 if unknown."""
    with open(path, "rb") as file:
        head = file.read(4096)
    place, (header, size) = 4, _size(head, 4)
    segment = place + header + size
    if head[segment : segment + 4] != b"\x18\x53\x80\x67":
        return 0
    header, size = _size(head, segment + 4)
    unknown = size == (1 << 7 * header) - 1  # a live stream's
    return 0 if unknown else segment + 4 + header + size


def _size(head: bytes, at: int) -> tuple[int, int]:
    """(bytes it takes, value) of an EBML size; (0, 0) if it is none."""
    first = head[at] if at < len(head) else 0
    length = 9 - first.bit_length() if first else 0
    value = int.from_bytes(head[at : at + length], "big")
    return length, value & ((1 << 7 * length) - 1)


def declared_frames(path: Path) -> int:
    """The frame count that a container's header says, 0 where it says none."""
    import av

    try:
        with open_container(path) as container:
            return int(container.streams.video[0].frames)
    except (av.FFmpegError, IndexError):
        return 0


def open_container(path: Path) -> Any:
    import av

    # Absolute, because FFmpeg takes what precedes a colon for a protocol; titles need not be UTF-8.
    return av.open(str(path.absolute()), metadata_errors="replace")


# Codecs of which every packet is one shown frame, so that packets can be counted for frames.
_PLAIN = {"h264", "hevc", "vp9", "av1", "libdav1d", "mpeg4", "mjpeg", "ffv1", "mpeg1video", "mpeg2video"}
