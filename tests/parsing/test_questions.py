"""Claims about questions: the wh-word fills the place that the words leave empty."""

from __future__ import annotations

import pytest

from tests.parsing.readings import QUESTIONS, named_relations, read


@pytest.mark.parametrize(("text", "target", "relations"), QUESTIONS)
def test_question(text: str, target: str, relations: list[tuple[str, ...]]) -> None:
    query = read(text)
    assert query.entities[query.target].head == target
    assert named_relations(query) == relations
