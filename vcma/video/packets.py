"""What a container's packets tell of its frames; they are read, not decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vcma.video.container import declared_seconds, has_times

# Codecs of which every packet is one shown frame, so that packets can be counted for frames; of VP8 a bit tells.
_ONE_FRAME_EACH = {
    *("h264", "hevc", "vp8", "libvpx", "vp9", "libvpx-vp9", "av1", "libdav1d", "mpeg4", "mpeg1video", "mpeg2video"),
    *("mjpeg", "ffv1", "prores", "png", "qtrle", "gif", "h263", "flv", "wmv2", "theora"),
}


class Packets(NamedTuple):
    """What the packets of a video stream tell.

    pts, key: presentation times of all frames and of the key frames, in stream units, int64, rising. exact: there
    is one packet a frame, with a time of its own, and no frame before the first key frame. timed: the container
    stores when frames are shown, so that times need not be guessed. end: when the last one is over, in s; seconds:
    when it should be, by the header, 0 if unknown; declared: the frames there should be, 0 if unknown.
    """

    pts: np.ndarray
    key: np.ndarray
    exact: bool
    timed: bool
    end: float
    seconds: float
    declared: int


def read_packets(container: Any, stream: Any, path: Path) -> Packets:
    """Read all packets of an opened video; ends early where the file does."""
    import av

    times, decode_times, keys, end = [], [], [], 0.0
    codec = stream.codec_context.name
    exact, vp8 = codec in _ONE_FRAME_EACH, codec in ("vp8", "libvpx")
    # Before reading, since FFmpeg mends both as it reads.
    declared, seconds = int(stream.frames), declared_seconds(container, stream, path)
    unit = float(stream.time_base)
    try:
        for packet in container.demux(stream):
            pts = packet.pts
            if packet.size == 0 and pts is None:  # the flush at the end
                continue
            if pts is None or packet.size == 0 or packet.is_discard or packet.is_corrupt:
                exact = False
                continue
            if vp8 and not memoryview(packet)[0] & 0x10:  # never shown, others are made from it
                continue
            times.append(pts)
            if packet.dts is not None:
                decode_times.append(packet.dts)
            end = max(end, (pts + (packet.duration or 0)) * unit)
            if packet.is_keyframe:
                keys.append(pts)
    except av.FFmpegError:
        exact = False
    stored, dts = np.array(times, np.int64), np.array(decode_times, np.int64)
    pts, key = np.unique(stored), np.array(sorted(keys), np.int64)
    # What lies before the first key frame is not decoded; but a file that begins with one may have it damaged.
    whole = container.format.name.startswith(("mov", "matroska")) and codec != "hevc"
    begins = len(pts) > 0 and len(key) > 0 and (key[0] == pts[0] or (whole and stored[0] == pts[0]))
    exact = exact and len(pts) == len(stored) and begins
    exact = exact and bool((np.diff(dts) >= 0).all())
    # AVI stores when frames are decoded: FFmpeg's guess fails where they are shown in another order.
    timed = has_times(container) and (container.format.name != "avi" or np.array_equal(stored, dts))
    return Packets(pts, key, exact and timed, timed, end, seconds, declared)
