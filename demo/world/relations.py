"""Relations between the objects of a drawn video, computed from boxes, ground depth and motion. NumPy only.

Every relation has two definitions: *strict* (every viewer would agree) verifies what was acted; *loose* (some
viewer may agree) finds what else a sentence can refer to. Arrays are (things, things, frames): [subject, other,
frame].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from world.cast import WHO, Thing
from world.stage import Event

ALONE = ("jump", "wave", "spin", "fall")
SPATIAL = ("above", "beneath", "next_to", "in_front_of", "behind", "towards", "away")
_ANIMATE = (*WHO, "dog", "cat", "horse", "bird")
#: Predicates that are also true of the pair while the key is acted.
IMPLIED = {
    "carry": ("hold", "touch"),
    "lift": ("hold", "touch", "carry"),
    "hold": ("touch", "carry", "lift"),
    "throw": ("hold", "touch"),
    "hug": ("touch", "hold"),
    "push": ("touch",),
    "pull": ("touch", "hold"),
    "ride": ("touch", "above"),
    "kick": ("touch",),
    "chase": ("follow", "towards"),
    "follow": ("towards",),
    "touch": (),
}
#: The same for the reversed pair.
IMPLIED_BACK = {"hug": ("hug", "touch"), "chase": ("away",), "follow": ("away",), "ride": ("beneath",)}


@dataclass(frozen=True)
class Geometry:
    """Boxes (things, frames, 4) xyxy in frame pixels; x, row and depth of the ground point, and the lift above it
    in pixels: (things, frames)."""

    boxes: np.ndarray
    x: np.ndarray
    y: np.ndarray
    lift: np.ndarray
    depth: np.ndarray
    fps: int

    @property
    def velocity(self) -> np.ndarray:
        """Velocity of the ground point, pixels per second, averaged over about 0.4 s: (things, frames, 2)."""
        reach = max(1, round(0.2 * self.fps))
        point = np.stack([self.x, self.y], axis=-1)
        padded = np.pad(point, ((0, 0), (reach, reach), (0, 0)), mode="edge")
        return (padded[:, 2 * reach :] - padded[:, : -2 * reach]) * (self.fps / (2 * reach))


def _pairs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values[:, None], values[None]


def _gaps(g: Geometry) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the horizontal gap in pixels (negative: overlap), the horizontal overlap relative to the narrower box,
    and the vertical overlap relative to the lower box."""
    x0, y0, x1, y1 = np.moveaxis(g.boxes, -1, 0)
    shared = np.minimum(*_pairs(x1)) - np.maximum(*_pairs(x0))
    tall = np.minimum(*_pairs(y1)) - np.maximum(*_pairs(y0))
    return -shared, shared / np.minimum(*_pairs(x1 - x0)), tall / np.minimum(*_pairs(y1 - y0))


