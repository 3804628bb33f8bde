"""Shapes of the drawn world: a thing in a pose becomes convex polygons and strokes. NumPy only.

A pose is constant (numbers) or per frame (arrays (frames,)); outlines are (points, 2) or (frames, points, 2).
Local coordinates: x ahead (the thing faces +x), y up from the ground below its centre, units of `world.cast`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from world.cast import COLOURS, HAIRS, HEIGHTS, SKINS, Thing

Colour = tuple[int, int, int]
Value = float | np.ndarray  # a number, or one per frame: (frames,)
_CIRCLE = np.stack([np.cos(np.arange(20) * np.pi / 10), np.sin(np.arange(20) * np.pi / 10)], axis=1)
_HALF = np.stack([np.cos(np.arange(7) * np.pi / 6), np.sin(np.arange(7) * np.pi / 6)], axis=1)
_DARK: Colour = (35, 32, 30)


class Part(NamedTuple):
    """A filled convex polygon (`width` 0) or an open stroke of that width; `points` is ([frames,] n, 2)."""

    points: np.ndarray
    colour: Colour
    width: float = 0.0


@dataclass(frozen=True)
class Pose:
    """Pose of a thing. Angles in degrees; `arm` 0 hangs down, 90 points ahead, 180 up."""

    gait: Value = 0.0  # phase of the walk, radians
    stride: Value = 0.0  # 0 stands, 1 runs
    arm: Value = 8.0
    arm_far: Value = -6.0
    bend: Value = 0.0  # forward lean of the trunk, degrees
    sit: Value = 0.0  # 0 stands, 1 sits astride
    kick: Value = 0.0  # forward swing of the near leg, degrees
    roll: Value = 0.0  # rotation of round things and wheels, radians


def shade(colour: Colour, factor: float) -> Colour:
    """Return a darker (factor < 1) or lighter (> 1) colour."""
    return tuple(int(min(255, max(0, c * factor))) for c in colour)  # type: ignore[return-value]


def ellipse(x: Value, y: Value, rx: Value, ry: Value, angle: float = 0.0) -> np.ndarray:
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    px, py = _CIRCLE[:, 0] * _column(rx), _CIRCLE[:, 1] * _column(ry)
    return _points(c * px - s * py + _column(x), s * px + c * py + _column(y))


def capsule(x0: Value, y0: Value, x1: Value, y1: Value, r0: Value, r1: Value | None = None) -> np.ndarray:
    """Return a limb: two half circles and the area between them."""
    r1 = r0 if r1 is None else r1
    angle = _column(np.arctan2(np.subtract(y1, y0), np.subtract(x1, x0)) - np.pi / 2)
    c, s = np.cos(angle), np.sin(angle)
    hx, hy = c * _HALF[:, 0] - s * _HALF[:, 1], s * _HALF[:, 0] + c * _HALF[:, 1]
    ends = [(hx * _column(r1) + _column(x1), hy * _column(r1) + _column(y1))]
    ends.append((-hx * _column(r0) + _column(x0), -hy * _column(r0) + _column(y0)))
    (ax, ay), (bx, by) = ends
    return np.concatenate([_points(ax, ay), _points(bx, by)], axis=-2)


def polygon(*points: tuple[Value, Value]) -> np.ndarray:
    columns = [_points(_column(x), _column(y)) for x, y in points]
    frames = np.broadcast_shapes(*(c.shape[:-2] for c in columns))
    return np.concatenate([np.broadcast_to(c, (*frames, 1, 2)) for c in columns], axis=-2)


def _column(value: Value) -> np.ndarray:
    """Reshape a number to (1,), an array (frames,) to (frames, 1), to broadcast over the points of an outline."""
    return np.asarray(value, dtype=np.float64)[..., None]


def _points(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack(np.broadcast_arrays(x, y), axis=-1)


def hand_of(height: float, arm: np.ndarray | float, bend: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Return the position of a person's hand (ahead, up), for arm and bend in degrees; broadcasts."""
    b, a = np.radians(bend), np.radians(arm)
    x = 0.32 * height * np.sin(b) + 0.34 * height * np.sin(a)
    y = 0.47 * height + 0.32 * height * np.cos(b) - 0.34 * height * np.cos(a)
    return x, y


