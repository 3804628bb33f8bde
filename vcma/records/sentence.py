"""A sentence as the model reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Sentence:
    """One parsed sentence and where it is searched: native frames [begin, end) of a video, end -1: to its end."""

    sample: str
    video: str
    begin: int
    end: int
    phrases: tuple[str, ...]
    heads: tuple[str, ...]
    attributes: tuple[tuple[str, ...], ...]
    target: int
    relations: tuple[tuple[int, str, int], ...]  # subject, predicate, object or -1

    @property
    def clip(self) -> tuple[str, int, int]:
        return self.video, self.begin, self.end

    def words(self, entity: int) -> list[str]:
        """The words that carry an entity's meaning: attributes, then head."""
        return " ".join([*self.attributes[entity], self.heads[entity]]).lower().split()

    def traits(self, entity: int) -> tuple[str, ...]:
        """What a detector's attributes might say of an entity: its attributes, and its head ('woman', 'boy')."""
        return *self.attributes[entity], self.heads[entity]


def sentences(samples: Mapping[str, Any], queries: Mapping[str, Any], split: str) -> list[Sentence]:
    """The parsed sentences of one split, from the SAMPLES and QUERIES columns, in the order of samples."""
    parsed = {sample: row for row, sample in enumerate(queries["sample"])}
    wanted = np.flatnonzero(samples["split"] == split)
    return [_sentence(samples, queries, i, parsed[samples["sample"][i]]) for i in wanted.tolist()]


def _sentence(samples: Mapping[str, Any], queries: Mapping[str, Any], i: int, row: int) -> Sentence:
    entity = slice(*queries["entity_offset"][row : row + 2])
    relation = slice(*queries["relation_offset"][row : row + 2])
    triples = zip(
        queries["subject"][relation].tolist(),
        queries["predicate"][relation],
        queries["object"][relation].tolist(),
        strict=True,
    )
    return Sentence(
        sample=samples["sample"][i],
        video=samples["video"][samples["sample_video"][i]],
        begin=int(samples["segment_begin"][i]),
        end=int(samples["segment_end"][i]),
        phrases=tuple(queries["entity"][entity]),
        heads=tuple(queries["head"][entity]),
        attributes=tuple(tuple(a for a in text.split("; ") if a) for text in queries["attributes"][entity]),
        target=int(queries["target"][row]),
        # A thing in relation to itself says nothing about two tubes.
        relations=tuple((s, p, o) for s, p, o in triples if s != o),
    )


def grouped(sentences: Iterable[Sentence]) -> dict[tuple[str, int, int], list[Sentence]]:
    """Sentences by the clip they are searched in, clips in order of first appearance."""
    groups: dict[tuple[str, int, int], list[Sentence]] = {}
    for sentence in sentences:
        groups.setdefault(sentence.clip, []).append(sentence)
    return groups
