"""What a region-text encoder sees in the tubes of a video that grounding is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vcma.api.video_tubes import VideoTubes
from vcma.embedding.tube_embeddings import embed
from vcma.errors import InputError
from vcma.pipeline.project import Project
from vcma.records.embeddings import Embeddings, fingerprint, made_by
from vcma.video.pictures import scaled

if TYPE_CHECKING:
    from vcma.text.dual_encoder import DualEncoder


def seen_in(video: VideoTubes, encoder: DualEncoder, project: Project) -> Embeddings:
    """By pipeline.yaml's `embed_tubes:`; pictures are as large as `extract_frames:` would store them."""
    longest = project.section("extract_frames")["max_side"]

    def read(frames: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        return ((frame, scaled(picture, longest)) for frame, _, picture in video.pictures.read(frames))

    columns = embed(encoder, video.tubes.frame, read, video.tubes, **project.section("embed_tubes"))
    return Embeddings.of(columns)


def check_context(trained_with: str, project: Project, model: Path) -> None:
    """Raise InputError where a model was trained on crops with another context than pipeline.yaml gives.

    trained_with: the fingerprint of its embeddings, empty without an encoder.
    """
    context = project.section("embed_tubes")["context"]
    if trained_with and trained_with != fingerprint(made_by(trained_with), context):
        share = trained_with.rpartition(" ")[2]
        what = f"the model was trained on crops with {share} of context, not {context:g}"
        raise InputError(what, model, "set embed_tubes.context to what it was")
