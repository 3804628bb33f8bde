"""A parsed sentence with the clip it is searched in: the input of the model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vcma.records.columns import Columns
from vcma.records.query import Query, query_at


@dataclass(frozen=True)
class Sentence:
    """A parsed sentence and its clip: native frames [begin, end) of a video, end -1: the end of the video."""

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
        """Create from a parsed sentence and its clip."""
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
            # A relation of an entity to itself says nothing about a pair of tubes.
            relations=tuple((s, predicate, o) for s, predicate, o in relations if s != o),
            flags=query.flags,
        )

    @property
    def clip(self) -> tuple[str, int, int]:
        return self.video, self.begin, self.end

    def text(self, entity: int) -> str:
        """Return an entity's phrase in the sentence, in lower case, without punctuation at its ends."""
        return " ".join(self.phrases[entity].lower().split()).strip(" .,?!")

    def relation_text(self, relation: int) -> str:
        """Return subject and predicate as a phrase: 'the adult in red hold'.

        The object is left out, because its name would raise the cosine of any image of a similar object.
        """
        subject, predicate, _ = self.relations[relation]
        return f"{self.text(subject)} {predicate}"

    def words(self, entity: int) -> list[str]:
        """Return the content words of an entity: attributes, then head."""
        return " ".join([*self.attributes[entity], self.heads[entity]]).lower().split()

    def names(self, entity: int) -> tuple[str, ...]:
        """Return the words that may name its class, head last: 'toy', 'bear'; not what it wears or is beside."""
        return *(a for a in self.attributes[entity] if " " not in a), self.heads[entity]

    def traits(self, entity: int) -> tuple[str, ...]:
        """Return the texts to match with a detector's attributes: attributes and head ('woman', 'boy')."""
        return *self.attributes[entity], self.heads[entity]


_FEW = 100  # sentences; results of training on fewer say nothing about the method


def few_sentences(count: int) -> str:
    """Return a remark if the number of training sentences is small; empty if it is sufficient or 0."""
    return "too few training sentences for meaningful results" if 0 < count < _FEW else ""


def counted_sentences(count: int) -> str:
    """Format the number of training sentences, with a remark if they are few."""
    few = few_sentences(count)
    return f"{count:,} sentences{few and f' ({few})'}"


def sentences(samples: Columns, queries: Columns, split: str) -> list[Sentence]:
    """Return the parsed sentences of a split, from the SAMPLES and QUERIES columns, in the order of samples."""
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
    """Group sentences by their clip, clips in order of first appearance."""
    groups: dict[tuple[str, int, int], list[Sentence]] = {}
    for sentence in sentences:
        groups.setdefault(sentence.clip, []).append(sentence)
    return groups
