"""Warnings about a prediction: absent objects, words without a detector class, interpolated boxes.

The flags of a prediction are those of the parser for its sentence, and

    no_tube                the video has no tubes
    no_class:HEAD          an entity's head is neither a detector class nor a kind of one; similar classes are used
    unlike:HEAD            no tube of the video clearly matches an entity
    cut:HEAD               an entity's phrase exceeds the input length of the region-text encoder
    absent                 the target is absent from the video with probability above 0.5
    interpolated           more than half of the predicted boxes are interpolated
    changes                the appearance of the predicted tube changes: it may follow several objects in turn
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vcma.inference.appearance_change import SEVERAL_OBJECTS, cosine_over_time
from vcma.records.answer import Prediction
from vcma.records.sentence import Sentence
from vcma.records.tubes import Tubes
from vcma.text.label_matching import log_agreement

if TYPE_CHECKING:
    from vcma.batching.encoder import Encoder  # with torch, which --help need not wait for
    from vcma.model.clip import Clip

_FAINT = log_agreement(np.array(0.2))  # agreement of a tube with class probability 0.2; a mismatch below


def doubted(prediction: Prediction, encoder: Encoder, sentence: Sentence, clip: Clip, tubes: Tubes) -> Prediction:
    """Return the prediction with its flags, absence probability and interpolated share."""
    present, answer = encoder.presence(sentence, clip)[sentence.target], prediction.answer
    absent = float(1 - present) if present >= 0 else -1.0
    interpolated = tubes.interpolated_share(answer.tube, answer.begin, answer.end)
    flags = [*sentence.flags, *prediction.flags, *_of_entities(encoder, sentence, clip)]
    flags += ["absent"] if absent > 0.5 else []
    flags += ["interpolated"] if interpolated > 0.5 else []
    if answer.tube >= 0 and cosine_over_time(tubes, answer.tube, answer.begin, answer.end) < SEVERAL_OBJECTS:
        flags.append("changes")
    return replace(prediction, flags=tuple(dict.fromkeys(flags)), absent=absent, interpolated=interpolated)


def _of_entities(encoder: Encoder, sentence: Sentence, clip: Clip) -> Iterator[str]:
    for entity, head in enumerate(sentence.heads):
        name, has_class = head.replace(" ", "-"), encoder.knows_class(sentence, entity, clip)
        region_text, text = encoder.region_text, sentence.text(entity)
        similar = region_text is not None and not region_text.is_unlike(text, clip.embedding)
        labelled = has_class and not (encoder.class_agreement(sentence, entity, clip) < _FAINT).all()
        if region_text is None and not has_class and clip.class_prob.shape[1]:
            yield f"no_class:{name}"
        elif (region_text is not None or has_class) and not (similar or labelled):
            yield f"unlike:{name}"
        if region_text is not None and region_text.truncates(text):
            yield f"cut:{name}"


def explained(flags: Sequence[str]) -> Iterator[str]:
    """Yield a human-readable line for every flag in _TEXTS."""
    for flag in flags:
        code, _, name = flag.partition(":")
        if code in _TEXTS:
            yield _TEXTS[code].format(name=name.replace("_", " "), read=name.rpartition("=")[2])


_TEXTS = {
    "no_tube": "nothing was detected in the video",
    "no_class": "the detector has no class '{name}'; the most similar classes are used instead",
    "unlike": "nothing in the video clearly matches '{name}'; the closest match is shown",
    "cut": "the phrase for '{name}' is too long for the region-text encoder and was truncated",
    "misspelt": "an unknown word was read as '{read}' ({name})",
    "not_judged": "'{name}' is not evaluated: the answer may contradict it",
    "changes": "what is in the boxes changes within the span; they may follow several objects in turn",
    "interpolated": "most of the boxes are interpolated between detections",
}
