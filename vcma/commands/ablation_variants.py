"""The runs of an ablation: its variants, what each changes, and the sweeps over alpha and beta."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vcma.model.settings import Settings

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
BETAS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
# With a few hundred videos this many rounds suffice (by validation scores), and a run takes two minutes.
SHORT = {"rounds": 8, "patience": 3}
# The settings of train_em that each variant changes; all others are those of the full model.
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "em": {},
    "no_none": {"none_weight": 0.0},
    "no_time": {"time": "whole"},
    "no_margin": {"margin": 0.0},
    "no_presence": {"throughout": 0.0},
    "frames": {"time": "frames"},
    "amortised": {"refinements": 0},
    "no_label_prior": {"label_prior": 0.0},
    "no_score_prior": {"score_prior": 0.0},
    # Without cues the emission is uninformative at first, so `none_weight` was chosen again on validation.
    "no_cues": {"relation_prior": 0.0, "none_weight": 1.0},
    # All our additions off: closest to the paper's text.
    "bare": {
        **dict.fromkeys(
            ("relation_prior", "label_prior", "score_prior", "none_weight", "margin", "throughout"), 0.0
        ),
        "time": "frames",
    },
    # No validation annotations: they choose neither the round nor the decoding of spans.
    "unvalidated": {"stop": "elbo"},
    # A ceiling: it keeps rising when EM, after 8 rounds, no longer does.
    "supervised": {"rounds": 16, "patience": 6},
}
# With the data set's region-text encoder, which no other variant uses: instead of labels and colours, or added.
REGION_TEXT: Mapping[str, Mapping[str, Any]] = {"region_text": {"label_prior": 0.0}, "region_text_labels": {}}
UNTRAINED = "untrained"
SEEDLESS = (UNTRAINED, "label_prior", "oracle", "chance")  # nothing is trained: one run each


@dataclass(frozen=True)
class RunSpec:
    """One run: a variant, alpha and seed, with the settings of train_em."""

    variant: str
    alpha: float
    seed: int
    settings: Mapping[str, Any]

    @property
    def reads_region_text(self) -> bool:
        return Settings.of(self.settings).reads_region_text

    @property
    def beta(self) -> float:
        return float(self.settings["beta"])


def run_specs(
    train_em: Mapping[str, Any], untrained: Mapping[str, Any], alpha: float, seeds: Sequence[int], encoder: bool
) -> list[RunSpec]:
    """List every run: sweeps over alpha and beta, variants and baselines, for each seed.

    train_em, untrained: sections of pipeline.yaml. alpha: the configured value. encoder: whether the data set has a
    region-text encoder, which some variants need.
    """
    specs = []
    without, region_text = {"region_text_prior": 0.0, "region_text_time": 0.0}, REGION_TEXT if encoder else {}
    for seed in seeds:
        full = {**train_em, **SHORT, "seed": seed}
        specs += [RunSpec(name, alpha, seed, {**full, **changes}) for name, changes in region_text.items()]
        base = {**full, **without}
        specs += [RunSpec(name, alpha, seed, {**base, **changes}) for name, changes in CHANGES.items()]
        specs.append(RunSpec("contrast", alpha, seed, base))
        specs += [RunSpec("em", a, seed, base) for a in ALPHAS if a != alpha]
        specs += [RunSpec("em", alpha, seed, {**base, "beta": b}) for b in BETAS if b != base["beta"]]
    fixed = {**train_em, **without, "seed": 0}
    seedless = {name: fixed | ({**untrained, **without} if name == UNTRAINED else {}) for name in SEEDLESS}
    seedless |= {f"{UNTRAINED}_{name}": {**fixed, **untrained, **c} for name, c in region_text.items()}
    return [*specs, *(RunSpec(name, alpha, 0, settings) for name, settings in seedless.items())]
