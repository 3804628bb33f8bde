"""Classified words to chunks: noun phrases with their attributes, verb groups, prepositions, conjunctions.

A chunk grammar, applied once from left to right without backtracking, so that every string has a result.
"""

from __future__ import annotations

from vcma.parsing import lexicon as lx
from vcma.parsing.attributes import place_at, worn_at
from vcma.parsing.chunks import Chunk
from vcma.parsing.noun_phrases import asked_phrase, noun_phrase
from vcma.parsing.verb_groups import verb_group
from vcma.parsing.word_classes import Words

_RECIPROCALS = (("each", "other"), ("one", "another"))
_LONGEST_PREPOSITION = max(map(len, lx.PREPOSITIONS))


def read_chunks(words: Words) -> list[Chunk]:
    """Return the chunks of classified words, in order and without overlap, except chunks of type "other"."""
    chunks: list[Chunk] = []
    i, named = 0, False
    while i < len(words):
        chunk = _chunk_at(words, i, named)
        if chunk.type != "other":
            chunks.append(chunk)
        i, named = chunk.end, named or chunk.type == "np"
    return chunks


def _chunk_at(words: Words, i: int, named: bool) -> Chunk:
    """Return the chunk that begins at word i. named: whether a noun phrase precedes it."""
    word_class, lower = words[i].word_class, words[i].lower
    if (lower, words.lower_at(i + 1)) in _RECIPROCALS:
        return Chunk("adv", i, i + 2)
    worn = (worn_at(words, i) or place_at(words, i)) if named else None
    if worn is not None:
        return Chunk("worn", i, worn.end, head=worn.text, form=worn.worn)
    if word_class in ("det", "poss", "adj", "noun", "pron"):
        return noun_phrase(words, i) or Chunk("other", i, i + 1)
    if word_class == "wh":
        return _relative_pronoun(words, i) if named else asked_phrase(words, i)
    if word_class == "prep" or lower in ("next_to", "in", "next"):
        return _preposition(words, i) or _particle(words, i)
    if word_class in ("be", "do", "have", "modal", "verb"):
        return verb_group(words, i)
    if word_class == "adv" and lower in lx.PARTICLES:
        return _particle(words, i)
    return Chunk(word_class, i, i + 1, head=lower)


def _relative_pronoun(words: Words, i: int) -> Chunk:
    return Chunk("rel", i, i + 1, head=words[i].lower)


def _particle(words: Words, i: int) -> Chunk:
    return Chunk("part", i, i + 1, head=words[i].lower)


def _preposition(words: Words, i: int) -> Chunk | None:
    """Return the longest preposition that begins at word i."""
    for end in range(min(i + _LONGEST_PREPOSITION, len(words)), i, -1):
        spelling = tuple(w.lower for w in words[i:end])
        if spelling in lx.PREPOSITIONS and words.class_at(end - 1) != "inf":
            return Chunk("prep", i, end, head=lx.PREPOSITIONS[spelling])
    return None
