"""Encoding of sentences and clips as a batch: text features looked up, clips padded, sentences flattened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float

from vcma.model.batch import Batch
from vcma.model.clip import Clip
from vcma.model.motion_features import PAIR_FEATURES, SINGLE_FEATURES
from vcma.model.place_evidence import place_evidence
from vcma.model.presence import presence
from vcma.model.prominence import prominence, reliability
from vcma.model.relation_cues import PAIR_CUES, SINGLE_CUES, cues
from vcma.model.vocabulary import Vocabulary
from vcma.records.demand import demands_of
from vcma.records.noun_phrases import noun_phrase
from vcma.records.sentence import Sentence
from vcma.text.features import WORDLLAMA, TextFeatures
from vcma.text.label_matching import RESEMBLANCE, attribute_weights, class_agreement, class_weights, label_prior
from vcma.text.region_text import RegionText

Label = tuple[int, int, int]  # ground truth: index of the tube in the clip, first and end slot; -1: unknown
UNKNOWN: Label = (-1, -1, -1)


class Encoder:
    """Encodes sentences and clips as batches; the features of each distinct text are computed once.

    region_text: agreement of phrases with tubes by a region-text encoder, if there is one.
    """

    def __init__(
        self, vocabulary: Vocabulary, texts: TextFeatures = WORDLLAMA, region_text: RegionText | None = None
    ):
        self.vocabulary, self.texts, self.region_text = vocabulary, texts, region_text
        self._word = {w: i for i, w in enumerate(vocabulary.words)}
        self._pair = {p: i for i, p in enumerate(vocabulary.pairs)}
        self._action = {p: i for i, p in enumerate(vocabulary.actions)}
        self._static: dict[str, np.ndarray] = {}
        self._class: dict[tuple[str, ...], np.ndarray] = {}
        self._prompted: dict[tuple, np.ndarray] = {}
        self._attribute: dict[tuple[str, ...], np.ndarray] = {}

    def prepare(self, sentences: Iterable[Sentence]) -> None:
        """Compute the features of all texts of these sentences, much faster than one by one."""
        sentences, texts, phrases, traits = list(sentences), set(), set(), set()
        for s in sentences:
            for e in range(len(s.heads)):
                texts.add(" ".join(s.words(e)))
                phrases.add(s.names(e))
                traits.add(s.traits(e))
            texts.update(p for _, p, _ in s.relations)
        if self.region_text is not None:
            self.region_text.prepare(self._region_texts(sentences))
        _extend(self._static, texts, self.texts.embed)
        _extend(self._class, phrases, lambda new: class_weights(new, self.vocabulary.class_names))
        _extend(self._attribute, traits, lambda new: attribute_weights(new, self.vocabulary.attribute_names))

    def label_prior(self, sentence: Sentence, clip: Clip) -> Float[np.ndarray, "M N"]:
        """Return label(e_i, n) of all entities: agreement with detector labels, place and rank attributes."""
        rows = [
            label_prior(
                self._class_weight(sentence, e, clip),
                self._attribute[sentence.traits(e)],
                clip.class_prob,
                clip.attribute_prob,
            )
            for e in range(len(sentence.heads))
        ]
        demands = [demands_of(attributes)[0] for attributes in sentence.attributes]
        met = [place_evidence(d, clip, row) if d else 0 for d, row in zip(demands, rows, strict=True)]
        return np.stack([row + evidence for row, evidence in zip(rows, met, strict=True)])

    def region_text_agreement(self, sentence: Sentence, clip: Clip) -> Float[np.ndarray, "M N"]:
        """Return the agreement of entities' phrases with the tubes by the region-text encoder; 0 without one."""
        if self.region_text is None:
            return np.zeros((len(sentence.heads), len(clip.tube)), np.float32)
        texts = (sentence.text(e) for e in range(len(sentence.heads)))
        return np.stack([self.region_text.log_agreement(text, clip.embedding) for text in texts])

    def _region_texts(self, sentences: Iterable[Sentence]) -> set[str]:
        """Texts for the region-text encoder: phrases of entities and, if it scores relations, of relations."""
        texts = {s.text(e) for s in sentences for e in range(len(s.heads))}
        if self.region_text is None or not self.region_text.relations:
            return texts
        return texts | {s.relation_text(k) for s in sentences for k in range(len(s.relations))}

    def relation_region_text(self, sentence: Sentence, relation: int, clip: Clip) -> Float[np.ndarray, "N T"]:
        """Return how well the crops of each tube, as the subject, show a relation over time, in nats.

        0 if relations are not scored; the mean over all crops for a tube without crops.
        """
        if self.region_text is None or not self.region_text.relations or not len(clip.crops.tube):
            return np.zeros(clip.present.shape, np.float32)
        position = clip.crop_position
        subject = sentence.text(sentence.relations[relation][0])
        shown = self.region_text.log_shown(sentence.relation_text(relation), subject, clip.crops.vector)
        over_time = np.interp(position, np.arange(len(shown)), shown).astype(np.float32)
        return np.where(np.isnan(position), shown.mean(), over_time)

    def class_agreement(self, sentence: Sentence, entity: int, clip: Clip) -> Float[np.ndarray, " N"]:
        """Return the agreement of each tube's class distribution with the head of an entity."""
        return class_agreement(self._class_weight(sentence, entity, clip), clip.class_prob)

    def presence(self, sentence: Sentence, clip: Clip) -> Float[np.ndarray, " M"]:
        """Return the probability that each entity has a tube in the clip; -1 where it cannot be estimated.

        It is estimated from the detector class that matches the entity by name or kind, otherwise from the
        region-text encoder, otherwise from classes that resemble it.
        """
        found, region_text = np.full(len(sentence.heads), -1.0), self.region_text_agreement(sentence, clip)
        for e in range(len(found)):
            if self.region_text is not None and not self.knows_class(sentence, e, clip):
                found[e] = presence(region_text[e], clip.score)
            elif self.resembles_class(sentence, e, clip):
                found[e] = presence(self.class_agreement(sentence, e, clip), clip.score)
        return found

    def knows_class(self, sentence: Sentence, entity: int, clip: Clip) -> bool:
        """Return whether a class of the clip matches an entity by name or kind, not only by similarity."""
        return bool((self._class_weight(sentence, entity, clip) >= 1).any())

    def resembles_class(self, sentence: Sentence, entity: int, clip: Clip) -> bool:
        """Return whether a class of the clip matches an entity, or at least resembles it."""
        return bool((self._class_weight(sentence, entity, clip) >= RESEMBLANCE).any())

    def _class_weight(self, sentence: Sentence, entity: int, clip: Clip) -> Float[np.ndarray, " C"]:
        """Weight of each class of the clip for an entity."""
        names = sentence.names(entity)
        if not clip.prompts:
            return self._class[names]
        whole = noun_phrase(sentence.heads[entity], sentence.attributes[entity])
        key = (names, whole, clip.prompts)
        if key not in self._prompted:
            weights = class_weights([names], self.vocabulary.class_names, clip.prompts, [whole])
            self._prompted[key] = weights[0]
        return self._prompted[key]

    def batch(
        self,
        clips: Sequence[Clip],
        groups: Sequence[Sequence[Sentence]],
        labels: Mapping[str, Label] | None = None,
        frames: int = 0,
        random: np.random.Generator | None = None,
    ) -> Batch:
        """Encode clips, each with its sentences (`groups`). Clips must have at least one tube and one frame.

        frames: number of frames sampled from longer clips, one at random from each of as many equal parts; 0: all
        frames. labels: ground truth by sample, only for the supervised ceiling.
        """
        slots = [_slots(len(c.frame), frames, random) for c in clips]
        padded = _padded(clips, slots)
        flat = _Flat()
        for v, (clip, group) in enumerate(zip(clips, groups, strict=True)):
            for sentence in group:
                self._add(flat, v, clip, sentence, padded["present"].shape[1:], slots[v])
        given = [
            _thinned((labels or {}).get(s.sample, UNKNOWN), at)
            for group, at in zip(groups, slots, strict=True)
            for s in group
        ]
        _, N, T = padded["present"].shape
        columns = padded | flat.arrays(N, T, self.texts.width)
        columns["labels"] = np.array(given, np.int64).reshape(-1, 3)
        return Batch(**{name: torch.from_numpy(values) for name, values in columns.items()})

    def _add(
        self, flat: _Flat, v: int, clip: Clip, sentence: Sentence, shape: tuple[int, ...], at: np.ndarray
    ) -> None:
        """Add a sentence of clip number v; shape: N and T of the batch; at: sampled frames."""
        N, _ = shape
        s, first = len(flat.sentence_clip), len(flat.entity_sentence)
        flat.sentence_clip.append(v)
        flat.target.append(first + sentence.target)
        label, region_text = np.zeros((2, len(sentence.heads), N), np.float32)
        label[:, : len(clip.tube)] = self.label_prior(sentence, clip)
        region_text[:, : len(clip.tube)] = self.region_text_agreement(sentence, clip)
        present = self.presence(sentence, clip).clip(min=0)
        for rank in range(len(sentence.heads)):
            words = sentence.words(rank)
            flat.entity_sentence.append(s)
            flat.entity_rank.append(rank)
            flat.entity_words.append([self._word.get(w, -1) for w in words])
            flat.entity_static.append(self._static[" ".join(words)])
            flat.entity_label.append(label[rank])
            flat.entity_region_text.append(region_text[rank])
            flat.entity_present.append(present[rank])
            flat.phrase.append(" ".join(words))
        for k, (subject, predicate, other) in enumerate(sentence.relations):
            static, shown = self._static[predicate], np.zeros(shape, np.float32)
            shown[: len(clip.tube), : len(at)] = self.relation_region_text(sentence, k, clip)[:, at]
            (flat.pairs_shown if other >= 0 else flat.actions_shown).append(shown)
            if other >= 0:
                flat.pairs.append(
                    (s, first + subject, first + other, self._pair.get(predicate, -1), predicate, static)
                )
            else:
                flat.actions.append((s, first + subject, self._action.get(predicate, -1), predicate, static))


