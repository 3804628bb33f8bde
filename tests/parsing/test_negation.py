"""Claims about negation: what is denied is told, and nothing of it is left as if it were so."""

from __future__ import annotations

import pytest

from tests.parsing.readings import named_relations, read


@pytest.mark.parametrize(
    ("text", "relations", "denied"),
    [
        ("the man is not walking", [], "not_walk"),
        ("the man doesn't move", [], "not_move"),
        ("a dog that never barks", [], "not_bark"),
        ("who is not walking?", [], "not_walk"),
        ("the man is not walking but running", [("man", "run")], "not_walk"),
        ("the man is not standing behind the car and waves", [("man", "wave")], "not_behind_car"),
        ("the man is not holding a ball", [], "not_hold_ball"),
        ("the car that isn't red", [], "not_red"),
        ("the man not in red jumps", [("man", "jump")], "not_in_red"),
        ("who is not wearing a hat?", [], "not_wear_hat"),
        ("the man is not walking or running", [], "not_run"),
        ("the man sits without looking at the camera", [("man", "sit")], "not_look_at_camera"),
        ("there is no dog", [], "no_dog"),
        ("no dog is running", [], "no_dog"),
        ("a man with no dog runs", [("man", "run")], "no_dog"),
        ("a man walks without a dog", [("man", "walk")], "without_dog"),
        ("a man without a hat walks", [("man", "walk")], "without_hat"),
        ("the man with no hat jumps", [("man", "jump")], "without_hat"),
        ("the man wearing no shirt jumps", [("man", "jump")], "without_shirt"),
    ],
)
def test_what_is_denied_is_told_and_not_used(text: str, relations: list[tuple[str, ...]], denied: str) -> None:
    query = read(text)
    assert f"not_judged:{denied}" in query.flags
    assert named_relations(query) == relations
    assert len(query.entities) == 1 and query.entities[0].attributes == ()


def test_what_is_not_denied_is_kept() -> None:
    query = read("a man in red without a hat hugs a woman with a hat")
    assert [e.attributes for e in query.entities] == [("in red",), ("with hat",)]
    assert query.flags == ("not_judged:without_hat",)


def test_neither_nor() -> None:
    query = read("neither the man nor the woman moves")
    assert query.flags == ("not_judged:no_man", "not_judged:no_woman", "no_relation")
