"""Noun phrases as prompts for an open-vocabulary detector: "man in red coat", and its head, "man"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vcma.records.demand import demands_of, is_rank
from vcma.records.sentence import Sentence

# Words for a person or a thing that the sentence does not name.
_SOMEBODY = frozenset(("who", "whom", "someone", "somebody", "anyone", "everyone", "nobody", "one", "other"))
_SOMEBODY |= frozenset(("i", "you", "he", "she", "we", "they", "me", "him", "her", "us", "them", "everybody"))
_SOMEBODY |= frozenset(("himself", "herself", "themselves", "anybody", "mine", "hers", "theirs"))
_NOTHING = frozenset(("", "it", "what", "which", "this", "that", "these", "those", "there", "here", "itself"))
_NOTHING |= frozenset(("something", "anything", "everything", "nothing", "thing", "object"))
_WORN = ("in ", "all in ", "with ", "wearing ", "dressed ")  # first words of attributes of several words
_LONGEST = 8  # maximum words of a phrase; a longer one is a misparsed sentence


def noun_phrase(head: str, attributes: tuple[str, ...]) -> str:
    """Return a noun with its attributes, without places and ranks, which a single region cannot show.

    Returns the head alone if the phrase has more than eight words, and an empty string if no object is named.
    """
    head = head.lower().strip()
    if head in _SOMEBODY:
        head = "person"
    if head in _NOTHING or len(head.split()) > _LONGEST:
        return ""
    visible = [a.lower() for a in attributes if not (is_rank(a) or a == "last" or demands_of((a,))[0])]
    before = [a for a in visible if " " not in a]
    behind = [a for a in visible if a.startswith(_WORN)]
    phrase = " ".join([*before, head, *behind])
    return phrase if len(phrase.split()) <= _LONGEST else head


def head_of(phrase: str) -> str:
    """Return the noun of a `noun_phrase`, the last word before its attributes: "man in red coat" -> "man"."""
    return (_BEHIND.split(phrase, maxsplit=1)[0].split() or [""])[-1]


_BEHIND = re.compile("|".join(rf"\s{word}" for word in _WORN))


def prompts_of(sentence: Sentence) -> Iterator[str]:
    """Yield the prompts for a detector: the nouns of a sentence, and their phrases."""
    for head, attributes in zip(sentence.heads, sentence.attributes, strict=True):
        if phrase := noun_phrase(head, attributes):
            yield noun_phrase(head, ())
            yield phrase
