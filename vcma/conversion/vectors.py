"""Vectors of a region-text encoder that other programs made, one for each box, as the embeddings of tubes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vcma.conversion.dropped import Dropped
from vcma.embedding.crops import chosen_points
from vcma.errors import RefusedError
from vcma.records.columns import Columns, offsets
from vcma.records.tubes import Tubes

_UNIT = 0.01  # by which a vector's length may differ from 1: half floats, and arithmetic in them
_KEPT = 0.25  # share of the contrast between crops that vectors of one encoder keep, however they were cropped


@dataclass(frozen=True)
class VectorSettings:
    """How vectors are read.

    encoder: fingerprint of the encoder and the context of its crops; width: of its vectors; points: maximum number
    of vectors that a tube keeps.
    """

    encoder: str
    width: int
    points: int


def unit_vectors(vectors: np.ndarray, settings: VectorSettings, video: str, dropped: Dropped) -> np.ndarray:
    """Return the vectors [n, width] of a video's boxes at unit length, NaN where a row is zero or not finite.

    Raises RefusedError where they are not as wide as the encoder's: then no video's are.
    """
    if vectors.shape[1] != settings.width:
        what = f"its vectors have {vectors.shape[1]} values, the encoder's {settings.width}"
        raise RefusedError(
            what, video, "name the encoder that made them: --encoder FOLDER; project them as it does"
        )
    length = np.linalg.norm(vectors.astype(np.float64), axis=1)
    usable = np.isfinite(length) & (length > 0)
    dropped.add("vectors that are zero or not finite: boxes not embedded", video, int((~usable).sum()))
    dropped.change("vectors scaled to unit length", video, int((np.abs(length[usable] - 1) > _UNIT).sum()))
    return vectors / np.where(usable, length, np.nan)[:, None]


def are_others(given: np.ndarray, own: np.ndarray) -> bool:
    """Return whether vectors cannot be the encoder's of these crops, in this order: [n, W] each, n >= 2.

    The encoder's own vector of a crop must be closer to the one given for it than to those given for others, by a
    part of what either kind differs within itself. Another encoder's are equally far from all, as are rows out of
    order.
    """
    alone = max(_contrast(own @ own.T), _contrast(given @ given.T))
    return bool(_contrast(own @ given.T) < _KEPT * alone)


def _contrast(cosine: np.ndarray) -> float:
    """By how much cosines [n, n] with the same exceed those with others, on average."""
    n = len(cosine)
    same = float(np.trace(cosine))
    return same / n - (float(cosine.sum()) - same) / (n * (n - 1))


def embedding_columns(tubes: Tubes, vectors: np.ndarray, settings: VectorSettings) -> Columns:
    """Return the EMBEDDINGS columns of the tubes of one video, of points chosen as `embed_tubes` does.

    vectors: float [P, width], of each point, unit length or NaN.
    """
    chosen = chosen_points(tubes, np.isfinite(vectors).all(axis=1), settings.points)
    point = np.concatenate([np.zeros(0, np.int64), *chosen])
    return {
        "crop_offset": offsets(map(len, chosen)),
        "point": point,
        "frame": tubes.frame[tubes.position[point]],
        "embedding": vectors[point].astype(np.float16),
        "encoder": settings.encoder,
    }
