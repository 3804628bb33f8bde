"""`vcma ablate`: the paper's figure of hyper-parameters and the table of ablations, on one data set.

The runs are made in vcma.commands.ablation_runs; here is what came of them: table, figures and comparisons.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma.commands.ablation_runs import SPLITS, run_all, specs
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.cli import with_project
from vcma.pipeline.project import Project
from vcma.records.columns import Columns

COLUMNS = (
    *("variant", "alpha", "beta", "seed", "split", "query_type"),
    *("m_tIoU", "m_vIoU", "vIoU@0.3", "vIoU@0.5"),
)
# How each is to be read, in the table.
MEANING = {
    "em": "EM, as configured",
    "q": "the same, decoded from q_phi in one pass",
    "no_none": "no `none` class (its weight 0)",
    "no_relations": "no relations (beta 0)",
    "no_time": "no temporal latent (the whole segment)",
    "no_margin": "no margin: spans of all frames above the mean",
    "frames": "time: frames, q(y) of the paper's form",
    "amortised": "pure amortised (no refinement)",
    "no_label_prior": "label prior off",
    "no_cues": "relation prior off (`none` 1)",
    "bare": "all of our switches off (priors, `none`, runs, margin)",
    "contrast": "phrase-video contrast alone, window tuned",
    "untrained": "label and relation prior, untrained",
    "label_prior": "label prior untrained, window tuned",
    "supervised": "supervised ceiling (true tubes and spans)",
    "oracle": "oracle (best tube, true span)",
    "chance": "chance",
}


def rows(results: Sequence[Mapping[str, Any]], truths: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The long-form table: one row a run, split and query type, `all` being both."""
    for result in results:
        spec = result["spec"]
        for variant in (v for v in result if v in MEANING):
            for split, table in result[variant].items():
                values = np.array(table, float)
                for kind, mine in _kinds(truths[split]):
                    means = np.nanmean(values[mine], axis=0)
                    yield {
                        "variant": variant,
                        "alpha": spec["alpha"],
                        "beta": spec["settings"]["beta"],
                        "seed": spec["seed"],
                        "split": split,
                        "query_type": kind,
                        **dict(zip(COLUMNS[6:], (f"{m:.6f}" for m in means), strict=True)),
                    }


def _kinds(truth: Columns) -> list[tuple[str, np.ndarray]]:
    kind = np.asarray(truth["query_type"], dtype=str)
    return [*((str(k), kind == k) for k in np.unique(kind)), ("all", np.ones(len(kind), bool))]


