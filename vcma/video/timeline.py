"""Which frames a video has, and when each is shown: its native indices and its clock.

A frame's native index is its rank in the order of presentation, among the frames that the container stores; one
that is damaged keeps its index. Where packets do not tell the frames beyond doubt, it is the rank among the frames
that a decode from the first one gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.video.container import clock_may_jump, header_rates, open_video
from vcma.video.decoder import Decoder
from vcma.video.packets import Packets, read_packets

ASSUMED_FPS = 25.0  # where nothing says how fast frames are shown
_MAX_FPS = 1000.0  # of a header that the times do not contradict
_JUMP = 10.0  # s; a longer gap in a stream whose clock may jump is a jump, as FFmpeg and players take it
_ROUNDING = 1.01e-3  # s; containers round times to milliseconds, a remuxed file's finer unit does not undo it
_HOLE = 1.0  # s without a frame in a video whose other frames are evenly spaced
_SLACK = 1.0  # s that a header may promise too much; of short videos a tenth
_OFTEN = 20  # a clock that falls at more than one of so many frames tells nothing


@dataclass(frozen=True, eq=False)
class Timeline:
    """The native frames of one video.

    time float64 [n], s, strictly rising: when each is shown, on the clock that a player shows, which begins with
    the file's first stream: later than 0 for a picture that starts after the sound. fps: frames a second, by the
    times; constant: whether they are evenly spaced, within rounding. missing: how much of what the header promises
    there is not, in words; empty where that is so little that headers may be off by it. notes: what else is odd.

    pts int64 [n]: times of presentation by which the decoder's frames are known, in stream units; None where they
    are counted. key int64 [k]: native indices of key frames that can be sought; none where seeking is not exact.
    """

    time: np.ndarray
    fps: float
    constant: bool
    missing: str = ""
    notes: tuple[str, ...] = ()
    pts: np.ndarray | None = None
    key: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.time)

    @property
    def elapsed(self) -> np.ndarray:
        """Seconds since the first picture, float64 [n]; of an even spacing without the container's rounding."""
        if self.constant and self.fps > 0:
            return np.arange(len(self.time)) / self.fps
        return self.time - self.time[:1]

    def seconds(self, frame: np.ndarray) -> np.ndarray:
        """When native frames [...] begin; n and beyond, the end: when the last one is over."""
        step = 1 / (self.fps or ASSUMED_FPS)
        return np.append(self.time, self.time[-1] + step)[np.minimum(frame, len(self.time))]


def read_timeline(path: Path) -> Timeline:
    """Read a video's timeline: by its packets where they tell, else by decoding all of it. Raises InputError."""
    with open_video(path) as (container, stream):
        packets = read_packets(container, stream, path)
        clock = _Clock.of(container, stream, packets)
        seekable = container.format.name.startswith(("mov", "matroska", "avi"))
    if packets.exact:
        key = np.searchsorted(packets.pts, packets.key) if seekable else np.zeros(0, np.int64)
        shown = {"pts": packets.pts, "key": key}
        seconds, notes = clock.seconds(packets.pts.tolist())
    else:
        shown = {}
        seconds, notes = clock.seconds(_decoded(path))
    if not len(seconds):
        raise InputError("none of its frames can be decoded", path, "fetch it again")
    if not (np.diff(seconds) > 0).all():
        raise InputError("the times of its frames do not rise", path, "convert it: ffmpeg -i FILE -c copy NEW.mkv")
    fps, constant = _frame_rate(seconds, clock)
    return Timeline(seconds, fps, constant, _missing(packets, len(seconds)), notes, **shown)


def _decoded(path: Path) -> list[int | None]:
    """Presentation times of all frames, in the order in which a decode gives them."""
    with Decoder(path) as decoder:
        return [shown.frame.pts for shown in decoder.frames()]


