"""How a model does on the validation split: what the early stop and the baseline's window are chosen by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from vcma.clip import Clip
from vcma.corpus import Batch, Encoder, Sentence
from vcma.decode import TimePrior
from vcma.em import Grounding, Model, ground, log_prior
from vcma.grounding import WINDOWS, Answer, boxes_of, predict, windowed
from vcma.loading import Clips, batches
from vcma.metrics import Columns, protocols_for, score


class Validation:
    """Validation sentences with their truth. The score is m_vIoU, or m_tIoU where the truth has no boxes."""

    def __init__(self, sentences: Sequence[Sentence], truth: Columns, clips: Clips, encoder: Encoder, device: str):
        known = set(truth["sample"])
        self.sentences = [s for s in sentences if s.sample in known]
        self.truth, self.clips, self.encoder, self.device = truth, clips, encoder, device
        self.metric = "m_vIoU" if len(truth["box"]) else "m_tIoU"
        self._video = {s.sample: s.video for s in self.sentences}
        self._tubes: dict[str, Any] = {}
        encoder.learn(self.sentences)

    def score(self, model: Model) -> tuple[float, float]:
        """Mean score of p and of q, decoded without a time prior; NaN without validation truth."""
        found = list(self._grounded(model))
        p = [_answer(sentence, clip, g, TimePrior()) for sentence, clip, g, _ in found]
        q = [_answer(sentence, clip, g, TimePrior()) for sentence, clip, _, g in found]
        return self._mean(p), self._mean(q)

    def time_prior(self, model: Model) -> TimePrior:
        """The time prior with which p scores best; none without truth, and none that does not help."""
        found = list(self._grounded(model))

        def better(options: Iterable[TimePrior]) -> TimePrior:
            scored = [
                (self._mean([_answer(sentence, clip, p, prior) for sentence, clip, p, _ in found]), prior)
                for prior in options
            ]
            return max(scored, key=lambda pair: -1.0 if np.isnan(pair[0]) else pair[0])[1]

        window = better(TimePrior(window, 0.5) for window in WINDOWS).window
        return better(TimePrior(window, weight) for weight in (0.0, 0.25, 0.5, 1.0, 2.0))

    def _grounded(self, model: Model) -> Iterator[tuple[Sentence, Clip, Grounding, Grounding]]:
        for clips, sentences, batch in self._batches(model):
            for clip, sentence, (p, q) in zip(clips, sentences, ground(model, batch, self.device), strict=True):
                yield sentence, clip, p, q

    def window(self, model: Model) -> tuple[float, float]:
        """The window, as shares of the segment, with which the prior alone scores best; the whole without truth."""
        rows = [
            (sentence, clip, log_z)
            for clips, sentences, batch in self._batches(model)
            for sentence, clip, log_z in zip(sentences, clips, log_prior(model, batch, self.device), strict=True)
        ]
        scores = [self._mean([windowed(*row, window) for row in rows]) for window in WINDOWS]
        return WINDOWS[int(np.nanargmax(scores))] if not np.isnan(scores).all() else (0.0, 1.0)

    def _batches(self, model: Model) -> Iterator[tuple[list[Clip], list[Sentence], Batch]]:
        return batches(self.clips, self.encoder, self.sentences, model.settings.batch_clips, None)

    def _mean(self, answers: list[Answer]) -> float:
        if not answers:
            return float("nan")
        predictions = boxes_of(answers, self._tubes_of, self._video)
        scores = score(self.truth, predictions, protocols_for(self.truth)[0])
        return float(np.nanmean(scores.viou if self.metric == "m_vIoU" else scores.tiou))

    def _tubes_of(self, video: str) -> Any:
        if video not in self._tubes:
            self._tubes[video] = self.clips.tubes(video)
        return self._tubes[video]


def _answer(sentence: Sentence, clip: Clip, g: Grounding, prior: TimePrior) -> Answer:
    return predict(sentence, clip, g.log_z, g.log_odds, g.evidence, prior).answer
