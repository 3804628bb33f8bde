"""Grounding without any model: the detector's labels pick the tube, for the whole segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vcma.clip import Clip
from vcma.corpus import Encoder, Sentence, Vocabulary
from vcma.grounding import Prediction, predict

UNTHINNED = 1 << 20  # no clip has so many frames


def label_encoder(tubes: Mapping[str, Any]) -> Encoder:
    """An encoder that knows the label names of TUBES columns and no training sentence."""
    nothing: Any = ()
    names = tuple(map(str, tubes["class_name"])), tuple(map(str, tubes["attribute_name"]))
    return Encoder(Vocabulary(nothing, nothing, nothing, nothing, nothing, *names, tubes["feature"].shape[1]))


def by_labels(sentence: Sentence, clip: Clip, encoder: Encoder) -> Prediction:
    """The tube that answers best to the words of each entity; the encoder has learnt the sentence's texts."""
    label = encoder.label_prior(sentence, clip)
    log_z = label - np.logaddexp.reduce(label, axis=1, keepdims=True)
    T = len(clip.frame)
    runs = np.full((T + 1, T + 1), -1e9, np.float32)
    runs[0, T] = 0
    return predict(
        sentence, clip, log_z, np.ones(T, np.float32), runs, np.zeros((len(sentence.relations), T), np.float32)
    )
