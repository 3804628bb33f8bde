"""Classified words to chunks: noun phrases with their attributes, verb groups, prepositions, conjunctions.

A chunk grammar, read once from left to right without going back, so that any string has an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vcma.parsing import lexicon as lx
from vcma.parsing.word_classes import Word, form_of


@dataclass
class Chunk:
    """Words [begin, end). Kinds: np, verb, be, do, prep, part, cc, stop, rel, there, inf, adv."""

    kind: str
    begin: int
    end: int
    head: str = ""  # lemma of a noun or verb, canonical phrase of a preposition
    form: str = ""  # verb: fin, base, ing, en, passive; np: adj if it has no noun
    attributes: list[str] = field(default_factory=list)
    plural: bool = False
    pronoun: bool = False
    wh: bool = False
    owner: Chunk | None = None  # "the woman" of "the woman's hand"


class Reader:
    """Reads the chunks of classified words; `chunks` holds the result."""

    def __init__(self, words: Sequence[Word]):
        self.words = words
        self.chunks: list[Chunk] = []
        i = 0
        while i < len(words):
            chunk = self._next(i)
            if chunk.kind != "other":
                self.chunks.append(chunk)
            i = chunk.end

    def _kind(self, i: int) -> str:
        return self.words[i].kind if i < len(self.words) else "stop"

    def _next(self, i: int) -> Chunk:
        kind = self._kind(i)
        if [w.lower for w in self.words[i : i + 2]] in (["each", "other"], ["one", "another"]):
            return Chunk("adv", i, i + 2)
        if kind in ("det", "poss", "adj", "noun", "pron"):
            return self._noun_phrase(i) or Chunk("other", i, i + 1)
        if kind == "wh":
            return self._wh(i)
        if kind == "prep" or self.words[i].lower in ("next_to", "in", "next"):
            return self._preposition(i) or self._particle(i)
        if kind in ("be", "do", "have", "modal", "verb"):
            return self._verb_group(i)
        if kind == "adv" and self.words[i].lower in lx.PARTICLES:
            return self._particle(i)
        return Chunk(kind, i, i + 1, head=self.words[i].lower)

    # noun phrases

    def _wh(self, i: int) -> Chunk:
        """The asked-for thing if nothing is named before it, else a relative pronoun."""
        word = self.words[i]
        if any(chunk.kind == "np" for chunk in self.chunks):
            return Chunk("rel", i, i + 1, head=word.lower)
        if word.lower in ("what", "which", "whose"):
            phrase = self._core(i + 1, determined=True)
            if phrase is not None and self._kind(i + 1) != "det":
                phrase.begin, phrase.wh = i, True
                return phrase
        return Chunk("np", i, i + 1, head="who" if word.lower == "whom" else word.lower, wh=True)

    def _noun_phrase(self, i: int) -> Chunk | None:
        """Core, possessors, then the attributes that follow it."""
        phrase = self._core(i)
        while phrase is not None and self._kind(phrase.end) == "gen":
            owned = self._core(phrase.end + 1, determined=True)
            if owned is None:
                phrase.end += 1
                break
            owned.owner, owned.begin = phrase, phrase.begin
            phrase = owned
        if phrase is not None and not phrase.pronoun:
            phrase = self._partitive(phrase)
            self._attributes(phrase)
        return phrase

    def _core(self, i: int, determined: bool = False) -> Chunk | None:
        begin = i
        if self._kind(i) == "pron":
            word = self.words[i]
            plural = word.lower in ("they", "them", "we", "us", "themselves")
            return Chunk("np", i, i + 1, head=word.lower, plural=plural, pronoun=True)
        owner = self.words[i] if self._kind(i) == "poss" else None
        while self._kind(i) in ("det", "poss"):
            determined, i = True, i + 1
        dressed = ""
        if (
            determined
            and self._kind(i + 1) == "adj"
            and self._kind(i + 2) == "noun"
            and self.words[i].lower == "in"
        ):
            dressed, i = self._text(i, i + 2), i + 2  # "the in red adult"
        start = i
        i = self._core_end(i)
        if i == start and (not determined or i == begin):
            return None
        last = self.words[i - 1]
        singular = self._kind(i - 1) == "noun" and last.lower not in lx.PLURALIA
        head = last.lemma.lower() if singular else last.lower
        attributes = [dressed] if dressed else []
        attributes += [w.lower for w in self.words[start : i - 1] if w.kind in ("adj", "noun")]
        phrase = Chunk("np", begin, i, head=head, attributes=attributes)
        phrase.form = "adj" if self._kind(i - 1) == "adj" and not determined else ""
        phrase.plural = last.tag in ("NNS", "NNPS") or last.lower in ("people", "children", "men", "women")
        if owner is not None:
            phrase.owner = Chunk("np", begin, begin + 1, head=owner.lower, pronoun=True)
        return phrase

    def _core_end(self, start: int) -> int:
        """End of adjectives and nouns from start; adjectives behind the last noun are left for `_postposed`."""
        i = noun_end = start
        while self._kind(i) in ("adj", "noun") or (self._joins(i) and i > start):
            i += 1
            noun_end = i if self._kind(i - 1) == "noun" else noun_end
        return noun_end if noun_end > start else i

    def _joins(self, i: int) -> bool:
        """A hyphen, a slash, or "and" between two adjectives of one noun: "a red and white ball"."""
        if self._kind(i) == "join":
            return self._kind(i + 1) in ("adj", "noun")
        return (
            self._kind(i) == "cc"
            and self.words[i].lower in ("and", ",", "an")
            and self._kind(i - 1) == "adj"
            and self._kind(i + 1) == "adj"
        )

    def _partitive(self, phrase: Chunk) -> Chunk:
        """ "a group of people" is about people."""
        i = phrase.end
        if phrase.head in lx.PARTITIVES and i < len(self.words) and self.words[i].lower == "of":
            inner = self._core(i + 1)
            if inner is not None and not inner.pronoun:
                inner.begin = phrase.begin
                inner.plural = inner.plural or phrase.head == "group"
                return inner
        return phrase

    def _attributes(self, phrase: Chunk) -> None:
        """Consume "in white", "with glasses", "wearing a hat", "who wears a hat", "on the left", "red and big"."""
        while found := self._attribute(phrase.end):
            text, phrase.end = found
            phrase.attributes.append(text)

    def _attribute(self, i: int) -> tuple[str, int] | None:
        """The attribute that begins at word i, as text, and its end."""
        if self._kind(i) == "cc" and i + 1 < len(self.words) and self.words[i].lower == "and":
            return self._worn(i + 1) or self._dressed(i + 1)
        return self._worn(i) or self._postposed(i) or self._dressed(i) or self._position(i)

    def _text(self, begin: int, end: int) -> str:
        text = " ".join(w.lower for w in self.words[begin:end] if w.kind not in ("det", "poss"))
        return text.replace(" - ", "-")

    def _postposed(self, i: int) -> tuple[str, int] | None:
        """Adjectives behind their noun: "a toy red and yellow"."""
        end = i
        while self._kind(end) == "adj" or (end > i and self._joins(end)):
            end += 1
        return (self._text(i, end), end) if end > i else None

    def _posed(self, i: int) -> tuple[str, int] | None:
        """A participle behind a part of the body: "with hands crossed"."""
        posed = self._kind(i) == "verb" and form_of(self.words[i]) == "en" and self._kind(i + 1) in ("verb", "be")
        return (self._text(i, i + 1), i + 1) if posed else None

    def _dressed(self, i: int) -> tuple[str, int] | None:
        """ "in" or "with" and a colour, clothes or a part of the body."""
        if self._kind(i) != "prep" or self.words[i].lower not in ("in", "with", "without"):
            return None
        end = self._garments(i + 1, colours=True, bodies=self.words[i].lower != "in")
        return (self._text(i, end), end) if end else None

    def _garments(self, i: int, colours: bool = False, bodies: bool = False) -> int:
        """End of a list of garments that begins at i, 0 if none does."""
        phrase = self._core(i)
        if phrase is None or phrase.pronoun or not self._is_garment(phrase, colours, bodies):
            return 0
        end = phrase.end
        behind = self._postposed(end) or self._posed(end)
        if behind:
            end = behind[1]
        if self._kind(end) == "cc":
            return self._garments(end + 1, colours, bodies) or end
        return end

    def _is_garment(self, phrase: Chunk, colours: bool, bodies: bool) -> bool:
        words = {w.lower for w in self.words[phrase.begin : phrase.end]} | {phrase.head}
        if phrase.head in lx.CLOTHES or (words & lx.CLOTHES and phrase.head not in lx.SCENES):
            return True
        if bodies and phrase.head in lx.BODY:
            return True
        return colours and (
            phrase.head in lx.COLOURS or phrase.head in lx.SHADES or self._kind(phrase.end - 1) == "adj"
        )

    def _position(self, i: int) -> tuple[str, int] | None:
        """ "on the left", "in the middle", unless it begins "on the left of something"."""
        if self._kind(i) != "prep" or self.words[i].lower not in ("on", "in", "at"):
            return None
        end = i + 1
        while self._kind(end) in ("det", "adj", "noun") and end < i + 6:
            end += 1
        inner = [w.lower for w in self.words[i + 1 : end] if w.kind != "det"]
        if not inner or not set(inner) <= lx.POSITIONS | {"hand", "most", "far"}:
            return None
        if end < len(self.words) and self.words[end].lower == "of":
            return None
        return self._text(i, end), end

    def _worn(self, i: int) -> tuple[str, int] | None:
        """ "wearing a hat", "who wears a hat", "dressed in a suit"."""
        verb = i
        if self._kind(verb) == "wh" and self.words[verb].lower in ("who", "that", "which"):
            verb += 1
            if self._kind(verb) == "be":
                verb += 1
        if verb >= len(self.words):
            return None
        word = self.words[verb].lower
        if word in ("dressed", "clad") and verb + 1 < len(self.words) and self.words[verb + 1].lower == "in":
            end = self._garments(verb + 2, colours=True)
            return ("in " + self._text(verb + 2, end), end) if end else None
        if word == "wearing" or (word in ("wears", "wear") and verb > i):
            phrase = self._core(verb + 1)
            end = self._garments(verb + 1, colours=True) or (phrase.end if phrase else 0)
            return ("wearing " + self._text(verb + 1, end), end) if end else None
        return None

    # the rest

    def _preposition(self, i: int) -> Chunk | None:
        """The longest preposition that begins at i."""
        for length in range(min(6, len(self.words) - i), 0, -1):
            key = tuple(w.lower for w in self.words[i : i + length])
            if key in lx.PREPOSITIONS and self._kind(i + length - 1) != "inf":
                return Chunk("prep", i, i + length, head=lx.PREPOSITIONS[key])
        return None

    def _particle(self, i: int) -> Chunk:
        return Chunk("part", i, i + 1, head=self.words[i].lower)

    def _verb_group(self, i: int) -> Chunk:
        """Auxiliaries, adverbs, then the verb; an auxiliary without a verb stands alone ("be", "do")."""
        begin, auxiliaries = i, []
        while self._kind(i) in ("be", "do", "have", "modal") or (self._kind(i) == "adv" and i > begin):
            if self._kind(i) != "adv":
                auxiliaries.append(self._kind(i))
            i += 1
        if self._kind(i) != "verb":
            return self._bare_auxiliary(begin, auxiliaries)
        word = self.words[i]
        lemma = lx.VERB_FORMS.get(word.lower, (word.lemma.lower(), ""))[0]
        return Chunk("verb", begin, i + 1, head=lemma, form=self._voice(auxiliaries, form_of(word), word, i + 1))

    def _bare_auxiliary(self, begin: int, auxiliaries: list[str]) -> Chunk:
        end = begin + 1
        while self._kind(end) in ("be", "do", "have", "modal"):
            end += 1
        if "be" in auxiliaries:
            return Chunk("be", begin, end)
        if auxiliaries[-1] == "have":
            return Chunk("verb", begin, end, head="have", form="fin")
        return Chunk("do", begin, end)

    def _voice(self, auxiliaries: list[str], form: str, word: Word, end: int) -> str:
        by = self._by_follows(end)
        if not auxiliaries:
            if form == "en":
                return "passive" if by else ("en" if word.tag == "VBN" else "fin")
            return {"s": "fin", "base": "base"}.get(form, form)
        if auxiliaries[-1] == "be":
            if form == "en":
                return "passive"
            return "passive" if by and form == "base" else "fin"
        return "fin"

    def _by_follows(self, i: int) -> bool:
        """ "by" right behind the verb or the few words that belong to it: "hold hand of by", "speak to by"."""
        for word in self.words[i : i + 3]:
            if word.lower == "by":
                return True
            if word.kind not in ("prep", "adv") and word.lower not in ("hand", "hands"):
                return False
        return False
