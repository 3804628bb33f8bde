"""Claims about chunks: whatever the words and their tags, they stand in order and do not overlap."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcma.parsing import lexicon as lx
from vcma.parsing.chunker import read_chunks
from vcma.parsing.word_classes import Word, Words, classify

TAGS = ("NN", "NNS", "JJ", "VB", "VBD", "VBG", "VBN", "VBZ", "RB", "IN", "DT", "POS", "CD", "EX", ".")
SPELLINGS = sorted(
    {*list(lx.VERB_FORMS)[::20], *lx.CONJUNCTIONS, *lx.WH_WORDS, *lx.BE, *lx.DO, *lx.HAVE, *lx.PRONOUNS, *lx.BODY}
    | {
        *lx.COLOURS,
        *lx.MALE,
        *lx.POSITIONS,
        *lx.PARTITIVES,
        *(word for spelling in lx.PREPOSITIONS for word in spelling),
    }
    | {"the", "a", "'s", "'", "-", ",", ".", "?", "wearing", "wears", "dressed", "each", "other", "there", "that"}
)


def classified(tagged: list[tuple[str, str]]) -> Words:
    words = Words(Word(text, text, tag, 0, len(text)) for text, tag in tagged)
    classify(words)
    return words


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(SPELLINGS), st.sampled_from(TAGS)), max_size=16))
def test_chunks_stand_in_order_and_do_not_overlap(tagged: list[tuple[str, str]]) -> None:
    words = classified(tagged)
    chunks = read_chunks(words)
    bounds = [0, *(bound for chunk in chunks for bound in (chunk.begin, chunk.end)), len(words)]
    assert bounds == sorted(bounds)
    assert all(chunk.begin < chunk.end for chunk in chunks)


@pytest.mark.parametrize(
    ("tagged", "types"),
    [
        ("the/DT man/NN 's/POS hand/NN waves/VBZ", ["np", "verb"]),
        ("a/DT cat/NN is/VBZ in/IN front/NN of/IN it/PRP ./.", ["np", "be", "prep", "np", "stop"]),
        (
            "who/WP does/VBZ the/DT man/NN who/WP jumps/VBZ hold/VB ?/.",
            ["np", "do", "np", "rel", "verb", "verb", "stop"],
        ),
        ("they/PRP chase/VBP each/DT other/JJ", ["np", "verb", "adv"]),
    ],
)
def test_types(tagged: str, types: list[str]) -> None:
    words = classified([tuple(pair.rsplit("/", 1)) for pair in tagged.split()])
    assert [chunk.type for chunk in read_chunks(words)] == types
