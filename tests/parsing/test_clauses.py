"""Claims about the walk over a sentence's clauses: events, their subjects and objects, settings."""

from __future__ import annotations

import pytest

from tests.parsing.readings import STATEMENTS, named_relations, read


@pytest.mark.parametrize(("text", "target", "relations"), STATEMENTS)
def test_statement(text: str, target: str, relations: list[tuple[str, ...]]) -> None:
    query = read(text)
    assert query.entities[query.target].head == target
    assert named_relations(query) == relations
