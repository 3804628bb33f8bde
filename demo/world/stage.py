"""Things in time and space in the drawn world: tracks, moves, the camera. NumPy only.

Units: frames for time, frame pixels for x, depth 0 (near) to 1 (far), lifts in units of `world.cast`, degrees.
Scripts write a channel from a frame to the end of the video, so that the next one starts where the last ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from world.cast import Thing
from world.shapes import Part, Place, Pose, shape

WIDTH, HEIGHT = 320, 240
_NEAR_Y, _FAR_Y = 229.0, 133.0
_NEAR_SCALE, _FAR_SCALE = 1.06, 0.8
EDGE = 14.0  # minimum distance of standing things from the edges, pixels
WALK = 40.0  # pixels per second
_CHANNELS = {
    "x": 0.0,
    "d": 0.5,
    "lift": 0.0,
    "face": 1.0,
    "spin": 0.0,
    "tilt": 0.0,
    "arm": 8.0,
    "arm_far": -6.0,
    "bend": 0.0,
    "sit": 0.0,
    "kick": 0.0,
    "stride": 0.0,
    "flap": 0.0,
    "over": 0.0,  # offset of the depth that decides the drawing order
    "cord": -1.0,  # tid of the thing pulled by a cord, -1: none
}


Value = TypeVar("Value", float, np.ndarray)


class NoRoomError(Exception):
    """An act does not fit into the remaining time or space."""


def scale_at(depth: Value) -> Value:
    """Return frame pixels per unit at a depth."""
    return _NEAR_SCALE + (_FAR_SCALE - _NEAR_SCALE) * depth


def ground_at(depth: Value) -> Value:
    """Return the frame row of the ground at a depth."""
    return _NEAR_Y + (_FAR_Y - _NEAR_Y) * depth


@dataclass(frozen=True)
class Event:
    """A thing performs an act in half-open frames [begin, end). `other` is None for acts without an object."""

    predicate: str
    subject: int
    other: int | None
    begin: int
    end: int


class Actor:
    """A thing with its channels over the frames of a video, each an array (frames,)."""

    def __init__(self, thing: Thing, frames: int, x: float, depth: float, face: float) -> None:
        self.thing = thing
        self.tracks = {name: np.full(frames, value) for name, value in _CHANNELS.items()}
        for name, value in (("x", x), ("d", depth), ("face", face)):
            self.tracks[name][:] = value

    def at(self, name: str, t: int) -> float:
        return float(self.tracks[name][min(t, len(self.tracks[name]) - 1)])

    def put(self, name: str, t0: int, values: np.ndarray | float) -> None:
        """Write values from frame t0, truncated at the end of the video; the last one is repeated up to there."""
        track = self.tracks[name]
        if np.ndim(values) == 0:
            track[t0:] = values
            return
        values = np.asarray(values)
        if t0 >= len(track):
            return
        track[t0 : t0 + len(values)] = values[: max(0, len(track) - t0)]
        track[t0 + len(values) :] = values[-1]

    def ramp(self, name: str, t0: int, t1: int, target: float) -> None:
        """Interpolate smoothly from the value at t0 to the target at t1."""
        u = np.linspace(0, 1, max(2, t1 - t0 + 1))[1:]
        start = self.at(name, t0)
        self.put(name, t0, start + (target - start) * u * u * (3 - 2 * u))

    def save(self) -> dict[str, np.ndarray]:
        return {name: track.copy() for name, track in self.tracks.items()}

    @property
    def reach(self) -> float:
        """Half width in frame pixels at the depth of the first frame."""
        return float(self.thing.half_width * scale_at(self.tracks["d"][0]))


@dataclass
class Stage:
    """A video under construction: its actors, events and clock."""

    frames: int
    fps: int
    rng: np.random.Generator
    actors: list[Actor] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def span(self, seconds: float) -> int:
        return max(1, round(seconds * self.fps))

    def note(self, predicate: str, subject: Actor, other: Actor | None, begin: int, end: int) -> None:
        """Record an event; raises NoRoomError if it lasts less than 0.7 s or up to the last frame."""
        if end > self.frames - 1 or end - begin < self.span(0.7):
            raise NoRoomError
        tid = None if other is None else other.thing.tid
        self.events.append(Event(predicate, subject.thing.tid, tid, begin, end))


# --- moves -----------------------------------------------------------------------------------------


def inside(x: float, reach: float) -> bool:
    return EDGE + 0.6 * reach <= x <= WIDTH - EDGE - 0.6 * reach


def move(stage: Stage, actor: Actor, t: int, x: float, depth: float, speed: float, turn: bool = True) -> int:
    """Walk (or run, roll, drive) to a position; returns the frame of arrival."""
    x0, d0 = actor.at("x", t), actor.at("d", t)
    far = np.hypot(x - x0, (depth - d0) * (_FAR_Y - _NEAR_Y))
    if far < 2:
        return t
    t1 = t + max(2, round(far / speed * stage.fps))
    u = np.linspace(0, 1, t1 - t + 1)[1:]
    u = 0.85 * u + 0.15 * u * u * (3 - 2 * u)
    actor.put("x", t, x0 + (x - x0) * u)
    actor.put("d", t, d0 + (depth - d0) * u)
    if turn and abs(x - x0) > 3:
        actor.put("face", t, float(np.sign(x - x0)))
    actor.put("stride", t, 1.0 if speed > 60 else 0.55)
    actor.put("stride", t1, 0.0)
    return t1


def look_at(actor: Actor, other: Actor, t: int) -> None:
    actor.put("face", t, float(np.sign(other.at("x", t) - actor.at("x", t))) or 1.0)


def side_of(stage: Stage, s: Actor, o: Actor, t: int, apart: float, room: float = 0.0) -> float:
    """Return the side of o (-1 left, 1 right) that s goes to: its own, unless there is no space; `room` pixels are
    needed beyond o."""
    here = float(np.sign(s.at("x", t) - o.at("x", t))) or 1.0
    for side in (here, -here):
        x = o.at("x", t) + side * apart
        if inside(x, s.reach) and inside(o.at("x", t) - side * room, o.reach):
            return side
    raise NoRoomError


def approach(stage: Stage, s: Actor, o: Actor, t: int, apart: float, room: float = 0.0, speed: float = WALK) -> int:
    """Move s beside o, centres `apart` pixels, facing it; `room` pixels must be free behind o."""
    side = side_of(stage, s, o, t, apart, room)
    x, crosses = o.at("x", t) + side * apart, side * (s.at("x", t) - o.at("x", t)) < 0
    depth = o.at("d", t) - 0.012
    if crosses:
        t = move(stage, s, t, o.at("x", t), max(-0.05, depth - 0.14), speed)
    t = move(stage, s, t, x, depth, speed)
    look_at(s, o, t)
    return t


def retreat(stage: Stage, s: Actor, o: Actor, t: int, gap: float = 46.0) -> int:
    """Move away from o to a gap of `gap` pixels, on the side with space."""
    here = float(np.sign(s.at("x", t) - o.at("x", t))) or 1.0
    for side in (here, -here):
        x = o.at("x", t) + side * (s.reach + o.reach + gap)
        if inside(x, s.reach):
            return move(stage, s, t, x, o.at("d", t) - 0.01, WALK)
    return t


def beside(s: Actor, o: Actor, gap: float) -> float:
    return s.reach + o.reach + gap


# --- from tracks to frames -------------------------------------------------------------------------


@dataclass(frozen=True)
class Camera:
    """Camera motion: shift in pixels and zoom, per frame (frames,)."""

    dx: np.ndarray
    dy: np.ndarray
    zoom: np.ndarray

    def see(self, x: np.ndarray, y: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return frame coordinates of points (frames,) in the frames `at`."""
        z = self.zoom[at]
        return (x - WIDTH / 2) * z + WIDTH / 2 + self.dx[at], (y - HEIGHT / 2) * z + HEIGHT / 2 + self.dy[at]


