"""Verb groups: auxiliaries, adverbs and the verb, as one chunk with its form."""

from __future__ import annotations

from collections.abc import Sequence

from vcma.parsing import lexicon as lx
from vcma.parsing.chunks import Chunk
from vcma.parsing.word_classes import Words, form_of

_AUXILIARIES = ("be", "do", "have", "modal")


def verb_group(words: Words, begin: int) -> Chunk:
    """Return the verb group that begins at a word; auxiliaries without a verb have type "be" or "do"."""
    i, auxiliaries = begin, []
    while words.class_at(i) in _AUXILIARIES or (words.class_at(i) == "adv" and i > begin):
        if words.class_at(i) != "adv":
            auxiliaries.append(words.class_at(i))
        i += 1
    if words.class_at(i) != "verb":
        return _bare_auxiliaries(words, begin, auxiliaries)
    word = words[i]
    lemma = lx.VERB_FORMS.get(word.lower, (word.lemma.lower(), ""))[0]
    negated = any(w.lower in lx.NEGATIONS for w in words[begin:i])
    return Chunk("verb", begin, i + 1, head=lemma, form=_form(words, i, auxiliaries), negated=negated)


def _bare_auxiliaries(words: Words, begin: int, auxiliaries: Sequence[str]) -> Chunk:
    end = begin + 1
    while words.class_at(end) in _AUXILIARIES:
        end += 1
    if "be" in auxiliaries:
        return Chunk("be", begin, end)
    if auxiliaries[-1] == "have":
        return Chunk("verb", begin, end, head="have", form="fin")
    return Chunk("do", begin, end)


def _form(words: Words, verb: int, auxiliaries: Sequence[str]) -> str:
    """Return fin, base, ing, en or passive; "by" makes an ungrammatical verb form passive."""
    form = form_of(words[verb])
    if auxiliaries:
        passive = form == "en" or (form == "base" and _by_follows(words, verb + 1))
        return "passive" if auxiliaries[-1] == "be" and passive else "fin"
    if form == "en":
        participle = "en" if words[verb].tag == "VBN" else "fin"
        return "passive" if _by_follows(words, verb + 1) else participle
    return "fin" if form == "s" else form


def _by_follows(words: Words, i: int) -> bool:
    """Return whether "by" follows the verb, or the few words that belong to it: "hold hand of by"."""
    for word in words[i : i + 3]:
        if word.lower == "by":
            return True
        if word.word_class not in ("prep", "adv") and word.lower not in ("hand", "hands"):
            return False
    return False
