"""Vocabulary of a model: words and predicates of the training sentences, and label names of the detector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from vcma.records.sentence import Sentence


@runtime_checkable
class TextFeatures(Protocol):
    """Name and width of text features."""

    @property
    def name(self) -> str: ...

    @property
    def width(self) -> int: ...


@dataclass(frozen=True)
class Vocabulary:
    """Words with a learned vector, predicates with base rates, and label names.

    words, pairs, actions: sorted. pair_rate, action_rate: base rates p0, add-one-smoothed frequencies, separately
    for pairs and actions and without `none`. feature: width of the detector's features. clips: number of training
    clips. text, text_width: name and width of the text features. region_text: fingerprint of the region-text
    encoder, empty without one.
    """

    words: tuple[str, ...]
    pairs: tuple[str, ...]
    actions: tuple[str, ...]
    pair_rate: tuple[float, ...]
    action_rate: tuple[float, ...]
    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    feature: int
    clips: int = 0
    text: str = "wordllama"
    text_width: int = 256
    region_text: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Vocabulary:
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in value.items()}
        return cls(**fields)


def vocabulary(
    train: Sequence[Sentence],
    class_names: Iterable[str],
    attribute_names: Iterable[str],
    feature: int,
    texts: TextFeatures,
    region_text: str = "",
) -> Vocabulary:
    """Build the vocabulary of training sentences; words and predicates that occur only once are left out."""
    words = Counter(w for s in train for e in range(len(s.heads)) for w in s.words(e))
    pairs = Counter(p for s in train for _, p, o in s.relations if o >= 0)
    actions = Counter(p for s in train for _, p, o in s.relations if o < 0)
    pair_names, action_names = (tuple(sorted(p for p, n in c.items() if n > 1)) for c in (pairs, actions))

    def rates(names: tuple[str, ...], count: Counter) -> tuple[float, ...]:
        total = sum(count[p] + 1 for p in names)
        return tuple((count[p] + 1) / total for p in names)

    return Vocabulary(
        words=tuple(sorted(w for w, n in words.items() if n > 1)),
        pairs=pair_names,
        actions=action_names,
        pair_rate=rates(pair_names, pairs),
        action_rate=rates(action_names, actions),
        class_names=tuple(class_names),
        attribute_names=tuple(attribute_names),
        feature=feature,
        clips=len({s.clip for s in train}),
        text=texts.name,
        text_width=texts.width,
        region_text=region_text,
    )
