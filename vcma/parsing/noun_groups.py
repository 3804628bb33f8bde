"""Noun groups: a noun with its determiners and adjectives, or a pronoun, without what follows."""

from __future__ import annotations

from vcma.parsing import lexicon as lx
from vcma.parsing.chunks import Chunk
from vcma.parsing.word_classes import Word, Words


def noun_group(words: Words, begin: int, determined: bool = False) -> Chunk | None:
    """Return the noun group that begins at a word. determined: whether the word before acts as a determiner.

    Without a noun, the head is the last adjective ("the red"); without either, the determiner ("this").
    """
    if words.class_at(begin) == "pron":
        return _pronoun(words, begin)
    start = _determiners_end(words, begin)
    determined = determined or start > begin
    attributes = []
    if determined and _dress_comes_first(words, start):
        attributes, start = [words.phrase(start, start + 2)], start + 2
    end = _nouns_end(words, start)
    if end == begin:
        return None
    attributes += [w.lower for w in words[start : end - 1] if w.word_class in ("adj", "noun")]
    last = words[end - 1]
    group = Chunk("np", begin, end, head=_head(last), attributes=attributes, plural=_is_plural(last))
    described = last.word_class == "adj" and (not determined or last.tag == "JJS")  # "who is the tallest"
    group.form = "adj" if described else ""
    group.negated = words[begin].lower == "no"
    if words.class_at(begin) == "poss":
        group.owner = Chunk("np", begin, begin + 1, head=words[begin].lower, pronoun=True)
    return group


def _pronoun(words: Words, i: int) -> Chunk:
    lower = words[i].lower
    plural = lower in ("they", "them", "we", "us", "themselves")
    return Chunk("np", i, i + 1, head=lower, plural=plural, pronoun=True, negated=lower in lx.NOBODY)


def _determiners_end(words: Words, i: int) -> int:
    while words.class_at(i) in ("det", "poss"):
        i += 1
    return i


def _dress_comes_first(words: Words, i: int) -> bool:
    """Return whether clothes precede the noun: "the in red adult" for "the adult in red"."""
    return words.class_at(i + 1) == "adj" and words.class_at(i + 2) == "noun" and words[i].lower == "in"


def _nouns_end(words: Words, start: int) -> int:
    """Return the end of adjectives and nouns; adjectives after the last noun are left to `postposed_end`."""
    i = noun_end = start
    while words.class_at(i) in ("adj", "noun") or (i > start and joins(words, i)):
        i += 1
        noun_end = i if words.class_at(i - 1) == "noun" else noun_end
    return noun_end if noun_end > start else i


def joins(words: Words, i: int) -> bool:
    """Return whether a word joins two: a hyphen, a slash, or "and" between adjectives ("a red and white ball")."""
    if words.class_at(i) == "join":
        return words.class_at(i + 1) in ("adj", "noun")
    return (
        words.class_at(i) == "cc"
        and words[i].lower in ("and", ",", "an")
        and words.class_at(i - 1) == "adj"
        and words.class_at(i + 1) == "adj"
    )


def postposed_end(words: Words, start: int) -> int:
    """Return the end of the adjectives after a noun ("a toy red and yellow"), `start` if there are none."""
    end = start
    while words.class_at(end) == "adj" or (end > start and joins(words, end)):
        end += 1
    return end


def _head(last: Word) -> str:
    lemmatised = last.word_class == "noun" and last.lower not in lx.PLURALIA
    return last.lemma.lower() if lemmatised else last.lower


def _is_plural(last: Word) -> bool:
    return last.tag in ("NNS", "NNPS") or last.lower in ("people", "children", "men", "women")
