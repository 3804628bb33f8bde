"""Claims about pronouns and possessors: whom they mean."""

from __future__ import annotations

from tests.parsing.readings import named_relations, read


def test_pronouns_and_possessors() -> None:
    query = read("The woman in yellow holds the man's hand and kisses it.")
    assert named_relations(query) == [
        ("woman", "hold hand of", "man"),
        ("hand", "of", "man"),
        ("woman", "kiss", "hand"),
    ]
    query = read("The man in black walks to the woman, hugs her and closes his eyes.")
    assert named_relations(query) == [("man", "walk to", "woman"), ("man", "hug", "woman"), ("man", "close", "eye")]
