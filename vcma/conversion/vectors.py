"""Embeddings of tubes from vectors that another program computed, one per box, with a region-text encoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vcma.conversion.dropped import Dropped
from vcma.embedding.crops import chosen_points
from vcma.errors import RefusedError
from vcma.records.columns import Columns, offsets
from vcma.records.tubes import Tubes

_UNIT = 0.01  # tolerance of a vector's length from 1, for half precision
_KEPT = 0.25  # minimum share of the contrast between crops that vectors of the same encoder preserve


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

    Raises RefusedError if their width is not the encoder's, which ends the run, as it concerns all videos.
    """
    if vectors.shape[1] != settings.width:
        what = f"its vectors have {vectors.shape[1]} values, the encoder's {settings.width}"
        raise RefusedError(
            what, video, "give the encoder that computed them: --encoder FOLDER; project them as it does"
        )
    length = np.linalg.norm(vectors.astype(np.float64), axis=1)
    usable = np.isfinite(length) & (length > 0)
    dropped.add("vectors that are zero or not finite: boxes without embedding", video, int((~usable).sum()))
    dropped.change("vectors scaled to unit length", video, int((np.abs(length[usable] - 1) > _UNIT).sum()))
    return vectors / np.where(usable, length, np.nan)[:, None]


def are_others(given: np.ndarray, own: np.ndarray) -> bool:
    """Return whether vectors cannot be the encoder's of these crops, in this order: [n, W] each, n >= 2.

    The encoder's own vector of a crop must be closer to the one given for this crop than to those given for others,
    by a share of the contrast within either set. Vectors of another encoder, or in another order, are equally far
    from all.
    """
    alone = max(_contrast(own @ own.T), _contrast(given @ given.T))
    return bool(_contrast(own @ given.T) < _KEPT * alone)


def _contrast(cosine: np.ndarray) -> float:
    """Return the mean cosine [n, n] of corresponding crops minus that of different ones."""
    n = len(cosine)
    same = float(np.trace(cosine))
    return same / n - (float(cosine.sum()) - same) / (n * (n - 1))


def embedding_columns(tubes: Tubes, vectors: np.ndarray, settings: VectorSettings) -> Columns:
    """Return the EMBEDDINGS columns of the tubes of one video, for points selected as in `embed_tubes`.

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