@dataclass(frozen=True)
class _Clock:
    """A frame of presentation time pts is shown at (pts - begin) * unit + shift seconds.

    timed: the file says when frames are shown, if not they are counted; jumps: times may be discontinuous; rates:
    frames a second by the header, the likeliest first.
    """

    begin: int
    unit: float
    shift: float
    timed: bool
    jumps: bool
    rates: tuple[float, ...]

    @classmethod
    def of(cls, container: Any, stream: Any, packets: Packets) -> _Clock:
        import av

        unit, begin, shift = float(stream.time_base), stream.start_time or 0, 0.0
        if container.start_time is not None and stream.start_time is not None:
            shift = begin * unit - container.start_time / av.time_base
        rates = tuple(float(rate) for rate in header_rates(stream))
        return cls(
            begin, unit, shift if shift > _ROUNDING else 0.0, packets.timed, clock_may_jump(container), rates
        )

    @property
    def rate(self) -> float:
        return self.rates[0] if self.rates else ASSUMED_FPS

    def seconds(self, stamps: Sequence[int | None]) -> tuple[np.ndarray, tuple[str, ...]]:
        """When frames in the order of presentation are shown, by their times; and what is odd of it."""
        known = np.array([i for i, stamp in enumerate(stamps) if stamp is not None], np.int64)
        counted = np.arange(len(stamps)) / self.rate
        if not self.timed or not len(stamps):
            return counted, ()
        if 2 * len(known) < len(stamps):
            return counted, ("most of its frames have no time: they are counted",)
        pts = np.array([stamp for stamp in stamps if stamp is not None], np.int64)
        given = (pts - self.begin) * self.unit * 1000 / 1000 + self.shift  # to the last bit as OpenCV computes it
        gap = np.diff(given)
        restart = (gap <= 0) | (self.jumps & (gap > _JUMP))
        if _OFTEN * restart.sum() > len(given):
            return counted, ("its times fall again and again: its frames are counted",)
        if restart.any():
            gap[restart] = 1 / self.rate
            given = given[0] + np.concatenate([[0.0], np.cumsum(gap)])
            notes: tuple[str, ...] = (f"its clock starts anew {restart.sum()} times: it is taken to run on",)
        else:
            notes = _holes(given)
        return (given if len(known) == len(stamps) else _between(given, known, len(stamps), self.rate)), notes


def _holes(seconds: np.ndarray) -> tuple[str, ...]:
    """What of a video with evenly spaced frames is not there, in words: damage to a container leaves no packet."""
    gap = np.diff(seconds)
    hole = gap > _HOLE
    even = len(gap) and (np.abs(gap - np.median(gap)) <= 2 * _ROUNDING).sum() >= len(gap) - hole.sum()
    if not even or not hole.any() or hole.sum() * _OFTEN > len(gap):
        return ()
    first = int(hole.argmax())
    return (f"has no frame for {gap[hole].sum():.1f} s, the first time at {seconds[first]:.1f} s",)


def _between(seconds: np.ndarray, at: np.ndarray, count: int, rate: float) -> np.ndarray:
    """Times of all of `count` frames, from those that the frames `at` have."""
    frame = np.arange(count)
    found = np.interp(frame, at, seconds)
    found = np.where(frame < at[0], seconds[0] - (at[0] - frame) / rate, found)
    return np.where(frame > at[-1], seconds[-1] + (frame - at[-1]) / rate, found)


def _frame_rate(seconds: np.ndarray, clock: _Clock) -> tuple[float, bool]:
    """Frames a second, and whether they are evenly spaced: by the header if the times agree, else their mean."""
    if len(seconds) < 2:
        return next((rate for rate in clock.rates if rate <= _MAX_FPS), 0.0), True
    elapsed, frame = seconds - seconds[0], np.arange(len(seconds))
    mean = float(frame[-1] / elapsed[-1])
    for rate in (*clock.rates, mean):
        if np.abs(elapsed - frame / rate).max() <= max(_ROUNDING, clock.unit * 1.01):
            return rate, True
    return mean, False


def _missing(packets: Packets, frames: int) -> str:
    end, seconds = packets.end, packets.seconds
    if not len(packets.pts) or 0 < packets.declared <= frames or end + min(_SLACK, seconds / 10) >= seconds:
        return ""
    return f"ends at {end:.1f} s of the {seconds:.1f} s that its header declares"
