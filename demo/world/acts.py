"""Acts of the drawn world: a script for each predicate, and who can perform it. NumPy only.

A script starts at frame t: it brings the actors into place, acts for about `length` frames, records the event,
separates the actors, and returns the frame at which they are free. Raises NoRoomError if time or space is lacking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from world.cast import PERSONS
from world.shapes import hand_of
from world.stage import (
    EDGE,
    WALK,
    WIDTH,
    Actor,
    NoRoomError,
    Stage,
    approach,
    beside,
    inside,
    look_at,
    move,
    retreat,
    scale_at,
    side_of,
)

# --- held objects ----------------------------------------------------------------------------------


def _hand(s: Actor) -> tuple[np.ndarray, np.ndarray]:
    x, y = hand_of(s.thing.height, s.tracks["arm"], s.tracks["bend"])
    return x * s.tracks["face"] * scale_at(s.tracks["d"]) + s.tracks["x"], y + s.tracks["lift"]


def _carry_along(s: Actor, o: Actor, t0: int, t1: int) -> None:
    """Move o with the hand of s over [t0, t1)."""
    x, y = _hand(s)
    o.put("x", t0, x[t0:t1])
    o.put("lift", t0, np.maximum(0.0, y[t0:t1] - 0.5 * o.thing.height))
    o.put("d", t0, s.tracks["d"][t0:t1])
    o.put("over", t0, 0.02)


def _stoop(stage: Stage, s: Actor, t: int, arm: float = 4.0) -> int:
    t1 = t + stage.span(0.45)
    s.ramp("bend", t, t1, 78.0)
    s.ramp("arm", t, t1, arm)
    s.ramp("arm_far", t, t1, arm)
    return t1


def _rise(stage: Stage, s: Actor, t: int, arm: float, arm_far: float, seconds: float = 0.5) -> int:
    t1 = t + stage.span(seconds)
    s.ramp("bend", t, t1, 0.0)
    s.ramp("arm", t, t1, arm)
    s.ramp("arm_far", t, t1, arm_far)
    return t1


def _take(stage: Stage, s: Actor, o: Actor, t: int, arm: float, both: bool) -> tuple[int, int]:
    """Walk to o, stoop, take it and rise; returns the frames of taking it and of standing upright."""
    t = approach(stage, s, o, t, 0.30 * s.thing.height * float(scale_at(o.at("d", t))))
    taken = _stoop(stage, s, t)
    return taken, _rise(stage, s, taken, arm, arm if both else -6.0)


def _put_down(stage: Stage, s: Actor, o: Actor, t: int, taken: int) -> int:
    """Stoop, put o on the ground, rise; returns the frame of letting go."""
    left = _stoop(stage, s, t)
    if left >= stage.frames:
        raise NoRoomError
    _carry_along(s, o, taken, left)
    o.put("lift", left, 0.0)
    o.put("over", left, 0.0)
    _rise(stage, s, left, 8.0, -6.0)
    return left


def hold(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    taken, up = _take(stage, s, o, t, 72.0, both=False)
    left = _put_down(stage, s, o, max(up, taken + length), taken)
    stage.note("hold", s, o, taken, left)
    return left + stage.span(0.5)


def carry(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    taken, up = _take(stage, s, o, t, 52.0, both=True)
    distance = max(45.0, length / stage.fps * 30.0)
    x = s.at("x", up)
    ways = [x + w * distance for w in (s.at("face", up), -s.at("face", up)) if inside(x + w * distance, 40.0)]
    if not ways:
        raise NoRoomError
    there = move(stage, s, up, ways[0], s.at("d", up), 30.0)
    left = _put_down(stage, s, o, there, taken)
    stage.note("carry", s, o, taken, left)
    return left + stage.span(0.5)


def lift(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    taken, up = _take(stage, s, o, t, 52.0, both=True)
    top = _rise(stage, s, up, 168.0, 160.0, 0.6)
    down = _rise(stage, s, max(top + stage.span(0.5), taken + length), 52.0, 52.0, 0.5)
    left = _put_down(stage, s, o, down, taken)
    stage.note("lift", s, o, taken, left)
    return left + stage.span(0.5)


def throw(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    taken, up = _take(stage, s, o, t, 52.0, both=False)
    face = s.at("face", up)
    far = stage.rng.uniform(95, 130)
    if not inside(s.at("x", up) + face * (far + 30), o.reach):
        face = -face
        s.put("face", up, face)
        if not inside(s.at("x", up) + face * (far + 30), o.reach):
            raise NoRoomError
    back = _rise(stage, s, up, 215.0, -6.0, 0.6)
    release = _rise(stage, s, back, 115.0, -6.0, 0.25)
    if release >= stage.frames - 2:
        raise NoRoomError
    _carry_along(s, o, taken, release)
    rest = _fly(stage, o, release, face * far, stage.span(0.9))
    s.ramp("arm", release, release + stage.span(0.3), 8.0)
    stage.note("throw", s, o, up, rest)
    return rest + stage.span(0.3)


def _fly(stage: Stage, o: Actor, t: int, dx: float, length: int, lift: float = 22.0) -> int:
    """Let o fly in an arc, bounce once and come to rest; returns the frame of rest."""
    x0, h0 = o.at("x", t - 1), o.at("lift", t - 1)
    u = np.arange(1, length + 1) / length
    hop = stage.span(0.5)
    v = np.arange(1, hop + 1) / hop
    o.put("x", t, np.concatenate([x0 + dx * 0.8 * u, x0 + dx * (0.8 + 0.2 * (1 - (1 - v) ** 2))]))
    arc = h0 * (1 - u) + 4 * lift * u * (1 - u)
    o.put("lift", t, np.concatenate([arc, 4 * lift * 0.22 * v * (1 - v)]))
    o.put("over", t, 0.0)
    return t + length + hop


def kick(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    """Kick once, or up to three times while there is time."""
    near = (0.2 * s.thing.height + o.thing.half_width) * float(scale_at(o.at("d", t)))
    begin, ends, kicks = None, t, 0
    while begin is None or (ends - begin < length and kicks < 3):
        far = stage.rng.uniform(48, 78)
        t = approach(stage, s, o, t, near, room=far + 8, speed=WALK if kicks == 0 else 62.0)
        begin = t if begin is None else begin
        swing, hit = t + stage.span(0.25), t + stage.span(0.45)
        s.ramp("kick", t, swing, -32.0)
        s.ramp("kick", swing, hit, 62.0)
        s.ramp("kick", hit, hit + stage.span(0.35), 0.0)
        ends = _fly(stage, o, hit, s.at("face", t) * far, stage.span(0.6), 13.0)
        t, kicks = hit + stage.span(0.35), kicks + 1
        if ends >= stage.frames - 1:
            raise NoRoomError
        t = max(t, ends - stage.span(0.4)) if ends - begin < length else t
        if ends - begin < length and kicks < 3:
            t = max(t, ends)
    stage.note("kick", s, o, begin, ends)
    return ends


# --- moving contact --------------------------------------------------------------------------------


def _shove(stage: Stage, s: Actor, o: Actor, t: int, length: int, ahead: bool) -> tuple[int, int]:
    """Move s and o together for `length` frames, o ahead of s or behind it; returns begin and end."""
    apart = 0.30 * s.thing.height * float(scale_at(o.at("d", t))) + 0.92 * o.reach
    distance = length / stage.fps * stage.rng.uniform(20, 28)
    way = _way_for(stage, s, o, t, apart, distance, ahead)
    side = -way if ahead else way
    x = o.at("x", t) + side * apart
    if side * (s.at("x", t) - o.at("x", t)) < 0:
        t = move(stage, s, t, o.at("x", t), o.at("d", t) - 0.16, WALK)
    t = move(stage, s, t, x, o.at("d", t) - 0.012, WALK)
    s.put("face", t, way)
    ready = t + stage.span(0.3)
    s.ramp("arm", t, ready, 82.0 if ahead else -72.0)
    s.ramp("arm_far", t, ready, 74.0 if ahead else -60.0)
    s.ramp("bend", t, ready, 16.0 if ahead else 10.0)
    speed = distance / length * stage.fps
    end = move(stage, s, ready, x + way * distance, s.at("d", ready), speed)
    move(
        stage,
        o,
        ready,
        o.at("x", ready) + way * distance,
        o.at("d", ready),
        speed,
        turn=o.thing.category in ("bicycle",),
    )
    o.put("stride", ready, 0.0)
    if not ahead and o.thing.height < 40:
        s.put("cord", ready, float(o.thing.tid))
        s.put("cord", end, -1.0)
    _rise(stage, s, end, 8.0, -6.0, 0.3)
    return ready, end


def _way_for(stage: Stage, s: Actor, o: Actor, t: int, apart: float, distance: float, ahead: bool) -> float:
    here = float(np.sign(o.at("x", t) - s.at("x", t))) or 1.0
    for way in (here, -here) if ahead else (-here, here):
        sx = o.at("x", t) - way * apart if ahead else o.at("x", t) + way * apart
        ends = (sx, sx + way * distance), (o.at("x", t), o.at("x", t) + way * distance)
        if all(inside(x, s.reach) for x in ends[0]) and all(inside(x, o.reach) for x in ends[1]):
            return way
    raise NoRoomError


def push(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    begin, end = _shove(stage, s, o, t, length, ahead=True)
    stage.note("push", s, o, begin, end)
    return retreat(stage, s, o, end + stage.span(0.3), 30.0)


def pull(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    begin, end = _shove(stage, s, o, t, length, ahead=False)
    stage.note("pull", s, o, begin, end)
    return retreat(stage, s, o, end + stage.span(0.3), 30.0)


def ride(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    speed = stage.rng.uniform(38, 50)
    distance = length / stage.fps * speed
    x = o.at("x", t)
    ways = [w for w in (o.at("face", t), -o.at("face", t)) if inside(x + w * distance, o.reach)]
    if not ways:
        raise NoRoomError
    way, unit = ways[0], float(scale_at(o.at("d", t)))
    seat, back = (53.0, 3.0) if o.thing.category == "horse" else (38.0, 9.0)
    t = approach(stage, s, o, t, 0.5 * o.reach)
    up = t + stage.span(0.4)
    o.put("face", t, way)
    s.put("face", t, way)
    s.ramp("x", t, up, x - way * back * o.thing.size * unit)
    s.ramp("lift", t, up, max(0.0, seat * o.thing.size - 0.47 * s.thing.height))
    for name, value in (("sit", 1.0), ("arm", 58.0), ("arm_far", 50.0), ("bend", 12.0)):
        s.ramp(name, t, up, value)
    s.put("over", t, 0.03)
    end = move(stage, o, up, x + way * distance, o.at("d", up), speed)
    s.put("x", up, o.tracks["x"][up:end] - way * back * o.thing.size * unit)
    stage.note("ride", s, o, up, end)
    off = end + stage.span(0.4)
    for name, value in (("sit", 0.0), ("lift", 0.0), ("arm", 8.0), ("arm_far", -6.0), ("bend", 0.0)):
        s.ramp(name, end, off, value)
    s.ramp("d", end, off, o.at("d", end) - 0.05)
    s.put("over", off, 0.0)
    return retreat(stage, s, o, off, 24.0)


# --- contact at rest -------------------------------------------------------------------------------


def touch(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    h = s.thing.height
    bend = 0.0 if o.thing.height > 0.55 * h else 42.0
    shoulder = h * (0.47 + 0.32 * np.cos(np.radians(bend)))
    level = min(shoulder, 0.82 * o.thing.height)
    arm = float(np.degrees(np.arccos(np.clip((shoulder - level) / (0.34 * h), 0.1, 0.95))))
    ahead = float(hand_of(h, arm, bend)[0]) * float(scale_at(o.at("d", t)))
    t = approach(stage, s, o, t, ahead + 0.72 * o.reach)
    begin = t + stage.span(0.3)
    s.ramp("arm", t, begin, arm)
    s.ramp("bend", t, begin, bend)
    end = begin + length
    u = np.arange(length) / stage.fps
    s.put("arm", begin, arm + 4 * np.sin(2 * np.pi * 0.8 * u))
    stage.note("touch", s, o, begin, end)
    return retreat(stage, s, o, _rise(stage, s, end, 8.0, -6.0, 0.3), 34.0)


def hug(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    t = approach(stage, s, o, t, 0.62 * (s.reach + o.reach))
    look_at(o, s, t)
    begin = t + stage.span(0.35)
    end = begin + length
    for who, arm in ((s, 84.0), (o, 76.0)):
        who.ramp("arm", t, begin, arm)
        who.ramp("arm_far", t, begin, arm - 14)
        who.ramp("bend", t, begin, 6.0)
        _rise(stage, who, end, 8.0, -6.0, 0.3)
    stage.note("hug", s, o, begin, end)
    return retreat(stage, s, o, end + stage.span(0.3), 34.0)


# --- following -------------------------------------------------------------------------------------


def _trail(stage: Stage, s: Actor, o: Actor, t: int, length: int, speed: float, gap: float) -> tuple[int, int]:
    """Move o straight ahead and s after it, `gap` pixels behind, up to the edge; returns begin and end."""
    apart = beside(s, o, gap)
    t = approach(stage, s, o, t, apart, room=1.7 * speed, speed=WALK if speed < 60 else 55.0)
    way = s.at("face", t)
    edge = EDGE + 0.6 * o.reach
    room = (WIDTH - edge - o.at("x", t)) if way > 0 else (o.at("x", t) - edge)
    length = min(length, int(room / speed * stage.fps))
    steps = way * speed / stage.fps * np.arange(1, length + 1)
    for who in (s, o):
        who.put("x", t, who.at("x", t) + steps)
        who.put("face", t, way)
        who.put("stride", t, 1.0 if speed > 60 else 0.55)
        who.put("stride", t + length, 0.0)
        if speed > 60 and who.thing.is_person:
            _run_arms(stage, who, t, length)
    return t, t + length


def _run_arms(stage: Stage, who: Actor, t: int, length: int) -> None:
    swing = 40.0 * np.sin(1.4 * np.arange(length))
    who.put("arm", t, 25 + swing)
    who.put("arm_far", t, 25 - swing)
    who.put("bend", t, 12.0)
    _rise(stage, who, t + length, 8.0, -6.0, 0.25)


def chase(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    begin, end = _trail(stage, s, o, t, length, stage.rng.uniform(74, 90), stage.rng.uniform(14, 26))
    stage.note("chase", s, o, begin, end)
    return end + stage.span(0.3)


def follow(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    begin, end = _trail(stage, s, o, t, length, stage.rng.uniform(26, 34), stage.rng.uniform(12, 24))
    stage.note("follow", s, o, begin, end)
    return end + stage.span(0.3)


# --- alone -----------------------------------------------------------------------------------------


def wave(stage: Stage, s: Actor, o: Actor | None, t: int, length: int) -> int:
    up = t + stage.span(0.3)
    s.ramp("arm", t, up, 150.0)
    s.put("arm", up, 145.0 + 28 * np.sin(2 * np.pi * 1.7 * np.arange(length) / stage.fps))
    stage.note("wave", s, None, t, up + length)
    return _rise(stage, s, up + length, 8.0, -6.0, 0.3)


def jump(stage: Stage, s: Actor, o: Actor | None, t: int, length: int) -> int:
    hops = max(2, round(length / stage.fps * 1.35))
    u = np.arange(1, length + 1) / length
    s.put("lift", t, 0.30 * s.thing.height * np.abs(np.sin(np.pi * hops * u)))
    if s.thing.is_person:
        s.put("arm", t, 40 + 50 * np.abs(np.sin(np.pi * hops * u)))
        s.put("arm_far", t, -40 - 50 * np.abs(np.sin(np.pi * hops * u)))
        _rise(stage, s, t + length, 8.0, -6.0, 0.3)
    s.put("lift", t + length, 0.0)
    stage.note("jump", s, None, t, t + length)
    return t + length + stage.span(0.3)


def spin(stage: Stage, s: Actor, o: Actor | None, t: int, length: int) -> int:
    turns = max(2, round(length / stage.fps * 0.95))
    s.put("spin", t, 2 * np.pi * turns * np.arange(1, length + 1) / length)
    s.put("spin", t + length, 0.0)
    if s.thing.is_person:
        s.ramp("arm", t, t + stage.span(0.3), 78.0)
        s.ramp("arm_far", t, t + stage.span(0.3), -78.0)
        _rise(stage, s, t + length, 8.0, -6.0, 0.3)
    stage.note("spin", s, None, t, t + length)
    return t + length + stage.span(0.3)


def fall(stage: Stage, s: Actor, o: Actor | None, t: int, length: int) -> int:
    x = s.at("x", t)
    back = [w for w in (-s.at("face", t), s.at("face", t)) if inside(x + w * 0.9 * s.thing.height, 10)]
    if not back:
        raise NoRoomError
    down = t + stage.span(0.5)
    s.ramp("tilt", t, down, 86.0 * back[0])
    s.ramp("lift", t, down, 0.09 * s.thing.height)
    s.ramp("arm", t, down, 60.0)
    s.ramp("arm_far", t, down, -50.0)
    end = down + max(length - (down - t), stage.span(0.6))
    stage.note("fall", s, None, t, end)
    up = end + stage.span(0.6)
    for name, value in (("tilt", 0.0), ("lift", 0.0), ("arm", 8.0), ("arm_far", -6.0)):
        s.ramp(name, end, up, value)
    return up


# --- spatial relations -----------------------------------------------------------------------------


def next_to(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    t = approach(stage, s, o, t, beside(s, o, stage.rng.uniform(2, 7)))
    stage.note("next_to", s, o, t, t + length)
    return retreat(stage, s, o, t + length, stage.rng.uniform(48, 70))


def _overlap(stage: Stage, s: Actor, o: Actor, t: int, length: int, nearer: float) -> tuple[int, int]:
    x = o.at("x", t) + stage.rng.uniform(-0.35, 0.35) * min(s.reach, o.reach)
    depth = o.at("d", t) - nearer
    if not -0.08 <= depth <= 1.12 or not inside(x, s.reach):
        raise NoRoomError
    t = move(stage, s, t, s.at("x", t), depth, WALK)
    t = move(stage, s, t, x, depth, WALK)
    return t, t + length


def in_front_of(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    begin, end = _overlap(stage, s, o, t, length, stage.rng.uniform(0.14, 0.21))
    stage.note("in_front_of", s, o, begin, end)
    return retreat(stage, s, o, end, stage.rng.uniform(40, 60))


def behind(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    begin, end = _overlap(stage, s, o, t, length, -stage.rng.uniform(0.14, 0.21))
    stage.note("behind", s, o, begin, end)
    return retreat(stage, s, o, end, stage.rng.uniform(40, 60))


_TOPS = {"table": 38.0, "chair": 24.0, "car": 46.0}


def above(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    """Let a bird fly over o and hover, anything else climb on it."""
    if s.thing.category == "bird":
        return _hover(stage, s, o, t, length)
    if o.thing.category not in _TOPS:
        raise NoRoomError
    t = approach(stage, s, o, t, 0.5 * s.reach + o.reach)
    up = t + stage.span(0.5)
    _leap(stage, s, t, up, o.at("x", t), _TOPS[o.thing.category] * o.thing.size)
    s.put("over", t, 0.04)
    end = up + length
    stage.note("above", s, o, up, end)
    side = side_of(stage, s, o, end, beside(s, o, 20))
    _leap(stage, s, end, end + stage.span(0.5), o.at("x", end) + side * beside(s, o, 20), 0.0)
    s.put("over", end + stage.span(0.5), 0.0)
    return retreat(stage, s, o, end + stage.span(0.5), 40.0)


def _leap(stage: Stage, s: Actor, t0: int, t1: int, x: float, lift: float) -> None:
    u = np.arange(1, t1 - t0 + 1) / (t1 - t0)
    h0, x0 = s.at("lift", t0), s.at("x", t0)
    if abs(x - x0) > 3:
        s.put("face", t0, float(np.sign(x - x0)))
    s.put("x", t0, x0 + (x - x0) * u)
    s.put("lift", t0, h0 + (lift - h0) * u + 60 * u * (1 - u))
    s.put("lift", t1, lift)


def _hover(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    over = o.thing.height + stage.rng.uniform(3, 9)
    there = t + max(stage.span(0.5), round(np.hypot(o.at("x", t) - s.at("x", t), over) / 75 * stage.fps))
    if abs(o.at("x", t) - s.at("x", t)) > 3:
        look_at(s, o, t)
    s.ramp("x", t, there, o.at("x", t))
    s.ramp("lift", t, there, over)
    s.ramp("d", t, there, o.at("d", t) - 0.01)
    end = there + length
    s.put("lift", there, over + 2 * np.sin(np.arange(length) * 0.6))
    stage.note("above", s, o, there, end)
    side = side_of(stage, s, o, end, beside(s, o, 50))
    off = end + stage.span(1.0)
    s.put("face", end, side)
    s.ramp("x", end, off, o.at("x", end) + side * beside(s, o, 50))
    s.ramp("lift", end, off, 0.0)
    s.put("flap", t, 1.0)
    s.put("flap", off, 0.0)
    return off


def beneath(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    """Let s go under a table and come out again."""
    depth = o.at("d", t) + 0.012
    x = o.at("x", t) + stage.rng.uniform(-0.3, 0.3) * (o.reach - s.reach)
    t = move(stage, s, t, s.at("x", t), depth, WALK)
    t = move(stage, s, t, x, depth, WALK)
    stage.note("beneath", s, o, t, t + length)
    return retreat(stage, s, o, t + length, stage.rng.uniform(35, 55))


def towards(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    apart = beside(s, o, stage.rng.uniform(10, 18))
    if abs(s.at("x", t) - o.at("x", t)) - apart < 62:
        raise NoRoomError
    begin, t = t, approach(stage, s, o, t, apart, speed=stage.rng.uniform(28, 38))
    stage.note("towards", s, o, begin, t)
    return t + stage.span(0.3)


def away(stage: Stage, s: Actor, o: Actor, t: int, length: int) -> int:
    apart = beside(s, o, 0)
    if abs(s.at("x", t) - o.at("x", t)) - apart > 26:
        t = approach(stage, s, o, t, apart + 8) + stage.span(0.4)
    side = float(np.sign(s.at("x", t) - o.at("x", t))) or 1.0
    x = s.at("x", t) + side * stage.rng.uniform(72, 110)
    if not inside(x, s.reach):
        raise NoRoomError
    end = move(stage, s, t, x, s.at("d", t), stage.rng.uniform(28, 38))
    stage.note("away", s, o, t, end)
    return end + stage.span(0.3)


# --- who can do what -------------------------------------------------------------------------------

WALKERS = (*PERSONS, "dog", "cat", "horse")
_LOOSE = ("ball", "toy", "backpack")
_BIG = ("chair", "table", "bicycle", "car", "horse")
_ANY = (*WALKERS, *_LOOSE, "baby", "chair", "table", "bicycle", "car")


@dataclass(frozen=True)
class Act:
    """A predicate's script, the categories of its subjects and objects, and its duration in seconds."""

    play: Callable[..., int]
    subjects: tuple[str, ...]
    others: tuple[str, ...] | None
    seconds: tuple[float, float]


