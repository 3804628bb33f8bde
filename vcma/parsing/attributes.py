"""Attributes after a noun: "in white", "with glasses", "wearing a hat", "on the left", "red and big"."""

from __future__ import annotations

from typing import NamedTuple

from vcma.parsing import lexicon as lx
from vcma.parsing.chunks import Chunk
from vcma.parsing.noun_groups import noun_group, postposed_end
from vcma.parsing.word_classes import Words, form_of
from vcma.records.demand import is_rank

_UNDRESSED = (lx.OBJECTS | lx.THINGS | lx.SCENES | lx.POSITIONS | lx.BODY | lx.CLOTHES) - lx.PERSONS - {"toy"}
_UNDRESSED |= lx.ANIMALS - lx.DRESSED_ANIMALS
_COLOURLESS = (lx.SCENES | lx.POSITIONS | lx.BODY) - lx.PERSONS


_WITH_POSITIONS = frozenset(("hand", "most", "far", "corner", "part", "half", "upper", "lower"))
_PICTURE = frozenset(("picture", "image", "video", "frame", "shot", "photo"))
_NEAREST = frozenset(("closest", "nearest", "furthest", "farthest"))


class Attribute(NamedTuple):
    """Text without articles, index of the word after it, and type of clothing: "", "colour" or "garment"."""

    text: str
    end: int
    worn: str = ""


def take_attributes(words: Words, phrase: Chunk) -> None:
    """Extend a noun phrase by the attributes after it; clothes that it cannot wear are left to `worn_at`."""
    while attribute := _attribute(words, phrase.end):
        wearer = _wearer(phrase, attribute.worn)
        if wearer is None:
            return
        wearer.attributes.append(attribute.text)
        phrase.end = attribute.end


def _wearer(phrase: Chunk, worn: str) -> Chunk | None:
    """Return what an attribute after a phrase describes: its noun, or the woman of "the woman's hand"."""
    owner = phrase.owner if phrase.owner is not None and not phrase.owner.pronoun else None
    return next((p for p in (phrase, owner) if p is not None and can_wear(p, worn)), None)


def can_wear(phrase: Chunk, worn: str) -> bool:
    """Return whether an object can wear a garment or colour: a bench can be "in red" but not in a coat."""
    if worn == "garment":
        return phrase.head not in _UNDRESSED and phrase.head != "what"
    return worn != "colour" or phrase.head not in _COLOURLESS


def is_dressed(phrase: Chunk) -> bool:
    """Return whether a phrase has clothes among its attributes."""
    return any(a.startswith(("in ", "all in ", "wearing ")) for a in phrase.attributes)


def _attribute(words: Words, i: int) -> Attribute | None:
    """Return the attribute that begins at word i."""
    if words.class_at(i) == "cc" and words[i].lower == "and":
        return _worn(words, i + 1) or _dressed(words, i + 1)
    return _worn(words, i) or _position(words, i) or _postposed(words, i) or _dressed(words, i)


def worn_at(words: Words, i: int) -> Attribute | None:
    """Return clothes at word i whose wearer need not be directly before: "is standing still in the brown jacket".

    Accepts only unambiguous ones: "in" and clothes or a colour, "wearing", "is wearing", "dressed in"; "with" and
    clothes after a noun that cannot wear them ("rides a bike with a helmet").
    """
    if words.lower_at(i) == "in":
        return _dressed(words, i) if _is_surely_worn(words, i + 1) and not _is_where(words, i) else None
    if words.lower_at(i) in ("with", "without") and i and words[i - 1].lower in _UNDRESSED:
        return _dressed(words, i) if _is_surely_worn(words, i + 1) else None
    finite = words.lower_at(i) in ("wears", "wear") and i > 0 and words[i - 1].word_class in ("wh", "noun", "adj")
    return _worn(words, i, finite)


def _is_where(words: Words, i: int) -> bool:
    """Return whether "in the coat" is a place: where something is put or is, or where somebody looks."""
    verb = next((j for j in reversed(range(i)) if words[j].word_class == "verb"), None)
    lemma = "" if verb is None else lx.VERB_FORMS.get(words[verb].lower, (words[verb].lemma.lower(),))[0]
    is_thing = i > 1 and words[i - 1].word_class == "be" and words[i - 2].lower in _UNDRESSED - lx.POSITIONS
    return lemma in lx.PUTTING or (lemma in lx.SEARCHING and verb == i - 1) or is_thing


def _is_surely_worn(words: Words, i: int) -> bool:
    """Return whether a noun group after "in" is clothing or a colour: not "the top", "the dark", "his pocket"."""
    group = noun_group(words, i)
    if group is None or group.pronoun:
        return False
    if group.head in lx.SHADES:
        return words.class_at(i) != "det"
    worn = group.head in lx.CLOTHES - lx.HELD_GARMENTS and (group.head not in lx.POSITIONS or group.attributes)
    return bool(worn) or group.head in lx.COLOURS


def _postposed(words: Words, i: int) -> Attribute | None:
    """Return adjectives after their noun: "a toy red and yellow"."""
    end = postposed_end(words, i)
    return Attribute(words.phrase(i, end), end) if end > i else None


