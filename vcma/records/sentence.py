"""A sentence as the model reads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vcma.records.columns import Columns
from vcma.records.query import Query, query_at


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
    flags: tuple[str, ...] = ()  # the parser's doubts

    @classmethod
    def of(cls, query: Query, sample: str, video: str, begin: int, end: int) -> Sentence:
        """From a parsed sentence and where it is searched."""
        relations = ((r.subject, r.predicate, -1 if r.object is None else r.object) for r in query.relations)
        return cls(
            sample=sample,
            video=video,
            begin=begin,
            end=end,
            phrases=tuple(e.text for e in query.entities),
            heads=tuple(e.head for e in query.entities),
            attributes=tuple(e.attributes for e in query.entities),
            target=query.target,
            # A thing in relation to itself says nothing about two tubes.
            relations=tuple((s, predicate, o) for s, predicate, o in relations if s != o),
            flags=query.flags,
        )

    @property
    def clip(self) -> tuple[str, int, int]:
        return self.video, self.begin, self.end

    def text(self, entity: int) -> str:
        """What is said of an entity, as one reads it: its phrase in the sentence."""
        return " ".join(self.phrases[entity].lower().split()).strip(" .,?!")

    def relation_text(self, relation: int) -> str:
        """Subject and predicate as a phrase: 'the adult in red hold'.

        Without the object, whose name would draw an image encoder to whatever looks like it.
        """
        subject, predicate, _ = self.relations[relation]
        return f"{self.text(subject)} {predicate}"

    def words(self, entity: int) -> list[str]:
        """The words that carry an entity's meaning: attributes, then head."""
        return " ".join([*self.attributes[entity], self.heads[entity]]).lower().split()

    def names(self, entity: int) -> tuple[str, ...]:
        """The words that may name its class, the head last: 'toy', 'bear'; what it wears or is beside does not."""
        return *(a for a in self.attributes[entity] if " " not in a), self.heads[entity]

    def traits(self, entity: int) -> tuple[str, ...]:
        """What a detector's attributes might say of an entity: its attributes, and its head ('woman', 'boy')."""
        return *self.attributes[entity], self.heads[entity]


_FEW = 100  # sentences; a model of fewer is learned in seconds and says nothing of the method


def few_sentences(count: int) -> str:
    """What to say of training on so many sentences; empty where they are enough, or none was trained on."""
    return "so few sentences only check the plumbing" if 0 < count < _FEW else ""


def counted_sentences(count: int) -> str:
    """How many sentences were trained on, and whether they are few."""
    few = few_sentences(count)
    return f"{count:,} sentences{few and f' ({few})'}"


def sentences(samples: Columns, queries: Columns, split: str) -> list[Sentence]:
    """The parsed sentences of one split, from the SAMPLES and QUERIES columns, in the order of samples."""
    parsed = {sample: row for row, sample in enumerate(queries["sample"])}
    return [
        Sentence.of(
            query_at(queries, parsed[samples["sample"][i]]),
            sample=samples["sample"][i],
            video=samples["video"][samples["sample_video"][i]],
            begin=int(samples["segment_begin"][i]),
            end=int(samples["segment_end"][i]),
        )
        for i in np.flatnonzero(samples["split"] == split).tolist()
    ]


def grouped(sentences: Iterable[Sentence]) -> dict[tuple[str, int, int], list[Sentence]]:
    """Sentences by the clip they are searched in, clips in order of first appearance."""
    groups: dict[tuple[str, int, int], list[Sentence]] = {}
    for sentence in sentences:
        groups.setdefault(sentence.clip, []).append(sentence)
    return groups
