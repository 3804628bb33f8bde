"""The part of `vcma convert tubes` for encoder vectors by row: its options, and the embeddings it writes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from vcma.conversion.dropped import Dropped
from vcma.conversion.vectors import VectorSettings, are_others, embedding_columns, unit_vectors
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.project import CONFIG, Project
from vcma.pipeline.video_artifacts import video_file
from vcma.records.embeddings import fingerprint
from vcma.records.tubes import Tubes

if TYPE_CHECKING:  # brings torch, which --help need not wait for
    from vcma.text.dual_encoder import DualEncoder

_COMPARED, _ENOUGH, _BATCH = 2, 4, 16  # crops of a tube, fewest of a video, and of a pass, in the comparison
_PATH = click.Path(path_type=Path)
_OPTIONS = (
    click.option(
        "--embeddings",
        type=_PATH,
        help="Vectors of a region-text encoder (CLIP), a row for each box: as --features.",
    ),
    click.option(
        "--encoder", type=_PATH, help="The encoder's folder, see docs/encoders.md.  [default: the data set's]"
    ),
    click.option(
        "--context",
        type=click.FloatRange(0, 4),
        help="Share of a box's sides around it in the encoder's crops.  [default: embed_tubes']",
    ),
)


def embeddings_options(function: Callable) -> Callable:
    """Give a command the options that `embedding_writer` takes."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@dataclass(frozen=True)
class EmbeddingWriter:
    """Writes vectors of boxes as the embeddings of tubes.

    source: where the vectors are; frames: folder of the videos' frames, if there are any; params: of the artifacts.
    """

    encoder: DualEncoder
    source: Path
    frames: Path
    folder: Path
    settings: VectorSettings
    params: Mapping[str, Any]
    dropped: Dropped
    compared: list[str] = field(default_factory=list)

    def __call__(self, video: str, tubes_file: Path, content: str, vectors: np.ndarray) -> None:
        """Write the embeddings of a video's tubes. content: digest of those; vectors: of each of their points."""
        tubes = Tubes.of(artifact.read(schemas.TUBES, tubes_file))
        columns = embedding_columns(tubes, vectors, self.settings)
        self._compare(video, tubes, vectors)
        digest = hashlib.sha256(np.ascontiguousarray(vectors).tobytes()).hexdigest()
        inputs = {"tubes": content, "encoder": self.encoder.name, "vectors": digest}
        artifact.write(schemas.EMBEDDINGS, video_file(self.folder, video), columns, self.params, inputs)

    def unit_vectors(self, vectors: np.ndarray, video: str) -> np.ndarray:
        """Return the vectors of a video's boxes at unit length; see `conversion.vectors.unit_vectors`."""
        return unit_vectors(vectors, self.settings, video, self.dropped)

    def _compare(self, video: str, tubes: Tubes, vectors: np.ndarray) -> None:
        """Doubt vectors that are not what the encoder makes of a crop of each tube, once: in the first video with
        frames and enough tubes."""
        path = video_file(self.frames, video)
        if self.compared or not path.exists():
            return
        from vcma.embedding.tube_embeddings import embed

        frames = artifact.read(schemas.FRAMES, path)
        own = embed(self.encoder, frames, tubes, points=_COMPARED, context=self.params["context"], batch=_BATCH)
        given = vectors[own["point"]]
        known = np.isfinite(given).all(axis=1)
        if known.sum() < _ENOUGH:
            return
        self.compared.append(video)
        if are_others(given[known], own["embedding"][known].astype(np.float32)):
            self.dropped.doubt(
                f"{video}: the encoder's own vectors of {known.sum()} crops are not like those given: another "
                "encoder, or rows in another order?"
            )


def embedding_writer(
    project: Project, folder: Path, options: Mapping[str, Any], params: Mapping[str, Any], dropped: Dropped
) -> EmbeddingWriter | None:
    """Return the writer that the options ask for, into `folder`; None without --embeddings.

    Reads the encoder: raises InputError where it is not usable.
    """
    source = options["embeddings"]
    if source is None:
        for name in ("encoder", "context"):
            if options[name] is not None:
                raise click.UsageError(f"--{name} is for vectors: give them with --embeddings PATH")
        return None
    encoder_folder = options["encoder"] or project.encoder
    if encoder_folder is None:
        raise click.UsageError("say which encoder made the vectors: --encoder FOLDER")
    from vcma.text.dual_encoder import DualEncoder

    encoder = DualEncoder(encoder_folder)
    if project.encoder is None or project.encoder.resolve() != encoder_folder.resolve():
        now = project.block.get("encoder")
        dropped.doubt(
            f"to ground with these vectors, set 'encoder: {encoder_folder}' in the block '{project.dataset}' of "
            f"{CONFIG} (now: {'null' if now is None else now})"
        )
    section = project.section("embed_tubes")
    context = section.get("context") if options["context"] is None else options["context"]
    points = section.get("points")
    if not isinstance(context, int | float) or not isinstance(points, int):
        raise InputError("section 'embed_tubes' has no usable 'points' and 'context'", project.root / CONFIG)
    settings = VectorSettings(fingerprint(encoder.name, context), encoder.width, points)
    params = {**params, "points": points, "context": float(context)}
    return EmbeddingWriter(encoder, source, project.artifacts / "frames", folder, settings, params, dropped)
