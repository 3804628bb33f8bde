"""The plan of a drawn video: cast, play, camera, and the records whose sentences have exactly one answer. NumPy only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from vcma.world_cast import CATEGORIES, PERSONS, WHO, Thing, draw_cast
from vcma.world_grammar import Description, Writer, tellable
from vcma.world_relations import ALONE, SPATIAL, Geometry, agrees, bridged, possible, relations, runs
from vcma.world_scene import (
    ACTS,
    HEIGHT,
    PREDICATES,
    WIDTH,
    Actor,
    Camera,
    Event,
    Stage,
    can,
    figure,
    gait_of,
    ground_at,
    move,
    perform,
    scale_at,
)

SETTINGS = ("grass", "street", "room", "beach", "snow", "playground")
_OUTDOORS_ONLY = ("car", "horse", "bird")
_SOLO = ("wave", "jump", "spin", "fall")


@dataclass(frozen=True)
class Sentence:
    """A caption or question, whom it asks for, and what makes it hard (see `_hardness`)."""

    text: str
    target: int
    question: bool
    hardness: dict[str, int | bool]


@dataclass(frozen=True)
class Record:
    """A relation over half-open frames [begin, end) in the segment [segment[0], segment[1]), and its sentences."""

    event: Event
    segment: tuple[int, int]
    sentences: tuple[Sentence, ...]


@dataclass
class Video:
    """All there is to know of a drawn video. `boxes` (things, frames, 4) xyxy are not clipped; `seen` (things, frames)."""

    index: int
    fps: int
    frames: int
    setting: str
    things: list[Thing]
    actors: list[Actor]
    camera: Camera
    gaits: list[tuple[np.ndarray, np.ndarray]]
    geometry: Geometry
    seen: np.ndarray
    events: list[Event]
    records: list[Record] = field(default_factory=list)


def random_of(seed: int, version: int, stream: int, index: int) -> np.random.Generator:
    """The generator of one video: nothing else draws from it, so videos do not depend on one another."""
    return np.random.default_rng([seed, version, stream, index])


# --- cast and play ---------------------------------------------------------------------------------------------------

Group = tuple[str, str | None, list[str]]


def _pairs_for(predicate: str, room: bool) -> list[tuple[str, str | None]]:
    """The pairs of categories that can play a predicate."""
    pairs: list[tuple[str, str | None]] = []
    for s in CATEGORIES:
        for o in CATEGORIES if ACTS[predicate].others is not None else (None,):
            if can(predicate, s, o) and not (room and (s in _OUTDOORS_ONLY or o in _OUTDOORS_ONLY)):
                pairs.append((s, o))
    return pairs


def _acts_of(s: str, o: str | None) -> list[str]:
    """Everything that s can do with o or alone."""
    return [p for p in PREDICATES if can(p, s, None if p in _SOLO else o) and (p in _SOLO or o is not None)]


def _choose(rng: np.random.Generator, options: Sequence):  # noqa: ANN202
    return options[int(rng.integers(len(options)))]


def _groups(rng: np.random.Generator, predicate: str, room: bool) -> list[Group]:
    """Who plays what: the main pair; another pair with the same predicate; the same categories with other predicates."""
    pairs = _pairs_for(predicate, room)
    s, o = _choose(rng, pairs)
    companion = o if o is not None else _choose(rng, [c for c in CATEGORIES if c != s and not (room and c in _OUTDOORS_ONLY)])
    draw = rng.random()
    same_s = [p for p in pairs if p[0] == s]
    same_o = [p for p in pairs if p[1] == o]
    s2, o2 = (s, o) if draw < 0.5 else _choose(rng, same_s) if draw < 0.75 else _choose(rng, same_o)
    o2 = o2 if o2 is not None else companion
    others = [p for p in _acts_of(s, companion) if p != predicate] or [predicate]
    groups: list[Group] = [
        (s, companion, [predicate, _choose(rng, others)]),
        (s2, o2, [_choose(rng, others), predicate]),
        (s, companion if rng.random() < 0.6 else _choose(rng, [p[1] or companion for p in pairs]), [_choose(rng, others), _choose(rng, others)]),
    ]
    if rng.random() < 0.5:
        groups = [(a, b, acts[::-1]) for a, b, acts in groups]
    return groups


def _play(stage: Stage, s: Actor, o: Actor, wanted: Sequence[str]) -> list[str]:
    """Let a pair play the wanted acts, and others while there is time; returns what was played."""
    rng, done = stage.rng, []
    t = int(rng.integers(0, stage.span(0.9)))
    queue = list(wanted)
    while t < stage.frames - stage.span(1.6) and len(done) < 4:
        options = [p for p in _acts_of(s.thing.category, o.thing.category) if p not in done]
        predicate = queue.pop(0) if queue else _choose(rng, options) if options else "wave"
        low, high = ACTS[predicate].seconds
        length = stage.span(rng.uniform(low, high))
        if not can(predicate, s.thing.category, None if predicate in _SOLO else o.thing.category):
            t += 1
            continue
        end = perform(stage, predicate, s, None if predicate in _SOLO else o, t, length)
        if end is None:
            t += 0 if queue else stage.span(0.5)
            continue
        done.append(predicate)
        t = end + int(rng.integers(0, stage.span(0.8)))
    return done


def _place(stage: Stage, things: Sequence[Thing], lane: float) -> list[Actor]:
    """Two actors somewhere on a lane of depth, apart from each other."""
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


def _troupe(stage: Stage, things: Sequence[Thing], lane: float, acts: Sequence[str], need: str | None) -> list[Actor]:
    """Place a pair and let it play; start again elsewhere while the needed act does not come about."""
    for _ in range(8):
        before = len(stage.events)
        actors = _place(stage, things, lane)
        done = _play(stage, actors[0], actors[-1], acts)
        if need is None or need in done:
            break
        del stage.events[before:]
    else:
        _play(stage, actors[0], actors[-1], acts)
    stage.actors += actors
    return actors


def _pass_by(stage: Stage, thing: Thing, lane: float) -> None:
    """Something crosses the picture from one edge to the other, in the middle of the video."""
    rng = stage.rng
    way, margin = _choose(rng, (-1.0, 1.0)), thing.half_width + 12
    start, end = (-margin, WIDTH + margin) if way > 0 else (WIDTH + margin, -margin)
    actor = Actor(thing, stage.frames, start, lane, way)
    speed = rng.uniform(60, 95) if thing.category in ("car", "horse", "dog", "bicycle") else rng.uniform(42, 55)
    move(stage, actor, int(rng.integers(0, max(1, stage.frames // 2))), end, lane, speed)
    stage.actors.append(actor)


def _camera(rng: np.random.Generator, frames: int) -> Camera:
    t = np.arange(frames) / frames
    wave = lambda size: rng.uniform(0, size) * np.sin(2 * np.pi * (rng.uniform(0.3, 1.2) * t + rng.random()))  # noqa: E731
    return Camera(wave(5.0), wave(2.5), 1.0 + wave(0.012))


def stage_video(rng: np.random.Generator, index: int, predicate: str, film: bool = True) -> Video:
    """A video's cast and play, without sentences; without `film`, also without boxes (all nought)."""
    setting = str(_choose(rng, SETTINGS))
    room = setting == "room"
    if room and not _pairs_for(predicate, room):
        setting, room = "grass", False
    fps = int(_choose(rng, (10, 12)))
    stage = Stage(round(rng.uniform(6.4, 9.6) * fps), fps, rng)
    groups = _groups(rng, predicate, room)
    extras = [groups[0][int(rng.integers(2))] for _ in range(int(rng.integers(0, 3)))]
    things = draw_cast(rng, [c for s, o, _ in groups for c in (s, o)] + extras)
    lanes = rng.permutation([0.06, 0.46, 0.86])
    for k, (_, _, acts) in enumerate(groups):
        need = predicate if k < 2 else None
        _troupe(stage, things[2 * k : 2 * k + 2], float(np.clip(lanes[k] + rng.uniform(-0.06, 0.06), 0, 1)), acts, need)
    for thing in things[2 * len(groups) :]:
        _extra(stage, thing)
    camera = _camera(rng, stage.frames)
    return _filmed(stage, index, setting, things, camera, film)


