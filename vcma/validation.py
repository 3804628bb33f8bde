"""How a model does on the validation split: what the early stop and the baseline's window are chosen by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vcma.calibration import RIGHT, fit_of, fitted_temperature
from vcma.clip import Clip
from vcma.corpus import Batch, Encoder, Sentence
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
        """Mean score of p and of q; NaN without validation truth."""
        found = list(self._grounded(model))
        p = [_answer(sentence, clip, g) for sentence, clip, g, _ in found]
        q = [_answer(sentence, clip, g) for sentence, clip, _, g in found]
        return self._mean(p), self._mean(q)

    def temperature(self, model: Model) -> float:
        """The temperature that makes p's probability of the chosen tube believable; 1 without true boxes."""
        rows = {sample: i for i, sample in enumerate(self.truth["sample"])}
        log_z, chosen, right = [], [], []
        for sentence, clip, p, _ in self._grounded(model):
            answer = _answer(sentence, clip, p)
            fit = fit_of(self.truth, rows[sentence.sample], self._tubes_of(sentence.video), answer.tube)
            if np.isfinite(fit):
                log_z.append(p.log_z[sentence.target])
                chosen.append(int(np.flatnonzero(clip.tube == answer.tube)[0]))
                right.append(fit > RIGHT)
        return fitted_temperature(log_z, np.array(chosen, int), np.array(right, bool))

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


def _answer(sentence: Sentence, clip: Clip, g: Grounding) -> Answer:
    return predict(sentence, clip, g.log_z, g.y, g.runs, g.evidence).answer
