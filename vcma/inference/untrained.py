"""What grounding needs where there is no model: the labels of the detector, and how an E-step is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vcma.batching.encoder import Encoder
from vcma.errors import InputError
from vcma.model.settings import UntrainedSettings
from vcma.model.vocabulary import Vocabulary


def label_encoder(class_names: Iterable[str], attribute_names: Iterable[str], feature: int) -> Encoder:
    """An encoder that knows the label names of tubes, the width of their features, and no training sentence."""
    classes, attributes = tuple(map(str, class_names)), tuple(map(str, attribute_names))
    return Encoder(Vocabulary((), (), (), (), (), classes, attributes, feature))


def settings_of(section: Mapping[str, Any]) -> tuple[UntrainedSettings, int]:
    """The settings, and the most frames of a clip, that `untrained:` of pipeline.yaml gives; raises InputError if
    it lacks one.
    """
    try:
        return UntrainedSettings.of(section), int(section["max_frames"])
    except KeyError as key:
        raise InputError(
            f"'untrained:' lacks the key {key}", "pipeline.yaml", "add it as the repository has it"
        ) from None