def _person(thing: Thing, pose: Pose) -> list[Part]:
    h = HEIGHTS[thing.category]
    child = thing.category == "child"
    top, low = COLOURS[thing.colour], COLOURS[thing.trousers or "gray"]
    skin, hair = SKINS[thing.skin], HAIRS[thing.hair]
    hip = (0.0, 0.47 * h)
    c, s = np.cos(np.radians(pose.bend)), np.sin(np.radians(pose.bend))

    def at(along: float, forward: float) -> tuple[Value, Value]:
        """Return a point of the trunk, relative to the hip (up and ahead), in heights."""
        return h * (s * along + c * forward), hip[1] + h * (c * along - s * forward)

    parts = _arm(h, at(0.31, -0.02), pose.arm_far, shade(top, 0.72), shade(skin, 0.85))
    parts += _leg(h, hip, pose, np.pi, low, skin, thing.woman, 0.75)
    parts += _leg(h, hip, pose, 0.0, low, skin, thing.woman, 1.0)
    if thing.woman:
        sway = 0.05 * h * pose.stride * np.sin(pose.gait) + 0.14 * h * pose.sit
        skirt = polygon(
            (-0.09 * h, 0.52 * h),
            (0.09 * h, 0.52 * h),
            (0.16 * h + sway, 0.27 * h),
            (-0.16 * h + sway, 0.27 * h),
        )
        parts.append(Part(skirt, low))
    trunk = polygon(
        at(-0.03, -0.085),
        at(0.33, -0.115),
        at(0.36, -0.05),
        at(0.36, 0.06),
        at(0.32, 0.12),
        at(-0.03, 0.095),
    )
    parts.append(Part(trunk, top))
    back = polygon(at(-0.03, -0.085), at(0.33, -0.115), at(0.35, -0.06), at(-0.03, -0.045))
    parts.append(Part(back, shade(top, 0.8)))
    parts += _head(h, at, skin, hair, thing, child)
    parts += _arm(h, at(0.31, 0.0), pose.arm, shade(top, 0.9), skin)
    return parts


def _arm(h: float, shoulder: tuple[Value, Value], angle: Value, sleeve: Colour, skin: Colour) -> list[Part]:
    a = np.radians(angle)
    x, y = shoulder
    ex, ey = x + 0.18 * h * np.sin(a), y - 0.18 * h * np.cos(a)
    hx, hy = x + 0.34 * h * np.sin(a), y - 0.34 * h * np.cos(a)
    return [
        Part(capsule(ex, ey, hx, hy, 0.028 * h), skin),
        Part(capsule(x, y, ex, ey, 0.043 * h, 0.036 * h), sleeve),
        Part(ellipse(hx, hy, 0.036 * h, 0.036 * h), skin),
    ]


def _leg(
    h: float,
    hip: tuple[float, float],
    pose: Pose,
    lag: float,
    low: Colour,
    skin: Colour,
    skirt: bool,
    light: float,
) -> list[Part]:
    swing = np.sin(pose.gait + lag) * (10 + 26 * pose.stride) * np.minimum(1.0, 3 * pose.stride)
    knee = np.maximum(0.0, np.cos(pose.gait + lag)) * 55 * pose.stride
    swing += 0.0 if lag else pose.kick
    swing, knee = swing * (1 - pose.sit) + 62 * pose.sit, knee * (1 - pose.sit) + 52 * pose.sit
    spread = 0.035 * h * (1 - pose.stride) * (1 if lag else -1)
    a, c = np.radians(swing), np.radians(swing - knee)
    x, y = hip[0] + spread, hip[1]
    kx, ky = x + 0.23 * h * np.sin(a), y - 0.23 * h * np.cos(a)
    fx, fy = kx + 0.215 * h * np.sin(c), ky - 0.215 * h * np.cos(c)
    thigh, shin = (skin, skin) if skirt else (low, low)
    return [
        Part(capsule(kx, ky, fx, fy, 0.042 * h, 0.034 * h), shade(shin, 0.95 * light)),
        Part(capsule(x, y, kx, ky, 0.058 * h, 0.046 * h), shade(thigh, light)),
        Part(ellipse(fx + 0.03 * h, fy - 0.008 * h, 0.06 * h, 0.027 * h), shade(_DARK, light)),
    ]


