"""Claims about the attributes of a noun: before it, behind it, and behind \"is\"."""

from __future__ import annotations

import pytest

from tests.parsing.readings import named_relations, read


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("the tall adult in white jumps", ("tall", "in white")),
        ("a woman with glasses jumps", ("with glasses",)),
        ("an adult wearing a blue hat jumps", ("wearing blue hat",)),
        ("an adult who wears a blue hat jumps", ("wearing blue hat",)),
        ("a man dressed in a black suit jumps", ("in black suit",)),
        ("a toy red and yellow falls", ("red and yellow",)),
        ("a child on the left jumps", ("on left",)),
        ("a girl in a red coat and a white hat jumps", ("in red coat and white hat",)),
        ("a child in red and with a green hat jumps", ("in red", "with green hat")),
        ("a man in long-sleeved clothes jumps", ("in long-sleeved clothes",)),
        ("a black and white dog jumps", ("black", "white")),
        ("the dog is brown", ("brown",)),
    ],
)
def test_attributes(text: str, attributes: tuple[str, ...]) -> None:
    assert read(text).entities[0].attributes == attributes


WHO_WALKS = [("who", "walk to left")]


@pytest.mark.parametrize(
    ("text", "wearer", "attributes", "relations"),
    [
        ("who is walking to the left in the brown jacket?", "who", ("in brown jacket",), WHO_WALKS),
        ("who is walking to the left in black?", "who", ("in black",), WHO_WALKS),
        ("who is walking to the left in a coat and white hat?", "who", ("in coat and white hat",), WHO_WALKS),
        ("who is walking to the left with a red hat?", "who", ("with red hat",), WHO_WALKS),
        ("who is standing still in the brown jacket?", "who", ("in brown jacket",), [("who", "stand")]),
        ("a man is standing still in dark clothes", "man", ("in dark clothes",), [("man", "stand")]),
        ("a man stands, in a red coat, next to a car", "man", ("in red coat",),
         [("man", "stand"), ("man", "next to", "car")]),
        ("a man in navy and red jumps", "man", ("in navy and red",), [("man", "jump")]),
        ("the man dressed all in black jumps", "man", ("all in black",), [("man", "jump")]),
        ("a man dressed in black from head to toe", "man", ("all in black",), []),
        ("a boy is running dressed in white", "boy", ("in white",), [("boy", "run")]),
        ("a man walks wearing a red coat", "man", ("wearing red coat",), [("man", "walk")]),
        ("the man is wearing a red shirt and dances", "man", ("wearing red shirt",), [("man", "dance")]),
        ("who is wearing a red hat?", "who", ("wearing red hat",), []),
        ("the man in a suit and tie", "man", ("in suit and tie",), []),
        ("a dog in a striped sweater barks", "dog", ("in striped sweater",), [("dog", "bark")]),
        # Another thing stands in between.
        ("who is above the chair in the red coat?", "who", ("in red coat",), [("who", "above", "chair")]),
        ("a man rides a horse in a red jacket", "man", ("in red jacket",), [("man", "ride", "horse")]),
        ("who is riding a bike with a helmet?", "who", ("with helmet",), [("who", "ride", "bike")]),
        ("what does the man hold in a red shirt?", "man", ("in red shirt",), [("man", "hold", "what")]),
        ("the woman takes the man's hand in a red shirt", "man", ("in red shirt",),
         [("woman", "take", "hand"), ("hand", "of", "man")]),
        # These stay with the noun they follow.
        ("who speaks to the woman in a red dress?", "woman", ("in red dress",), [("who", "speak to", "woman")]),
        ("who is above the seat in white?", "seat", ("in white",), [("who", "above", "seat")]),
        ("an adult in white gets on a bench in purple clothes", "bench", ("in purple clothes",),
         [("adult", "get on", "bench")]),
        ("a power kite with blue handles", "handle", ("blue",), [("kite", "with", "handle")]),
    ],
)  # fmt: skip
def test_clothes_belong_to_the_one_who_wears_them(text, wearer, attributes, relations) -> None:
    query = read(text)
    (entity,) = [e for e in query.entities if e.head == wearer]
    assert entity.attributes == attributes
    assert named_relations(query) == relations


def test_putting_on_a_hat_is_an_event() -> None:
    assert named_relations(read("a man sits down and wears a hat")) == [("man", "sit down"), ("man", "wear", "hat")]


@pytest.mark.parametrize(
    ("text", "relations"),
    [
        ("the man puts the phone in the coat.", [("man", "put", "phone"), ("phone", "in", "coat")]),
        ("the phone is in the coat.", [("phone", "in", "coat")]),
        ("the man looks in the coat.", [("man", "look in", "coat")]),
        ("a man in a vest takes a pen.", [("man", "take", "pen")]),
        ("two men fight in the ring.", [("man", "fight in", "ring")]),
    ],
)
def test_clothes_that_something_is_in_are_not_worn(text: str, relations: list[tuple[str, ...]]) -> None:
    assert named_relations(read(text)) == relations


def test_a_thing_wears_nothing() -> None:
    query = read("a man jumps over the fence in a black coat.")
    assert [e.attributes for e in query.entities] == [("in black coat",), ()]


def test_a_second_dress_is_not_put_on_a_thing() -> None:
    query = read("the man in black goes to the stairs and stands in red.")
    assert query.entities[1].head == "stair" and query.entities[1].attributes == ()
