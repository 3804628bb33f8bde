"""Evaluation of a model on an annotated split, for early stopping and tuning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vcma.batching.batches import UNTRAINED_CLIPS, Loaded, batches_by_size
from vcma.batching.clip_store import ClipStore
from vcma.batching.encoder import Encoder
from vcma.batching.staging import ahead
from vcma.evaluation.metrics import Scores, score
from vcma.evaluation.protocols import protocols_for
from vcma.model.batch import Batch
from vcma.model.clip import Clip
from vcma.model.decoding import Decoding, predict, windowed
from vcma.model.evidence import Model
from vcma.model.sentence_posteriors import Posteriors, log_priors, posteriors, untrained_posteriors
from vcma.model.settings import UntrainedSettings
from vcma.records.answer import Answer, boxes_of
from vcma.records.columns import Columns
from vcma.records.predicted_tubes import PredictedTubes
from vcma.records.sentence import Sentence
from vcma.records.tubes import Tubes


@dataclass(frozen=True)
class Judged:
    """A sentence with its clip, whose geometry features may not be in memory, and its posteriors."""

    sentence: Sentence
    clip: Clip
    posteriors: Posteriors

    def answer(self, posterior: str = "both", decoding: Decoding | None = None) -> Answer:
        """Return the prediction by p, q or both."""
        return predict(self.sentence, self.clip, getattr(self.posteriors, posterior), decoding or Decoding()).answer


class Validation:
    """Sentences with ground truth. The score is m_vIoU, or m_tIoU if the ground truth has no boxes."""

    def __init__(
        self, sentences: Sequence[Sentence], truth: Columns, clips: ClipStore, encoder: Encoder, device: str
    ):
        annotated = set(truth["sample"])
        self.sentences = [s for s in sentences if s.sample in annotated]
        self.truth, self.clips, self.encoder, self.device = truth, clips, encoder, device
        self.metric = "m_vIoU" if len(truth["box"]) else "m_tIoU"
        self._video = {s.sample: s.video for s in self.sentences}
        self._place = {s.sample: i for i, s in enumerate(self.sentences)}
        self._tubes: dict[str, Tubes | None] = {}
        encoder.prepare(self.sentences)

    def judged(self, model: Model) -> list[Judged]:
        """Return the posteriors of all sentences whose clip has tubes, in order."""
        return self._judged(model.settings.batch_clips, lambda batch: posteriors(model, batch, self.device))

    def judged_untrained(self, settings: UntrainedSettings) -> list[Judged]:
        """Like `judged`, without a trained model, by labels and cues; all posteriors are the same."""
        return self._judged(
            UNTRAINED_CLIPS,
            lambda batch: (Posteriors(p, p, p) for p in untrained_posteriors(settings, batch, self.device)),
        )

    def _judged(self, batch_clips: int, posteriors_of: Callable[[Batch], Iterable[Posteriors]]) -> list[Judged]:
        judged = [
            Judged(sentence, replace(clip), found)  # a copy without cached geometry, to bound memory
            for clips, sentences, batch in self._batches(batch_clips)
            for sentence, clip, found in zip(sentences, clips, posteriors_of(batch), strict=True)
        ]
        return sorted(judged, key=lambda j: self._place[j.sentence.sample])

    def windowed(self, model: Model | None, window: tuple[float, float]) -> list[Answer]:
        """Predict over a fixed window by a model's prior only, or by labels only without a model."""
        return [windowed(*row, window) for row in self.priors(model)]

    def priors(self, model: Model | None) -> Iterator[tuple[Sentence, Clip, np.ndarray]]:
        """Yield every sentence whose clip has tubes, with clip and log-prior [M, N], by labels without a model."""
        if model is None:
            for sentence in self.sentences:
                clip = self.clips(sentence.clip)
                if clip is not None:
                    yield sentence, clip, self.encoder.label_prior(sentence, clip)
            return
        for clips, sentences, batch in self._batches(model.settings.batch_clips):
            for sentence, clip, log_z in zip(sentences, clips, log_priors(model, batch, self.device), strict=True):
                yield sentence, clip, log_z

    def _batches(self, batch_clips: int) -> Iterator[Loaded]:
        return ahead(batches_by_size(self.clips, self.encoder, self.sentences, batch_clips))

    def scores(self, answers: list[Answer] | PredictedTubes) -> Scores:
        """Score answers with the data set's default protocol; one row per sample of the ground truth."""
        predictions = boxes_of(answers, self.tubes, self._video) if isinstance(answers, list) else answers
        return score(self.truth, predictions, protocols_for(self.truth)[0])

    def mean(self, answers: list[Answer]) -> float:
        """Return the mean score of answers; NaN without answers."""
        return self.mean_of(self.scores(answers)) if answers else float("nan")

    def mean_of(self, scores: Scores) -> float:
        """Return the mean of `metric`."""
        return float(np.nanmean(scores.viou if self.metric == "m_vIoU" else scores.tiou))

    def tubes(self, video: str) -> Tubes | None:
        """Return the tubes of a video, cached."""
        if video not in self._tubes:
            self._tubes[video] = self.clips.tubes(video)
        return self._tubes[video]
