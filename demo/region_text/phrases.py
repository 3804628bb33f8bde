"""Phrases for objects of the drawn world, and of which other objects a phrase is true.

Phrases are generated from an object's attributes alone: without sentences of the benchmark, verbs or places. They
use every noun of the world's grammar, including synonyms of the test split, which a public encoder would know, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from world.cast import CATEGORIES, COLOURS, PERSONS, WHO, Thing
from world.grammar import NOUNS, TEST_NOUNS

UNKNOWN = "<unk>"
_KINDS = {
    ("adult", True): ("woman", "adult woman", "lady"),
    ("adult", False): ("man", "adult man", "guy"),
    ("child", True): ("girl", "girl child", "girl kid", "little girl"),
    ("child", False): ("boy", "boy child", "boy kid", "little boy"),
}
_SYNONYMS = {"baby": ("infant",), "toy": ("bear",), "bicycle": ("cycle",), "backpack": ("bag",)}
_GROUPS = {
    "person": WHO,
    "animal": ("dog", "cat", "horse", "bird"),
    "vehicle": ("bicycle", "car"),
    "thing": tuple(c for c in CATEGORIES if c not in WHO),
}
_GROUP_NOUNS = {"person": ("person", "human"), "thing": ("thing", "object")}
_QUESTIONS = {"person": ("who", "someone", "somebody"), "thing": ("what", "something")}
_PLURALS = {
    "child": "children",
    "baby": "babies",
    "person": "people",
    "man": "men",
    "woman": "women",
    "lady": "ladies",
}
_PROMPTS = ("a photo of ", "a picture of ", "an image of ", "a drawing of ")


@dataclass(frozen=True)
class Phrase:
    """A text, and the facts that an object must have for the text to be true of it."""

    text: str
    facts: frozenset[str]

    def is_true_of(self, facts: frozenset[str]) -> bool:
        return self.facts <= facts


def facts_of(thing: Thing) -> frozenset[str]:
    """Return all facts that phrases can state of an object: category, groups, kind, colours, clothes."""
    groups = [name for name, members in _GROUPS.items() if thing.category in members]
    trousers = ["trousers"] if thing.trousers and not thing.woman else []
    return frozenset([thing.category, *groups, *thing.attributes(), *trousers])


def thing_of(category: str, attributes: Sequence[str]) -> Thing:
    """Return the object with the category and attributes of a still image, with default size, skin and hair."""
    parts = {part: name.split()[0] for name in attributes for part in name.split()[1:]}
    if category not in WHO:
        return Thing(0, category, attributes[0])
    woman = bool({"woman", "girl"} & set(attributes))
    return Thing(0, category, parts["top"], parts.get("trousers"), parts.get("hat"), woman)


def altered(rng: np.random.Generator, thing: Thing) -> Thing:
    """Return the object with one attribute changed, for a phrase that is almost right (a hard negative)."""
    fields = ["category", "colour", "colour"]
    if thing.category in PERSONS:
        fields += ["trousers", "woman", *(["hat"] if thing.hat else [])]
    field = _choose(rng, fields)
    if field == "category":
        alike = WHO if thing.is_person and rng.random() < 0.8 else CATEGORIES
        category = _choose(rng, [c for c in alike if c != thing.category])
        clothed = category in PERSONS
        trousers = thing.trousers or (_choose(rng, tuple(COLOURS)) if clothed else None)
        return replace(
            thing,
            category=category,
            trousers=trousers if clothed else None,
            hat=thing.hat if clothed else None,
            woman=thing.woman and clothed,
        )
    if field == "woman":
        return replace(thing, woman=not thing.woman)
    now = getattr(thing, field)
    changed: dict[str, Any] = {field: _choose(rng, [c for c in COLOURS if c != now])}
    return replace(thing, **changed)


def phrase_for(rng: np.random.Generator, thing: Thing) -> Phrase:
    """Return a phrase that is true of an object, more or less specific, with or without article and prompt."""
    if rng.random() < 0.02:
        group = "person" if thing.is_person else "thing"
        return Phrase(_prompt(rng) + _choose(rng, _QUESTIONS[group]), frozenset([group]))
    noun, facts = _noun(rng, thing)
    adjectives: list[str] = []
    if not thing.is_person and rng.random() < 0.7:
        adjectives.append(_colour(rng, thing.colour))
        facts.add(thing.colour)
    if rng.random() < 0.03:
        adjectives.append(UNKNOWN)
    clothes = _clothes(rng, thing, facts) if thing.is_person else []
    words = _determined(rng, " ".join([*adjectives, noun]))
    return Phrase(_prompt(rng) + " ".join([words, *clothes]), frozenset(facts))


def every_word() -> list[str]:
    """Return the words of the phrases, sorted, collected from a large sample."""
    rng = np.random.default_rng(0)
    words: set[str] = set()
    for category in CATEGORIES:
        for k in range(3000):
            top, trousers, hat = (_choose(rng, tuple(COLOURS)) for _ in range(3))
            clothed = category in PERSONS
            thing = Thing(0, category, top, *((trousers, hat, k % 2 == 0) if clothed else ()))
            words.update(phrase_for(rng, thing).text.split())
    return sorted(words - {UNKNOWN})


def _choose(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _prompt(rng: np.random.Generator) -> str:
    draw = rng.random()
    return _PROMPTS[0] if draw < 0.55 else _choose(rng, _PROMPTS[1:]) if draw < 0.65 else ""


def _colour(rng: np.random.Generator, colour: str) -> str:
    return "grey" if colour == "gray" and rng.random() < 0.3 else colour


def _noun(rng: np.random.Generator, thing: Thing) -> tuple[str, set[str]]:
    """Return a noun for an object, and the facts it states: its group, category, or kind."""
    draw = rng.random()
    if draw < 0.05:
        group = _choose(rng, [name for name, members in _GROUPS.items() if thing.category in members])
        return _choose(rng, _GROUP_NOUNS.get(group, (group,))), {group}
    kind = (thing.category, thing.woman)
    if draw < 0.4 and kind in _KINDS:
        return _choose(rng, _KINDS[kind]), {thing.category, *_kind_facts(thing)}
    usual = NOUNS.get(thing.category, (thing.category,))
    rare = TEST_NOUNS.get(thing.category, ()) + _SYNONYMS.get(thing.category, ())
    return _choose(rng, rare if rare and draw > 0.75 else usual), {thing.category}


def _kind_facts(thing: Thing) -> set[str]:
    return {"woman", "man", "girl", "boy"} & set(thing.attributes())


def _clothes(rng: np.random.Generator, thing: Thing, facts: set[str]) -> list[str]:
    """Return clauses about a person's clothes; adds the stated facts to `facts`."""
    clauses: list[str] = []
    if rng.random() < 0.5:
        clauses.append(_top(rng, thing.colour))
        facts.add(f"{thing.colour} top")
    if thing.trousers and rng.random() < 0.3:
        clauses.append(_below(rng, thing, facts))
    if thing.hat and rng.random() < 0.5:
        clauses.append(_hat(rng, thing.hat, facts))
    if rng.random() < 0.2:
        clauses = clauses[::-1]
    if rng.random() < 0.3:  # "in red clothes and black pants"
        clauses[1:] = [clause.removeprefix("in ").removeprefix("with ") for clause in clauses[1:]]
    if rng.random() < 0.2:  # without articles, as in parsed attributes
        clauses = [clause.replace(" a ", " ").replace(" an ", " ") for clause in clauses]
    return " and ".join(clauses).split()


