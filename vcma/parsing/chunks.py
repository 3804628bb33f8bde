"""Chunks: groups of words from which the clauses are read."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Chunk:
    """Words [begin, end) as a unit.

    Types: np (noun phrase), verb (with its auxiliaries), be and do (auxiliaries without a verb), prep, part (a verb
    particle), rel (relative pronoun), worn (clothes or a position apart from their noun; the head is their text);
    and the word classes cc, stop, there, inf, adv, gen, join for single words.
    """

    type: str
    begin: int
    end: int
    head: str = ""  # lemma of a noun or verb, canonical phrase of a preposition
    form: str = ""  # verb: fin, base, ing, en, passive; np: adj if it has no noun; worn: garment or colour
    attributes: list[str] = field(default_factory=list)
    plural: bool = False
    pronoun: bool = False
    wh: bool = False
    negated: bool = False  # "no dog", "is not walking"
    owner: Chunk | None = None  # "the woman" of "the woman's hand"
