"""Claims about the attributes of a noun: before it, behind it, and behind \"is\"."""

from __future__ import annotations

import pytest

from tests.parsing.readings import read


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