def _extra(stage: Stage, thing: Thing) -> None:
    """One more thing of a category: it passes by, or stands about and perhaps does something alone."""
    rng = stage.rng
    lane = float(rng.uniform(0.2, 1.0))
    passing = thing.category in (*WHO, "dog", "cat", "horse", "car") and rng.random() < 0.4
    if passing:
        return _pass_by(stage, thing, lane)
    actor = _place(stage, [thing], lane)[0]
    stage.actors.append(actor)
    alone = [p for p in _SOLO if can(p, thing.category, None)]
    if alone and rng.random() < 0.6:
        perform(stage, _choose(rng, alone), actor, None, int(rng.integers(0, stage.frames // 2)), stage.span(2.0))
    return None


def _filmed(stage: Stage, index: int, setting: str, things: list[Thing], camera: Camera, film: bool) -> Video:
    gaits = [gait_of(actor) for actor in stage.actors]
    boxes = np.zeros((len(stage.actors), stage.frames, 4))
    for k, actor in enumerate(stage.actors if film else ()):
        boxes[k] = [figure(actor, t, camera, *gaits[k])[1] for t in range(stage.frames)]
    track = {name: np.array([a.tracks[name] for a in stage.actors]) for name in ("x", "d", "lift")}
    geometry = Geometry(boxes, track["x"], ground_at(track["d"]), track["lift"] * scale_at(track["d"]), track["d"], stage.fps)
    return Video(
        index, stage.fps, stage.frames, setting, things, stage.actors, camera, gaits, geometry, _seen(boxes), stage.events
    )


def clipped(boxes: np.ndarray) -> np.ndarray:
    """Boxes (..., 4) cut at the edges of the picture."""
    return np.clip(boxes, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])


def _seen(boxes: np.ndarray) -> np.ndarray:
    """Which boxes (things, frames) are in the picture: a quarter of the box, and five pixels each way."""
    inner = clipped(boxes)
    size, whole = inner[..., 2:] - inner[..., :2], boxes[..., 2:] - boxes[..., :2]
    return (size.min(-1) >= 5) & (size.prod(-1) >= 0.25 * whole.prod(-1))


# --- records ---------------------------------------------------------------------------------------------------------


@dataclass
class Judge:
    """Decides what a sentence could mean in a video."""

    video: Video

    def __post_init__(self) -> None:
        v = self.video
        self.loose = possible(v.geometry, v.things, v.events)
        self.strict = relations(v.geometry, v.things, strict=True)
        both = v.seen[:, None] & v.seen[None]
        self.loose = {name: value & both for name, value in self.loose.items()}

    def fitting(self, d: Description | None, word: str | None, segment: tuple[int, int]) -> np.ndarray:
        """Things (n,) in the segment that a description, or "who" or "what", may mean."""
        v = self.video
        there = v.seen[:, segment[0] : segment[1]].sum(1) >= 0.4 * v.fps
        if word is not None:
            return there & np.array([t.is_person == (word == "who") for t in v.things])
        return there & np.array([d is not None and d.fits(t) for t in v.things])

    def answers(self, predicate: str, s: np.ndarray, o: np.ndarray | None, segment: tuple[int, int]) -> np.ndarray:
        """Frames (n, n, frames) in which things of these masks may fulfil the predicate within the segment."""
        mask = self.loose[predicate].copy()
        mask[~s] = False
        if o is not None:
            mask[:, ~o] = False
        mask[..., : segment[0]] = False
        mask[..., segment[1] :] = False
        return mask

    def unique(self, event: Event, mask: np.ndarray) -> bool:
        """Whether nothing but the event fulfils the sentence for longer than half a second."""
        v = self.video
        rest = mask.copy()
        margin = round(0.5 * v.fps)
        other = event.subject if event.other is None else event.other
        rest[event.subject, other, max(0, event.begin - margin) : event.end + margin] = False
        if event.other is not None and event.predicate in ("hug", "next_to"):
            pass
        shortest = round(0.5 * v.fps)
        return not any(e - b >= shortest for i, j in np.argwhere(rest.any(-1)) for b, e in runs(rest[i, j]))


def _candidates(judge: Judge) -> list[Event]:
    """What was played and shows, and what the geometry shows for long enough."""
    v = judge.video
    found = [e for e in v.events if e.predicate not in SPATIAL and agrees(e, v.geometry, judge.strict)]
    played = {(e.predicate, e.subject, e.other) for e in v.events}
    for predicate in SPATIAL:
        for i, j in np.argwhere(judge.strict[predicate].any(-1)):
            for b, e in runs(bridged(judge.strict[predicate][i, j], round(0.25 * v.fps))):
                event = Event(predicate, int(i), int(j), b, e)
                if e - b >= 1.4 * v.fps and ((predicate, i, j) in played or v.things[i].category != "table"):
                    found.append(event)
    return [e for e in found if _showable(v, e)]


def _showable(v: Video, e: Event) -> bool:
    """In the picture all the while, not hidden behind something nearer, and not most of the video."""
    cut = slice(e.begin, e.end)
    for k in {e.subject, e.subject if e.other is None else e.other}:
        if v.seen[k, cut].mean() < 0.97 or (_hidden(v, k, cut) > 0.8).mean() > 0.35:
            return False
    return e.end - e.begin <= 0.62 * v.frames


def _hidden(v: Video, k: int, cut: slice) -> np.ndarray:
    """Share of the box of k that the widest nearer box covers, per frame."""
    boxes, depth = v.geometry.boxes[:, cut], v.geometry.depth[:, cut]
    low, high = np.maximum(boxes[:, :, :2], boxes[k, :, :2]), np.minimum(boxes[:, :, 2:], boxes[k, :, 2:])
    covered = np.clip(high - low, 0, None).prod(-1) / (boxes[k, :, 2:] - boxes[k, :, :2]).prod(-1)
    return np.where(depth < depth[k] - 0.05, covered, 0.0).max(0)


def _segment(rng: np.random.Generator, v: Video, e: Event) -> tuple[int, int]:
    """The part of the video that the record uses: all of it, or less; the relation holds for 0.2 to 0.6 of it."""
    length = e.end - e.begin
    if rng.random() < 0.6 and length >= 0.2 * v.frames:
        return 0, v.frames
    want = min(v.frames, max(round(length / rng.uniform(0.25, 0.55)), length + 4, round(3.5 * v.fps)))
    first, last = max(0, e.end - want), min(e.begin, v.frames - want)
    begin = int(rng.integers(first, last + 1)) if last >= first else 0
    return begin, begin + want


def _hardness(judge: Judge, e: Event, segment: tuple[int, int], s: np.ndarray, o: np.ndarray | None, target: int, category: tuple[np.ndarray, np.ndarray | None]) -> dict[str, int | bool]:
    """distractors: other things of the target's category; attribute_decides: the words for the things leave one target;
    relation_decides: the relation between categories leaves one; impossible: all words together do not."""
    v, subject_asked = judge.video, target == e.subject
    there = judge.fitting(Description(v.things[target]), None, segment)
    named = s if subject_asked else o
    shortest = round(0.5 * v.fps)
    mask = judge.answers(e.predicate, category[0], category[1], segment)
    pairs = [(i, j) for i, j in np.argwhere(mask.any(-1)) if any(b - a >= shortest for a, b in runs(mask[i, j]))]
    who = {int(i if subject_asked else j) for i, j in pairs} | {target}
    return {
        "distractors": int(there.sum()) - 1,
        "attribute_decides": bool(named is not None and named.sum() == 1),
        "relation_decides": len(who) == 1,
        "impossible": not judge.unique(e, judge.answers(e.predicate, s, o, segment)),
    }


def _options(rng: np.random.Generator, thing: Thing) -> list[Description]:
    sets = tellable(thing)
    order = rng.permutation(len(sets))
    few_first = rng.random() < 0.5
    ranked = sorted(order, key=lambda k: len(sets[k])) if few_first else list(order)
    return [Description(thing, sets[k]) for k in ranked]


def _caption(judge: Judge, writer: Writer, e: Event, segment: tuple[int, int]) -> Sentence | None:
    v, rng = judge.video, writer.rng
    subject = v.things[e.subject]
    others: list[Description | None] = [None] if e.other is None else list(_options(rng, v.things[e.other])[:4])
    for s in _options(rng, subject)[:6]:
        for o in others:
            masks = judge.fitting(s, None, segment), None if o is None else judge.fitting(o, None, segment)
            if judge.unique(e, judge.answers(e.predicate, *masks, segment)):
                text = writer.caption(e.predicate, s, o, v.setting, _bystanders(judge, rng, e, segment))
                plain = (
                    judge.fitting(Description(subject), None, segment),
                    None if o is None else judge.fitting(Description(o.thing), None, segment),
                )
                return Sentence(text, e.subject, False, _hardness(judge, e, segment, *masks, e.subject, plain))
    return None


def _bystanders(judge: Judge, rng: np.random.Generator, e: Event, segment: tuple[int, int]) -> tuple[int, str] | None:
    """A plural to mention: how many more things of some category are there all the while."""
    if rng.random() > 0.08:
        return None
    v = judge.video
    there = v.seen[:, segment[0] : segment[1]].mean(1) > 0.9
    present = v.seen[:, segment[0] : segment[1]].any(1)
    rest = [t.category for t in v.things if t.tid not in (e.subject, e.other) and present[t.tid]]
    steady = [t.category for t in v.things if t.tid not in (e.subject, e.other) and there[t.tid]]
    plural = [c for c in dict.fromkeys(steady) if steady.count(c) >= 2 and steady.count(c) == rest.count(c)]
    plural = [c for c in plural if c in (v.things[e.subject].category, *([] if e.other is None else [v.things[e.other].category]))]
    return (steady.count(plural[0]), plural[0]) if plural else None


def _question(judge: Judge, writer: Writer, e: Event, segment: tuple[int, int]) -> Sentence | None:
    v, rng = judge.video, writer.rng
    asks = [True] if e.other is None else [True, False] if rng.random() < 0.55 else [False, True]
    for asks_subject in asks:
        found = _ask(judge, writer, e, segment, asks_subject)
        if found is not None:
            text, masks, plain = found
            target = e.subject if asks_subject else e.other
            return Sentence(text, int(target), True, _hardness(judge, e, segment, *masks, int(target), plain))
    return None


def _ask(judge: Judge, writer: Writer, e: Event, segment: tuple[int, int], asks_subject: bool):  # noqa: ANN202
    v, rng = judge.video, writer.rng
    subject, other = v.things[e.subject], None if e.other is None else v.things[e.other]
    known = other if asks_subject else subject
    word = "who" if (subject if asks_subject else other).is_person else "what"  # type: ignore[union-attr]
    wide = judge.fitting(None, word, segment)
    for d in [None] if known is None else _options(rng, known)[:6]:
        named = None if d is None else judge.fitting(d, None, segment)
        masks = (wide, named) if asks_subject else (named, wide)
        if judge.unique(e, judge.answers(e.predicate, *masks, segment)):
            s = Description(subject) if asks_subject else d
            o = d if asks_subject else Description(other)  # type: ignore[arg-type]
            text = writer.question(e.predicate, s, o, v.setting, asks_subject)
            plain_known = None if d is None else judge.fitting(Description(d.thing), None, segment)
            return text, masks, (wide, plain_known) if asks_subject else (plain_known, wide)
    return None


def write_records(rng: np.random.Generator, video: Video, main: str, test: bool) -> Iterator[Record]:
    """Up to four records, each another relation, hard ones first; only sentences with one answer."""
    judge, writer = Judge(video), Writer(rng, test)
    found = _candidates(judge)
    counts = [t.category for t in video.things]

    def rank(e: Event) -> float:
        lonely = counts.count(video.things[e.subject].category) < 2
        spatial = e.predicate in SPATIAL
        return (e.predicate != main) * 2.0 + lonely * 1.0 + spatial * 0.35 + rng.random()

    wanted, used, pairs = int(rng.integers(2, 5)), set(), set()
    for e in sorted(found, key=rank):
        if wanted == 0:
            return
        key = (e.predicate, e.subject) if e.predicate == main else (e.predicate,)
        inverse = {"beneath": "above", "behind": "in_front_of"}.get(e.predicate, e.predicate)
        pair = (inverse, frozenset((e.subject, e.other)))
        if key in used or pair in pairs:
            continue
        segment = _segment(rng, video, e)
        caption = _caption(judge, writer, e, segment)
        if caption is None:
            continue
        question = _question(judge, writer, e, segment)
        used.add(key)
        pairs.add(pair)
        wanted -= 1
        yield Record(e, segment, (caption,) if question is None else (caption, question))


def plan_video(seed: int, version: int, index: int, test: bool) -> Video:
    """A video with its records; casts that allow fewer than two records are drawn again."""
    rng = random_of(seed, version, 0, index)
    best: Video | None = None
    for _ in range(6):
        predicate = PREDICATES[(index * 7 + int(rng.integers(len(PREDICATES))) * (best is not None)) % len(PREDICATES)]
        video = stage_video(rng, index, predicate)
        video.records = list(write_records(rng, video, predicate, test))
        if best is None or len(video.records) > len(best.records):
            best = video
        if len(best.records) >= 2:
            break
    return best  # type: ignore[return-value]