def _head(
    h: float, at: Callable[[float, float], tuple], skin: Colour, hair: Colour, thing: Thing, child: bool
) -> list[Part]:
    r = (0.098 if child else 0.075) * h
    x, y = at(0.36, 0.012)
    y += r * 0.9
    neck = at(0.33, 0.0)
    parts = [Part(capsule(neck[0], neck[1], x, y, 0.03 * h), shade(skin, 0.85))]
    if thing.woman:
        parts.append(Part(capsule(x - 0.45 * r, y + 0.2 * r, x - 0.75 * r, y - 1.5 * r, 0.75 * r, 0.5 * r), hair))
    parts.append(Part(ellipse(x - 0.12 * r, y + 0.12 * r, 1.1 * r, 1.12 * r), hair))
    parts.append(Part(ellipse(x + 0.22 * r, y - 0.12 * r, 0.86 * r, 0.92 * r), skin))
    parts.append(Part(ellipse(x + 0.55 * r, y + 0.08 * r, 0.13 * r, 0.17 * r), _DARK))
    parts.append(Part(capsule(x + 0.4 * r, y - 0.5 * r, x + 0.75 * r, y - 0.45 * r, 0.08 * r), (60, 60, 150)))
    if thing.hat:
        cap = COLOURS[thing.hat]
        crown = _points(
            _HALF[:, 0] * 1.12 * r + _column(x - 0.08 * r), _HALF[:, 1] * 1.05 * r + _column(y + 0.42 * r)
        )
        parts.append(Part(crown, cap))
        parts.append(
            Part(capsule(x - 1.3 * r, y + 0.42 * r, x + 1.65 * r, y + 0.42 * r, 0.2 * r), shade(cap, 0.78))
        )
    return parts


def _baby(thing: Thing, pose: Pose) -> list[Part]:
    top, skin, hair = COLOURS[thing.colour], SKINS[thing.skin], HAIRS[thing.hair]
    s = np.sin(pose.gait) * 5 * pose.stride
    parts = [
        Part(capsule(-10, 10, -16 + s, 3, 4.5, 3.5), shade(top, 0.7)),
        Part(capsule(7, 13, 9 + s, 2.5, 3.6, 2.8), shade(skin, 0.8)),
        Part(capsule(-9, 12, 6, 15, 8.2, 6.5), top),
        Part(ellipse(-9, 11, 8.8, 8.2), (235, 235, 235)),
        Part(capsule(-9, 9, -17 - s, 3.2, 4.8, 3.6), shade(top, 0.88)),
        Part(capsule(6, 13, 9 - s, 2.5, 3.8, 3.0), skin),
        Part(ellipse(13, 23, 9.6, 9.6), skin),
        Part(ellipse(10.5, 27, 8, 5.8, 20), hair),
        Part(ellipse(17.5, 23.5, 1.2, 1.6), _DARK),
        Part(ellipse(11, 22, 1.7, 2.4), shade(skin, 0.8)),
        Part(capsule(16.5, 18.6, 19, 19.2, 0.8), (60, 60, 150)),
    ]
    return parts


def _legs4(xs: tuple[float, ...], y: float, pose: Pose, width: float, colour: Colour, reach: float) -> list[Part]:
    """Return four legs from (x, y) to the ground; the far pair is darker and half a step late."""
    parts = []
    for i, x in enumerate(xs):
        swing = np.sin(pose.gait + (0.0, np.pi, np.pi * 0.85, np.pi * 0.15)[i]) * reach * pose.stride
        lift = (
            np.maximum(0.0, np.cos(pose.gait + (0.0, np.pi, np.pi * 0.85, np.pi * 0.15)[i]))
            * reach
            * 0.5
            * pose.stride
        )
        tone = shade(colour, 0.7 if i < 2 else 0.92)
        parts.append(Part(capsule(x, y, x + swing, width + lift, width * 1.35, width), tone))
    return parts


