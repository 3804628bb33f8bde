"""How the model is built and trained."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Settings:
    """How the model is built and trained; the keys of `train_em:` in pipeline.yaml, where each is explained."""

    beta: float
    kappa: float
    label_prior: float
    relation_prior: float
    time: str
    margin: float
    width: int
    bottleneck: int
    dropout: float
    refinements: int
    none_weight: float
    contrast_weight: float
    learning_rate: float
    weight_decay: float
    batch_clips: int
    warm_up: int
    rounds: int
    patience: int
    stop: str
    text: str
    train_frames: int
    seed: int

    @classmethod
    def of(cls, values: dict[str, Any]) -> Settings:
        """Pick the settings out of a larger mapping."""
        return cls(**{f.name: values[f.name] for f in fields(cls)})
