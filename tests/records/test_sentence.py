"""Claims about sentences: which words of an entity may name its class."""

from __future__ import annotations

from tests.parsing.readings import read
from vcma.records.sentence import Sentence


def test_what_is_worn_or_near_names_no_class() -> None:
    told = Sentence.of(read("the big acrobat in a red tie closest to the camera holds a toy bear"), "s", "v", 0, -1)
    assert told.names(0) == ("big", "closest", "acrobat")
    assert told.names(1) == ("toy", "bear")
