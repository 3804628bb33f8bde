"""Records of a drawn video: visible relations, and sentences with exactly one answer. NumPy only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from world.cast import Thing
from world.grammar import Description, Writer, attribute_sets
from world.relations import SPATIAL, Geometry, agrees, bridged, possible, relations, runs
from world.stage import Actor, Camera, Event

#: Penalties of relations that occur in most videos, so that they are chosen less often.
_COMMON = {"jump": 0.7, "spin": 0.6, "fall": 0.5, "wave": 0.5, "away": 0.5, "towards": 0.4, "next_to": 0.2}


@dataclass(frozen=True)
class Sentence:
    """A caption or question, the tid of its target, and its difficulty (see `Judge.hardness`)."""

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
    """A drawn video; things and actors are in the order of their tids.

    `geometry.boxes` are not clipped; `seen` (things, frames): whether a thing is in the frame.
    """

    index: int
    fps: int
    frames: int
    setting: str
    things: list[Thing]
    actors: list[Actor]
    camera: Camera
    geometry: Geometry
    seen: np.ndarray
    events: list[Event]
    records: list[Record] = field(default_factory=list)


@dataclass(frozen=True)
class Wording:
    """The words of a sentence for an event: descriptions, and the tid that a question asks for (or None)."""

    event: Event
    subject: Description
    other: Description | None
    asked: int | None = None

    @property
    def target(self) -> int:
        """The tid of the target; that of a caption is its subject."""
        return self.event.subject if self.asked is None else self.asked


class Judge:
    """Decides which events of a video a sentence can refer to."""

    def __init__(self, video: Video) -> None:
        self.video = video
        both = video.seen[:, None] & video.seen[None]
        loose = possible(video.geometry, video.things, video.events)
        self.loose = {name: value & both for name, value in loose.items()}
        self.strict = relations(video.geometry, video.things, strict=True)
        #: Shorter relations, in frames, are ignored, because viewers would not notice them.
        self.shortest = round(0.5 * video.fps)

    def meant(self, w: Wording, segment: tuple[int, int], plain: bool) -> list[np.ndarray | None]:
        """Return the things (n,) that subject and other can refer to in the segment; `plain` ignores attributes."""
        there = self.video.seen[:, segment[0] : segment[1]].sum(1) >= 0.4 * self.video.fps
        masks: list[np.ndarray | None] = []
        for d in (w.subject, w.other):
            masks.append(None if d is None else there & self._fitting(d, w.asked == d.thing.tid, plain))
        return masks

    def _fitting(self, d: Description, asked: bool, plain: bool) -> np.ndarray:
        things = self.video.things
        if asked:  # "who" or "what" states nothing else
            return np.array([t.is_person == d.thing.is_person for t in things])
        d = Description(d.thing) if plain else d
        return np.array([d.fits(t) for t in things])

    def answers(self, w: Wording, segment: tuple[int, int], plain: bool) -> np.ndarray:
        """Return the frames (n, n, frames) of the segment in which pairs of things match the sentence."""
        s, o = self.meant(w, segment, plain)
        mask = self.loose[w.event.predicate].copy()
        mask[~np.asarray(s)] = False
        if o is not None:
            mask[:, ~o] = False
        mask[..., : segment[0]] = False
        mask[..., segment[1] :] = False
        return mask

    def pairs(self, mask: np.ndarray) -> list[tuple[int, int]]:
        """Return the pairs [subject, other] for which a mask (n, n, frames) holds long enough to be noticed."""
        found = np.argwhere(mask.any(-1)).tolist()
        return [(i, j) for i, j in found if any(e - b >= self.shortest for b, e in runs(mask[i, j]))]

    def unique(self, w: Wording, segment: tuple[int, int]) -> bool:
        """Return whether only the event, extended by half a second on each side, matches the sentence."""
        e, rest = w.event, self.answers(w, segment, plain=False)
        other = e.subject if e.other is None else e.other
        rest[e.subject, other, max(0, e.begin - self.shortest) : e.end + self.shortest] = False
        return not self.pairs(rest)

    def hardness(self, w: Wording, segment: tuple[int, int]) -> dict[str, int | bool]:
        """Return measures of a sentence's difficulty.

        distractors: other things of the target's category in the segment; attribute_decides: only one thing matches
        the words for the target; relation_decides: only one matches the predicate between bare categories;
        impossible: more than one answer matches all words.
        """
        v, asks_subject = self.video, w.target == w.event.subject
        whole = Wording(w.event, Description(v.things[w.target]), None)
        alike = self.meant(whole, segment, plain=True)[0]
        named = self.meant(w, segment, plain=False)[0 if asks_subject else 1]
        answers = self.pairs(self.answers(w, segment, plain=True))
        return {
            "distractors": int(np.asarray(alike).sum()) - 1,
            "attribute_decides": int(np.asarray(named).sum()) == 1,
            "relation_decides": len({w.target, *(i if asks_subject else j for i, j in answers)}) == 1,
            "impossible": not self.unique(w, segment),
        }


def _candidates(judge: Judge) -> list[Event]:
    """Return acts that are visible, and spatial relations that hold for long enough."""
    v = judge.video
    found = [e for e in v.events if e.predicate not in SPATIAL and agrees(e, v.geometry, judge.strict)]
    played = {(e.predicate, e.subject, e.other) for e in v.events}
    for predicate in SPATIAL:
        for i, j in np.argwhere(judge.strict[predicate].any(-1)):
            for b, e in runs(bridged(judge.strict[predicate][i, j], round(0.25 * v.fps))):
                event = Event(predicate, int(i), int(j), b, e)
                steady = e - b >= 1.4 * v.fps and agrees(event, v.geometry, judge.strict)
                if steady and ((predicate, i, j) in played or _tellable(v, event)):
                    found.append(event)
    return [e for e in found if _showable(v, e)]


def _tellable(v: Video, e: Event) -> bool:
    """Return whether a spatial relation that was not acted would be described as such.

    A table is not "above" its cat; an object that moves "towards" another arrives at it, and one that moves "away"
    starts at it; two small objects do not hide each other.
    """
    things = [v.things[k] for k in (e.subject, e.other) if k is not None]
    if e.predicate in ("in_front_of", "behind") and max(t.height for t in things) < 40:
        return False
    if e.predicate not in ("towards", "away"):
        return things[0].category != "table"
    t = e.end - 1 if e.predicate == "towards" else e.begin
    s, o = v.geometry.boxes[e.subject, t], v.geometry.boxes[e.other, t]
    level = abs(v.geometry.depth[e.subject, t] - v.geometry.depth[e.other, t]) < 0.25
    return level and max(s[0] - o[2], o[0] - s[2]) < 24


def _showable(v: Video, e: Event) -> bool:
    """Return whether it is in the frame throughout, mostly not occluded, and not most of the video."""
    cut = slice(e.begin, e.end)
    for k in {e.subject, e.subject if e.other is None else e.other}:
        if v.seen[k, cut].mean() < 0.97 or (_hidden(v, k, cut) > 0.6).mean() > 0.3:
            return False
    return e.end - e.begin <= 0.62 * v.frames


def _hidden(v: Video, k: int, cut: slice) -> np.ndarray:
    """Return the share of the box of k that is covered by the nearer box that covers most, per frame."""
    boxes, depth = v.geometry.boxes[:, cut], v.geometry.depth[:, cut]
    low, high = np.maximum(boxes[:, :, :2], boxes[k, :, :2]), np.minimum(boxes[:, :, 2:], boxes[k, :, 2:])
    covered = np.clip(high - low, 0, None).prod(-1) / (boxes[k, :, 2:] - boxes[k, :, :2]).prod(-1)
    return np.where(depth < depth[k] - 0.05, covered, 0.0).max(0)


def _segment(rng: np.random.Generator, v: Video, e: Event) -> tuple[int, int]:
    """Return the segment of the record: the whole video, or a part of it, so that the relation fills 0.2 to 0.6."""
    length = e.end - e.begin
    if rng.random() < 0.6 and length >= 0.2 * v.frames:
        return 0, v.frames
    want = min(v.frames, max(round(length / rng.uniform(0.25, 0.55)), length + 4, round(3.5 * v.fps)))
    first, last = max(0, e.end - want), min(e.begin, v.frames - want)
    begin = int(rng.integers(first, last + 1)) if last >= first else 0
    return begin, begin + want


def _options(rng: np.random.Generator, thing: Thing) -> list[Description]:
    sets = attribute_sets(thing)
    order = rng.permutation(len(sets))
    few_first = rng.random() < 0.5
    ranked = sorted(order, key=lambda k: len(sets[k])) if few_first else list(order)
    return [Description(thing, sets[k]) for k in ranked]


def _caption(judge: Judge, writer: Writer, e: Event, segment: tuple[int, int]) -> Sentence | None:
    v, rng = judge.video, writer.rng
    others: list[Description | None] = [None] if e.other is None else [*_options(rng, v.things[e.other])[:4]]
    for s in _options(rng, v.things[e.subject])[:6]:
        for o in others:
            wording = Wording(e, s, o)
            if judge.unique(wording, segment):
                text = writer.caption(e.predicate, s, o, v.setting, _bystanders(judge, rng, e, segment))
                return Sentence(text, e.subject, False, judge.hardness(wording, segment))
    return None


def _bystanders(
    judge: Judge, rng: np.random.Generator, e: Event, segment: tuple[int, int]
) -> tuple[int, str] | None:
    """Return a plural to mention: the number of other things of a category that are visible throughout."""
    if rng.random() > 0.08:
        return None
    v = judge.video
    share = v.seen[:, segment[0] : segment[1]].sum(1) / (segment[1] - segment[0])
    mine = [k for k in (e.subject, e.other) if k is not None]
    rest = [t for t in v.things if t.tid not in mine and share[t.tid] > 0]
    for category in dict.fromkeys(v.things[k].category for k in mine):
        group = [t for t in rest if t.category == category]
        if len(group) >= 2 and all(share[t.tid] > 0.9 for t in group):
            return len(group), category
    return None


def _question(judge: Judge, writer: Writer, e: Event, segment: tuple[int, int]) -> Sentence | None:
    if e.other is None:
        return _ask(judge, writer, e, segment, e.subject)
    asked = (e.subject, e.other) if writer.rng.random() < 0.55 else (e.other, e.subject)
    return _ask(judge, writer, e, segment, asked[0]) or _ask(judge, writer, e, segment, asked[1])


def _ask(judge: Judge, writer: Writer, e: Event, segment: tuple[int, int], asked: int) -> Sentence | None:
    v = judge.video
    s, o = Description(v.things[e.subject]), None if e.other is None else Description(v.things[e.other])
    wordings = [Wording(e, s, None, asked)]
    if o is not None and asked == e.subject:
        wordings = [Wording(e, s, d, asked) for d in _options(writer.rng, o.thing)[:6]]
    elif o is not None:
        wordings = [Wording(e, d, o, asked) for d in _options(writer.rng, s.thing)[:6]]
    for w in wordings:
        if judge.unique(w, segment):
            text = writer.question(e.predicate, w.subject, w.other, v.setting, asked == e.subject)
            return Sentence(text, asked, True, judge.hardness(w, segment))
    return None


def write_records(rng: np.random.Generator, video: Video, main: str, test: bool) -> Iterator[Record]:
    """Yield up to four records of distinct relations, hard ones first, whose sentences have one answer each."""
    judge, writer = Judge(video), Writer(rng, test)
    found = _candidates(judge)
    counts = [t.category for t in video.things]

    def rank(e: Event) -> float:
        lonely = counts.count(video.things[e.subject].category) < 2
        return (e.predicate != main) * 2.0 + lonely * 1.0 + _COMMON.get(e.predicate, 0.0) + rng.random()

    wanted = int(rng.integers(2, 5))
    used: set[tuple] = set()
    pairs: set[tuple] = set()
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
