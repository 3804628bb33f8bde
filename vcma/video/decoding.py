"""Video files, read through OpenCV: its wheel decodes everything that FFmpeg does.

A frame's native index is its rank among the frames that a decode from the first one gives. Few frames are reached
by seeking, through PyAV, where the packets tell index and key frames beyond doubt.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vcma.errors import InputError
from vcma.pipeline.paths import is_file
from vcma.video.container import open_container, read_packets
from vcma.video.pictures import opencv


def read_frames(path: Path, wanted: np.ndarray) -> Iterator[tuple[int, float, np.ndarray]]:
    """Yield (native index, time in s, picture uint8 HxWx3 BGR) of the wanted frames, in rising order.

    Decodes in sequence, so indices are exact whatever the container says; ends early where the stream ends. Where
    that gives the same frames of an undamaged file it seeks, and leaves out what no wanted frame is made from.
    Raises InputError if the file is missing or cannot be opened.
    """
    with SequentialDecoder(path) as plain:
        yield from frames_of(path, plain, wanted)


# Looking for what need not be decoded pays from so many native frames a wanted one on, and so many pixels.
_FEW, _LARGE = 2, 1 << 25
# And from here on, where it leaves more than one of _GAIN, even if it rounds colours differently.
_SPARSE, _GAIN = 16, 2


def frames_of(path: Path, plain: SequentialDecoder, wanted: np.ndarray) -> Iterator[tuple[int, float, np.ndarray]]:
    """`read_frames` with a plain decode that is at its beginning."""
    if len(wanted):
        _, width, height = plain.shape()
        rare = wanted[-1] // len(wanted)
        if rare >= _SPARSE or (rare >= _FEW and wanted[-1] * width * height >= _LARGE):
            wanted = wanted[(yield from _sought(path, plain, wanted)) :]
    for index in wanted.tolist():
        if (frame := plain.frame(index)) is None:
            return
        time, picture = frame
        if picture is not None:
            yield index, time, picture


class SequentialDecoder:
    """`with SequentialDecoder(path) as plain`: a decode from the first frame on, by OpenCV. Raises InputError."""

    def __init__(self, path: Path):
        self.cv2, self.position = opencv(), 0
        if not is_file(path):
            raise InputError("no such video", path, "put it there")
        if str(path) != str(path).encode("utf-8", "replace").decode():  # which OpenCV does not survive
            raise InputError("its name is no valid UTF-8", path, "rename it")
        # One thread: a stage decodes as many videos at once as there are cores.
        how = [self.cv2.CAP_PROP_N_THREADS, 1]
        self.capture = self.cv2.VideoCapture(str(path.absolute()), self.cv2.CAP_FFMPEG, how)
        if not self.capture.isOpened():
            raise InputError("cannot be decoded as video", path, "fetch it again; it may be truncated")

    def __enter__(self) -> SequentialDecoder:
        return self

    def __exit__(self, *_: Any) -> None:
        self.capture.release()

    def frame(self, index: int) -> tuple[float, np.ndarray | None] | None:
        """Time in s and picture (None if broken) of a native frame, none before the last one; None at the end."""
        while self.position <= index:
            if not self.capture.grab():
                return None
            self.position += 1
        time = self.capture.get(self.cv2.CAP_PROP_POS_MSEC) / 1000
        decoded, picture = self.capture.retrieve()
        return time, picture if decoded else None

    def count(self) -> int:
        """Frames of the stream, all decoded."""
        while self.capture.grab():
            self.position += 1
        return self.position

    def shape(self) -> tuple[float, int, int]:
        """Frames a second (0 if unknown), width and height, by the header."""
        names = ("FPS", "FRAME_WIDTH", "FRAME_HEIGHT")
        fps, width, height = (self.capture.get(getattr(self.cv2, f"CAP_PROP_{name}")) for name in names)
        return float(fps) if np.isfinite(fps) and fps > 0 else 0.0, int(width), int(height)


class _Jumps(NamedTuple):
    """How to come by the wanted frames without all of those between: times of presentation, in stream units.

    at, start: int64 [n], of each wanted frame and of the key frame that it is decoded from; first: of the stream's
    first frame. gain: how many times fewer frames are decoded.
    """

    at: np.ndarray
    start: np.ndarray
    first: int
    gain: float


def _jumps(path: Path, wanted: np.ndarray) -> _Jumps | None:
    """None where seeking is not exact. Frames beyond the end are left out."""
    packets = read_packets(path)
    if packets is None or not packets.exact:
        return None
    time, key = packets.time, packets.key
    at = time[wanted[wanted < len(time)]]
    if not len(at):
        return None
    start = key[np.searchsorted(key, at, side="right") - 1]
    index = np.searchsorted(time, at)
    before = np.concatenate([[-1], index[:-1]])  # decoded already
    cost = index - np.maximum(np.searchsorted(time, start) - 1, before)
    return _Jumps(at, start, int(time[0]), index[-1] / cost.sum())


def _sought(
    path: Path, plain: SequentialDecoder, wanted: np.ndarray
) -> Generator[tuple[int, float, np.ndarray], None, int]:
    """The wanted frames like `read_frames`, by seeking, through PyAV; returns how many of them are done, the rest
    being left to a plain decode: all if seeking is not exact or does not give the same first frame to the last bit,
    because colours are converted differently then; those from one on that is not where its packet says."""
    import av

    jumps, done = _jumps(path, wanted), 0
    if jumps is None:
        return 0
    try:
        with open_container(path) as container:
            container.streams.video[0].thread_count = 1
            far = wanted[-1] >= _SPARSE * len(wanted) and jumps.gain > _GAIN
            if not far and not _same(plain.frame(0), next(_decoded(container, [jumps.first], [jumps.first]), None)):
                return 0
            found = _decoded(container, jumps.at.tolist(), jumps.start.tolist())
            for index, (time, picture) in zip(wanted.tolist(), found, strict=False):
                yield index, time, picture
                done += 1
            if done == len(jumps.at):
                return len(wanted)  # what is left lies beyond the end
    except av.FFmpegError:
        pass
    return done


def _same(plain: tuple | None, sought: tuple | None) -> bool:
    return bool(plain and sought and plain[0] == sought[0] and np.array_equal(plain[1], sought[1]))


def _decoded(container: Any, at: list[int], start: list[int]) -> Iterator[tuple[float, np.ndarray]]:
    """Time in s and picture of the frames of presentation time `at`, decoded from the key frames of time `start`;
    ends where a frame is missing."""
    from av.video.reformatter import VideoReformatter

    stream, exact, convert = container.streams.video[0], set(at), VideoReformatter()
    begin, unit, last = stream.start_time or 0, float(stream.time_base), None
    frames: Iterator[Any] = iter(())
    for moment, key in zip(at, start, strict=True):
        if last is None or last < key:
            container.seek(key, stream=stream)
            frames = _needed(container, exact)
        frame = next((f for f in frames if f.pts is not None and f.pts >= moment), None)
        if frame is None or frame.pts != moment:
            return
        last = moment
        picture = np.rot90(convert.reformat(frame, format="bgr24").to_ndarray(), frame.rotation // 90)
        yield (moment - begin) * unit * 1000 / 1000, np.ascontiguousarray(picture)  # as OpenCV computes it


def _needed(container: Any, exact: set[int]) -> Iterator[Any]:
    """The frames that come next, without those that no other is made from unless they are wanted themselves."""
    stream = container.streams.video[0]
    for packet in container.demux(stream):
        stream.codec_context.skip_frame = "DEFAULT" if packet.pts in exact else "NONREF"
        yield from packet.decode()


def shape(path: Path) -> tuple[float, int, int]:
    """(frames per second, width, height) of a video, by its header; an unknown rate is 0. Raises InputError."""
    with SequentialDecoder(path) as plain:
        return plain.shape()
