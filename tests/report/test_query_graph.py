"""The sentence as a graph."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vcma.records.query import Entity, Query, Relation
from vcma.report.query_graph import query_graph


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=9))
def test_no_two_relations_of_a_graph_overlap(pairs):
    entities = tuple(Entity("x", "x", (), "singular", (0, 1)) for _ in range(4))
    relations = tuple(Relation(a, "r", None if a == b else b) for a, b in pairs)
    drawn = query_graph(Query("x", "declarative", entities, relations, 0))
    heights = sorted(edge.label_y for edge in drawn.edges)
    assert len(heights) == len(pairs) and all(np.diff(heights) >= 15)
