"""File names that people read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcma.report.names import readable_name, readable_names


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("2373450082/5/captions/0", "2373450082-5-captions-0"),
        ("holiday in Rome.mp4", "holiday-in-Rome.mp4"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("a%2Fb", "a-2Fb"),
        ("一只狗", "一只狗"),
        ("", "unnamed"),
        ("//", "unnamed"),
    ],
)
def test_what_is_no_letter_or_digit_becomes_one_hyphen(id, name):
    assert readable_name(id) == name


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=70), unique=True, max_size=12))
def test_no_two_ids_share_a_name_and_each_is_a_file_name(ids):
    names = readable_names([*ids, "a/b", "a b", "A-B", "a-b-2"])
    assert len({name.casefold() for name in names.values()}) == len(names)
    for name in names.values():
        assert re.fullmatch(r"[\w.-]+", name) and name[0] not in "-." and len(name.encode()) < 220
