"""Claims about places and ranks: they become typed demands, and what nothing measures is told."""

from __future__ import annotations

import pytest

from tests.parsing.readings import read
from vcma.records.demand import Demand, demands_of


@pytest.mark.parametrize(
    ("text", "demands"),
    [
        ("the leftmost car", [Demand("left", 1)]),
        ("the second person from the left", [Demand("left", 2)]),
        ("the man second from the right", [Demand("right", 2)]),
        ("who is second from the left?", [Demand("left", 2)]),
        ("the third car from the right", [Demand("right", 3)]),
        ("the man on the left", [Demand("left")]),
        ("the second man on the left", [Demand("left", 2)]),
        ("an adult leftmost waves", [Demand("left", 1)]),
        ("the man on the far left", [Demand("left")]),
        ("who is on the left?", [Demand("left")]),
        ("the left man", [Demand("left")]),
        ("the car on the left side of the picture", [Demand("left")]),
        ("the car in the top left corner", [Demand("top"), Demand("left")]),
        ("the man in the red coat in the middle", [Demand("middle")]),
        ("the dog at the bottom", [Demand("bottom")]),
        ("the tallest man waves", [Demand("tall", 1)]),
        ("who is the tallest?", [Demand("tall", 1)]),
        ("the second tallest man", [Demand("tall", 2)]),
        ("the biggest dog", [Demand("large", 1)]),
        ("the man closest to the camera", [Demand("near", 1)]),
        ("the man in the red tie closest to the camera", [Demand("near", 1)]),
        ("the man in the red coat leftmost", [Demand("left", 1)]),
        ("which car is farthest from the camera?", [Demand("far", 1)]),
        ("the man sitting on the right sings", [Demand("right")]),
        ("the smaller of the two dogs runs", [Demand("small", 1)]),
        ("the tallest of the men runs", [Demand("tall", 1)]),
        ("the man in the background waves", [Demand("far")]),
        ("the man in red next to the dog is on the left", [Demand("left")]),
        ("the man on the left of the car", []),
        ("the man walks to the left", []),
        ("a man in lower clothes", []),
        ("the man moves from the left to the right", []),
        ("the man in the vest", []),
    ],
)
def test_places_and_ranks(text: str, demands: list[Demand]) -> None:
    query = read(text)
    assert list(demands_of(query.entities[query.target].attributes)[0]) == demands
    assert not [flag for flag in query.flags if flag.startswith("not_judged")]


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("the oldest man waves", "not_judged:oldest"),
        ("the second man waves", "not_judged:second"),
        ("the first car", "not_judged:first"),
        ("the last man", "not_judged:last"),
    ],
)
def test_what_nothing_measures_is_told(text: str, flag: str) -> None:
    assert flag in read(text).flags
