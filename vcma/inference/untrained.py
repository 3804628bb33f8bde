"""What grounding needs where there is no model: the labels of the detector, and how an E-step is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vcma.batching.encoder import Encoder
from vcma.errors import InputError
from vcma.model.settings import Settings
from vcma.model.vocabulary import Vocabulary


def label_encoder(class_names: Iterable[str], attribute_names: Iterable[str], feature: int) -> Encoder:
    """An encoder that knows the label names of tubes, the width of their features, and no training sentence."""
    classes, attributes = tuple(map(str, class_names)), tuple(map(str, attribute_names))
    return Encoder(Vocabulary((), (), (), (), (), classes, attributes, feature))


def settings_of(section: Mapping[str, Any]) -> tuple[Settings, int]:
    """The settings, and the most frames of a clip, that `train_em:` of pipeline.yaml gives; raises InputError if it
    lacks one.
    """
    try:
        return Settings.of(dict(section)), int(section["max_frames"])
    except KeyError as key:
        raise InputError(
            f"'train_em:' lacks the key {key}", "pipeline.yaml", "add it as the repository has it"
        ) from None
