"""Noun phrases: a noun group with its possessors and the attributes after it."""

from __future__ import annotations

from vcma.parsing import lexicon as lx
from vcma.parsing.attributes import take_attributes
from vcma.parsing.chunks import Chunk
from vcma.parsing.noun_groups import noun_group
from vcma.parsing.word_classes import Words
from vcma.records.demand import is_rank


def noun_phrase(words: Words, begin: int) -> Chunk | None:
    """Return the noun phrase that begins at a word, if any."""
    phrase = noun_group(words, begin)
    if phrase is None:
        return None
    phrase = _owned(words, phrase)
    if not phrase.pronoun:
        phrase = _partitive(words, phrase)
        take_attributes(words, phrase)
    return phrase


def asked_phrase(words: Words, begin: int) -> Chunk:
    """Return the noun phrase of a wh-word: "who", "which dog", "whose hand"."""
    lower = words[begin].lower
    if lower in ("what", "which", "whose"):
        phrase = noun_group(words, begin + 1, determined=True)
        if phrase is not None and words.class_at(begin + 1) != "det":
            phrase.begin, phrase.wh = begin, True
            return phrase
    return Chunk("np", begin, begin + 1, head="who" if lower == "whom" else lower, wh=True)


def _owned(words: Words, phrase: Chunk) -> Chunk:
    """Return what the phrase possesses, "the woman's hand"; the phrase itself if nothing."""
    while words.class_at(phrase.end) == "gen":
        owned = noun_group(words, phrase.end + 1, determined=True)
        if owned is None:
            phrase.end += 1
            break
        owned.owner, owned.begin = phrase, phrase.begin
        phrase = owned
    return phrase


def _partitive(words: Words, phrase: Chunk) -> Chunk:
    """Return the noun of a partitive: people in "a group of people", a dog in "the smaller of the two dogs"."""
    if phrase.head in lx.PARTITIVES and words.lower_at(phrase.end) == "of":
        inner = noun_group(words, phrase.end + 1)
        if inner is not None and not inner.pronoun:
            inner.begin = phrase.begin
            inner.plural = inner.plural or phrase.head == "group"
            return inner
    if is_rank(phrase.head) and words.lower_at(phrase.end) == "of":
        among = noun_group(words, phrase.end + 1)
        if among is not None and among.plural and not among.pronoun:
            among.begin, among.plural, among.form = phrase.begin, False, ""
            among.attributes = [*phrase.attributes, phrase.head, *among.attributes]
            return among
    return phrase
