"""Read frame times and key frames from a container's packets, without decoding them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vcma.video.container import declared_seconds, has_times

# Codecs in which each packet is one displayed frame, so that packets can be counted as frames (VP8: if a bit is
# set).
_ONE_FRAME_EACH = {
    *("h264", "hevc", "vp8", "libvpx", "vp9", "libvpx-vp9", "av1", "libdav1d", "mpeg4", "mpeg1video", "mpeg2video"),
    *("mjpeg", "ffv1", "prores", "png", "qtrle", "gif", "h263", "flv", "wmv2", "theora"),
}


class Packets(NamedTuple):
    """Frame times of a video stream.

    pts, key: presentation times of all frames and of the key frames, in stream units, int64, ascending. exact:
    there is one packet per frame, with a unique time, and no frame before the first key frame. timed: the container
    stores presentation times. end: end of the last frame, s; seconds: the same according to the header, 0 if
    unknown; declared: number of frames in the header, 0 if unknown.
    """

    pts: np.ndarray
    key: np.ndarray
    exact: bool
    timed: bool
    end: float
    seconds: float
    declared: int


def read_packets(container: Any, stream: Any, path: Path) -> Packets:
    """Read all packets of an opened video, up to the first read error."""
    import av

    times, decode_times, keys, end = [], [], [], 0.0
    codec = stream.codec_context.name
    exact, vp8 = codec in _ONE_FRAME_EACH, codec in ("vp8", "libvpx")
    # Before reading, since FFmpeg updates both while it reads.
    declared, seconds = int(stream.frames), declared_seconds(container, stream, path)
    unit = float(stream.time_base)
    try:
        for packet in container.demux(stream):
            pts = packet.pts
            if packet.size == 0 and pts is None:  # the flush packet at the end
                continue
            if pts is None or packet.size == 0 or packet.is_discard or packet.is_corrupt:
                exact = False
                continue
            if vp8 and not memoryview(packet)[0] & 0x10:  # a reference frame that is never shown
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
    # Frames before the first key frame are not decoded. A file's first frame counts as a key frame even if it is
    # damaged and not marked as one.
    whole = container.format.name.startswith(("mov", "matroska")) and codec != "hevc"
    begins = len(pts) > 0 and len(key) > 0 and (key[0] == pts[0] or (whole and stored[0] == pts[0]))
    exact = exact and len(pts) == len(stored) and begins
    exact = exact and bool((np.diff(dts) >= 0).all())
    # AVI stores decode times: FFmpeg's presentation times are wrong if frames are shown in another order.
    timed = has_times(container) and (container.format.name != "avi" or np.array_equal(stored, dts))
    return Packets(pts, key, exact and timed, timed, end, seconds, declared)
