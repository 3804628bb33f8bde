"""Noun phrases that a detector is prompted with: what of a sentence's words, and which of them is the noun."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcma.records.noun_phrases import head_of, noun_phrase, prompts_of
from vcma.records.sentence import Sentence

WORDS = st.sampled_from(["man", "ball", "toy", "red", "small", "glasses", "coat", "tallest", "last"])
BEHIND = st.builds(
    lambda how, what: f"{how} {what}", st.sampled_from(["in", "with", "wearing", "all in", "on"]), WORDS
)


@pytest.mark.parametrize(
    ("head", "attributes", "phrase"),
    [
        ("man", ("in red coat",), "man in red coat"),
        ("woman", ("young", "with long hair and glasses", "wearing black hat"), None),  # nine words: the noun alone
        ("dog", ("small", "white"), "small white dog"),
        ("Bear", ("Teddy",), "teddy bear"),
        ("boy", ("tallest", "on left"), "boy"),  # one region cannot show a rank or a place
        ("man", ("second", "from left", "in black"), "man in black"),
        ("man", ("last",), "man"),
        ("who", (), "person"),
        ("someone", ("in white",), "person in white"),
        ("it", (), ""),
        ("what", ("red",), ""),
        ("", (), ""),
        ("a sentence that nobody could read to its end at all", (), ""),
    ],
)
def test_phrases(head, attributes, phrase):
    assert noun_phrase(head, attributes) == (head if phrase is None else phrase)


@given(WORDS, st.lists(WORDS | BEHIND, max_size=5))
def test_the_noun_of_a_phrase_is_found_again(head, attributes):
    phrase = noun_phrase(head, tuple(attributes))
    assert head_of(phrase) == head and len(phrase.split()) <= 8


def test_a_sentence_prompts_its_nouns_and_what_says_more_of_them():
    heads, attributes = ("who", "man", "it", "bear"), ((), ("in red",), (), ("toy",))
    sentence = Sentence("", "", 0, -1, heads, heads, attributes, 0, ())
    assert list(dict.fromkeys(prompts_of(sentence))) == ["person", "man", "man in red", "bear", "toy bear"]
