"""Grounding of sentences, with or without a trained model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from vcma.batching.batches import UNTRAINED_CLIPS, batches_by_size
from vcma.batching.clip_store import ClipStore
from vcma.batching.encoder import Encoder
from vcma.inference.doubts import doubted
from vcma.model.batch import Batch
from vcma.model.clip import Clip
from vcma.model.decoding import Decoding, fallback, predict
from vcma.model.sentence_posteriors import SentencePosterior, posteriors, untrained_posteriors
from vcma.model.settings import UntrainedSettings
from vcma.records.answer import Prediction
from vcma.records.sentence import Sentence
from vcma.records.tubes import Tubes
from vcma.text.features import text_features
from vcma.training.model_files import decoding_of, load_model, trained_region_text


@dataclass(frozen=True)
class Grounder:
    """Predicts tube and span of sentences, given the tubes of their videos.

    posteriors(batch): posteriors of the batch's sentences. batch_clips: clips per batch. max_frames: maximum number
    of sampled frames per clip. weights: hash of the model's weights, empty without a model.
    """

    encoder: Encoder
    posteriors: Callable[[Batch], Iterable[SentencePosterior]]
    batch_clips: int
    max_frames: int
    decoding: Decoding = field(default_factory=Decoding)
    weights: str = ""

    @classmethod
    def trained(
        cls,
        folder: Path,
        root: Path,
        detector: str,
        device: str,
        posterior: str = "both",
        changes: Mapping[str, Any] = MappingProxyType({}),
        seeing: Path | None = None,
    ) -> Grounder:
        """Load the model in a folder.

        root: folder relative to which the path of its text encoder is resolved. detector: fingerprint of the tubes'
        detector. posterior: a field of `Posteriors`. changes: settings of the E-step that override the model's.
        seeing: folder of the data set's region-text encoder. Raises InputError if the model is missing, damaged,
        or was trained with another detector or encoder.
        """
        model, description = load_model(folder, detector, changes)
        words = model.vocabulary
        region_text = trained_region_text(words, model.settings, seeing, folder)
        encoder = Encoder(words, text_features(model.settings.text, root, words.text), region_text)
        model = model.to(device)

        def of_model(batch: Batch) -> Iterable[SentencePosterior]:
            return (getattr(found, posterior) for found in posteriors(model, batch, device))

        return cls(
            encoder,
            of_model,
            model.settings.batch_clips,
            description["max_frames"],
            decoding_of(description),
            description["weights"],
        )

    @classmethod
    def untrained(cls, settings: UntrainedSettings, max_frames: int, encoder: Encoder, device: str) -> Grounder:
        """Ground without a trained model, by the detector's labels and the geometric cues of predicates."""
        return cls(
            encoder,
            lambda batch: untrained_posteriors(settings, batch, device),
            UNTRAINED_CLIPS,
            max_frames,
        )

    def in_clip(self, tubes: Tubes, clip: Clip, sentences: Sequence[Sentence]) -> list[Prediction]:
        """Predict sentences in one clip of a video's tubes; the clip must have a tube."""
        self.encoder.prepare(sentences)
        found = self.posteriors(self.encoder.batch([clip], [sentences]))
        return [self._predict(s, clip, q, tubes) for s, q in zip(sentences, found, strict=True)]

    def _predict(self, sentence: Sentence, clip: Clip, posterior: SentencePosterior, tubes: Tubes) -> Prediction:
        found = predict(sentence, clip, posterior, self.decoding)
        return doubted(found, self.encoder, sentence, clip, tubes)

    def in_corpus(
        self, clips: ClipStore, sentences: Sequence[Sentence], tick: Callable[[int], object] = lambda clips: None
    ) -> list[Prediction]:
        """Predict all sentences; returns predictions in the same order, flagged fallbacks for clips without tubes.

        tick(n) is called after each batch of n clips, to show progress.
        """
        self.encoder.prepare(sentences)
        found: dict[str, Prediction] = {}
        for owners, batch_sentences, batch in batches_by_size(clips, self.encoder, sentences, self.batch_clips):
            tubes = {video: clips.tubes_or_empty(video) for video in {s.video for s in batch_sentences}}
            for clip, sentence, q in zip(owners, batch_sentences, self.posteriors(batch), strict=True):
                found[sentence.sample] = self._predict(sentence, clip, q, tubes[sentence.video])
            tick(len(batch.tube))
        return [found.get(s.sample) or _without_tube(s, clips) for s in sentences]


def _without_tube(sentence: Sentence, clips: ClipStore) -> Prediction:
    tubes = clips.tubes(sentence.video)
    return fallback(sentence, np.zeros(0, np.int64) if tubes is None else tubes.frame)
