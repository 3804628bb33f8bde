"""Claims about openings: who is addressed, and how, is no part of what is looked for."""

from __future__ import annotations

import pytest

from tests.parsing.readings import named_relations, read
from vcma.parsing.openings import opening_length


@pytest.mark.parametrize(
    "opening",
    [
        "please show me when",
        "Can you find where",
        "Could you please show me the exact moment when",
        "I want to see",
        "I'd like to see",
        "I am looking for",
        "let me see",
        "help me find",
        "tell me when",
        "give me the scene in which",
        "the part of the video where",
        "you see",
        "a video of",
        "Hi, please find",
    ],
)
def test_an_opening_is_not_what_is_asked_for(opening: str) -> None:
    query = read(f"{opening} a man in red waves")
    (man,) = query.entities
    assert (man.head, man.attributes, query.target) == ("man", ("in red",), 0)
    assert query.text[slice(*man.span)] == man.text == "a man in red"
    assert named_relations(query) == [("man", "wave")]


@pytest.mark.parametrize(
    ("text", "relations"),
    [
        ("could you please tell me who is riding a bike?", [("who", "ride", "bike")]),
        ("show me what the man is holding", [("man", "hold", "what")]),
        ("tell me who the man is behind", [("man", "behind", "who")]),
        ("when does the man fall?", [("man", "fall")]),
        ("the man says please to the woman", [("man", "say to", "woman")]),
    ],
)
def test_questions_inside_a_request(text: str, relations: list[tuple[str, ...]]) -> None:
    assert named_relations(read(text)) == relations


@pytest.mark.parametrize(
    "text",
    ["", "please", "show me", "the show is on", "when the man walks , the dog barks", "the"],
)
def test_what_is_no_opening_or_stands_alone_is_kept(text: str) -> None:
    assert opening_length(text.split()) == 0


def test_the_subject_of_a_subordinate_clause_is_not_the_target() -> None:
    query = read("When the man walks, the dog barks")
    assert query.entities[query.target].head == "dog"


def test_a_request_with_a_question_mark_is_no_question() -> None:
    assert read("can you find the man in red?").kind == "declarative"
    assert read("can you tell me who holds the ball?").kind == "interrogative"
