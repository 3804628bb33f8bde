"""Claims about words: a sentence's words answer beyond their end."""

from __future__ import annotations

from vcma.parsing.word_classes import Word, Words, classify


def test_beyond_the_last_word_stands_a_stop() -> None:
    words = Words([Word("Cat", "cat", "NN", 0, 3)])
    classify(words)
    assert (words.class_at(0), words.class_at(1)) == ("noun", "stop")
    assert (words.lower_at(0), words.lower_at(1)) == ("cat", "")
