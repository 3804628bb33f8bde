"""Grounding a split: predictions in the order of its sentences, the answers of simpler methods, and the export."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from vcma.batching.clip_store import ClipStore, batches
from vcma.batching.encoder import Encoder
from vcma.model import em
from vcma.model.batch import Batch
from vcma.model.decoding import fallback, predict, windowed
from vcma.model.em import Grounding, Model, Settings
from vcma.pipeline.storage import write_chunks
from vcma.records.answer import Answer, Prediction, exported
from vcma.records.sentence import Sentence


def ground_all(
    model: Model,
    clips: ClipStore,
    encoder: Encoder,
    sentences: Sequence[Sentence],
    posterior: str,
    fitted: Mapping[str, float],
    device: str,
    tick: Callable[[int], object],
) -> list[Prediction]:
    """Predictions of all sentences from p or q, in their order; those without a tube are flagged fallbacks.

    fitted: temperature and brevity (see `predict`).
    """

    def posteriors(batch: Batch) -> Iterator[Grounding]:
        return (p if posterior == "p" else q for p, q in em.ground(model, batch, device))

    return _predicted(model.settings, clips, encoder, sentences, posteriors, fitted, tick)


def ground_untrained(
    settings: Settings,
    clips: ClipStore,
    encoder: Encoder,
    sentences: Sequence[Sentence],
    device: str,
    tick: Callable[[int], object],
) -> list[Prediction]:
    """Predictions of all sentences without a model: by the detector's labels and what predicates' words say."""

    def posteriors(batch: Batch) -> list[Grounding]:
        return em.ground_untrained(settings, batch, device)

    return _predicted(settings, clips, encoder, sentences, posteriors, {}, tick)


def _predicted(
    settings: Settings,
    clips: ClipStore,
    encoder: Encoder,
    sentences: Sequence[Sentence],
    posteriors: Callable[[Batch], Iterable[Grounding]],
    fitted: Mapping[str, float],
    tick: Callable[[int], object],
) -> list[Prediction]:
    found: dict[str, Prediction] = {}
    for owners, told, batch in batches(clips, encoder, sentences, settings.batch_clips, None):
        for clip, sentence, g in zip(owners, told, posteriors(batch), strict=True):
            found[sentence.sample] = predict(sentence, clip, g.log_z, g.y, g.runs, g.evidence, **fitted)
        tick(len(batch.tube))
    return [found.get(s.sample) or _fallback(s, clips) for s in sentences]


def _fallback(sentence: Sentence, clips: ClipStore) -> Prediction:
    tubes = clips.tubes(sentence.video)
    return fallback(sentence, np.zeros(0, np.int64) if tubes is None else tubes.frame)


def reference_answers(
    contrast: Model,
    window: tuple[float, float],
    clips: ClipStore,
    encoder: Encoder,
    sentences: Sequence[Sentence],
    device: str,
) -> dict[str, list[Answer]]:
    """What simpler methods answer, by name.

    contrast: phrase-video contrast without EM, over the window tuned on validation or the whole segment, whichever
    was better there. labels: the label prior alone over the whole segment. untrained: see `ground_untrained`.
    """
    found: dict[str, list[Answer]] = {"contrast": [], "labels": [], "untrained": []}
    settings = contrast.settings
    for owners, told, batch in batches(clips, encoder, sentences, settings.batch_clips, None):
        priors, posteriors = em.log_prior(contrast, batch, device), em.ground_untrained(settings, batch, device)
        for clip, sentence, log_z, g in zip(owners, told, priors, posteriors, strict=True):
            label = encoder.label_prior(sentence, clip)
            found["contrast"].append(windowed(sentence, clip, log_z, window))
            found["labels"].append(windowed(sentence, clip, label, (0.0, 1.0)))
            found["untrained"].append(predict(sentence, clip, g.log_z, g.y, g.runs, g.evidence).answer)
    return found


def export(path: Path, predictions: Sequence[Prediction], sentences: Sequence[Sentence], clips: ClipStore) -> None:
    """Write the exchange format {sample: {span, boxes}}, video by video, so that memory stays flat."""

    def chunks():
        separator = "{\n"
        by_video = sorted(zip(predictions, sentences, strict=True), key=lambda pair: pair[1].video)
        for video, pairs in groupby(by_video, key=lambda pair: pair[1].video):
            mine = list(pairs)
            tubes = clips.tubes(video)
            segments = {s.sample: (s.begin, s.end) for _, s in mine}
            for sample, value in exported([p.answer for p, _ in mine], segments, tubes):
                yield f"{separator}{json.dumps(sample)}: {json.dumps(value)}".encode()
                separator = ",\n"
        yield b"{}\n" if separator == "{\n" else b"\n}\n"

    write_chunks(path, chunks())
