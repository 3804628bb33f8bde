"""Which named colours of which half meet what a phrase says of clothes."""

from __future__ import annotations

import pytest

from vcma.detection.colours import COLOUR_ATTRIBUTES
from vcma.text.label_matching import attribute_weights, class_weights


def demands(*phrase: str) -> list[set[str]]:
    """The colour attributes that meet each demand of a phrase."""
    (rows,) = attribute_weights([phrase], COLOUR_ATTRIBUTES)
    return [{name for name, weight in zip(COLOUR_ATTRIBUTES, row, strict=True) if weight} for row in rows]


BLACK = {"upper:black", "lower:black"}


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("in dark clothes", [BLACK]),
        ("in dark jacket", [{"upper:black"}]),
        ("in dark striped sweater", [{"upper:black"}]),
        ("in dark blue jacket", [{"upper:blue"}]),
        ("in light blue jeans", [{"lower:blue"}]),
        ("in light clothes", [{"upper:white", "lower:white"}]),
        ("all in black", [{"upper:black"}, {"lower:black"}]),
        ("in black", [BLACK]),
        ("in navy and red", [{"upper:blue", "lower:blue"} | BLACK, {"upper:red", "lower:red"}]),
        ("in red shirt and black pants", [{"upper:red"}, {"lower:black"}]),
        ("in maroon", [{"upper:red", "lower:red", "upper:brown", "lower:brown"}]),
        ("in bright red", [{"upper:red", "lower:red"}]),
        ("in striped dress", []),
        ("tall", []),
    ],
)
def test_colours_of_clothes(text: str, met: list[set[str]]) -> None:
    assert demands(text) == met


def test_things_of_several_names_and_people_by_what_they_do_answer_by_name():
    names = ("person", "motorbike", "surfboard", "diningtable", "hat rack")
    asked = ("motorcycle", "surf-board", "table", "gymnast", "policeman", "cyclist", "hat")
    found = class_weights([(word,) for word in asked], names)
    assert [names[i] for i in found.argmax(1)[:6]] == ["motorbike", "surfboard", "diningtable", *["person"] * 3]
    assert (found[:6].max(1) == 1).all() and (found[6] < 1).all()


NAMES, PROMPTS = ("person", "table"), ("ball", "man", "man in blue coat", "man in red coat", "toy bear", "zebra")


@pytest.mark.parametrize(
    ("noun", "denoted", "resembling"),
    [
        ("swan", {"bird"}, set()),
        ("jeep", {"car"}, set()),
        ("ball", {"sports ball"}, set()),
        ("bike", {"bicycle", "motorbike"}, set()),
        ("goat", set(), {"dog", "cow"}),
        ("puppy", {"dog"}, set()),
        ("zebra", set(), {"dog", "cow"}),
        ("tractor", set(), {"car", "motorbike"}),
        ("guitar", set(), set()),
    ],
)
def test_nouns_match_the_class_of_their_kind_and_resemble_others(noun, denoted, resembling):
    names = ["person", "bird", "dog", "cow", "car", "motorbike", "bicycle", "sports ball", "refrigerator"]
    weights = dict(zip(names, class_weights([(noun,)], names)[0].tolist(), strict=True))
    assert {name for name, w in weights.items() if w == 1} == denoted
    assert {name for name, w in weights.items() if w == 0.5} == resembling
    if not denoted | resembling:  # any object but a person may be meant
        assert all(0.1 <= w < 0.5 for name, w in weights.items() if name != "person")


def test_what_a_noun_denotes_resembles_other_classes_where_its_own_is_missing():
    assert class_weights([("puppy",)], ["cow", "car"])[0].tolist() == [0.5, 0]


@pytest.mark.parametrize(
    ("words", "whole", "answering"),
    [
        # The phrase itself most, its noun and what the noun is half, the other man's phrase not at all.
        (("man",), "man in red coat", {"man in red coat": 1, "man": 0.5, "person": 0.5}),
        (("man",), "man", {"man in red coat": 1, "man in blue coat": 1, "man": 1, "person": 1}),
        (("who",), "person", {"man in red coat": 1, "man in blue coat": 1, "man": 1, "person": 1}),
        (("toy", "bear"), "toy bear", {"toy bear": 1}),
        (("bear",), "bear", {"toy bear": 1}),
        (("zebra",), "zebra", {"zebra": 1}),
        # A phrase that was not asked for: by its noun.
        (("small", "ball"), "small ball", {"ball": 1}),
        (("table",), "table", {"table": 1}),
    ],
)
def test_prompts_answer_to_their_phrases_and_nouns(words, whole, answering):
    (found,) = class_weights([words], NAMES, PROMPTS, [whole])
    names = (*NAMES, *PROMPTS)
    assert {name: weight for name, weight in zip(names, found.tolist(), strict=True) if weight} == answering


def test_without_prompts_phrases_are_as_before():
    phrases = [("toy", "bear"), ("man",), ("unheard-of",)]
    wholes = ["toy bear", "man in red coat", "unheard-of"]
    names = ("person", "bear", "teddy bear")
    assert (class_weights(phrases, names) == class_weights(phrases, names, (), wholes)).all()