ACTS: dict[str, Act] = {
    "above": Act(
        above, ("bird", "cat", "child"), ("table", "chair", "car", "horse", "child", "bicycle"), (1.8, 3.6)
    ),
    "beneath": Act(beneath, ("cat", "dog", "ball", "toy", "baby"), ("table",), (1.8, 3.6)),
    "next_to": Act(next_to, (*WALKERS, "baby"), _ANY, (1.8, 3.4)),
    "in_front_of": Act(in_front_of, (*PERSONS, "dog", "cat", "baby"), ("adult", "child", *_BIG), (1.8, 3.4)),
    "behind": Act(behind, (*PERSONS, "dog", "horse"), ("adult", "child", *_BIG), (1.8, 3.4)),
    "towards": Act(towards, (*WALKERS, "car", "baby"), _ANY, (1.8, 3.0)),
    "away": Act(away, (*WALKERS, "car", "baby"), _ANY, (1.8, 3.0)),
    "chase": Act(chase, (*PERSONS, "dog", "cat"), (*PERSONS, "dog", "cat", "horse"), (1.8, 3.0)),
    "follow": Act(follow, (*WALKERS, "baby"), (*WALKERS, "baby"), (2.0, 3.4)),
    "hold": Act(hold, PERSONS, _LOOSE, (1.8, 3.4)),
    "carry": Act(carry, PERSONS, _LOOSE, (2.0, 3.2)),
    "lift": Act(lift, PERSONS, _LOOSE, (2.4, 3.2)),
    "throw": Act(throw, PERSONS, ("ball", "toy"), (1.8, 2.4)),
    "kick": Act(kick, PERSONS, ("ball",), (1.6, 3.4)),
    "push": Act(push, PERSONS, ("chair", "table", "bicycle", "car"), (2.0, 3.4)),
    "pull": Act(pull, PERSONS, ("chair", "table", "toy", "backpack"), (2.0, 3.4)),
    "ride": Act(ride, PERSONS, ("bicycle", "horse"), (1.8, 3.4)),
    "touch": Act(touch, PERSONS, ("dog", "cat", "horse", "car", "table", "chair", "bicycle"), (1.8, 3.2)),
    "hug": Act(hug, PERSONS, PERSONS, (1.8, 3.2)),
    "jump": Act(jump, (*PERSONS, "dog", "cat"), None, (1.8, 3.2)),
    "wave": Act(wave, PERSONS, None, (1.8, 3.2)),
    "spin": Act(spin, (*PERSONS, "dog"), None, (1.8, 3.2)),
    "fall": Act(fall, PERSONS, None, (1.6, 2.8)),
}
PREDICATES = tuple(ACTS)


def can(predicate: str, subject: str, other: str | None) -> bool:
    """Return whether things of these categories can perform the predicate."""
    act = ACTS[predicate]
    if predicate == "above" and subject != "bird" and other not in _TOPS:
        return False
    if predicate == "above" and subject == "child" and other == "car":
        return False
    if predicate in ("behind", "in_front_of") and subject == "horse" and other != "car":
        return False
    return subject in act.subjects and (act.others is None or other in act.others)


def perform(stage: Stage, predicate: str, s: Actor, o: Actor | None, t: int, length: int) -> int | None:
    """Perform an act from frame t; returns None and changes nothing if it does not fit."""
    kept = [(a, a.save()) for a in (s, o) if a is not None]
    events = len(stage.events)
    try:
        return ACTS[predicate].play(stage, s, o, t, length)
    except NoRoomError:
        pass
    for actor, tracks in kept:
        actor.tracks = tracks
    del stage.events[events:]
    return None
