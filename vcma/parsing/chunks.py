"""A chunk: the words that the clauses are read from as one."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Chunk:
    """Words [begin, end).

    Types: np (noun phrase), verb (with its auxiliaries), be and do (an auxiliary alone), prep, part (a verb's
    particle), rel (relative pronoun), worn (clothes or a place apart from whom they describe, the head their text);
    and of single words the word classes cc, stop, there, inf, adv, gen, join.
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
