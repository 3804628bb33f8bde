"""Plan of a drawn video: objects, acts, camera. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from world.acts import ACTS, PREDICATES, can, perform
from world.cast import CATEGORIES, WHO, Thing, draw_cast
from world.records import Video, write_records
from world.relations import ALONE, Geometry
from world.stage import HEIGHT, WIDTH, Actor, Camera, Stage, figure, ground_at, move, scale_at

_T = TypeVar("_T")
SETTINGS = ("grass", "street", "room", "beach", "snow", "playground")
_OUTDOORS_ONLY = ("car", "horse", "bird")
#: Depths at which the pairs act.
_LANES = (0.13, 0.5, 0.87)
_PASSERS = (*WHO, "dog", "cat", "horse", "car")
#: Main predicates of successive videos; those that rarely occur by chance are listed twice.
_CYCLE = (
    *PREDICATES,
    "follow",
    "hold",
    "carry",
    "lift",
    "throw",
    "kick",
    "push",
    "pull",
    "ride",
    "touch",
    "hug",
    "chase",
)


def random_of(seed: int, version: int, stream: int, index: int) -> np.random.Generator:
    """Return the random generator of one video; streams are separate, so that videos are independent."""
    return np.random.default_rng([seed, version, stream, index])


# --- objects and acts ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Two objects that act together (categories), and the acts of the first, in order."""

    subject: str
    other: str
    acts: tuple[str, ...]


def _pairs_for(predicate: str, room: bool) -> list[tuple[str, str | None]]:
    """Return the pairs of categories that can perform a predicate."""
    pairs: list[tuple[str, str | None]] = []
    for s in CATEGORIES:
        for o in CATEGORIES if ACTS[predicate].others is not None else (None,):
            if can(predicate, s, o) and not (room and (s in _OUTDOORS_ONLY or o in _OUTDOORS_ONLY)):
                pairs.append((s, o))
    return pairs


def _acts_of(s: str, o: str) -> list[str]:
    """Return all acts of s with o or alone."""
    return [p for p in PREDICATES if can(p, s, None if p in ALONE else o)]


def _choose(rng: np.random.Generator, options: Sequence[_T]) -> _T:
    return options[int(rng.integers(len(options)))]


def _groups(rng: np.random.Generator, predicate: str, room: bool) -> list[Group]:
    """Choose who does what: the main pair; a pair with the same predicate; the main subject with other ones."""
    pairs = _pairs_for(predicate, room)
    s, o = _choose(rng, pairs)
    company = o or _choose(rng, [c for c in CATEGORIES if c != s and not (room and c in _OUTDOORS_ONLY)])
    s2, o2 = _rival(rng, pairs, s, o)
    o3 = company if rng.random() < 0.6 else _choose(rng, pairs)[1] or company
    others = [p for p in _acts_of(s, company) if p != predicate] or [predicate]
    first, second, third, fourth = (_choose(rng, others) for _ in range(4))
    acts = (predicate, first), (second, predicate), (third, fourth)
    swap = -1 if rng.random() < 0.5 else 1  # so that the main pair acts first as often as its rival
    who = (s, company), (s2, o2 or company), (s, o3)
    return [Group(a, b, played[::swap]) for (a, b), played in zip(who, acts, strict=True)]


def _rival(
    rng: np.random.Generator, pairs: list[tuple[str, str | None]], s: str, o: str | None
) -> tuple[str, str | None]:
    """Choose a pair for the same predicate: with the same categories, another object, or another subject."""
    draw = rng.random()
    if draw < 0.5:
        return s, o
    return _choose(rng, [p for p in pairs if (p[0] == s if draw < 0.75 else p[1] == o)])


def _play(stage: Stage, s: Actor, o: Actor, wanted: Sequence[str]) -> list[str]:
    """Let a pair perform the wanted acts, and others while there is time; returns the acts performed."""
    rng = stage.rng
    able = _acts_of(s.thing.category, o.thing.category)
    queue, done = [p for p in wanted if p in able], list[str]()
    t = int(rng.integers(0, stage.span(0.9)))
    while able and t < stage.frames - stage.span(1.6) and len(done) < 4:
        predicate = queue.pop(0) if queue else _next_act(rng, [p for p in able if p not in done])
        if predicate is None:
            break
        length = stage.span(rng.uniform(*ACTS[predicate].seconds))
        end = perform(stage, predicate, s, None if predicate in ALONE else o, t, length)
        if end is not None:
            done.append(predicate)
            t = end + int(rng.integers(0, stage.span(0.8)))
        elif not queue:
            t += stage.span(0.5)
    return done


def _next_act(rng: np.random.Generator, options: list[str]) -> str | None:
    """Choose an act, preferably with the other object rather than alone."""
    together = [p for p in options if p not in ALONE]
    if together and rng.random() < 0.75:
        return _choose(rng, together)
    return _choose(rng, options) if options else None


def _place(stage: Stage, things: Sequence[Thing], lane: float) -> list[Actor]:
    """Place two actors at random on a lane of depth, at a distance from each other."""
    rng = stage.rng
    for _ in range(50):
        x = rng.uniform(30, WIDTH - 30)
        side = _choose(rng, (-1.0, 1.0))
        unit = float(scale_at(lane))
        apart = (things[0].half_width + things[-1].half_width) * unit + rng.uniform(10, 110)
        if 30 + 0.5 * things[-1].half_width < x + side * apart < WIDTH - 30 - 0.5 * things[-1].half_width:
            break
    else:
        x, side, apart = WIDTH / 2, -1.0, 90.0
    spots = (x, x + side * apart)
    return [
        Actor(thing, stage.frames, spot, lane + rng.uniform(-0.015, 0.015), _choose(rng, (-1.0, 1.0)))
        for thing, spot in zip(things, spots, strict=False)
    ]


