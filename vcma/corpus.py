"""Sentences as the model reads them: vocabulary, encoding, and batches of clips with their sentences.

A batch holds V clips and all their sentences, flat: S sentences, M entities, K pair relations and L actions, each
with the row of what it belongs to. That way a clip's pair features serve all its sentences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vcma.clip import Clip
from vcma.cues import PAIR_CUES, SINGLE_CUES, cues
from vcma.embedding import WORDLLAMA, TextFeatures
from vcma.geometry import PAIR_FEATURES, SINGLE_FEATURES
from vcma.text import attribute_weights, class_weights, label_prior


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


@dataclass(frozen=True)
class Vocabulary:
    """What training sentences fix: words with a learned vector, predicates with their base rates, label names.

    words and predicates are sorted; base rates are add-one-smoothed frequencies, pairs and actions apart, `none`
    left out. feature is the width of the detector's features; text and text_width are those of the text features.
    """

    words: tuple[str, ...]
    pairs: tuple[str, ...]
    actions: tuple[str, ...]
    pair_rate: tuple[float, ...]
    action_rate: tuple[float, ...]
    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    feature: int
    text: str = WORDLLAMA.name
    text_width: int = WORDLLAMA.width

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
    texts: TextFeatures = WORDLLAMA,
) -> Vocabulary:
    """Count the training sentences. A word or predicate must occur twice to get a vector of its own."""
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
        text=texts.name,
        text_width=texts.width,
    )


@dataclass(frozen=True)
class Batch:
    """V clips (N tubes, T frames, D appearance) and their S sentences; index columns are rows of this batch.

    single float16 [V, N, T, .] and pair float16 [V, N, N, T, .], geometry and motion; present bool [V, N, T]; frame
    bool [V, T], tube bool [V, N]: what is no padding; appearance float32 [V, N, D + C + A], of each tube.
    sentence_clip [S]; entity_sentence, entity_rank [M]; entity_words [M, words] (-1: none), entity_static [M, W],
    entity_label float32 [M, N]; target [S] (row of entity); known [S, 3], the true tube, first and end slot, -1:
    unknown, as all are but for the supervised ceiling. pair_* [K] and action_* [L]: sentence, subject,
    object, predicate (index in the vocabulary, -1: unseen), static [., W] and cue [., features].
    phrase [M]: equal numbers for equal phrases, for the contrast's false negatives.
    """

    single: np.ndarray
    pair: np.ndarray
    present: np.ndarray
    frame: np.ndarray
    tube: np.ndarray
    appearance: np.ndarray
    sentence_clip: np.ndarray
    target: np.ndarray
    known: np.ndarray
    entity_sentence: np.ndarray
    entity_rank: np.ndarray
    entity_words: np.ndarray
    entity_static: np.ndarray
    entity_label: np.ndarray
    phrase: np.ndarray
    pair_sentence: np.ndarray
    pair_subject: np.ndarray
    pair_object: np.ndarray
    pair_predicate: np.ndarray
    pair_static: np.ndarray
    pair_cue: np.ndarray
    action_sentence: np.ndarray
    action_subject: np.ndarray
    action_predicate: np.ndarray
    action_static: np.ndarray
    action_cue: np.ndarray


class Encoder:
    """Turns sentences and clips into batches; looks every distinct text up once."""

    def __init__(self, vocabulary: Vocabulary, texts: TextFeatures = WORDLLAMA):
        self.vocabulary, self.texts = vocabulary, texts
        self._word = {w: i for i, w in enumerate(vocabulary.words)}
        self._pair = {p: i for i, p in enumerate(vocabulary.pairs)}
        self._action = {p: i for i, p in enumerate(vocabulary.actions)}
        self._static: dict[str, np.ndarray] = {}
        self._class: dict[tuple[str, ...], np.ndarray] = {}
        self._attribute: dict[tuple[str, ...], np.ndarray] = {}

    def learn(self, sentences: Iterable[Sentence]) -> None:
        """Look up all texts of these sentences at once, much faster than one by one."""
        texts, phrases, traits = set(), set(), set()
        for s in sentences:
            for e in range(len(s.heads)):
                texts.add(" ".join(s.words(e)))
                phrases.add(tuple(s.words(e)))
                traits.add(s.traits(e))
            texts.update(p for _, p, _ in s.relations)
        _extend(self._static, texts, self.texts.embed)
        _extend(self._class, phrases, lambda new: class_weights(new, self.vocabulary.class_names))
        _extend(self._attribute, traits, lambda new: attribute_weights(new, self.vocabulary.attribute_names))

    def label_prior(self, sentence: Sentence, clip: Clip) -> np.ndarray:
        """label(e_i, n) of all entities of a sentence: float32 [entities, N]."""
        rows = [
            label_prior(
                self._class[tuple(sentence.words(e))],
                self._attribute[sentence.traits(e)],
                clip.class_prob,
                clip.attribute_prob,
            )
            for e in range(len(sentence.heads))
        ]
        return np.stack(rows)

    def batch(
        self,
        clips: Sequence[Clip],
        groups: Sequence[Sequence[Sentence]],
        known: Mapping[str, tuple[int, int, int]] | None = None,
        frames: int = 0,
        random: np.random.Generator | None = None,
    ) -> Batch:
        """Clips and, for each, its sentences. Clips must have at least one tube and one frame.

        frames: of longer clips so many frames, one at random of each of as many equal parts; 0: all of them.
        known: by sample, the true row of tube in its clip, first and end slot (-1: unknown).
        """
        slots = [_slots(len(c.frame), frames, random) for c in clips]
        V, N, T = len(clips), max(len(c.tube) for c in clips), max(map(len, slots))
        D = clips[0].appearance.shape[1]
        single = np.zeros((V, N, T, len(SINGLE_FEATURES)), np.float16)
        pair = np.zeros((V, N, N, T, len(PAIR_FEATURES)), np.float16)
        present, appearance = np.zeros((V, N, T), bool), np.zeros((V, N, D), np.float32)
        frame, tube = np.zeros((V, T), bool), np.zeros((V, N), bool)
        for v, (clip, at) in enumerate(zip(clips, slots, strict=True)):
            n, t = len(clip.tube), len(at)
            single[v, :n, :t], pair[v, :n, :n, :t] = clip.single[:, at], clip.pair[:, :, at]
            present[v, :n, :t], appearance[v, :n] = clip.present[:, at], clip.appearance
            frame[v, :t] = tube[v, :n] = True
        flat = _Flat()
        for v, (clip, group) in enumerate(zip(clips, groups, strict=True)):
            for sentence in group:
                self._add(flat, v, clip, sentence, N)
        told = [
            _thinned((known or {}).get(s.sample, (-1, -1, -1)), at)
            for group, at in zip(groups, slots, strict=True)
            for s in group
        ]
        return Batch(
            single,
            pair,
            present,
            frame,
            tube,
            appearance,
            known=np.array(told, np.int64),
            **flat.arrays(N, self.texts.width),
        )

    def _add(self, flat: _Flat, v: int, clip: Clip, sentence: Sentence, N: int) -> None:
        s, first = len(flat.sentence_clip), len(flat.entity_sentence)
        flat.sentence_clip.append(v)
        flat.target.append(first + sentence.target)
        label = np.zeros((len(sentence.heads), N), np.float32)
        label[:, : len(clip.tube)] = self.label_prior(sentence, clip)
        for rank in range(len(sentence.heads)):
            words = sentence.words(rank)
            flat.entity_sentence.append(s)
            flat.entity_rank.append(rank)
            flat.entity_words.append([self._word.get(w, -1) for w in words])
            flat.entity_static.append(self._static[" ".join(words)])
            flat.entity_label.append(label[rank])
            flat.phrase.append(" ".join(words))
        for subject, predicate, other in sentence.relations:
            static = self._static[predicate]
            if other >= 0:
                flat.pairs.append(
                    (s, first + subject, first + other, self._pair.get(predicate, -1), predicate, static)
                )
            else:
                flat.actions.append((s, first + subject, self._action.get(predicate, -1), predicate, static))


def _slots(count: int, frames: int, random: np.random.Generator | None) -> np.ndarray:
    if not frames or random is None or count <= frames:
        return np.arange(count)
    return ((np.arange(frames) + random.random(frames)) * count / frames).astype(np.int64)


def _thinned(known: tuple[int, int, int], slots: np.ndarray) -> tuple[int, int, int]:
    """The first and end slot among those that were kept, at least one frame."""
    tube, begin, end = known
    if begin < 0:
        return known
    first = min(int(np.searchsorted(slots, begin)), len(slots) - 1)
    return tube, first, max(int(np.searchsorted(slots, end)), first + 1)


def _extend(table: dict, keys: Iterable, look_up: Callable[[list], Iterable]) -> None:
    new = sorted(set(keys) - set(table))
    table.update(zip(new, look_up(new), strict=True))


class _Flat:
    """The sentence side of a batch while it grows."""

    def __init__(self) -> None:
        self.sentence_clip: list[int] = []
        self.target: list[int] = []
        self.entity_sentence: list[int] = []
        self.entity_rank: list[int] = []
        self.entity_words: list[list[int]] = []
        self.entity_static: list[np.ndarray] = []
        self.entity_label: list[np.ndarray] = []
        self.phrase: list[str] = []
        self.pairs: list[tuple] = []
        self.actions: list[tuple] = []

    def arrays(self, N: int, width: int) -> dict[str, np.ndarray]:
        longest = max((len(w) for w in self.entity_words), default=1)
        words = np.full((len(self.entity_words), max(longest, 1)), -1)
        for row, ids in enumerate(self.entity_words):
            words[row, : len(ids)] = ids
        number = {phrase: i for i, phrase in enumerate(dict.fromkeys(self.phrase))}

        def column(rows: list[tuple], i: int) -> np.ndarray:
            return np.array([row[i] for row in rows], np.int64)

        def static(rows: list[tuple]) -> np.ndarray:
            return np.array([row[-1] for row in rows], np.float32).reshape(len(rows), width)

        return {
            "sentence_clip": np.array(self.sentence_clip, np.int64),
            "target": np.array(self.target, np.int64),
            "entity_sentence": np.array(self.entity_sentence, np.int64),
            "entity_rank": np.array(self.entity_rank, np.int64),
            "entity_words": words,
            "entity_static": np.array(self.entity_static, np.float32).reshape(-1, width),
            "entity_label": np.array(self.entity_label, np.float32).reshape(-1, N),
            "phrase": np.array([number[p] for p in self.phrase], np.int64),
            "pair_sentence": column(self.pairs, 0),
            "pair_subject": column(self.pairs, 1),
            "pair_object": column(self.pairs, 2),
            "pair_predicate": column(self.pairs, 3),
            "pair_static": static(self.pairs),
            "pair_cue": cues([row[-2] for row in self.pairs], PAIR_CUES, PAIR_FEATURES),
            "action_sentence": column(self.actions, 0),
            "action_subject": column(self.actions, 1),
            "action_predicate": column(self.actions, 2),
            "action_static": static(self.actions),
            "action_cue": cues([row[-2] for row in self.actions], SINGLE_CUES, SINGLE_FEATURES),
        }


def grouped(sentences: Iterable[Sentence]) -> dict[tuple[str, int, int], list[Sentence]]:
    """Sentences by the clip they are searched in, clips in order of first appearance."""
    groups: dict[tuple[str, int, int], list[Sentence]] = {}
    for sentence in sentences:
        groups.setdefault(sentence.clip, []).append(sentence)
    return groups


def shuffled(keys: Sequence[Any], size: int, seed: tuple[int, ...]) -> Iterator[list[Any]]:
    """Runs of `size` keys in a random order that follows from the seed alone; the last run may be shorter."""
    order = np.random.default_rng(seed).permutation(len(keys))
    for i in range(0, len(keys), size):
        yield [keys[j] for j in order[i : i + size]]
