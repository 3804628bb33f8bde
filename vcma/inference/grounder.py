"""Grounding sentences with a trained model or without one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from vcma.batching.batches import UNTRAINED_CLIPS, batches
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
    """Turns sentences and the tubes they are searched in into predictions.

    posteriors(batch) are those of its sentences; batch_clips and max_frames: clips of a batch, sampled frames of a
    clip. weights: digest of the model's, empty without one.
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
        posterior: str = "p",
        changes: Mapping[str, Any] = MappingProxyType({}),
        seeing: Path | None = None,
    ) -> Grounder:
        """By the model in a folder, from its p or q. root: what the path of its text encoder is below; changes:
        settings of the E-step that replace the model's; seeing: the folder of the data set's region-text encoder.

        Raises InputError if the model is missing, damaged, or of another detector or encoder.
        """
        model, description = load_model(folder, detector, changes)
        words = model.vocabulary
        region_text = trained_region_text(words, model.settings, seeing, folder)
        encoder = Encoder(words, text_features(model.settings.text, root, words.text), region_text)
        model = model.to(device)

        def of_model(batch: Batch) -> Iterable[SentencePosterior]:
            return (p if posterior == "p" else q for p, q in posteriors(model, batch, device))

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
        """Without a model: by the detector's labels and what the words of predicates say."""
        return cls(
            encoder,
            lambda batch: untrained_posteriors(settings, batch, device),
            UNTRAINED_CLIPS,
            max_frames,
        )

    def in_clip(self, tubes: Tubes, clip: Clip, sentences: Sequence[Sentence]) -> list[Prediction]:
        """Predictions of sentences in one clip of a video's tubes, which has a tube."""
        self.encoder.prepare(sentences)
        found = self.posteriors(self.encoder.batch([clip], [sentences]))
        return [self._predict(s, clip, q, tubes) for s, q in zip(sentences, found, strict=True)]

    def _predict(self, sentence: Sentence, clip: Clip, posterior: SentencePosterior, tubes: Tubes) -> Prediction:
        found = predict(sentence, clip, posterior, self.decoding)
        return doubted(found, self.encoder, sentence, clip, tubes)

    def in_corpus(
        self, clips: ClipStore, sentences: Sequence[Sentence], tick: Callable[[int], object] = lambda clips: None
    ) -> list[Prediction]:
        """Predictions of all sentences, in their order; those without a tube are flagged fallbacks.

        tick(n) is called after every n clips.
        """
        self.encoder.prepare(sentences)
        found: dict[str, Prediction] = {}
        for owners, batch_sentences, batch in batches(clips, self.encoder, sentences, self.batch_clips, None):
            tubes = {video: clips.tubes_or_empty(video) for video in {s.video for s in batch_sentences}}
            for clip, sentence, q in zip(owners, batch_sentences, self.posteriors(batch), strict=True):
                found[sentence.sample] = self._predict(sentence, clip, q, tubes[sentence.video])
            tick(len(batch.tube))
        return [found.get(s.sample) or _without_tube(s, clips) for s in sentences]


def _without_tube(sentence: Sentence, clips: ClipStore) -> Prediction:
    tubes = clips.tubes(sentence.video)
    return fallback(sentence, np.zeros(0, np.int64) if tubes is None else tubes.frame)
