"""Results of an ablation: a long-form CSV table, and variants and comparisons with intervals as Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vcma.pipeline import storage
from vcma.records.columns import Columns

_MEASURES = ("m_tIoU", "m_vIoU", "vIoU@0.3", "vIoU@0.5")
COLUMNS = ("variant", "alpha", "beta", "seed", "split", "query_type", *_MEASURES)
# Descriptions of the variants, in the order of the table.
DESCRIPTIONS = {
    "em": "EM, as configured",
    "p": "the same, decoded from p_theta only",
    "q": "the same, decoded from q_phi only, in one pass",
    "unvalidated": "no validation annotations: round chosen by the ELBO, no length penalty",
    "no_none": "no background class (`none_weight` 0)",
    "no_relations": "no relations (beta 0)",
    "no_time": "no temporal latent (the whole segment)",
    "no_presence": "no presence prior (`throughout` 0)",
    "no_margin": "no evidence threshold (`margin` 0)",
    "frames": "independent frames (`time: frames`), the paper's form of q(y)",
    "amortised": "amortised only (`refinements` 0)",
    "no_label_prior": "no label prior",
    "no_score_prior": "no score prior",
    "region_text": "region-text encoder instead of labels and colours",
    "region_text_labels": "region-text encoder beside labels and colours",
    "no_cues": "no predicate cues (`relation_prior` 0, `none_weight` 1)",
    "bare": "all of our additions off: the paper's form",
    "contrast": "phrase-video contrast only, with a tuned window",
    "untrained": "untrained: labels, scores and predicate cues",
    "untrained_region_text": "untrained, region-text encoder instead of labels and colours",
    "untrained_region_text_labels": "untrained, region-text encoder beside labels and colours",
    "label_prior": "labels only, with a tuned window",
    "supervised": "supervised ceiling (true tubes and spans)",
    "oracle": "oracle (best tube, true span)",
    "chance": "chance",
}


def write_csv(path: Path, results: Sequence[Mapping[str, Any]], truths: Mapping[str, Columns]) -> None:
    """Write the long-form table as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(long_form(results, truths))
    storage.write_bytes(path, text.getvalue().encode())


def long_form(
    results: Sequence[Mapping[str, Any]], truths: Mapping[str, Columns]
) -> Iterator[dict[str, str | float | int]]:
    """Yield one row per run, split and query type (`all`: every type). truths: the TRUTH columns by split."""
    for result in results:
        spec = result["spec"]
        for variant in (v for v in result if v in DESCRIPTIONS):
            for split, table in result[variant].items():
                scores = np.array(table, float)
                for query_type, rows in _query_types(truths[split]):
                    means = np.nanmean(scores[rows], axis=0)
                    yield {
                        "variant": variant,
                        "alpha": spec["alpha"],
                        "beta": spec["settings"]["beta"],
                        "seed": spec["seed"],
                        "split": split,
                        "query_type": query_type,
                        **dict(zip(_MEASURES, (f"{m:.6f}" for m in means), strict=True)),
                    }


def _query_types(truth: Columns) -> list[tuple[str, np.ndarray]]:
    """Return pairs (query type, mask of its samples), the last one `all`."""
    query_type = np.asarray(truth["query_type"], dtype=str)
    masks = [(str(name), query_type == name) for name in np.unique(query_type)]
    return [*masks, ("all", np.ones(len(query_type), bool))]