def gait_of(actor: Actor) -> tuple[np.ndarray, np.ndarray]:
    """Return the phase of legs and wheels in radians (frames,), from the distance travelled."""
    dx = np.diff(actor.tracks["x"], prepend=actor.tracks["x"][0])
    dy = np.diff(actor.tracks["d"], prepend=actor.tracks["d"][0]) * (_FAR_Y - _NEAR_Y)
    unit = scale_at(actor.tracks["d"]) * np.sqrt(actor.thing.height / 60)
    gait = np.cumsum(np.hypot(dx, dy) / (unit * 7.5))
    if actor.thing.category == "bird":
        gait = np.where(actor.tracks["flap"] > 0, np.arange(len(dx)) * 1.9, -0.6)
    return gait, np.cumsum(dx * actor.tracks["face"] / (unit * 13)) + actor.thing.tid


def figure(actor: Actor, camera: Camera, at: np.ndarray) -> tuple[list[Part], np.ndarray]:
    """Return parts and boxes of an actor in the frames `at`, in frame pixels (see `shapes.shape`)."""
    k = {name: track[at] for name, track in actor.tracks.items()}
    gait, roll = (phase[at] for phase in gait_of(actor))
    scale = scale_at(k["d"]) * camera.zoom[at]
    x, y = camera.see(k["x"], ground_at(k["d"]), at)
    turn = np.cos(k["spin"])
    turn = np.copysign(np.maximum(np.abs(turn), 0.3), turn)
    swing = 26 * k["stride"] * np.sin(gait)
    pose = Pose(
        gait=gait,
        stride=k["stride"],
        arm=np.where(np.abs(k["arm"]) < 20, k["arm"] - swing, k["arm"]),
        arm_far=np.where(np.abs(k["arm_far"]) < 20, k["arm_far"] + swing, k["arm_far"]),
        bend=k["bend"],
        sit=k["sit"],
        kick=k["kick"],
        roll=roll * k["face"] if actor.thing.category == "ball" else roll,
    )
    return shape(actor.thing, pose, Place(x, y - k["lift"] * scale, scale, k["face"] * turn, k["tilt"]))