def _dog(thing: Thing, pose: Pose) -> list[Part]:
    body = COLOURS[thing.colour]
    ear = shade(body, 0.62) if thing.colour != "black" else (75, 72, 70)
    legs = _legs4((-15, 11, -13, 13), 15, pose, 2.5, body, 9)
    wag = 4 * np.sin(pose.roll * 3)
    return [
        *legs[:2],
        Part(capsule(-18, 21, -27, 32 + wag, 2.6, 1.6), shade(body, 0.85)),
        Part(capsule(-14, 18, 12, 19, 7.6, 8.4), body),
        Part(capsule(-12, 14, 10, 14.5, 3.4, 3.8), shade(body, 0.82)),
        *legs[2:],
        Part(capsule(13, 22, 18, 29, 5.6, 5.0), body),
        Part(ellipse(19.5, 30.5, 7.2, 6.4), body),
        Part(capsule(22, 28.5, 29.5, 27.5, 3.9, 2.9), shade(body, 1.12)),
        Part(ellipse(31.3, 28.6, 1.8, 1.6), _DARK if thing.colour != "black" else (90, 85, 85)),
        Part(ellipse(22.5, 32, 1.25, 1.35), _DARK if thing.colour != "black" else (210, 210, 210)),
        Part(ellipse(15.5, 28.5, 3.0, 6.4, 12), ear),
        Part(capsule(14, 23.5, 20.5, 23.2, 1.4), (50, 50, 190)),
    ]


def _cat(thing: Thing, pose: Pose) -> list[Part]:
    body = COLOURS[thing.colour]
    eye = (70, 215, 160)
    legs = _legs4((-11, 8, -9, 10), 10, pose, 2.0, body, 7)
    sway = 3 * np.sin(pose.roll * 2)
    hx, hy = 15.5, 21.5
    tail: list[tuple[Value, Value]] = [(-15, 15), (-21, 19), (-22 + sway * 0.5, 26), (-18 + sway, 31)]
    inner = (150, 150, 235)
    parts = [*legs[:2]]
    parts += [Part(capsule(a[0], a[1], b[0], b[1], 2.2), shade(body, 0.85)) for a, b in pairwise(tail)]
    parts += [Part(capsule(-11, 13, 9, 14, 6.2, 5.6), body)]
    parts += [Part(capsule(x, 11, x + 1, 18, 1.1), shade(body, 0.7)) for x in (-9, -4, 1)]
    parts += legs[2:]
    for side in (-1, 1):
        base = hx + side * 4.6
        parts.append(
            Part(
                polygon((base - 3.4, hy + 3), (base + 3.4, hy + 3), (base + side * 1.6, hy + 11.5)),
                shade(body, 0.9),
            )
        )
        parts.append(Part(polygon((base - 1.6, hy + 4), (base + 1.8, hy + 4), (base + side * 1.2, hy + 9)), inner))
    parts += [
        Part(ellipse(hx, hy, 8.2, 7.0), body),
        Part(ellipse(hx - 2.6, hy + 1, 1.5, 1.7), eye),
        Part(ellipse(hx + 3.6, hy + 1, 1.5, 1.7), eye),
        Part(ellipse(hx - 2.5, hy + 1, 0.6, 1.5), _DARK),
        Part(ellipse(hx + 3.7, hy + 1, 0.6, 1.5), _DARK),
        Part(
            ellipse(hx + 0.8, hy - 2.6, 3.2, 2.2),
            shade(body, 1.2) if thing.colour != "black" else (95, 92, 90),
        ),
        Part(polygon((hx - 0.4, hy - 1.0), (hx + 2.0, hy - 1.0), (hx + 0.8, hy - 2.6)), inner),
    ]
    return parts


