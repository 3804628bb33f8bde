"""Sentences of the drawn world, modelled on VidSTG's captions and questions; some words occur in test only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from world.cast import WHO, Thing

#: base form, third person, gerund
Verb = tuple[str, str, str]
VERBS: dict[str, tuple[Verb, ...]] = {
    "chase": (("chase", "chases", "chasing"), ("run after", "runs after", "running after")),
    "follow": (("follow", "follows", "following"), ("walk after", "walks after", "walking after")),
    "hold": (("hold", "holds", "holding"),),
    "carry": (("carry", "carries", "carrying"),),
    "lift": (("lift", "lifts", "lifting"), ("raise", "raises", "raising")),
    "throw": (("throw", "throws", "throwing"),),
    "kick": (("kick", "kicks", "kicking"),),
    "push": (("push", "pushes", "pushing"),),
    "pull": (("pull", "pulls", "pulling"),),
    "ride": (("ride", "rides", "riding"), ("ride on", "rides on", "riding on")),
    "touch": (("touch", "touches", "touching"), ("put a hand on", "puts a hand on", "putting a hand on")),
    "hug": (("hug", "hugs", "hugging"),),
    "jump": (("jump", "jumps", "jumping"), ("jump up and down", "jumps up and down", "jumping up and down")),
    "wave": (("wave", "waves", "waving"), ("wave a hand", "waves a hand", "waving a hand")),
    "spin": (("spin", "spins", "spinning"), ("turn around", "turns around", "turning around")),
    "fall": (("fall", "falls", "falling"), ("fall down", "falls down", "falling down")),
    "towards": (
        ("walk towards", "walks towards", "walking towards"),
        ("come up to", "comes up to", "coming up to"),
    ),
    "away": (("walk away from", "walks away from", "walking away from"),),
}
TEST_VERBS: dict[str, tuple[Verb, ...]] = {
    "chase": (("pursue", "pursues", "pursuing"),),
    "follow": (("trail", "trails", "trailing"),),
    "hold": (("grip", "grips", "gripping"),),
    "lift": (("hoist", "hoists", "hoisting"),),
    "throw": (("toss", "tosses", "tossing"),),
    "push": (("shove", "shoves", "shoving"),),
    "pull": (("drag", "drags", "dragging"),),
    "hug": (("embrace", "embraces", "embracing"),),
    "jump": (("hop", "hops", "hopping"),),
    "spin": (("whirl", "whirls", "whirling"),),
    "fall": (("tumble", "tumbles", "tumbling"),),
    "towards": (("approach", "approaches", "approaching"),),
    "away": (("move away from", "moves away from", "moving away from"),),
}
PREPOSITIONS = {
    "above": ("above", "over"),
    "beneath": ("beneath", "under"),
    "next_to": ("next to", "by the side of"),
    "in_front_of": ("in front of",),
    "behind": ("behind",),
    "towards": ("towards",),
    "away": ("away from",),
}
TEST_PREPOSITIONS = {"beneath": ("below", "underneath"), "next_to": ("beside",)}
NOUNS = {"ball": ("ball", "ball", "sports ball"), "toy": ("toy", "toy", "toy bear")}
TEST_NOUNS = {
    "child": ("kid",),
    "bicycle": ("bike",),
    "car": ("automobile",),
    "toy": ("teddy bear",),
    "backpack": ("rucksack",),
}
SCENES = {
    "grass": ("on the grass", "outdoors", "in the park"),
    "street": ("on the street", "on the road", "outdoors"),
    "room": ("in the room", "indoors", "at home"),
    "beach": ("on the sand", "on the beach", "outdoors"),
    "snow": ("in the snow", "outdoors"),
    "playground": ("on the playground", "outdoors"),
}
TEST_SCENES = {"grass": ("on the lawn",), "room": ("inside a room",), "street": ("on the pavement",)}
#: Probability of a word that never occurs in training, wherever a test sentence can use one.
_NEW_WORDS = 0.2
_WALKERS = (*WHO, "dog", "cat", "horse")
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Description:
    """A thing as a sentence describes it; attributes: some of "top", "trousers", "hat", "kind", "colour"."""

    thing: Thing
    attributes: tuple[str, ...] = ()

    def fits(self, other: Thing) -> bool:
        """Return whether the description is true of another thing as well."""
        mine = self.thing
        if mine.category != other.category:
            return False
        same = {
            "colour": mine.colour == other.colour,
            "top": mine.colour == other.colour,
            "trousers": mine.trousers == other.trousers and (mine.woman == other.woman),
            "hat": mine.hat == other.hat,
            "kind": mine.woman == other.woman,
        }
        return all(same[word] for word in self.attributes)


def attribute_sets(thing: Thing) -> list[tuple[str, ...]]:
    """Return the sets of attributes by which a sentence can describe the thing; repeated ones are more frequent."""
    if thing.category == "baby":
        return [(), ("top",)]
    if not thing.is_person:
        return [(), ("colour",)]
    sets: list[tuple[str, ...]] = [(), ("top",), ("top",), ("trousers",), ("kind",)]
    sets += [("hat",)] if thing.hat else []
    sets += [("top", "trousers"), ("kind", "top")]
    return sets + ([("top", "hat")] if thing.hat else [])


@dataclass
class Writer:
    """Writes sentences; `test` allows words that do not occur in training."""

    rng: np.random.Generator
    test: bool

    def _pick(self, usual: Sequence, new: Sequence = ()):
        options = new if new and self.test and self.rng.random() < _NEW_WORDS else usual
        return options[int(self.rng.integers(len(options)))]

    def _likely(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def _colour(self, colour: str) -> str:
        return self._pick((colour,), ("grey",) if colour == "gray" else ())

    def noun(self, d: Description) -> str:
        """Return the thing without article: "adult woman in red", "brown dog"."""
        thing, attributes = d.thing, d.attributes
        words = [self._pick(NOUNS.get(thing.category, (thing.category,)), TEST_NOUNS.get(thing.category, ()))]
        if "colour" in attributes:
            words.insert(0, self._colour(thing.colour))
        if "kind" in attributes and thing.category == "adult":
            words.append("woman" if thing.woman else "man")
        if "kind" in attributes and thing.category == "child":
            words.insert(0, "girl" if thing.woman else "boy")
        return " ".join(words + self._clothes(d))

    def _clothes(self, d: Description) -> list[str]:
        thing, attributes = d.thing, d.attributes
        top, words = self._colour(thing.colour), []
        if thing.category == "baby" and "top" in attributes:
            return [f"in {top}"]
        low = self._colour(thing.trousers or "gray")
        garment = f"{_with_article(low)} skirt" if thing.woman else f"{low} {self._pick(('pants', 'trousers'))}"
        if "top" in attributes and "trousers" in attributes:
            return [
                f"in {top} clothes and {garment}"
                if not thing.woman
                else f"in {_with_article(top)} shirt and {garment}"
            ]
        if "top" in attributes:
            plain = (
                f"in {top}",
                f"in {top}",
                f"in {top} clothes",
                f"in {_with_article(top)} shirt",
                f"wearing {_with_article(top)} shirt",
            )
            words.append(self._pick(plain, (f"dressed in {top}",)))
        if "trousers" in attributes:
            words.append(self._pick((f"in {garment}", f"with {garment}", f"who wears {garment}")))
        if "hat" in attributes:
            hat = _with_article(self._colour(thing.hat or "red"))
            joint = "and " if words else ""
            clause = (f"{joint}with {hat} hat", f"{joint}wearing {hat} hat" if words else f"who wears {hat} hat")
            words.append(self._pick(clause, (f"{joint}with {hat} cap",)))
        return words

    def _named(self, d: Description, mention: Thing | None, article: str | None = None) -> str:
        """Return the thing with its article; after a `mention` of the same category, "a" becomes "another"."""
        noun = self.noun(d)
        again = mention is not None and mention.category == d.thing.category
        if article == "the":
            return f"the other {noun}" if again else f"the {noun}"
        if again:
            return f"another {noun}"
        return self._pick((f"{_a(noun)} {noun}" if not noun.startswith(("a ", "an ")) else noun, f"the {noun}"))

    def _scene(self, setting: str, share: float = 0.35) -> str:
        return " " + self._pick(SCENES[setting], TEST_SCENES.get(setting, ())) if self._likely(share) else ""

    def _predicate(self, predicate: str, subject: Thing) -> tuple[Verb | None, str | None]:
        """Return a verb, or the preposition of a spatial relation."""
        moving = predicate in ("towards", "away") and subject.category in _WALKERS and self._likely(0.6)
        if predicate in PREPOSITIONS and not moving:
            return None, self._pick(PREPOSITIONS[predicate], TEST_PREPOSITIONS.get(predicate, ()))
        verb = self._pick(VERBS[predicate], TEST_VERBS.get(predicate, ()))
        crawls = subject.category == "baby"
        return tuple(w.replace("walk", "crawl") for w in verb) if crawls else verb, None  # type: ignore[return-value]

    def caption(
        self,
        predicate: str,
        subject: Description,
        other: Description | None,
        setting: str,
        extra: tuple[int, str] | None,
    ) -> str:
        """Write a declarative sentence. extra: number and category of other things to mention."""
        verb, preposition = self._predicate(predicate, subject.thing)
        presenting = self._likely(0.15 if subject.thing.is_person else 0.6)
        noun = self.noun(subject)
        who = f"{_a(noun)} {noun}" if presenting or self._likely(0.6) else f"the {noun}"
        whom = "" if other is None else " " + self._named(other, subject.thing)
        if verb is None:
            does = f" {preposition}" if presenting else f" is {preposition}"
        elif presenting:
            does = f" {verb[2]}"
        else:
            does = f" is {verb[2]}" if self._likely(0.35) else f" {verb[1]}"
        tail = f" while {_COUNTS[extra[0]]} other {_plural(extra[1], extra[0])} around" if extra else ""
        return f"{'there is ' if presenting else ''}{who}{does}{whom}{self._scene(setting)}{tail}."

    def question(
        self, predicate: str, subject: Description, other: Description | None, setting: str, asks_subject: bool
    ) -> str:
        """Write an interrogative sentence that asks for the subject, or for the other thing."""
        verb, preposition = self._predicate(predicate, subject.thing)
        asked = subject.thing if asks_subject or other is None else other.thing
        word, place = "who" if asked.is_person else "what", self._scene(setting)
        if asks_subject or other is None:
            whom = "" if other is None else f" {self._named(other, subject.thing, 'the')}"
            does = f"is {preposition}" if verb is None else (f"is {verb[2]}" if self._likely(0.3) else verb[1])
            return f"{word} {does}{whom}{place}?"
        who = f"the {self.noun(subject)}"
        if verb is None:
            return f"{word} is {who} {preposition}{place}?"
        if self._likely(0.3):
            return f"{word} is {who} {verb[2]}{place}?"
        return f"{word} does {who} {verb[0]}{place}?"


def _a(noun: str) -> str:
    return "an" if noun[0] in "aeiou" and not noun.startswith("uni") else "a"


def _plural(category: str, count: int) -> str:
    word = {"child": "children", "baby": "babies"}.get(category, category + "s") if count != 1 else category
    return f"{word} {'are' if count != 1 else 'is'}"


def _with_article(noun: str) -> str:
    return f"{_a(noun)} {noun}"
