"""Embeddings of the crops of one video's tubes by a region-text encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_CONTEXT = " context "


def fingerprint(encoder: str, context: float) -> str:
    """Return an identifier that differs between embeddings that may differ: encoder name and context margin."""
    return f"{encoder}{_CONTEXT}{context:g}"


def made_by(fingerprint: str) -> str:
    """Return the encoder's name in a fingerprint."""
    return fingerprint.partition(_CONTEXT)[0]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Crops of the tubes of one video.

    encoder: fingerprint of encoder and context margin; tube int64 [c], ascending, of each crop; frame int64 [c],
    native; embedding float32 [c, W], unit length.
    """

    encoder: str
    tube: np.ndarray
    frame: np.ndarray
    embedding: np.ndarray

    @classmethod
    def of(cls, columns: Mapping[str, Any]) -> Embeddings:
        """Create from the EMBEDDINGS columns."""
        count = np.diff(columns["crop_offset"])
        return cls(
            encoder=str(columns["encoder"]),
            tube=np.repeat(np.arange(len(count)), count),
            frame=np.asarray(columns["frame"]),
            embedding=np.asarray(columns["embedding"], np.float32),
        )

    @classmethod
    def none(cls) -> Embeddings:
        """Create the embeddings of a video without embedded crops."""
        return cls("", np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 0), np.float32))