def _horse(thing: Thing, pose: Pose) -> list[Part]:
    body = COLOURS[thing.colour]
    mane = (40, 55, 75) if thing.colour in ("white", "black") else shade(body, 0.5)
    legs = _legs4((-22, 17, -19, 20), 34, pose, 3.0, body, 13)
    hooves = [Part(ellipse(p.points[..., 3, 0], p.points[..., 3, 1], 4.2, 2.6), _DARK) for p in legs]
    wag = 3 * np.sin(pose.roll * 2)
    return [
        *legs[:2],
        *hooves[:2],
        Part(capsule(-29, 44, -37 + wag, 22, 3.6, 2.2), mane),
        Part(capsule(-20, 40, 18, 41, 12.5, 12.0), body),
        Part(capsule(-18, 33, 14, 34, 5.5, 5.0), shade(body, 0.85)),
        *legs[2:],
        *hooves[2:],
        Part(capsule(21, 45, 33, 66, 9.0, 5.6), body),
        Part(capsule(16, 53, 28, 73, 2.8, 2.6), mane),
        Part(polygon((30, 71), (34, 71), (32.5, 80)), shade(body, 0.85)),
        Part(capsule(33, 68, 44, 56, 5.8, 3.9), body),
        Part(ellipse(45, 55, 3.4, 3.0), shade(body, 0.75)),
        Part(ellipse(35.5, 68.2, 1.3, 1.4), _DARK if thing.colour != "black" else (210, 210, 210)),
    ]


def _bird(thing: Thing, pose: Pose) -> list[Part]:
    body = COLOURS[thing.colour]
    flap = np.sin(pose.gait)
    dark = shade(body, 0.7) if thing.colour != "black" else (85, 80, 78)
    tip = 13 + 11 * flap
    return [
        Part(polygon((-7, 13), (3, 14), (-6, tip + 2)), shade(dark, 0.85)),
        Part(polygon((-9, 10), (-19, 13), (-18, 7), (-9, 8)), dark),
        Part(ellipse(-1, 10, 11, 6.6, 10), body),
        Part(ellipse(1.5, 7, 7.5, 3.6, 10), shade(body, 1.3)),
        Part(ellipse(9, 15.5, 5.6, 5.2), body),
        Part(polygon((13.5, 17), (19, 14.4), (13.5, 13)), (30, 150, 245)),
        Part(ellipse(10.6, 16.8, 1.3, 1.4), _DARK if thing.colour != "black" else (225, 225, 225)),
        Part(polygon((-7, 12), (5, 12), (-3, tip)), dark),
        Part(capsule(-1, 4, -1, 1, 0.8), (30, 120, 200)),
    ]


def _ball(thing: Thing, pose: Pose) -> list[Part]:
    body, r = COLOURS[thing.colour], 12.5
    stripe = (240, 240, 240) if thing.colour != "white" else (60, 60, 60)
    turn = -pose.roll
    parts = [Part(ellipse(0, r, r, r), body)]
    for k in range(3):
        a = turn + k * 2 * np.pi / 3
        rim = [(0.86 * r * np.cos(a + d), r + 0.86 * r * np.sin(a + d)) for d in (0.0, 0.2, 0.4)]
        parts.append(Part(polygon((0.0, r), *rim), stripe))
    parts += [
        Part(ellipse(0, r, 0.24 * r, 0.24 * r), body),
        Part(ellipse(-4, r + 5, 2.4, 1.6, 40), shade(body, 1.5)),
    ]
    return parts


def _toy(thing: Thing, pose: Pose) -> list[Part]:
    """Return a sitting teddy bear."""
    fur = COLOURS[thing.colour]
    pale = shade(fur, 1.35) if thing.colour not in ("white",) else (190, 215, 235)
    limb = shade(fur, 0.82)
    return [
        Part(ellipse(-9.5, 4.5, 5, 4.6), limb),
        Part(ellipse(9.5, 4.5, 5, 4.6), limb),
        Part(ellipse(-9.8, 12.5, 3.2, 5.0, 30), limb),
        Part(ellipse(9.8, 12.5, 3.2, 5.0, -30), limb),
        Part(ellipse(0, 9.5, 8.6, 9.2), fur),
        Part(ellipse(0, 9, 5.2, 6), pale),
        Part(ellipse(-7, 28.6, 3.6, 3.6), limb),
        Part(ellipse(7, 28.6, 3.6, 3.6), limb),
        Part(ellipse(0, 22.5, 8.8, 8.2), fur),
        Part(ellipse(0, 20, 4, 3.1), pale),
        Part(ellipse(0, 21.2, 1.5, 1.1), _DARK),
        Part(ellipse(-3.3, 24.4, 1.2, 1.3), _DARK),
        Part(ellipse(3.3, 24.4, 1.2, 1.3), _DARK),
    ]


