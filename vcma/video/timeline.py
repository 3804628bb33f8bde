"""Native frame indices and presentation times of a video.

A frame's native index is its rank in presentation order among the frames stored in the container; damaged frames
keep their index. If the packets do not determine the frames unambiguously, it is the rank among the frames obtained
by decoding from the start.
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

ASSUMED_FPS = 25.0  # frame rate if it is unknown
_MAX_FPS = 1000.0  # maximum frame rate taken from a header when there are no times to check it
_JUMP = 10.0  # s; a longer gap is a jump of the clock if the format allows jumps, as in FFmpeg and players
_ROUNDING = 1.01e-3  # s; containers round times to milliseconds, also before remuxing to a finer unit
_HOLE = 1.0  # s; a longer gap without frames is reported if the other frames are evenly spaced
_SLACK = 1.0  # s by which a header may overstate the duration; at most a tenth of the duration
_OFTEN = 20  # times are not used if they jump at more than one in this many frames


@dataclass(frozen=True, eq=False)
class Timeline:
    """The native frames of one video.

    time float64 [n], s, strictly ascending: presentation times on a player's clock, which starts with the file's
    first stream, so that the first frame is later than 0 if sound starts before it. fps: frames per second, from
    the times; constant: whether frames are evenly spaced, within rounding. missing: description of a missing end
    compared with the header, empty if the difference is within the tolerance of headers. notes: other
    irregularities, in words.

    pts int64 [n]: presentation times by which decoded frames are identified, in stream units; None if frames are
    counted instead. key int64 [k]: native indices of key frames for seeking; empty if seeking is not exact.
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
        """Time since the first frame, s, float64 [n]; without the container's rounding if evenly spaced."""
        if self.constant and self.fps > 0:
            return np.arange(len(self.time)) / self.fps
        return self.time - self.time[:1]

    def seconds(self, frame: np.ndarray) -> np.ndarray:
        """Return the times at which native frames [...] begin, s; for indices >= n, the end of the last frame."""
        step = 1 / (self.fps or ASSUMED_FPS)
        return np.append(self.time, self.time[-1] + step)[np.minimum(frame, len(self.time))]


def read_timeline(path: Path) -> Timeline:
    """Read a video's timeline from its packets if they suffice, else by decoding all frames. Raises InputError."""
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
        raise InputError("none of its frames can be decoded", path, "download it again")
    if not (np.diff(seconds) > 0).all():
        what = "the times of its frames are not ascending"
        raise InputError(what, path, "convert it: ffmpeg -i FILE -c copy NEW.mkv")
    fps, constant = _frame_rate(seconds, clock)
    return Timeline(seconds, fps, constant, _missing(packets, len(seconds)), notes, **shown)


def _decoded(path: Path) -> list[int | None]:
    """Decode all frames and return their presentation times."""
    with Decoder(path) as decoder:
        return [shown.frame.pts for shown in decoder.frames()]


@dataclass(frozen=True)
class _Clock:
    """Conversion of presentation times to seconds: (pts - begin) * unit + shift.

    timed: the file stores presentation times, otherwise frames are counted; jumps: times may be discontinuous;
    rates: frames per second in the header, the most likely first.
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
        """Return the times [n] of frames in presentation order, s, and notes about irregularities."""
        known = np.array([i for i, stamp in enumerate(stamps) if stamp is not None], np.int64)
        counted = np.arange(len(stamps)) / self.rate
        if not self.timed or not len(stamps):
            return counted, ()
        if 2 * len(known) < len(stamps):
            return counted, ("most of its frames have no time; times are computed from the frame rate",)
        pts = np.array([stamp for stamp in stamps if stamp is not None], np.int64)
        given = (pts - self.begin) * self.unit * 1000 / 1000 + self.shift  # the same rounding as in OpenCV
        gap = np.diff(given)
        restart = (gap <= 0) | (self.jumps & (gap > _JUMP))
        if _OFTEN * restart.sum() > len(given):
            return counted, ("its times decrease repeatedly; times are computed from the frame rate",)
        if restart.any():
            gap[restart] = 1 / self.rate
            given = given[0] + np.concatenate([[0.0], np.cumsum(gap)])
            notes: tuple[str, ...] = (f"its clock restarts {restart.sum()} times and is treated as continuous",)
        else:
            notes = _holes(given)
        return (given if len(known) == len(stamps) else _between(given, known, len(stamps), self.rate)), notes


def _holes(seconds: np.ndarray) -> tuple[str, ...]:
    """Describe gaps between otherwise evenly spaced frames: a damaged container may lack packets."""
    gap = np.diff(seconds)
    hole = gap > _HOLE
    even = len(gap) and (np.abs(gap - np.median(gap)) <= 2 * _ROUNDING).sum() >= len(gap) - hole.sum()
    if not even or not hole.any() or hole.sum() * _OFTEN > len(gap):
        return ()
    first = int(hole.argmax())
    return (f"has no frame for {gap[hole].sum():.1f} s, the first time at {seconds[first]:.1f} s",)


def _between(seconds: np.ndarray, at: np.ndarray, count: int, rate: float) -> np.ndarray:
    """Interpolate the times of `count` frames from those known for the frames `at`."""
    frame = np.arange(count)
    found = np.interp(frame, at, seconds)
    found = np.where(frame < at[0], seconds[0] - (at[0] - frame) / rate, found)
    return np.where(frame > at[-1], seconds[-1] + (frame - at[-1]) / rate, found)


def _frame_rate(seconds: np.ndarray, clock: _Clock) -> tuple[float, bool]:
    """Return the frame rate (the header's if the times agree, else their mean), and whether it is constant."""
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