@dataclass(frozen=True)
class Ablation:
    """Results of all runs with the ground truth of the test split; alpha and beta: the configured values."""

    results: Sequence[Mapping[str, Any]]
    truth: Columns
    alpha: float
    beta: float

    def viou(self, variant: str, alpha: float | None = None, beta: float | None = None) -> np.ndarray:
        """Return the vIoU [seed, sample] of a variant on test; alpha and beta default to the configured values."""
        alpha = self.alpha if alpha is None else alpha
        beta = self._usual_beta(variant) if beta is None else beta
        return np.array(
            [
                np.array(result[variant]["test"], float)[:, 1]
                for result in self.results
                if variant in result and _alpha_and_beta(result) == (alpha, beta)
            ]
        )

    def _usual_beta(self, variant: str) -> float:
        return 0.0 if variant == "no_relations" else self.beta

    def sweep(self, name: str) -> dict[float, np.ndarray]:
        """Return EM's vIoU, as `viou`, for each value of `alpha` or `beta` that was run, in ascending order."""
        which = ("alpha", "beta").index(name)
        values = sorted({_alpha_and_beta(result)[which] for result in self.results if "em" in result})
        found = {value: self.viou("em", **{name: value}) for value in values}
        return {value: scores for value, scores in found.items() if len(scores)}

    @property
    def configured(self) -> list[Mapping[str, Any]]:
        """The runs of EM as configured, one per seed."""
        return [r for r in self.results if "em" in r and _alpha_and_beta(r) == (self.alpha, self.beta)]

    def mean(self, scores: np.ndarray) -> tuple[float, float, float]:
        """Return the mean over seeds and samples with its 95 % bootstrap interval over videos."""
        from vcma.evaluation.bootstrap import mean_with_interval

        return mean_with_interval(scores.mean(0), self.truth["video"])

    def difference(self, one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
        """Return the paired difference of means over seeds, one minus other, with its 95 % interval over videos."""
        from vcma.evaluation.bootstrap import mean_with_interval

        return mean_with_interval(one.mean(0) - other.mean(0), self.truth["video"])


def _alpha_and_beta(result: Mapping[str, Any]) -> tuple[float, float]:
    spec = result["spec"]
    return spec["alpha"], spec["settings"]["beta"]


def markdown(ablation: Ablation) -> str:
    """Format the table of variants and the comparisons as Markdown; without EM only the table."""
    em = ablation.viou("em")
    lines = list(_variant_table(ablation, em))
    if not len(em):
        return "\n".join(lines)
    lines += ["", *_shares(ablation, em), *_rounds(ablation)]
    lines += [*_sweep(ablation, "beta"), *_sweep(ablation, "alpha")]
    for when in ("calibration_error_before", "calibration_error"):
        values = [r["extra"][when]["test"] for r in ablation.configured]
        lines += ["", f"{when.replace('_', ' ')}, test: {np.mean(values):.3f} ± {np.std(values):.3f}."]
    seconds = [r["seconds"] for r in ablation.results if "em" in r]
    return "\n".join([*lines, "", f"Seconds per run, median: {np.median(seconds):.0f} (one core each)."])


def _variant_table(ablation: Ablation, em: np.ndarray) -> Iterator[str]:
    yield "| variant | m_vIoU, test | seeds | EM minus the variant, 95 % interval |"
    yield "|---|---|---|---|"
    for variant, description in DESCRIPTIONS.items():
        scores = ablation.viou(variant)
        if not len(scores):
            continue
        seeds = f"{len(scores)}, ± {100 * scores.mean(1).std(ddof=1):.1f}" if len(scores) > 1 else "1"
        gap = "–" if variant == "em" or not len(em) else _percent(ablation.difference(em, scores))
        yield f"| {description} | {_percent(ablation.mean(scores))} | {seeds} | {gap} |"


def _shares(ablation: Ablation, em: np.ndarray) -> Iterator[str]:
    """Yield EM's score as a share of others', overall and by query type."""
    scores = {variant: ablation.viou(variant) for variant in ("contrast", "supervised", "oracle")}
    others = {variant: s for variant, s in scores.items() if len(s)}
    if others:
        shares = (f"{em.mean() / np.nanmean(s):.2f} of {DESCRIPTIONS[variant]}" for variant, s in others.items())
        yield f"EM's m_vIoU as a share: {'; '.join(shares)}."
    for query_type, rows in _query_types(ablation.truth)[:-1]:
        means = (f"{variant} {100 * np.nanmean(s[:, rows]):.1f}" for variant, s in {"em": em, **others}.items())
        yield f"{query_type}: {', '.join(means)}."


def _rounds(ablation: Ablation) -> Iterator[str]:
    """Yield the scores of p and q on validation after the first epoch and in the round kept."""
    histories = [r["extra"]["history"] for r in ablation.configured]
    for key in ("score_p", "score_q"):
        first, kept = np.mean([(h[0][key], _kept_round(h)[key]) for h in histories], axis=0)
        yield f"{key[-1]} on validation: {100 * first:.1f} after one epoch, {100 * kept:.1f} in the round kept."


def _kept_round(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return max((row for row in history if row["best"]), key=lambda row: row["round"], default=history[-1])


def _sweep(ablation: Ablation, name: str) -> Iterator[str]:
    """Yield EM's score over alpha or beta, and the lead of the best value over others."""
    scores = ablation.sweep(name)
    means = {value: float(np.nanmean(s)) for value, s in scores.items()}
    yield ""
    yield f"{name} (m_vIoU, test): {', '.join(f'{value:g}: {100 * m:.1f}' for value, m in means.items())}."
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    rivals = (0.0, 4.0) if name == "beta" else (worst,)
    for rival in (r for r in rivals if r in means and r != best):
        yield f"Best {best:g} minus {rival:g}: {_percent(ablation.difference(scores[best], scores[rival]))}."


def _percent(value: tuple[float, float, float]) -> str:
    return f"{100 * value[0]:.1f} [{100 * value[1]:.1f}, {100 * value[2]:.1f}]"
