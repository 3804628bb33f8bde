"""Settings of inference, and of the model and its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class AlignmentSettings:
    """Weights of the evidence and parameters of the E-step; documented in pipeline.yaml under `train_em:`."""

    beta: float
    kappa: float
    label_prior: float
    score_prior: float
    relation_prior: float
    region_text_prior: float
    region_text_time: float
    prompts: str
    time: str
    margin: float
    throughout: float
    refinements: int

    @property
    def reads_region_text(self) -> bool:
        """Whether the data set's region-text encoder is used: one of its weights is not 0."""
        return bool(self.region_text_prior) or self.scores_relations

    @property
    def scores_relations(self) -> bool:
        """Whether the region-text encoder also scores relations over time."""
        return self.region_text_time > 0


@dataclass(frozen=True)
class UntrainedSettings(AlignmentSettings):
    """Settings for grounding without a trained model: keys of `untrained:` in pipeline.yaml, and fixed values."""

    co_presence: float

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> UntrainedSettings:
        """Select the settings from a mapping that may have other keys; raises KeyError for a missing one."""
        fixed: dict[str, Any] = {"beta": 1.0, "time": "span", "refinements": 3}
        return cls(**fixed | {f.name: values[f.name] for f in fields(cls) if f.name not in fixed})


@dataclass(frozen=True)
class Settings(AlignmentSettings):
    """Settings of the model and its training: the keys of `train_em:` in pipeline.yaml, documented there."""

    width: int
    bottleneck: int
    dropout: float
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
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Select the settings from a mapping that may have other keys; raises KeyError for a missing one."""
        return cls(**{f.name: values[f.name] for f in fields(cls)})
