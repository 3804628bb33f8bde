"""What grounding needs where there is no model: the labels of the detector, and how an E-step is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vcma.batching.clip_store import ClipStore
from vcma.batching.encoder import Encoder
from vcma.errors import InputError
from vcma.model.settings import UntrainedSettings
from vcma.model.vocabulary import Vocabulary
from vcma.text.dual_encoder import needed_encoder
from vcma.text.region_text import RegionText


def label_encoder(
    class_names: Iterable[str],
    attribute_names: Iterable[str],
    feature: int,
    region_text: RegionText | None = None,
    seen_by: str = "",
) -> Encoder:
    """An encoder that knows the label names of tubes, the width of their features, and no training sentence.

    region_text and seen_by: a region-text encoder's agreement, and the fingerprint of the embeddings it is of.
    """
    classes, attributes = tuple(map(str, class_names)), tuple(map(str, attribute_names))
    words = Vocabulary((), (), (), (), (), classes, attributes, feature, region_text=seen_by)
    return Encoder(words, region_text=region_text)


def corpus_encoder(clips: ClipStore, embeddings: Path, seeing: Path | None, settings: UntrainedSettings) -> Encoder:
    """A `label_encoder` of a data set's tubes.

    seeing: the folder of its region-text encoder, if it has one, which has made `embeddings`.
    """
    example, encoder = clips.describe(), needed_encoder(seeing, settings.reads_region_text)
    labels = example["class_name"], example["attribute_name"], example["feature"].shape[1]
    if encoder is None:
        return label_encoder(*labels)
    region_text = RegionText(encoder, settings.prompts, tuple(example["class_name"]), settings.region_text_time > 0)
    return label_encoder(*labels, region_text, clips.encoder_of(embeddings, encoder.name))


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