@dataclass(frozen=True)
class Outcome:
    """All runs of a sweep, to be asked: m_vIoU of every test sample, mean over seeds."""

    results: Sequence[Mapping[str, Any]]
    truth: Columns
    alpha: float
    beta: float

    def each(self, variant: str, alpha: float | None = None, beta: float | None = None) -> np.ndarray:
        """vIoU [seed, sample] on test of a variant; alpha and beta are the configured ones unless given."""
        wanted = self.alpha if alpha is None else alpha, beta
        found = []
        for result in self.results:
            spec = result["spec"]
            at = spec["alpha"], spec["settings"]["beta"]
            here = at[0] == wanted[0] and (at[1] == beta if beta is not None else self._usual(variant, at[1]))
            if variant in result and here:
                found.append(np.array(result[variant]["test"], float)[:, 1])
        return np.array(found)

    def _usual(self, variant: str, beta: float) -> bool:
        return beta == (0.0 if variant == "no_relations" else self.beta)

    @property
    def configured(self) -> list[Mapping[str, Any]]:
        """The runs of EM as configured, one a seed."""
        at = self.alpha, self.beta
        return [r for r in self.results if "em" in r and (r["spec"]["alpha"], r["spec"]["settings"]["beta"]) == at]

    def difference(self, one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
        """Paired difference of means over seeds, one minus other, with its 95 % interval over videos."""
        from vcma.evaluation.bootstrap import mean_with_interval

        return mean_with_interval(one.mean(0) - other.mean(0), self.truth["video"])


def summary(outcome: Outcome) -> str:
    """The table of the variants and the comparisons that are claimed, as Markdown; without EM just the table."""
    from vcma.evaluation.bootstrap import mean_with_interval

    lines = ["| variant | m_vIoU, test | seeds | EM minus it, 95 % interval |", "|---|---|---|---|"]
    full = outcome.each("em")
    for variant, meaning in MEANING.items():
        scores = outcome.each(variant)
        if not len(scores):
            continue
        value, low, high = mean_with_interval(scores.mean(0), outcome.truth["video"])
        spread = f"{len(scores)}, ± {100 * scores.mean(1).std(ddof=1):.1f}" if len(scores) > 1 else "1"
        gap = "–" if variant == "em" or not len(full) else _percent(outcome.difference(full, scores))
        lines.append(f"| {meaning} | {_percent((value, low, high))} | {spread} | {gap} |")
    if not len(full):
        return "\n".join(lines)
    lines += ["", *_shares(outcome, full)]
    of_em = [r["spec"] for r in outcome.results if "em" in r]
    betas = {b: outcome.each("em", beta=b) for b in sorted({s["settings"]["beta"] for s in of_em})}
    alphas = {a: outcome.each("em", alpha=a) for a in sorted({s["alpha"] for s in of_em})}
    for name, swept in (("beta", betas), ("alpha", alphas)):
        means = {value: float(np.nanmean(s)) for value, s in swept.items() if len(s)}
        told = ", ".join(f"{value:g}: {100 * m:.1f}" for value, m in means.items())
        best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
        lines += ["", f"{name} (m_vIoU, test): {told}."]
        rivals = (0.0, 4.0) if name == "beta" else (worst,)
        for rival in (r for r in rivals if r in means and r != best):
            difference = _percent(outcome.difference(swept[best], swept[rival]))
            lines.append(f"Best {best:g} minus {rival:g}: {difference}.")
    for when in ("calibration_error_before", "calibration_error"):
        values = [r["extra"][when]["test"] for r in outcome.configured]
        lines += ["", f"{when.replace('_', ' ')}, test: {np.mean(values):.3f} ± {np.std(values):.3f}."]
    seconds = [r["seconds"] for r in outcome.results if "em" in r]
    return "\n".join([*lines, "", f"Seconds a run, median: {np.median(seconds):.0f} (one core each)."])


def _shares(outcome: Outcome, full: np.ndarray) -> Iterator[str]:
    """What EM's score is of the others', by query type, and where p and q start and end on validation."""
    told = {v: outcome.each(v) for v in ("contrast", "supervised", "oracle")}
    of = {v: f"{full.mean() / np.nanmean(s):.2f} of {MEANING[v]}" for v, s in told.items() if len(s)}
    if of:
        yield f"EM's m_vIoU is {'; '.join(of.values())}."
    for kind, mine in _kinds(outcome.truth)[:-1]:
        of = {v: f"{100 * np.nanmean(s[:, mine]):.1f}" for v, s in {"em": full, **told}.items() if len(s)}
        yield f"{kind}: {', '.join(f'{v} {value}' for v, value in of.items())}."
    histories = [r["extra"]["history"] for r in outcome.configured]
    for key in ("score_p", "score_q"):
        first, kept = np.mean([(h[0][key], _kept(h)[key]) for h in histories], axis=0)
        yield f"{key[-1]} on validation: {100 * first:.1f} after one epoch, {100 * kept:.1f} in the round kept."


def _kept(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return max((row for row in history if row["best"]), key=lambda row: row["round"], default=history[-1])


def _percent(value: tuple[float, float, float]) -> str:
    return f"{100 * value[0]:.1f} [{100 * value[1]:.1f}, {100 * value[2]:.1f}]"


@click.command("ablate", context_settings={"default_map": {"dataset": "demo_full"}, "show_default": True})
@with_project
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Training seeds of each run.")
@click.option("--only", multiple=True, help="Only these variants (em with all of its sweep).")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Runs at once, a core each.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the table and figures go: results/<dataset>.")
def ablate(project: Project, seeds: int, only: tuple[str, ...], jobs: int, out: Path | None) -> None:
    """Sweep alpha and beta and run every ablation; draw the figure, print the table with intervals."""
    from vcma.report.ablation import ablation_figure

    for name in ("samples.h5", "queries.h5", "tubes", "truth_train.h5"):
        if not (project.artifacts / name).exists():
            raise InputError(
                "is not there yet",
                project.artifacts / name,
                f"run the stages with --dataset {project.dataset}, or make ablation for demo_full",
            )
    alpha, section = float(project.section("link_tubes")["alpha"]), project.section("train_em")
    wanted = specs(section, alpha, range(seeds))
    variants = dict.fromkeys(s.variant for s in wanted)
    if unknown := sorted(set(only) - set(variants)):
        raise click.UsageError(f"no variant {', '.join(unknown)}; there are {', '.join(variants)}")
    results = run_all(project, [s for s in wanted if not only or s.variant in only], jobs)
    folder = out or project.root / "results" / project.dataset
    truths = {split: artifact.read(schemas.TRUTH, project.artifacts / f"truth_{split}.h5") for split in SPLITS}
    write_table(folder / "ablation.csv", rows(results, truths))
    outcome = Outcome(results, truths["test"], alpha, float(section["beta"]))
    if outcome.configured:
        ablation_figure(folder / "ablation.csv", results, folder)
    text = summary(outcome)
    storage.write_bytes(folder / "ablation.md", (text + "\n").encode())
    click.echo(text)
    click.echo(f"ablate: {len(results)} runs -> {folder}", err=True)


def write_table(path: Path, table: Iterator[dict[str, Any]]) -> None:
    """Write the long-form table as CSV."""
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    storage.write_bytes(path, text.getvalue().encode())
