"""Predictions of baselines that do not need ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vcma.batching.batches import batches_by_size
from vcma.batching.clip_store import ClipStore
from vcma.batching.encoder import Encoder
from vcma.model.decoding import predict, windowed
from vcma.model.sentence_posteriors import log_priors, untrained_posteriors
from vcma.model.settings import UntrainedSettings
from vcma.records.answer import Answer
from vcma.records.sentence import Sentence
from vcma.training.model_files import load_model


def reference_answers(
    folder: Path,
    untrained: UntrainedSettings,
    detector: str,
    clips: ClipStore,
    encoder: Encoder,
    sentences: Sequence[Sentence],
    device: str,
) -> dict[str, list[Answer]]:
    """Predict sentences with simpler methods; returns answers by name of the method.

    folder: the contrastive model that train_em writes. Methods: `contrast`, phrase-video contrast without EM, with
    the temporal window tuned on the validation split, which may be the whole segment. `labels`, the label prior
    only, over the whole segment. `untrained`, see `Grounder.untrained`, with its own settings, independent of the
    trained model's.
    """
    contrast, description = load_model(folder, detector)
    encoder.prepare(sentences)
    contrast = contrast.to(device)
    window = description["window"][0], description["window"][1]
    found: dict[str, list[Answer]] = {"contrast": [], "labels": [], "untrained": []}
    for owners, batch_sentences, batch in batches_by_size(clips, encoder, sentences, contrast.settings.batch_clips):
        priors, without = log_priors(contrast, batch, device), untrained_posteriors(untrained, batch, device)
        for clip, sentence, log_z, q in zip(owners, batch_sentences, priors, without, strict=True):
            label = encoder.label_prior(sentence, clip)
            found["contrast"].append(windowed(sentence, clip, log_z, window))
            found["labels"].append(windowed(sentence, clip, label, (0.0, 1.0)))
            found["untrained"].append(predict(sentence, clip, q).answer)
    place = {sentence.sample: i for i, sentence in enumerate(sentences)}
    return {method: sorted(answers, key=lambda a: place[a.sample]) for method, answers in found.items()}
