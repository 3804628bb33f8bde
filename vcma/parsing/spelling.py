"""Spelling correction of nouns and colours: unknown words close to one that is common in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from vcma.parsing import lexicon as lx

_EXPECTED = (
    lx.PERSONS | lx.ANIMALS | lx.OBJECTS | lx.THINGS | lx.CLOTHES | lx.BODY | lx.SCENES | lx.COLOURS
) - lx.MISSPELLINGS
_LONG = 7  # minimum letters of a word for which two errors are allowed
_LONGEST = 24


class Speller:
    """Suggests corrections. `dictionary`: correct words beyond the parser's own lists."""

    def __init__(self, dictionary: Iterable[str]):
        self._known = frozenset(dictionary) | lx.ALL_WORDS

    def suggestion(self, word: str, lemma: str) -> str:
        """Return the most probable correction of a lower-case noun, "" if it is correct or none is close.

        Words that contain a known one at their start or end ("biker", "iphone") are taken for new words.
        """
        if word in self._known or lemma in self._known or not 3 <= len(lemma) <= _LONGEST or not lemma.isalpha():
            return ""
        return _nearest(lemma)


@lru_cache(maxsize=4096)
def _nearest(word: str) -> str:
    allowed = 2 if len(word) >= _LONG else 1
    near = [(slips(word, w), w) for w in _EXPECTED if abs(len(w) - len(word)) <= allowed and w[0] == word[0]]
    near = sorted(found for found in near if found[0] <= allowed and len(found[1]) > 2)
    if not near or any(word.startswith(w) or word.endswith(w) for _, w in near):
        return ""
    return near[0][1] if len(near) == 1 or near[0][0] < near[1][0] else ""


def slips(a: str, b: str) -> float:
    """Optimal string alignment distance: insertions, deletions, substitutions cost 1, transpositions 0.5."""
    rows = [[float(j) for j in range(len(b) + 1)]]
    for i, x in enumerate(a, 1):
        row = [float(i)]
        for j, y in enumerate(b, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (x != y))
            if i > 1 and j > 1 and (x, a[i - 2]) == (b[j - 2], y) and x != y:
                best = min(best, rows[-2][j - 2] + 0.5)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]