def _padded(clips: Sequence[Clip], slots: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Clip columns of a batch, for the frames `slots` of each clip, padded to the maximum N and T."""
    V, N, T = len(clips), max(len(c.tube) for c in clips), max(map(len, slots))
    columns = {
        "single": np.zeros((V, N, T, len(SINGLE_FEATURES)), np.float16),
        "pair": np.zeros((V, N, N, T, len(PAIR_FEATURES)), np.float16),
        "present": np.zeros((V, N, T), bool),
        "frame": np.zeros((V, T), bool),
        "tube": np.zeros((V, N), bool),
        "appearance": np.zeros((V, N, clips[0].appearance.shape[1]), np.float32),
        "prominence": np.zeros((V, N), np.float32),
        "reliability": np.array([reliability(clip) for clip in clips], np.float32),
    }
    for v, (clip, at) in enumerate(zip(clips, slots, strict=True)):
        n, t = len(clip.tube), len(at)
        columns["single"][v, :n, :t] = clip.single[:, at]
        columns["pair"][v, :n, :n, :t] = clip.pair[:, :, at]
        columns["present"][v, :n, :t] = clip.present[:, at]
        columns["appearance"][v, :n] = clip.appearance
        columns["prominence"][v, :n] = prominence(clip)
        columns["frame"][v, :t] = columns["tube"][v, :n] = True
    return columns


def _slots(count: int, frames: int, random: np.random.Generator | None) -> np.ndarray:
    if not frames or random is None or count <= frames:
        return np.arange(count)
    return ((np.arange(frames) + random.random(frames)) * count / frames).astype(np.int64)


def _thinned(label: Label, slots: np.ndarray) -> Label:
    """Convert the slots of a label to those of the sampled frames; at least one frame."""
    tube, begin, end = label
    if begin < 0:
        return label
    first = min(int(np.searchsorted(slots, begin)), len(slots) - 1)
    return tube, first, max(int(np.searchsorted(slots, end)), first + 1)


def _extend(table: dict, keys: Iterable, look_up: Callable[[list], Iterable]) -> None:
    new = sorted(set(keys) - set(table))
    table.update(zip(new, look_up(new), strict=True))


class _Flat:
    """Sentence columns of a batch under construction."""

    def __init__(self) -> None:
        self.sentence_clip: list[int] = []
        self.target: list[int] = []
        self.entity_sentence: list[int] = []
        self.entity_rank: list[int] = []
        self.entity_words: list[list[int]] = []
        self.entity_static: list[np.ndarray] = []
        self.entity_label: list[np.ndarray] = []
        self.entity_region_text: list[np.ndarray] = []
        self.entity_present: list[float] = []
        self.phrase: list[str] = []
        self.pairs: list[tuple] = []
        self.actions: list[tuple] = []
        self.pairs_shown: list[np.ndarray] = []
        self.actions_shown: list[np.ndarray] = []

    def arrays(self, N: int, T: int, width: int) -> dict[str, np.ndarray]:
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
            "entity_region_text": np.array(self.entity_region_text, np.float32).reshape(-1, N),
            "entity_present": np.array(self.entity_present, np.float32),
            "phrase": np.array([number[p] for p in self.phrase], np.int64),
            "pair_sentence": column(self.pairs, 0),
            "pair_subject": column(self.pairs, 1),
            "pair_object": column(self.pairs, 2),
            "pair_predicate": column(self.pairs, 3),
            "pair_static": static(self.pairs),
            "pair_region_text": np.array(self.pairs_shown, np.float32).reshape(-1, N, T),
            "action_region_text": np.array(self.actions_shown, np.float32).reshape(-1, N, T),
            "pair_cue": cues([row[-2] for row in self.pairs], PAIR_CUES, PAIR_FEATURES),
            "action_sentence": column(self.actions, 0),
            "action_subject": column(self.actions, 1),
            "action_predicate": column(self.actions, 2),
            "action_static": static(self.actions),
            "action_cue": cues([row[-2] for row in self.actions], SINGLE_CUES, SINGLE_FEATURES),
        }
