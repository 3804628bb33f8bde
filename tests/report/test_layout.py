"""Where text stands."""

from hypothesis import given
from hypothesis import strategies as st

from vcma.records.query import Entity, Query
from vcma.report.layout import sentence_pieces


@given(st.text(max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=4))
def test_marking_entities_leaves_the_sentence_as_it_is(text, spans):
    entities = tuple(Entity("x", "x", (), "singular", (min(s), max(s))) for s in spans)
    pieces = sentence_pieces(Query(text, "declarative", entities, (), 0))
    assert "".join(piece for piece, _ in pieces) == text
