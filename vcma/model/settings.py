"""How the model is built and trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class AlignmentSettings:
    """How evidence is weighed and an E-step is made; pipeline.yaml explains each under `train_em:`."""

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
        """Whether the data set's region-text encoder has a weight in anything."""
        return bool(self.region_text_prior or self.region_text_time)


@dataclass(frozen=True)
class UntrainedSettings(AlignmentSettings):
    """The same without a model: the keys of `untrained:` in pipeline.yaml, and what has no key there."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> UntrainedSettings:
        """Pick the settings out of a larger mapping."""
        fixed: dict[str, Any] = {"beta": 1.0, "time": "span", "refinements": 3}
        return cls(**fixed | {f.name: values[f.name] for f in fields(cls) if f.name not in fixed})


@dataclass(frozen=True)
class Settings(AlignmentSettings):
    """How the model is built and trained; the keys of `train_em:` in pipeline.yaml, where each is explained."""

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
        """Pick the settings out of a larger mapping."""
        return cls(**{f.name: values[f.name] for f in fields(cls)})