def _backpack(thing: Thing, pose: Pose) -> list[Part]:
    body = COLOURS[thing.colour]
    dark = shade(body, 0.68) if thing.colour != "black" else (80, 78, 76)
    return [
        Part(polygon((-4, 27), (4, 27), (3, 31), (-3, 31)), dark),
        Part(capsule(-11.5, 8, -10.5, 20, 2.2), dark),
        Part(capsule(0, 10.5, 0, 18.5, 10.8, 10.2), body),
        Part(polygon((-10.8, 1.5), (10.8, 1.5), (11.2, 14), (-11.2, 14)), body),
        Part(polygon((-7.5, 3.5), (7.5, 3.5), (7.5, 12), (-7.5, 12)), dark),
        Part(polygon((-7.5, 10.6), (7.5, 10.6), (7.5, 12), (-7.5, 12)), (190, 190, 190)),
        Part(capsule(-8.5, 20, 8.5, 20, 0.9), dark),
    ]


def _chair(thing: Thing, pose: Pose) -> list[Part]:
    wood = COLOURS[thing.colour]
    dark = shade(wood, 0.68)
    return [
        Part(polygon((-9, 1), (-6.4, 1), (-6.4, 24), (-9, 24)), shade(wood, 0.5)),
        Part(polygon((11.5, 2), (14, 2), (14, 24), (11.5, 24)), shade(wood, 0.5)),
        Part(polygon((-16, 22), (-13, 22), (-15, 50), (-17.5, 50)), dark),
        Part(polygon((-15.8, 30), (-9.5, 33), (-11, 50), (-17, 49)), wood),
        Part(polygon((-15.5, 21), (12, 21), (16, 26), (-10, 26)), wood),
        Part(polygon((-15.5, 18.5), (12, 18.5), (12, 21.5), (-15.5, 21.5)), dark),
        Part(polygon((12, 18.5), (16, 23), (16, 26), (12, 21.2)), shade(wood, 0.55)),
        Part(polygon((-15.5, 0), (-12.6, 0), (-12.6, 20), (-15.5, 20)), dark),
        Part(polygon((9.2, 0), (12, 0), (12, 20), (9.2, 20)), dark),
    ]


def _table(thing: Thing, pose: Pose) -> list[Part]:
    wood = COLOURS[thing.colour]
    dark = shade(wood, 0.65)
    legs = [(-27, 5, 0.5), (26, 5, 0.5), (-33, 0, 0.65), (29.5, 0, 0.65)]
    return [
        *[Part(polygon((x, y), (x + 3.6, y), (x + 3.6, 36), (x, 36)), shade(wood, tone)) for x, y, tone in legs],
        Part(polygon((-35, 35), (35, 35), (30, 43.5), (-30, 43.5)), wood),
        Part(polygon((-35, 31.5), (35, 31.5), (35, 35.4), (-35, 35.4)), dark),
    ]


def _bicycle(thing: Thing, pose: Pose) -> list[Part]:
    frame, r = COLOURS[thing.colour], 15.0
    rear, front, pedal, saddle, bar = (-21.0, r), (21.0, r), (-3.0, 14.0), (-10.0, 36.0), (14.0, 38.0)
    parts = []
    for cx, cy in (rear, front):
        rim = ellipse(cx, cy, r - 1.2, r - 1.2)
        parts.append(Part(np.concatenate([rim, rim[:1]]), _DARK, 2.6))
        for k in range(3):
            a = -pose.roll + k * np.pi / 3
            dx, dy = (r - 2) * np.cos(a), (r - 2) * np.sin(a)
            parts.append(Part(polygon((cx - dx, cy - dy), (cx + dx, cy + dy)), (165, 165, 165), 0.8))
    head = (12.0, 33.0)
    tubes = (rear, pedal), (rear, saddle), (pedal, saddle), (pedal, head), (saddle, head), (bar, front)
    parts += [Part(polygon(*tube), frame, 3.2) for tube in tubes]
    parts.append(Part(capsule(-15, 38, -6, 38, 2.4, 1.8), _DARK))
    parts.append(Part(polygon((14, 38), (13, 44), (8, 45)), _DARK, 2.2))
    a = -pose.roll
    parts.append(Part(polygon(pedal, (pedal[0] + 6 * np.cos(a), pedal[1] + 6 * np.sin(a))), _DARK, 2.0))
    return parts


