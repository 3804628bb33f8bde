"""What a region-text encoder sees in the tubes of one video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_CONTEXT = " context "


def fingerprint(encoder: str, context: float) -> str:
    """What tells embeddings apart that may differ: the encoder's name and how much around a region it sees."""
    return f"{encoder}{_CONTEXT}{context:g}"


def made_by(fingerprint: str) -> str:
    """The encoder's name in a fingerprint."""
    return fingerprint.partition(_CONTEXT)[0]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Crops of the tubes of one video: encoder, the fingerprint of what made them; tube int64 [c], rising, of each
    crop; frame int64 [c], native; embedding float32 [c, W], unit length.
    """

    encoder: str
    tube: np.ndarray
    frame: np.ndarray
    embedding: np.ndarray

    @classmethod
    def of(cls, columns: Mapping[str, Any]) -> Embeddings:
        """From the EMBEDDINGS columns."""
        count = np.diff(columns["crop_offset"])
        return cls(
            encoder=str(columns["encoder"]),
            tube=np.repeat(np.arange(len(count)), count),
            frame=np.asarray(columns["frame"]),
            embedding=np.asarray(columns["embedding"], np.float32),
        )

    @classmethod
    def none(cls) -> Embeddings:
        """Those of a video that nothing was embedded of."""
        return cls("", np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 0), np.float32))
