"""Claims about misspelt nouns: the nearest word is read and told, new words and names are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.parsing.readings import read
from vcma.parsing.spelling import slips


@pytest.mark.parametrize(
    ("text", "head", "flag"),
    [
        ("a dgo runs", "dog", "misspelt:dgo=dog"),
        ("two bycicles fall", "bicycle", "misspelt:bycicles=bicycle"),
        ("the ellephant walks", "elephant", "misspelt:ellephant=elephant"),
        ("the woamn dances", "woman", "misspelt:woamn=woman"),
    ],
)
def test_a_slip_is_mended_and_told(text: str, head: str, flag: str) -> None:
    query = read(text)
    assert query.entities[query.target].head == head
    assert flag in query.flags


def test_a_misspelt_garment_or_colour_is_still_one() -> None:
    assert read("a man wearing a halmet waves").entities[0].attributes == ("wearing helmet",)
    assert read("a man in balck waves").entities[0].attributes == ("in black",)


@pytest.mark.parametrize("noun", ["segway", "corgi", "biker", "iphone", "selfie", "vlogger", "drone", "Messi"])
def test_new_words_and_names_are_left_alone(noun: str) -> None:
    query = read(f"the {noun} falls")
    assert query.entities[0].head == noun.lower()
    assert not [flag for flag in query.flags if flag.startswith("misspelt")]


WORDS = st.text("abc", max_size=6)


@given(WORDS, WORDS)
def test_slips_are_symmetric_and_bounded(a: str, b: str) -> None:
    assert slips(a, b) == slips(b, a)
    assert abs(len(a) - len(b)) <= slips(a, b) <= max(len(a), len(b))
    assert (slips(a, b) == 0) == (a == b)


def test_a_swap_is_half_a_slip() -> None:
    assert (slips("dgo", "dog"), slips("dig", "dog"), slips("dogg", "dog")) == (0.5, 1, 1)