def _car(thing: Thing, pose: Pose) -> list[Part]:
    body = COLOURS[thing.colour]
    dark, glass = shade(body, 0.75), (215, 195, 165)
    parts = [
        Part(polygon((-30, 28), (24, 28), (13, 48), (-22, 48)), body),
        Part(polygon((-26, 30), (-4, 30), (-4, 45), (-19.5, 45)), glass),
        Part(polygon((-0.5, 30), (19, 30), (11, 45), (-0.5, 45)), glass),
        Part(polygon((-55, 10), (55, 10), (56, 20), (50, 27), (26, 30), (-32, 30), (-53, 28), (-56, 20)), body),
        Part(polygon((-55, 9), (55, 9), (55.5, 14.5), (-55.5, 14.5)), dark),
        Part(capsule(-2, 24, 4, 24, 0.9), dark),
        Part(ellipse(52.5, 22, 2.8, 2.6), (170, 240, 250)),
        Part(ellipse(-53.5, 22.5, 1.9, 2.8), (40, 40, 200)),
    ]
    for cx in (-32, 33):
        parts += [
            Part(ellipse(cx, 11, 11, 11), (40, 38, 38)),
            Part(ellipse(cx, 11, 5.6, 5.6), (185, 185, 185)),
        ]
        a = -pose.roll
        parts.append(
            Part(
                polygon((cx - 4.6 * np.cos(a), 11 - 4.6 * np.sin(a)), (cx + 4.6 * np.cos(a), 11 + 4.6 * np.sin(a))),
                (90, 90, 90),
                1.6,
            )
        )
    return parts


_SHAPES: dict[str, Callable[[Thing, Pose], list[Part]]] = {
    "adult": _person,
    "child": _person,
    "baby": _baby,
    "dog": _dog,
    "cat": _cat,
    "horse": _horse,
    "bird": _bird,
    "ball": _ball,
    "toy": _toy,
    "backpack": _backpack,
    "chair": _chair,
    "table": _table,
    "bicycle": _bicycle,
    "car": _car,
}


@dataclass(frozen=True)
class Place:
    """Placement of a thing, each an array (frames,): foot in frame pixels, pixels per unit, `turn` (mirrors and
    narrows, -1..1), tilt in degrees."""

    x: np.ndarray
    y: np.ndarray
    scale: np.ndarray
    turn: np.ndarray
    tilt: np.ndarray


def shape(thing: Thing, pose: Pose, place: Place) -> tuple[list[Part], np.ndarray]:
    """Return the thing's parts in frame pixels, back to front, points (frames, n, 2), and boxes (frames, 4) xyxy.

    The width of a stroke, in pixels, uses the scale of the first frame.
    """
    parts = _SHAPES[thing.category](thing, pose)
    frames = len(place.x)
    counts = [p.points.shape[-2] for p in parts]
    points = np.concatenate(
        [np.broadcast_to(p.points, (frames, n, 2)) for p, n in zip(parts, counts, strict=True)], axis=1
    )
    points = _to_picture(points, thing, place)
    width = float(place.scale[0]) * thing.size
    pad = np.repeat([0.5 * width * p.width for p in parts], counts)[:, None]
    boxes = np.concatenate([(points - pad).min(1), (points + pad).max(1)], axis=1)
    pieces = np.split(points, np.cumsum(counts)[:-1], axis=1)
    return [Part(q, p.colour, p.width * width) for p, q in zip(parts, pieces, strict=True)], boxes


def _to_picture(points: np.ndarray, thing: Thing, place: Place) -> np.ndarray:
    x, y = points[..., 0] * place.turn[:, None], points[..., 1]
    a = np.radians(place.tilt)[:, None]
    x, y = x * np.cos(a) + y * np.sin(a), y * np.cos(a) - x * np.sin(a)
    unit = (place.scale * thing.size)[:, None]
    return _points(place.x[:, None] + unit * x, place.y[:, None] - unit * y)
