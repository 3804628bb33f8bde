"""What speaks against an answer: nothing in the video fits, a word no detector's class answers to, guessed boxes.

Flags of a prediction are the parser's, of its sentence, and

    no_tube                the video has no tube at all
    no_class:HEAD          no class of the detector is an entity by name or kind; likeness of words stands in
    unlike:HEAD            no tube of the video looks much like an entity
    cut:HEAD               the region-text encoder does not read an entity's phrase to its end
    absent                 it is likelier than not that nothing in the video fits
    interpolated           no detection confirms most of the answer's boxes
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vcma.records.answer import Prediction
from vcma.records.sentence import Sentence
from vcma.records.tubes import Tubes
from vcma.text.label_matching import log_agreement

if TYPE_CHECKING:
    from vcma.batching.encoder import Encoder  # with torch, which --help need not wait for
    from vcma.model.clip import Clip

# log-odds that the target is there, by how far the best tube's class agrees and its mean score. A logistic fit of
# real clips with their own sentences against those of clips whose things are of other classes; three clips joined
# into one gave the same within 0.2. Colours told nothing in either.
_PRESENT, _BY_FIT = 2.4, 1.3
_LEAST_SCORE = 0.01
_FAINT = log_agreement(np.array(0.2))  # share of its class distribution below which a tube is hardly of a class


def absence(encoder: Encoder, sentence: Sentence, clip: Clip) -> float:
    """The probability that nothing in the clip is what a sentence asks for; -1 where nothing tells.

    A class that is the target by name or kind tells, else a region-text encoder, else the likeness of classes.
    """
    target = sentence.target
    if encoder.region_text is not None and not encoder.knows_class(sentence, target, clip):
        agreement = encoder.region_text_agreement(sentence, clip)[target]
    elif encoder.vocabulary.class_names:
        agreement = encoder.class_agreement(sentence, target, clip)
    else:
        return -1.0
    fit = float((agreement + np.log(np.maximum(clip.score, _LEAST_SCORE))).max())
    return float(1 / (1 + np.exp(_PRESENT + _BY_FIT * fit)))


def doubted(prediction: Prediction, encoder: Encoder, sentence: Sentence, clip: Clip, tubes: Tubes) -> Prediction:
    """The prediction with its doubts told."""
    absent, answer = absence(encoder, sentence, clip), prediction.answer
    interpolated = tubes.interpolated_share(answer.tube, answer.begin, answer.end)
    flags = [*sentence.flags, *prediction.flags, *_of_entities(encoder, sentence, clip)]
    flags += ["absent"] if absent > 0.5 else []
    flags += ["interpolated"] if interpolated > 0.5 else []
    return replace(prediction, flags=tuple(dict.fromkeys(flags)), absent=absent, interpolated=interpolated)


def _of_entities(encoder: Encoder, sentence: Sentence, clip: Clip) -> Iterator[str]:
    for entity, head in enumerate(sentence.heads):
        name, known = head.replace(" ", "-"), encoder.knows_class(sentence, entity, clip)
        region_text, text = encoder.region_text, sentence.text(entity)
        seen = region_text is not None and not region_text.is_unlike(text, clip.seen)
        labelled = known and not (encoder.class_agreement(sentence, entity, clip) < _FAINT).all()
        if region_text is None and not known and clip.class_prob.shape[1]:
            yield f"no_class:{name}"
        elif (region_text is not None or known) and not (seen or labelled):
            yield f"unlike:{name}"
        if region_text is not None and region_text.truncates(text):
            yield f"cut:{name}"


def explained(flags: Sequence[str]) -> Iterator[str]:
    """A line for people of every flag that is known here."""
    for flag in flags:
        code, _, name = flag.partition(":")
        if code in _TEXTS:
            yield _TEXTS[code].format(name=name.replace("_", " "), read=name.rpartition("=")[2])


_TEXTS = {
    "no_tube": "nothing was detected in the video",
    "no_class": "the detector has no class '{name}'; those closest in meaning stand in for it",
    "unlike": "nothing in the video looks much like '{name}'; what comes nearest is shown",
    "cut": "the phrase of '{name}' is longer than the region-text encoder reads; its end is not judged",
    "misspelt": "'{read}' is read for a word that is in no dictionary ({name})",
    "not_judged": "'{name}' is not judged: the answer may contradict it",
    "interpolated": "most of the boxes are interpolated between detections",
}
