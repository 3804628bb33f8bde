"""Noun phrases as an open-vocabulary detector is prompted with them: "man in red coat", and its head, "man"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vcma.records.demand import demands_of, is_rank
from vcma.records.sentence import Sentence

# Words that stand for somebody or something that a sentence does not name.
_SOMEBODY = frozenset(("who", "whom", "someone", "somebody", "anyone", "everyone", "nobody", "one", "other"))
_SOMEBODY |= frozenset(("i", "you", "he", "she", "we", "they", "me", "him", "her", "us", "them", "everybody"))
_SOMEBODY |= frozenset(("himself", "herself", "themselves", "anybody", "mine", "hers", "theirs"))
_NOTHING = frozenset(("", "it", "what", "which", "this", "that", "these", "those", "there", "here", "itself"))
_NOTHING |= frozenset(("something", "anything", "everything", "nothing", "thing", "object"))
_WORN = ("in ", "all in ", "with ", "wearing ", "dressed ")  # what attributes of several words begin with
_LONGEST = 8  # words of a phrase; a longer one is no noun phrase but a misread sentence


def noun_phrase(head: str, attributes: tuple[str, ...]) -> str:
    """A noun with its attributes, without places and ranks, which one region cannot show.

    The head alone where the phrase would be of more than eight words; empty where nothing is named.
    """
    head = head.lower().strip()
    if head in _SOMEBODY:
        head = "person"
    if head in _NOTHING or len(head.split()) > _LONGEST:
        return ""
    seen = [a.lower() for a in attributes if not (is_rank(a) or a == "last" or demands_of((a,))[0])]
    before = [a for a in seen if " " not in a]
    behind = [a for a in seen if a.startswith(_WORN)]
    phrase = " ".join([*before, head, *behind])
    return phrase if len(phrase.split()) <= _LONGEST else head


def head_of(phrase: str) -> str:
    """The noun of a `noun_phrase`, or its last word: "man in red coat" -> "man"; "toy bear" -> "bear"."""
    return (_BEHIND.split(phrase, maxsplit=1)[0].split() or [""])[-1]


_BEHIND = re.compile("|".join(rf"\s{word}" for word in _WORN))


def prompts_of(sentence: Sentence) -> Iterator[str]:
    """What a detector is to look for: the nouns of a sentence, and their phrases where those say more."""
    for head, attributes in zip(sentence.heads, sentence.attributes, strict=True):
        if phrase := noun_phrase(head, attributes):
            yield noun_phrase(head, ())
            yield phrase