def _headings(g: Geometry) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return speed of the subject, cosine of its direction to the other, closing speed of the pair, distance."""
    v = g.velocity
    point = np.stack([g.x, g.y], axis=-1)
    to = point[None] - point[:, None]
    far = np.linalg.norm(to, axis=-1) + 1e-6
    speed = np.linalg.norm(v, axis=-1)
    cosine = (v[:, None] * to).sum(-1) / (far * speed[:, None] + 1e-6)
    closing = ((v[:, None] - v[None]) * to).sum(-1) / far
    return np.broadcast_to(speed[:, None], far.shape), cosine, closing, far


def relations(g: Geometry, things: Sequence[Thing], strict: bool) -> dict[str, np.ndarray]:
    """Return the spatial relations, chase and follow for all pairs and frames: bool arrays."""
    gap, wide, tall = _gaps(g)
    behind_by = g.depth[None] - g.depth[:, None]  # > 0: the subject is nearer
    speed, cosine, closing, far = _headings(g)
    low = (g.lift[:, None] < 9) & (g.lift[None] < 9)
    still = (speed < 14) & (np.swapaxes(speed, 0, 1) < 14)
    out = {}
    out["above"] = _above(g, things, wide, behind_by, strict)
    out["beneath"] = np.swapaxes(out["above"], 0, 1)
    near = np.abs(behind_by) < (0.08 if strict else 0.15)
    beside = (gap > -9) & (gap < 18) if strict else (gap < 26) & (wide < 0.45)
    out["next_to"] = near & low & beside & (still if strict else True)
    out["in_front_of"] = (
        (behind_by > (0.11 if strict else 0.05))
        & (wide > (0.5 if strict else 0.22))
        & (tall > (0.3 if strict else 0.1))
    )
    out["behind"] = np.swapaxes(out["in_front_of"], 0, 1)
    straight, fast, change = (0.95, 16, 10) if strict else (0.6, 8, 4)
    out["towards"] = (cosine > straight) & (speed > fast) & (closing > change)
    out["away"] = (cosine < -straight) & (speed > fast) & (closing < -change)
    out["follow"], out["chase"] = _trails(g, things, speed, cosine, far, strict)
    others = ~np.eye(len(things), dtype=bool)[..., None]
    return {name: value & others for name, value in out.items()}


def _above(
    g: Geometry, things: Sequence[Thing], wide: np.ndarray, behind_by: np.ndarray, strict: bool
) -> np.ndarray:
    top, bottom = g.boxes[..., 1], g.boxes[..., 3]
    height = bottom - top
    clear = bottom[:, None] <= top[None] + (0.3 if strict else 0.45) * height[None]
    close = top[None] - bottom[:, None] < (26 if strict else 60)
    level = np.abs(behind_by) < (0.09 if strict else 0.35)
    up = clear & close & level & (wide > (0.55 if strict else 0.3)) & (g.lift[:, None] > 8)
    tables = np.array([t.category == "table" for t in things])[:, None, None]
    under = tables & (np.abs(behind_by) < 0.08) & (wide > (0.75 if strict else 0.4)) & (g.lift[None] < 8)
    return up | (under & (top[None] > top[:, None] + 2))


def _trails(
    g: Geometry, things: Sequence[Thing], speed: np.ndarray, cosine: np.ndarray, far: np.ndarray, strict: bool
) -> tuple[np.ndarray, np.ndarray]:
    v = g.velocity
    along = (v[:, None] * v[None]).sum(-1) / (speed * np.swapaxes(speed, 0, 1) + 1e-6)
    animate = np.array([t.category in _ANIMATE for t in things])
    living = (animate[:, None] & animate[None])[..., None]
    train = living & (along > 0.8) & (cosine > 0.8) & (far < (130 if strict else 150))
    slower = np.minimum(speed, np.swapaxes(speed, 0, 1))
    return train & (slower > (15 if strict else 10)), train & (slower > (55 if strict else 45))


def possible(g: Geometry, things: Sequence[Thing], events: Sequence[Event]) -> dict[str, np.ndarray]:
    """Return all relations that a sentence can refer to, acted or loose; acts without an object are at [i, i]."""
    out = relations(g, things, strict=False)
    n, frames = g.x.shape
    for event in events:
        i, j = event.subject, event.subject if event.other is None else event.other
        there = [(event.predicate, i, j)] + [(p, i, j) for p in IMPLIED.get(event.predicate, ())]
        there += [(p, j, i) for p in IMPLIED_BACK.get(event.predicate, ())]
        for predicate, a, b in there:
            out.setdefault(predicate, np.zeros((n, n, frames), dtype=bool))[a, b, event.begin : event.end] = True
    return out


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Return the maximal half-open intervals in which a boolean (frames,) holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def bridged(mask: np.ndarray, gap: int) -> np.ndarray:
    """Fill gaps of at most `gap` frames in the mask."""
    out = mask.copy()
    for begin, end in runs(~mask):
        if begin > 0 and end < len(mask) and end - begin <= gap:
            out[begin:end] = True
    return out


def agrees(event: Event, g: Geometry, strict: dict[str, np.ndarray]) -> bool:
    """Return whether boxes and motion show the event over its span as a viewer would expect."""
    b, e = event.begin, event.end
    if event.predicate in strict:
        return bool(strict[event.predicate][event.subject, event.other, b:e].mean() >= 0.8)
    if event.other is None:
        return _agrees_alone(event, g)
    return _AGREE[event.predicate](_Pair.of(event, g))


@dataclass(frozen=True)
class _Pair:
    """Two things over a span: boxes (frames, 4), speeds, gap between the boxes in pixels, lift of the other."""

    s: np.ndarray
    o: np.ndarray
    speed: np.ndarray
    speed_o: np.ndarray
    gap: np.ndarray
    lift: np.ndarray
    ahead: np.ndarray

    @classmethod
    def of(cls, event: Event, g: Geometry) -> _Pair:
        i, j, cut = event.subject, event.other, slice(event.begin, event.end)
        s, o, v = g.boxes[i, cut], g.boxes[j, cut], g.velocity
        apart = np.maximum(np.maximum(s[:, :2] - o[:, 2:], o[:, :2] - s[:, 2:]), 0)
        ahead = (g.x[j, cut] - g.x[i, cut]) * v[i, cut, 0]
        return cls(
            s,
            o,
            np.abs(v[i, cut, 0]),
            np.linalg.norm(v[j, cut], axis=1),
            np.hypot(*apart.T),
            g.lift[j, cut],
            ahead,
        )


def _mostly(mask: np.ndarray, share: float = 0.8) -> bool:
    return bool(mask.mean() >= share)


_AGREE = {
    "hold": lambda p: _mostly(p.gap < 4) and _mostly(p.speed < 12) and _mostly(p.lift > 8, 0.6),
    "carry": lambda p: _mostly(p.gap < 4) and _mostly(p.speed > 12, 0.4) and _mostly(p.lift > 8, 0.6),
    "lift": lambda p: _mostly(p.gap < 6) and _mostly(p.o[:, 3] < p.s[:, 1] + 0.3 * (p.s[:, 3] - p.s[:, 1]), 0.3),
    "throw": lambda p: p.gap[0] < 4 and p.speed_o.max() > 60 and p.gap.max() > 25,
    "kick": lambda p: p.gap.min() < 6 and p.speed_o.max() > 40 and p.gap.max() > 18,
    "push": lambda p: _mostly(p.gap < 10) and _mostly(p.speed_o > 8, 0.7) and _mostly(p.ahead > 0, 0.7),
    "pull": lambda p: _mostly(p.gap < 30) and _mostly(p.speed_o > 8, 0.7) and _mostly(p.ahead < 0, 0.7),
    "ride": lambda p: _mostly(p.gap == 0) and _mostly(p.speed_o > 20, 0.8) and _mostly(p.s[:, 1] < p.o[:, 1] + 4),
    "touch": lambda p: _mostly(p.gap < 4) and _mostly(p.speed < 12),
    "hug": lambda p: _mostly(p.gap == 0) and _mostly(p.speed < 12),
}


def _agrees_alone(event: Event, g: Geometry) -> bool:
    box = g.boxes[event.subject, event.begin : event.end]
    width, height = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
    if event.predicate == "jump":
        return bool(np.ptp(box[:, 3]) > 7)
    if event.predicate == "fall":
        return bool((width > 1.2 * height).mean() > 0.4)
    if event.predicate == "spin":
        return bool(width.min() < 0.75 * width.max())
    return bool(np.ptp(width[2:]) > 2)  # wave: the arm moves sideways
