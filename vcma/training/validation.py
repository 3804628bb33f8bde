"""How a model does on the validation split: what the early stop and the baseline's window are chosen by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vcma.batching.clip_store import ClipStore, batches
from vcma.batching.encoder import Encoder
from vcma.evaluation.metrics import Scores, score
from vcma.evaluation.protocols import protocols_for
from vcma.model.batch import Batch
from vcma.model.clip import Clip
from vcma.model.decoding import WINDOWS, assign, predict, tempered, windowed
from vcma.model.em import Grounding, Model, Settings, ground, ground_untrained, log_prior
from vcma.records.answer import Answer, boxes_of
from vcma.records.columns import Columns
from vcma.records.predicted_tubes import PredictedTubes
from vcma.records.sentence import Sentence
from vcma.records.tubes import Tubes
from vcma.training.calibration import RIGHT, calibration_error, fit_of, fitted_temperature

# What a fitted brevity is chosen from, nearest to none first; below 0 longer spans win.
BREVITIES = (0.0, 2.0, -2.0, 4.0, -4.0, 6.0, 8.0, -8.0, 12.0, 16.0, -16.0, 24.0, 32.0)


@dataclass(frozen=True)
class Grounded:
    """One sentence with its clip and its posteriors by p and by q."""

    sentence: Sentence
    clip: Clip
    p: Grounding
    q: Grounding


class Validation:
    """Validation sentences with their truth. The score is m_vIoU, or m_tIoU where the truth has no boxes."""

    def __init__(
        self, sentences: Sequence[Sentence], truth: Columns, clips: ClipStore, encoder: Encoder, device: str
    ):
        known = set(truth["sample"])
        self.sentences = [s for s in sentences if s.sample in known]
        self.truth, self.clips, self.encoder, self.device = truth, clips, encoder, device
        self.metric = "m_vIoU" if len(truth["box"]) else "m_tIoU"
        self._video = {s.sample: s.video for s in self.sentences}
        self._tubes: dict[str, Tubes | None] = {}
        encoder.learn(self.sentences)

    def score(self, model: Model) -> tuple[float, float]:
        """Mean score of p and of q; NaN without validation truth."""
        found = self.grounded(model)
        return self._mean(self.answers(found)), self._mean(self.answers(found, "q"))

    def grounded(self, model: Model) -> list[Grounded]:
        """The posteriors of every sentence that has a tube: what the methods below take as `found`."""
        return self._grounded(model.settings, lambda batch: ground(model, batch, self.device))

    def grounded_untrained(self, settings: Settings) -> list[Grounded]:
        """The same by labels and cues alone; q is p."""
        return self._grounded(
            settings, lambda batch: ((p, p) for p in ground_untrained(settings, batch, self.device))
        )

    def _grounded(
        self, settings: Settings, posteriors: Callable[[Batch], Iterable[tuple[Grounding, Grounding]]]
    ) -> list[Grounded]:
        return [
            Grounded(sentence, clip, p, q)
            for clips, sentences, batch in self._batches(settings)
            for sentence, clip, (p, q) in zip(sentences, clips, posteriors(batch), strict=True)
        ]

    def answers(self, found: Sequence[Grounded], posterior: str = "p", brevity: float = 0.0) -> list[Answer]:
        """The answers of p or of q."""
        return [_answer(g, g.p if posterior == "p" else g.q, brevity) for g in found]

    def fitted(self, found: Sequence[Grounded]) -> dict[str, float]:
        """What decoding is told from validation: the brevity with which p scores best, 0 without truth; and the
        temperature that makes p's probability of the chosen tube believable, 1 without true boxes.
        """
        scores = [self._mean(self.answers(found, brevity=b)) for b in BREVITIES]
        brevity = BREVITIES[int(np.nanargmax(scores))] if not np.isnan(scores).all() else 0.0
        return {"brevity": brevity, "temperature": fitted_temperature(*self._chosen(found))}

    def calibration_error(self, found: Sequence[Grounded], temperature: float) -> float:
        """Expected calibration error of p's probability of the chosen tube, NaN without true boxes."""
        log_z, chosen, right = self._chosen(found)
        told = [tempered(z[None], temperature)[0][c] for z, c in zip(log_z, chosen, strict=True)]
        return calibration_error(np.array(told), right)

    def _chosen(self, found: Sequence[Grounded]) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """Of every sentence: the target's log-posterior [N], the chosen one, and whether that is right."""
        rows = {sample: i for i, sample in enumerate(self.truth["sample"])}
        log_z, chosen, right = [], [], []
        for g in found:
            slot = int(assign(g.p.log_z)[g.sentence.target])
            tubes = self._tubes_of(g.sentence.video)
            assert tubes is not None  # its clip has some
            fit = fit_of(self.truth, rows[g.sentence.sample], tubes, int(g.clip.tube[slot]))
            if np.isfinite(fit):
                log_z.append(g.p.log_z[g.sentence.target])
                chosen.append(slot)
                right.append(fit > RIGHT)
        return log_z, np.array(chosen, int), np.array(right, bool)

    def windowed(self, model: Model | None, window: tuple[float, float]) -> list[Answer]:
        """The answers of a model's prior alone, or of the labels alone without a model, over a fixed window."""
        return [windowed(*row, window) for row in self._priors(model)]

    def window(self, model: Model | None) -> tuple[float, float]:
        """The window, as shares of the segment, with which `windowed` scores best; the whole without truth."""
        rows = list(self._priors(model))
        scores = [self._mean([windowed(*row, window) for row in rows]) for window in WINDOWS]
        return WINDOWS[int(np.nanargmax(scores))] if not np.isnan(scores).all() else (0.0, 1.0)

    def _priors(self, model: Model | None) -> Iterator[tuple[Sentence, Clip, np.ndarray]]:
        if model is None:
            for sentence in self.sentences:
                clip = self.clips(sentence.clip)
                if clip is not None:
                    yield sentence, clip, self.encoder.label_prior(sentence, clip)
            return
        for clips, sentences, batch in self._batches(model.settings):
            for sentence, clip, log_z in zip(sentences, clips, log_prior(model, batch, self.device), strict=True):
                yield sentence, clip, log_z

    def _batches(self, settings: Settings) -> Iterator[tuple[list[Clip], list[Sentence], Batch]]:
        return batches(self.clips, self.encoder, self.sentences, settings.batch_clips, None)

    def scores(self, answers: list[Answer] | PredictedTubes) -> Scores:
        """The answers' scores by the data set's default protocol, a row each sample of the truth."""
        predictions = boxes_of(answers, self._tubes_of, self._video) if isinstance(answers, list) else answers
        return score(self.truth, predictions, protocols_for(self.truth)[0])

    def _mean(self, answers: list[Answer]) -> float:
        if not answers:
            return float("nan")
        scores = self.scores(answers)
        return float(np.nanmean(scores.viou if self.metric == "m_vIoU" else scores.tiou))

    def _tubes_of(self, video: str) -> Tubes | None:
        if video not in self._tubes:
            self._tubes[video] = self.clips.tubes(video)
        return self._tubes[video]


def _answer(g: Grounded, posterior: Grounding, brevity: float) -> Answer:
    q = posterior
    return predict(g.sentence, g.clip, q.log_z, q.y, q.runs, q.evidence, brevity=brevity).answer
