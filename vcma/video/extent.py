"""How far a video reaches, how far its header says it should, and which of its frames are damaged."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from vcma.video.container import open_container, read_packets
from vcma.video.decoding import SequentialDecoder


class Extent(NamedTuple):
    """How far a video reaches, and how far it should.

    frames: what a decode from the first one gives; missing: how much less that is than the header promises, in
    words, empty where it is so little that headers may be off by it.
    """

    frames: int
    missing: str = ""


def extent(path: Path, exact: bool = True) -> Extent:
    """How far a video reaches: by the packets where they tell, else by decoding. Raises InputError.

    exact: if not, packets are counted even where some may be no frame of their own, and nothing is decoded.
    """
    packets = read_packets(path)
    if packets is not None and len(packets.time) and (packets.exact or not exact):
        frames = len(packets.time)
    else:
        with SequentialDecoder(path) as plain:
            frames = plain.count()
    if packets is None or not len(packets.time) or 0 < packets.declared <= frames:
        return Extent(frames)
    end, seconds = packets.end, packets.seconds
    if end + min(_SLACK, seconds / 10) >= seconds:
        return Extent(frames)
    return Extent(frames, f"ends at {end:.1f} s of the {seconds:.1f} s that its header declares")


_SLACK = 1.0  # s; of short videos a tenth


def broken_frames(path: Path) -> int:
    """Decode a video as a whole: how many of its frames FFmpeg says are damaged or cannot be decoded."""
    import av

    broken = 0
    try:
        with open_container(path) as container:
            for packet in container.demux(container.streams.video[0]):
                try:
                    broken += sum(frame.is_corrupt for frame in packet.decode())
                except av.FFmpegError:
                    broken += 1
    except (av.FFmpegError, IndexError):
        broken += 1
    return broken