def _position(words: Words, i: int) -> Attribute | None:
    """Return a position: "on the left", "from the left", "in the top left corner of the picture", "closest to ...".

    Not if it begins "on the left of something".
    """
    if words.lower_at(i) in _NEAREST:
        return Attribute(words[i].lower, _camera_end(words, i + 1))
    if words.class_at(i) != "prep" or words[i].lower not in ("on", "in", "at", "from"):
        return None
    if words[i].lower == "from" and not any(w.lower in lx.ORDINALS for w in words[max(i - 6, 0) : i]):
        return None  # "moves it from the left to the right"
    end = i + 1
    while words.class_at(end) in ("det", "adj", "noun") and end < i + 6:
        end += 1
    inner = {w.lower for w in words[i + 1 : end] if w.word_class != "det"}
    if not inner & lx.POSITIONS or not inner <= lx.POSITIONS | _WITH_POSITIONS:
        return None
    if words.lower_at(end) != "of":
        return Attribute(words.phrase(i, end), end)
    picture = end + 2 if words.class_at(end + 1) == "det" else end + 1
    return Attribute(words.phrase(i, end), picture + 1) if words.lower_at(picture) in _PICTURE else None


def place_at(words: Words, i: int) -> Attribute | None:
    """Return a position whose noun need not be directly before: "is second from the left", "sits on the right"."""
    if not i:
        return None
    before = words[i - 1]
    stays = before.word_class == "verb" and lx.VERB_FORMS.get(before.lower, ("",))[0] in lx.STAYING
    return _position(words, i) if stays or before.word_class in ("be", "adj") else None


def _camera_end(words: Words, i: int) -> int:
    """Return the index after "to the camera", "from the camera" or "away"; i itself if none follows."""
    if words.lower_at(i) == "away":
        i += 1
    if words.lower_at(i) in ("to", "from"):
        noun = i + 2 if words.class_at(i + 1) == "det" else i + 1
        return noun + 1 if words.lower_at(noun) in ("camera", "us", "viewer") else i
    return i


# clothes


def _worn(words: Words, i: int, finite: bool = True) -> Attribute | None:
    """Parse "wearing a hat", "is wearing a hat", "dressed all in black"; "(who) wears a hat" only if `finite`."""
    verb = _relative_end(words, i)
    lower = words.lower_at(verb)
    if lower in ("dressed", "clad"):
        start, opening = verb + 1, ""
        while words.lower_at(start) in lx.ENTIRELY:
            opening, start = "all ", start + 1
        if words.lower_at(start) != "in":
            return None
        start, opening = start + 1, opening + "in "
        end = _garments_end(words, start, colours=True)
        if end and [words.lower_at(j) for j in range(end, end + 4)] == ["from", "head", "to", "toe"]:
            return Attribute("all in " + words.phrase(start, end), end + 4, "garment")
    elif lower == "wearing" or (lower in ("wears", "wear") and finite):
        start, opening = verb + 1, "wearing "
        anything = noun_group(words, start) if verb > i or lower == "wearing" else None
        end = _garments_end(words, start, colours=True) or (anything.end if anything else 0)
    else:
        return None
    if words.lower_at(start) == "no":
        opening = "without "
    return Attribute(opening + words.phrase(start, end), end, "garment") if end else None


def _relative_end(words: Words, i: int) -> int:
    """Return the index after "who", "who is" or "is"; i itself if none follows."""
    if words.class_at(i) == "be" and words.lower_at(i + 1) in ("wearing", "dressed", "clad"):
        return i + 1
    if words.class_at(i) != "wh" or words[i].lower not in ("who", "that", "which"):
        return i
    return i + 2 if words.class_at(i + 1) == "be" else i + 1


def _dressed(words: Words, i: int) -> Attribute | None:
    """Parse "in" or "with" and a colour, clothes or a part of the body."""
    if words.class_at(i) != "prep" or words[i].lower not in ("in", "with", "without"):
        return None
    end = _garments_end(words, i + 1, colours=True, bodies=words[i].lower != "in")
    none = end > 0 and words.lower_at(i + 1) == "no"
    text = "without " + words.phrase(i + 1, end) if none else words.phrase(i, end)
    return Attribute(text, end, _what_is_worn(words, i + 1, end)) if end else None


def _what_is_worn(words: Words, begin: int, end: int) -> str:
    """Classify as "garment" (clothes), "" (parts of the body, pockets and the like) or "colour" (otherwise)."""
    group = noun_group(words, begin)
    names = {w.lower for w in words[begin:end]} | ({group.head} if group else set())
    if names & (lx.HELD_GARMENTS | lx.BODY):
        return ""
    surely = words.lower_at(begin - 1) == "in" or not names & lx.PARTS_OF_THINGS
    return "garment" if names & lx.CLOTHES and surely else "colour"


def _garments_end(words: Words, i: int, colours: bool = False, bodies: bool = False) -> int:
    """Return the end of a list of garments that begins at i, 0 if none does."""
    group = noun_group(words, i)
    if group is None or group.pronoun or not _is_garment(words, group, colours, bodies):
        return 0
    # In "in the red tie closest to the camera", the superlative does not describe the tie.
    end = group.end if is_rank(words.lower_at(group.end)) else postposed_end(words, group.end)
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
    """Return whether word i is a participle after a part of the body: "with hands crossed"."""
    return words.class_at(i) == "verb" and form_of(words[i]) == "en" and words.class_at(i + 1) in ("verb", "be")