def _top(rng: np.random.Generator, colour: str) -> str:
    name = _colour(rng, colour)
    shirt = f"{_a(name)} {name} shirt"
    options = (f"in {name}", f"in {name} clothes", f"in {shirt}", f"wearing {shirt}", f"dressed in {name}")
    return _choose(rng, (*options, f"with {shirt}", f"who wears {shirt}", f"wearing {name}"))


def _below(rng: np.random.Generator, thing: Thing, facts: set[str]) -> str:
    verb = _choose(rng, ("in ", "with ", "who wears ", "wearing "))
    if thing.woman and rng.random() < 0.15:
        facts.add("skirt")
        return f"{verb}a skirt"
    name = _colour(rng, thing.trousers or "")
    facts |= {f"{thing.trousers} trousers", "skirt" if thing.woman else "trousers"}
    if thing.woman:
        return f"{verb}{_a(name)} {name} skirt"
    return f"{verb}{name} {_choose(rng, ('pants', 'trousers'))}"


def _hat(rng: np.random.Generator, colour: str, facts: set[str]) -> str:
    verb, hat = _choose(rng, ("with ", "wearing ", "who wears ", "in ")), _choose(rng, ("hat", "hat", "cap"))
    facts.add("hat")
    if rng.random() < 0.15:
        return f"{verb}a {hat}"
    facts.add(f"{colour} hat")
    name = _colour(rng, colour)
    return f"{verb}{_a(name)} {name} {hat}"


def _determined(rng: np.random.Generator, noun: str) -> str:
    draw = rng.random()
    if draw < 0.04:
        *before, head = noun.split()
        many = " ".join([*before, _PLURALS.get(head, f"{head}s")])
        return f"{_choose(rng, ('two', 'three', 'two other', 'some', 'the'))} {many}"
    if draw < 0.4:
        return f"{_a(noun)} {noun}"
    return _choose(rng, ("the ", "the ", "another ", "the other ", "", "", "")) + noun


def _a(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
