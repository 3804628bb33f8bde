"""Decode a video's frames in presentation order, continuing after damaged packets."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from vcma.video.container import open_video
from vcma.video.orientation import Matrix, Orientation, is_turned

# Decoders that can skip non-reference frames packet by packet.
_SKIPPING = ("h264", "hevc", "mpeg4", "mpeg1video", "mpeg2video")


class Shown(NamedTuple):
    """A decoded PyAV frame and its display matrix."""

    frame: Any
    matrix: Matrix | None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as shown, px."""
        width, height = self.frame.width, self.frame.height
        return (height, width) if is_turned(self.matrix) else (width, height)


class Decoder:
    """Context manager that decodes one video, from the first frame or from a key frame.

    broken: number of packets that could not be decoded so far; decoding continues after them. container, stream:
    PyAV's. Raises InputError if the file cannot be opened.
    """

    def __init__(self, path: Path):
        self.path, self.broken, self._orientation = path, 0, Orientation()

    def __enter__(self) -> Decoder:
        with ExitStack() as stack:
            self.container, self.stream = stack.enter_context(open_video(self.path))
            self._opened = stack.pop_all()
        return self

    def __exit__(self, *_: Any) -> None:
        self._opened.close()

    def frames(self, needed: Container[int] | None = None, start: int | None = None) -> Iterator[Shown]:
        """Decode the following frames; all decoding in this project goes through `Decoder`.

        needed: presentation times in stream units; other frames that no frame depends on are skipped to save time.
        start: presentation time of a key frame to seek to first; yields nothing if seeking does not find it.
        """
        skipping = needed is not None and self.stream.codec_context.name in _SKIPPING
        for packet in self._packets() if start is None else self._packets_from(start):
            if skipping and needed is not None:
                self.stream.codec_context.skip_frame = "DEFAULT" if packet.pts in needed else "NONREF"
            yield from self._decoded(packet)

    def key_frames(self, apart: float) -> Iterator[Shown]:
        """Decode key frames that are at least `apart` seconds apart."""
        last, unit = -apart, float(self.stream.time_base)
        for packet in self._packets():
            time = last + apart if packet.pts is None else packet.pts * unit
            if not packet.size or (packet.is_keyframe and abs(time - last) >= apart):
                last = time
                yield from self._decoded(packet)

    def _decoded(self, packet: Any) -> list[Shown]:
        import av

        try:
            return [Shown(frame, self._orientation.at(frame)) for frame in packet.decode()]
        except av.EOFError:
            return []
        except av.FFmpegError:
            self.broken += 1
            return []

    def _packets(self) -> Iterator[Any]:
        """Yield the following packets, continuing after unreadable places."""
        import av

        going_on = True
        while going_on:
            going_on = False
            try:
                for packet in self.container.demux(self.stream):
                    yield packet
                    going_on = True
                return
            except av.FFmpegError:
                self.broken += 1

    def _packets_from(self, start: int) -> Iterator[Any]:
        import av

        try:
            self.container.seek(start, stream=self.stream)
        except av.FFmpegError:
            return
        packets = self._packets()
        first = next(packets, None)
        if first is not None and first.is_keyframe and first.pts is not None and first.pts <= start:
            yield first
            yield from packets
