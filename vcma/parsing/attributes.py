"""Attributes that follow a noun: "in white", "with glasses", "wearing a hat", "on the left", "red and big"."""

from __future__ import annotations

from typing import NamedTuple

from vcma.parsing import lexicon as lx
from vcma.parsing.chunks import Chunk
from vcma.parsing.noun_groups import noun_group, postposed_end
from vcma.parsing.word_classes import Words, form_of


class Attribute(NamedTuple):
    """Its text without articles, and the word behind it."""

    text: str
    end: int


def take_attributes(words: Words, phrase: Chunk) -> None:
    """Extend a noun phrase by the attributes that follow it."""
    while attribute := _attribute(words, phrase.end):
        phrase.attributes.append(attribute.text)
        phrase.end = attribute.end


def _attribute(words: Words, i: int) -> Attribute | None:
    """The attribute that begins at word i."""
    if words.class_at(i) == "cc" and words[i].lower == "and":
        return _worn(words, i + 1) or _dressed(words, i + 1)
    return _worn(words, i) or _postposed(words, i) or _dressed(words, i) or _position(words, i)


def _postposed(words: Words, i: int) -> Attribute | None:
    """Adjectives behind their noun: "a toy red and yellow"."""
    end = postposed_end(words, i)
    return Attribute(words.phrase(i, end), end) if end > i else None


def _position(words: Words, i: int) -> Attribute | None:
    """ "on the left", "in the middle", unless it begins "on the left of something"."""
    if words.class_at(i) != "prep" or words[i].lower not in ("on", "in", "at"):
        return None
    end = i + 1
    while words.class_at(end) in ("det", "adj", "noun") and end < i + 6:
        end += 1
    inner = {w.lower for w in words[i + 1 : end] if w.word_class != "det"}
    if not inner or not inner <= lx.POSITIONS | {"hand", "most", "far"} or words.lower_at(end) == "of":
        return None
    return Attribute(words.phrase(i, end), end)


# clothes


def _worn(words: Words, i: int) -> Attribute | None:
    """ "wearing a hat", "who wears a hat", "dressed in a suit"."""
    verb = _relative_end(words, i)
    lower = words.lower_at(verb)
    if lower in ("dressed", "clad") and words.lower_at(verb + 1) == "in":
        start, opening = verb + 2, "in "
        end = _garments_end(words, start, colours=True)
    elif lower == "wearing" or (lower in ("wears", "wear") and verb > i):
        start, opening = verb + 1, "wearing "
        garment = noun_group(words, start)
        end = _garments_end(words, start, colours=True) or (garment.end if garment else 0)
    else:
        return None
    return Attribute(opening + words.phrase(start, end), end) if end else None


def _relative_end(words: Words, i: int) -> int:
    """The word behind "who" or "who is"; i itself where no relative clause opens."""
    if words.class_at(i) != "wh" or words[i].lower not in ("who", "that", "which"):
        return i
    return i + 2 if words.class_at(i + 1) == "be" else i + 1


def _dressed(words: Words, i: int) -> Attribute | None:
    """ "in" or "with" and a colour, clothes or a part of the body."""
    if words.class_at(i) != "prep" or words[i].lower not in ("in", "with", "without"):
        return None
    end = _garments_end(words, i + 1, colours=True, bodies=words[i].lower != "in")
    return Attribute(words.phrase(i, end), end) if end else None


def _garments_end(words: Words, i: int, colours: bool = False, bodies: bool = False) -> int:
    """End of a list of garments that begins at i, 0 if none does."""
    group = noun_group(words, i)
    if group is None or group.pronoun or not _is_garment(words, group, colours, bodies):
        return 0
    end = postposed_end(words, group.end)
    if end == group.end and _is_posed(words, end):
        end += 1
    if words.class_at(end) == "cc":
        return _garments_end(words, end + 1, colours, bodies) or end
    return end


def _is_garment(words: Words, group: Chunk, colours: bool, bodies: bool) -> bool:
    names = {w.lower for w in words[group.begin : group.end]} | {group.head}
    if group.head in lx.CLOTHES or (names & lx.CLOTHES and group.head not in lx.SCENES):
        return True
    if bodies and group.head in lx.BODY:
        return True
    coloured = group.head in lx.COLOURS or group.head in lx.SHADES or words.class_at(group.end - 1) == "adj"
    return colours and coloured


def _is_posed(words: Words, i: int) -> bool:
    """A participle behind a part of the body: "with hands crossed"."""
    return words.class_at(i) == "verb" and form_of(words[i]) == "en" and words.class_at(i + 1) in ("verb", "be")