def _troupe(stage: Stage, things: Sequence[Thing], lane: float, acts: Sequence[str], need: str | None) -> None:
    """Place a pair and let it act; retry elsewhere, up to eight times, while the needed act is missing."""
    before = len(stage.events)
    for attempt in range(9):
        del stage.events[before:]
        actors = _place(stage, things, lane)
        done = _play(stage, actors[0], actors[1], acts)
        if need is None or need in done or attempt == 8:
            stage.actors += actors
            return


def _pass_by(stage: Stage, thing: Thing, lane: float) -> None:
    """Let an object cross the frame from one edge to the other, starting in the first half of the video."""
    rng = stage.rng
    way, margin = _choose(rng, (-1.0, 1.0)), thing.half_width + 12
    start, end = (-margin, WIDTH + margin) if way > 0 else (WIDTH + margin, -margin)
    actor = Actor(thing, stage.frames, start, lane, way)
    speed = rng.uniform(60, 95) if thing.category in ("car", "horse", "dog", "bicycle") else rng.uniform(42, 55)
    move(stage, actor, int(rng.integers(0, max(1, stage.frames // 2))), end, lane, speed)
    stage.actors.append(actor)


def _camera(rng: np.random.Generator, frames: int) -> Camera:
    """Create a hand-held camera that moves smoothly by a few pixels."""
    t = np.arange(frames) / frames

    def wave(size: float) -> np.ndarray:
        return rng.uniform(0, size) * np.sin(2 * np.pi * (rng.uniform(0.3, 1.2) * t + rng.random()))

    return Camera(wave(5.0), wave(2.5), 1.0 + wave(0.012))


def stage_video(rng: np.random.Generator, index: int, predicate: str, film: bool = True) -> Video:
    """Create a video's objects and acts, without sentences; without `film`, the boxes are all zero."""
    setting, fps = _choose(rng, SETTINGS), _choose(rng, (10, 12))
    stage = Stage(round(rng.uniform(6.4, 9.6) * fps), fps, rng)
    groups = _groups(rng, predicate, room=setting == "room")
    main = (groups[0].subject, groups[0].other)
    extras = [_choose(rng, main) for _ in range(int(rng.integers(0, 3)))]
    things = draw_cast(rng, [c for g in groups for c in (g.subject, g.other)] + extras)
    lanes = rng.permutation(_LANES) + rng.uniform(-0.05, 0.05, len(_LANES))
    for k, (group, lane) in enumerate(zip(groups, lanes.tolist(), strict=True)):
        _troupe(stage, things[2 * k : 2 * k + 2], lane, group.acts, predicate if k < 2 else None)
    for thing in things[2 * len(groups) :]:
        _extra(stage, thing)
    return _filmed(stage, index, setting, things, film)


def _extra(stage: Stage, thing: Thing) -> None:
    """Add an object that crosses the frame, or stands and possibly acts alone."""
    rng = stage.rng
    lane = float(rng.uniform(0.2, 1.0))
    if thing.category in _PASSERS and rng.random() < 0.4:
        _pass_by(stage, thing, lane)
        return
    actor = _place(stage, [thing], lane)[0]
    stage.actors.append(actor)
    alone = [p for p in ALONE if can(p, thing.category, None)]
    if alone and rng.random() < 0.6:
        begin = int(rng.integers(0, stage.frames // 2))
        perform(stage, _choose(rng, alone), actor, None, begin, stage.span(2.0))


def _filmed(stage: Stage, index: int, setting: str, things: list[Thing], film: bool) -> Video:
    camera = _camera(stage.rng, stage.frames)
    boxes = np.zeros((len(stage.actors), stage.frames, 4))
    for k, actor in enumerate(stage.actors if film else ()):
        boxes[k] = figure(actor, camera, np.arange(stage.frames))[1]
    x, depth, lift = (np.array([a.tracks[name] for a in stage.actors]) for name in ("x", "d", "lift"))
    return Video(
        index=index,
        fps=stage.fps,
        frames=stage.frames,
        setting=setting,
        things=things,
        actors=stage.actors,
        camera=camera,
        geometry=Geometry(boxes, x, ground_at(depth), lift * scale_at(depth), depth, stage.fps),
        seen=_seen(boxes),
        events=stage.events,
    )


def clipped(boxes: np.ndarray) -> np.ndarray:
    """Clip boxes (..., 4) to the frame."""
    return np.clip(boxes, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])


def _seen(boxes: np.ndarray) -> np.ndarray:
    """Return which boxes (things, frames) are in the frame: at least a quarter of the box, five pixels a side."""
    inner = clipped(boxes)
    size, whole = inner[..., 2:] - inner[..., :2], boxes[..., 2:] - boxes[..., :2]
    return (size.min(-1) >= 5) & (size.prod(-1) >= 0.25 * whole.prod(-1))


def plan_video(seed: int, version: int, index: int, test: bool) -> Video:
    """Plan a video with its records: of up to six attempts the first with two records, else the one with most."""
    rng = random_of(seed, version, 0, index)
    predicate, videos = _CYCLE[index * 11 % len(_CYCLE)], list[Video]()
    while len(videos) < 6:
        video = stage_video(rng, index, predicate)
        video.records = list(write_records(rng, video, predicate, test))
        if len(video.records) >= 2:
            return video
        videos.append(video)
        predicate = _choose(rng, _CYCLE)
    return max(videos, key=lambda v: len(v.records))
