"""Lay out a sentence's graph for its page: a column of entities, an arc for each relation; all in px."""

from __future__ import annotations

from typing import NamedTuple

from vcma.records.query import Query, Relation
from vcma.report.layout import free_height, shortened

_ROW_HEIGHT, _LEFT, _NODE_WIDTH, _NODE_HEIGHT, _WIDTH = 52, 4, 168, 30, 340


class Node(NamedTuple):
    """An entity: upper left corner of its box, and its text, shortened and in full."""

    entity: int
    x: int
    y: int
    text: str
    full: str


class Edge(NamedTuple):
    """A relation: the SVG path of its arc, its text and its position. An action has no object."""

    relation: int
    path: str
    action: bool
    text: str
    label_x: int
    label_y: float


class Graph(NamedTuple):
    """The graph of a sentence; top: smallest y of any element, at most 0."""

    nodes: list[Node]
    edges: list[Edge]
    top: float
    width: int
    height: float
    node_width: int
    node_height: int


def query_graph(query: Query) -> Graph:
    """Lay out the graph of a parsed sentence."""
    middle = [_NODE_HEIGHT // 2 + 6 + _ROW_HEIGHT * i for i in range(len(query.entities))]
    nodes = [
        Node(i, _LEFT, y - _NODE_HEIGHT // 2, shortened(entity.text, 24), entity.text)
        for i, (entity, y) in enumerate(zip(query.entities, middle, strict=True))
    ]
    edges: list[Edge] = []
    for k, relation in enumerate(query.relations):
        edges.append(_edge(k, relation, middle, [edge.label_y for edge in edges]))
    bottom = max([*(y + _NODE_HEIGHT // 2 + 6 for y in middle), *(edge.label_y + 10 for edge in edges)])
    top = min([0.0, *(edge.label_y - 14 for edge in edges)])
    return Graph(nodes, edges, top, _WIDTH, bottom - top, _NODE_WIDTH, _NODE_HEIGHT)


def _edge(k: int, relation: Relation, middle: list[int], taken: list[float]) -> Edge:
    """Lay out one relation; middle: height of each entity; taken: heights of the labels placed so far."""
    right = _LEFT + _NODE_WIDTH
    begin = middle[relation.subject]
    if relation.object is None:
        label = free_height(float(begin), taken, 16)
        path = f"M{right} {begin} C{right + 14} {begin} {right + 10} {label} {right + 22} {label}"
        return Edge(k, path, True, relation.predicate, right + 28, label)
    end = middle[relation.object]
    bend = right + 22 + 12 * (k % 3)
    label = free_height((begin + end) / 2, taken, 16)
    path = f"M{right} {begin - 4} C{bend + 14} {begin - 4} {bend + 14} {end + 4} {right + 6} {end + 4}"
    return Edge(k, path, False, relation.predicate, bend + 12, label)
