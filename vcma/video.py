"""Video files and stored frames, read through OpenCV: its wheel decodes everything that FFmpeg does.

A frame's native index is its rank among the frames that a decode from the first one gives. Few frames are reached
by seeking, through PyAV, where the packets tell index and key frames beyond doubt.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vcma.errors import InputError
from vcma.names import is_file

_LONGEST = 1 << 24  # frames; a damaged file that declares more must not fill the memory
_PIXELS = 1 << 27  # of one picture, likewise


def _cv2() -> Any:
    # Broken files are reported by us, in one line; FFmpeg's own chatter would bury it.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(_PIXELS))
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    cv2.setNumThreads(1)
    return cv2


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


def read_frames(path: Path, wanted: np.ndarray) -> Iterator[tuple[int, float, np.ndarray]]:
    """Yield (native index, time in s, picture uint8 HxWx3 BGR) of the wanted frames, in rising order.

    Decodes in sequence, so indices are exact whatever the container says; ends early where the stream ends. Where
    that gives the same frames of an undamaged file it seeks, and leaves out what no wanted frame is made from.
    Raises InputError if the file is missing or cannot be opened.
    """
    with _Plain(path) as plain:
        yield from _frames(path, plain, wanted)


# Looking for what need not be decoded pays from so many native frames a wanted one on, and so many pixels.
_FEW, _LARGE = 2, 1 << 25
# And from here on, where it leaves more than one of _GAIN, even if it rounds colours differently.
_SPARSE, _GAIN = 16, 2


def _frames(path: Path, plain: _Plain, wanted: np.ndarray) -> Iterator[tuple[int, float, np.ndarray]]:
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


class _Plain:
    """`with _Plain(path) as plain`: a decode from the first frame on, by OpenCV. Raises InputError."""

    def __init__(self, path: Path):
        self.cv2, self.position = _cv2(), 0
        if not is_file(path):
            raise InputError("no such video", path, "put it there")
        if str(path) != str(path).encode("utf-8", "replace").decode():  # which OpenCV does not survive
            raise InputError("its name is no valid UTF-8", path, "rename it")
        # One thread: a stage decodes as many videos at once as there are cores.
        how = [self.cv2.CAP_PROP_N_THREADS, 1]
        self.capture = self.cv2.VideoCapture(str(path.absolute()), self.cv2.CAP_FFMPEG, how)
        if not self.capture.isOpened():
            raise InputError("cannot be decoded as video", path, "fetch it again; it may be truncated")

    def __enter__(self) -> _Plain:
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
    packets = _packets(path)
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


class _Packets(NamedTuple):
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


def _packets(path: Path) -> _Packets | None:
    """None where there is no such container."""
    import av

    times, keys, end = [], [], 0.0
    try:
        with _container(path) as container:
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
    return _Packets(time, key, exact, end, seconds, declared)


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


def _declared(path: Path) -> int:
    """The frame count that a container's header says, 0 where it says none."""
    import av

    try:
        with _container(path) as container:
            return int(container.streams.video[0].frames)
    except (av.FFmpegError, IndexError):
        return 0


def _container(path: Path) -> Any:
    import av

    # Absolute, because FFmpeg takes what precedes a colon for a protocol; titles need not be UTF-8.
    return av.open(str(path.absolute()), metadata_errors="replace")


# Codecs of which every packet is one shown frame, so that packets can be counted for frames.
_PLAIN = {"h264", "hevc", "vp9", "av1", "libdav1d", "mpeg4", "mjpeg", "ffv1", "mpeg1video", "mpeg2video"}


def _sought(path: Path, plain: _Plain, wanted: np.ndarray) -> Generator[tuple[int, float, np.ndarray], None, int]:
    """The wanted frames like `read_frames`, by seeking, through PyAV; returns how many of them are done, the rest
    being left to a plain decode: all if seeking is not exact or does not give the same first frame to the last bit,
    because colours are converted differently then; those from one on that is not where its packet says."""
    import av

    jumps, done = _jumps(path, wanted), 0
    if jumps is None:
        return 0
    try:
        with _container(path) as container:
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
    with _Plain(path) as plain:
        return plain.shape()


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
    packets = _packets(path)
    if packets is not None and len(packets.time) and (packets.exact or not exact):
        frames = len(packets.time)
    else:
        with _Plain(path) as plain:
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
        with _container(path) as container:
            for packet in container.demux(container.streams.video[0]):
                try:
                    broken += sum(frame.is_corrupt for frame in packet.decode())
                except av.FFmpegError:
                    broken += 1
    except (av.FFmpegError, IndexError):
        broken += 1
    return broken


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
    cv2 = _cv2()
    frames, times, files = [], [], []
    with _Plain(path) as plain:
        fps, width, height = plain.shape()
        declared = _declared(path)
        whole = None if declared else extent(path)
        count = whole.frames if whole else declared
        grid = time_grid(segments, min(count, _LONGEST), fps, rate, max_frames)
        for index, time, picture in _frames(path, plain, grid):
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
        "jpeg_offset": np.cumsum([0, *map(len, files)], dtype=np.int64),
        "jpeg": np.concatenate(files).astype(np.uint8),
        "width": np.int64(width),
        "height": np.int64(height),
        "fps": np.float64(fps),
        "frame_count": np.int64(count),
    }


def decode(file: np.ndarray) -> np.ndarray:
    """One JPEG (uint8 bytes) as a picture, uint8 HxWx3 BGR. Raises InputError if it is none."""
    cv2 = _cv2()
    picture = cv2.imdecode(np.ascontiguousarray(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise InputError("a stored frame is no readable JPEG", remedy="run extract_frames --force")
    return picture
