"""Encoders and settings for grounding without a trained model."""

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
    embedded_by: str = "",
) -> Encoder:
    """Create an encoder from the label names and feature width of tubes, without training sentences.

    region_text: agreement by a region-text encoder. embedded_by: fingerprint of the embeddings that it uses.
    """
    classes, attributes = tuple(map(str, class_names)), tuple(map(str, attribute_names))
    words = Vocabulary((), (), (), (), (), classes, attributes, feature, region_text=embedded_by)
    return Encoder(words, region_text=region_text)


def corpus_encoder(
    clips: ClipStore, embeddings: Path, region_encoder: Path | None, settings: UntrainedSettings
) -> Encoder:
    """Create the `label_encoder` for the tubes of a data set.

    embeddings: folder of embeddings by the region-text encoder in the folder `region_encoder`; None without an
    encoder.
    """
    example, encoder = clips.describe(), needed_encoder(region_encoder, settings.reads_region_text)
    labels = example["class_name"], example["attribute_name"], example["feature"].shape[1]
    if encoder is None:
        return label_encoder(*labels)
    region_text = RegionText(encoder, settings.prompts, tuple(example["class_name"]), settings.scores_relations)
    return label_encoder(*labels, region_text, clips.encoder_of(embeddings, encoder.name))


def settings_of(section: Mapping[str, Any]) -> tuple[UntrainedSettings, int]:
    """Read the settings and max_frames from `untrained:` of pipeline.yaml; raises InputError for a missing key."""
    try:
        return UntrainedSettings.of(section), int(section["max_frames"])
    except KeyError as key:
        raise InputError(
            f"key {key} is missing in 'untrained:'", "pipeline.yaml", "add it as in the repository's pipeline.yaml"
        ) from None
