"""A parsed sentence: entities, relations and target, with conversion to and from the columns of `queries`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vcma.records.columns import offsets


@dataclass(frozen=True)
class Entity:
    """An object mentioned in a sentence. text: the characters [begin, end) of span; head: lemma of its noun.

    Attributes are "red", "in white", "with glasses", "wearing a hat"; number is singular or plural. Flags: `wh`
    (the "who" of a question), `pronoun` (without an antecedent), `fallback` (the whole text).
    """

    text: str
    head: str
    attributes: tuple[str, ...]
    number: str
    span: tuple[int, int]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Relation:
    """subject -predicate-> object, as indices of entities; object is None for an action without an object."""

    subject: int
    predicate: str
    object: int | None = None


@dataclass(frozen=True)
class Query:
    """A parsed sentence: at least one entity, relations in sentence order, and the index of the target entity.

    kind is declarative or interrogative. Flags: `fallback_entity` (no object mentioned), `empty` (no word),
    `truncated` (longer than the parser's limit), `no_relation`, `unresolved_pronoun`, `misspelt:halmet=helmet`
    (corrected to the second), `not_judged:not_walk` (negated, or a rank without a measure: not part of the entities
    or relations).
    """

    text: str
    kind: str
    entities: tuple[Entity, ...]
    relations: tuple[Relation, ...]
    target: int
    flags: tuple[str, ...] = ()

    def evidence_order(self) -> list[int]:
        """Indices of the relations that yield evidence, in the order of its rows: relations between two entities,
        then actions without an object. A relation of an entity to itself says nothing about a pair of tubes."""
        kept = [k for k, r in enumerate(self.relations) if r.subject != r.object]
        return sorted(kept, key=lambda k: self.relations[k].object is None)

    def to_json(self) -> dict[str, object]:
        """Return the query as JSON values: text, kind, entities, relations, target, flags."""
        return {
            "text": self.text,
            "kind": self.kind,
            "entities": [
                {"text": e.text, "head": e.head, "attributes": list(e.attributes), "span": list(e.span)}
                for e in self.entities
            ],
            "relations": [asdict(r) for r in self.relations],
            "target": self.target,
            "flags": list(self.flags),
        }


def query_columns(queries: Sequence[Query]) -> dict[str, Any]:
    """Return the QUERIES columns except `sample`."""

    def text(values: Iterable[str]) -> np.ndarray:
        # HDF5 text cannot hold NUL or lone surrogates.
        return np.array([v.replace("\0", "?").encode("utf-8", "replace").decode() for v in values], dtype=object)

    def number(values: Iterable[int]) -> np.ndarray:
        return np.array(list(values), dtype=np.int64)

    entities = [e for q in queries for e in q.entities]
    relations = [r for q in queries for r in q.relations]
    return {
        "text": text(q.text for q in queries),
        "kind": text(q.kind for q in queries),
        "target": number(q.target for q in queries),
        "flags": text(" ".join(q.flags) for q in queries),
        "entity_offset": offsets(len(q.entities) for q in queries),
        "entity": text(e.text for e in entities),
        "head": text(e.head for e in entities),
        "attributes": text("; ".join(e.attributes) for e in entities),
        "number": text(e.number for e in entities),
        "entity_begin": number(e.span[0] for e in entities),
        "entity_end": number(e.span[1] for e in entities),
        "relation_offset": offsets(len(q.relations) for q in queries),
        "subject": number(r.subject for r in relations),
        "predicate": text(r.predicate for r in relations),
        "object": number(-1 if r.object is None else r.object for r in relations),
    }


def query_at(columns: Mapping[str, Any], row: int) -> Query:
    """Return the parsed sentence in a row of the QUERIES columns."""
    entity = range(*columns["entity_offset"][row : row + 2])
    relation = range(*columns["relation_offset"][row : row + 2])
    return Query(
        text=columns["text"][row],
        kind=columns["kind"][row],
        entities=tuple(
            Entity(
                columns["entity"][i],
                columns["head"][i],
                tuple(a for a in columns["attributes"][i].split("; ") if a),
                columns["number"][i],
                (int(columns["entity_begin"][i]), int(columns["entity_end"][i])),
            )
            for i in entity
        ),
        relations=tuple(
            Relation(
                int(columns["subject"][i]),
                columns["predicate"][i],
                None if columns["object"][i] < 0 else int(columns["object"][i]),
            )
            for i in relation
        ),
        target=int(columns["target"][row]),
        flags=tuple(columns["flags"][row].split()),
    )
