"""Draw the sweeps over alpha and beta in an ablation.csv: charts for the report, and the paper's figure 1."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.pipeline import storage
from vcma.report.charts import POSTERIORS, Chart, draw_svg, figure_style
from vcma.report.palette import BLUE, GREEN, ORANGE

_SWEPT = (("alpha", "beta"), ("beta", "alpha"))  # the swept parameter, and the one at its most common value
_PLOT = """\
  - "m_vIoU by {name}, {dataset}":
      x: {name}
      y: {{sweep_{name}.csv: m_vIoU}}
      x_label: {name}
      y_label: m_vIoU on test
"""
Sweep = Mapping[str, Mapping[float, Sequence[float]]]  # query type -> value -> m_vIoU of each seed


def ablation_charts(path: Path, split: str) -> list[Chart]:
    """Draw m_vIoU against alpha and beta from an ablation.csv, by query type, mean and range over seeds.

    Empty if the file does not exist or has no sweep. Raises InputError if it lacks the expected columns.
    """
    if not path.exists():
        return []
    rows = [row for row in _read(path) if row.get("variant") == "em" and row.get("split") == split]
    charts = []
    for name, other in _SWEPT:
        try:
            sweep = _sweep(rows, name, other)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"not an ablation table ({error})", path, "run make ablation") from error
        if any(len(by_value) > 1 for by_value in sweep.values()):
            charts.append(_sweep_chart(name, sweep))
    return charts


def write_sweeps(path: Path, folder: Path) -> None:
    """Write the sweeps in an ablation.csv to a folder as sweep_alpha.csv and sweep_beta.csv, for `dvc plots show`.

    Each row has a value and the mean, minimum and maximum m_vIoU over seeds, over all sentences of the test split.
    A dvc.yaml beside them defines the plots: one in the project's would fail for data sets without an ablation.
    """
    rows = [row for row in _read(path) if (row["variant"], row["split"]) == ("em", "test")]
    for name, other in _SWEPT:
        lines = [f"{name},m_vIoU,low,high"]
        for value, scores in sorted(_sweep(rows, name, other).get("all", {}).items()):
            lines.append(f"{value:g},{np.mean(scores):.4f},{min(scores):.4f},{max(scores):.4f}")
        storage.write_bytes(folder / f"sweep_{name}.csv", ("\n".join(lines) + "\n").encode())
    plots = "".join(_PLOT.format(name=name, dataset=json.dumps(folder.name)[1:-1]) for name, _ in _SWEPT)
    storage.write_bytes(folder / "dvc.yaml", f"plots:\n{plots}".encode())


def ablation_figure(path: Path, results: Sequence[Mapping], folder: Path) -> None:
    """Draw the paper's figure 1 as ablation.png in a folder, mean and range over seeds.

    Panels: m_vIoU on test against alpha and beta (from an ablation.csv), and m_vIoU of p and q on validation by EM
    round (from the histories of the runs).
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = [row for row in _read(path) if row["variant"] == "em" and row["split"] == "test"]
    histories = [r["extra"]["history"] for r in results if "em" in r and _is_most_common(r, rows)]
    with rc_context(figure_style("ablation")):
        figure = Figure(figsize=(10, 3), layout="constrained", dpi=120)
        axes = figure.subplots(1, 3)
        for panel, (name, other) in zip(axes, _SWEPT, strict=False):
            _draw_sweep(panel, name, _sweep(rows, name, other))
            panel.set_ylim(bottom=0)
        _draw_histories(axes[2], histories)
        figure.savefig(folder / "ablation.png", metadata={"Software": None})


def _read(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _most_common(rows: Sequence[Mapping], name: str) -> float:
    return Counter(float(row[name]) for row in rows).most_common(1)[0][0]


def _is_most_common(result: Mapping, rows: Sequence[Mapping]) -> bool:
    """Return whether a run has the most common alpha and beta of the table."""
    spec = result["spec"]
    at = {"alpha": spec["alpha"], "beta": spec["settings"]["beta"]}
    return all(_most_common(rows, name) == float(value) for name, value in at.items())


def _sweep(rows: Sequence[Mapping], name: str, other: str) -> Sweep:
    """Collect m_vIoU by query type and value of `name`, at the most common value of `other`."""
    sweep: dict[str, dict[float, list[float]]] = {}
    usual = _most_common(rows, other) if rows else None
    for row in rows:
        if row["m_vIoU"] and float(row[other]) == usual:
            by_value = sweep.setdefault(row["query_type"], {})
            by_value.setdefault(float(row[name]), []).append(float(row["m_vIoU"]))
    return sweep


def _sweep_chart(name: str, sweep: Sweep) -> Chart:
    best = {
        query_type: max((float(np.mean(scores)), value) for value, scores in by_value.items())[1]
        for query_type, by_value in sweep.items()
    }
    return Chart(
        draw_svg(f"sweep-{name}", partial(_draw_sweep, name=name, sweep=sweep)),
        f"m_vIoU against {name}, mean and range over seeds.",
        "; ".join(f"{query_type}: best at {name} {value:g}" for query_type, value in sorted(best.items())) + ".",
    )


def _draw_sweep(axes: Any, name: str, sweep: Sweep) -> None:
    for colour, (query_type, by_value) in zip((BLUE, ORANGE, GREEN), sorted(sweep.items()), strict=False):
        at = sorted(by_value)
        mean = np.array([np.mean(by_value[x]) for x in at])
        low, high = (np.array([extreme(by_value[x]) for x in at]) for extreme in (min, max))
        reach = np.stack([mean - low, high - mean])
        axes.errorbar(at, mean, yerr=reach, fmt="o-", color=colour, label=query_type, markersize=3, capsize=2)
    axes.set_xlabel(name)
    axes.set_ylabel("m_vIoU")
    axes.grid(alpha=0.2)
    axes.legend(frameon=False, fontsize=7)


def _draw_histories(axes: Any, histories: Sequence[Sequence[Mapping]]) -> None:
    """Draw the scores of p and q by round, up to the last round that every run reached."""
    length = min(map(len, histories), default=0)
    for key, colour, label in POSTERIORS:
        scores = np.array([[row[key] for row in history[:length]] for history in histories], float)
        if length:
            at = [row["round"] for row in histories[0][:length]]
            axes.fill_between(at, scores.min(0), scores.max(0), color=colour, alpha=0.2, linewidth=0)
            axes.plot(at, scores.mean(0), "o-", color=colour, label=label, markersize=3)
    axes.set_xlabel("round of EM (0 and below: warm-up)")
    axes.set_ylabel("m_vIoU, validation")
    axes.grid(alpha=0.2)
    axes.legend(frameon=False, fontsize=7)
