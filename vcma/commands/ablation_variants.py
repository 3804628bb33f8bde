"""The runs of an ablation: which variants there are, what each changes, and the sweeps over alpha and beta."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
BETAS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
# With some hundred videos so many rounds suffice (seen on validation), and a run stays near a minute.
SHORT = {"rounds": 8, "patience": 3}
# What each variant changes of train_em's settings; each is the full model otherwise.
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
    # Without the cues nothing holds the emission up at first: its weights were chosen anew, on validation.
    "no_cues": {"relation_prior": 0.0, "none_weight": 1.0},
    # Every switch of ours off: what is then left is nearest to the paper's text.
    "bare": {
        **dict.fromkeys(
            ("relation_prior", "label_prior", "score_prior", "none_weight", "margin", "throughout"), 0.0
        ),
        "time": "frames",
    },
    # No truth of validation either: neither the round nor how spans are decoded is chosen by it.
    "unvalidated": {"stop": "elbo"},
    "supervised": {},
}
# With the data set's region-text encoder, which no other variant reads: instead of labels and colours, or beside.
REGION_TEXT: Mapping[str, Mapping[str, Any]] = {"region_text": {"label_prior": 0.0}, "region_text_labels": {}}
UNTRAINED = "untrained"
SEEDLESS = (UNTRAINED, "label_prior", "oracle", "chance")  # nothing is trained, so one run each


@dataclass(frozen=True)
class RunSpec:
    """One run: a variant at alpha and beta with a seed, and train_em's settings in force."""

    variant: str
    alpha: float
    seed: int
    settings: Mapping[str, Any]

    @property
    def reads_region_text(self) -> bool:
        return bool(self.settings["region_text_prior"] or self.settings["region_text_time"])

    @property
    def beta(self) -> float:
        return float(self.settings["beta"])


def run_specs(
    train_em: Mapping[str, Any], untrained: Mapping[str, Any], alpha: float, seeds: Sequence[int], encoder: bool
) -> list[RunSpec]:
    """Every run: the sweeps over alpha and beta, the variants, and the references, for each seed.

    train_em, untrained: those sections of pipeline.yaml; alpha: the configured one; encoder: whether the data set
    has a region-text encoder, for the variants that read it.
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
