"""Table and figure of the measures of `training.instruments`: EM round by round on validation, by query type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vcma.report.charts import figure_style
from vcma.report.palette import BLUE, GREEN, ORANGE
from vcma.training.instruments import MEASURES, query_types

_PANELS = (
    ("m_vIoU", "m_vIoU"),
    ("tube", "share of right tubes"),
    ("m_tIoU", "m_tIoU"),
    ("moved", "moved: KL from the start, nat"),
    ("H_z", "entropy of q(z), nat"),
    ("H_y", "entropy of q(y), nat"),
    ("alignment", "F: alignment, nat"),
    ("relations", "F: relations, nat"),
)
Histories = Sequence[Sequence[Mapping[str, Any]]]  # for each seed, a row per round


def rounds_table(histories: Histories) -> str:
    """Return a Markdown table of measures by query type and round, means over seeds; round 0 ends the warm-up."""
    return "\n".join(_rows(histories)) + "\n"


def _rows(histories: Histories) -> Iterator[str]:
    length = min(map(len, histories))
    yield f"| query type | round | {' | '.join(MEASURES)} |"
    yield "|---" * (2 + len(MEASURES)) + "|"
    for name in query_types([dict(row) for row in histories[0][:length]]):
        for i in range(length):
            means = (np.mean([h[i][f"{measure} {name}"] for h in histories]) for measure in MEASURES)
            yield f"| {name} | {histories[0][i]['round']} | {' | '.join(f'{m:.3f}' for m in means)} |"


def rounds_figure(histories: Histories, path: Path) -> None:
    """Draw a PNG with a panel per measure and a line per query type over the rounds, mean and range over seeds."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    length = min(map(len, histories))
    at = [row["round"] for row in histories[0][:length]]
    names = query_types([dict(row) for row in histories[0][:length]])
    with rc_context(figure_style("rounds")):
        figure = Figure(figsize=(10, 4.6), layout="constrained", dpi=120)
        for axes, (measure, label) in zip(figure.subplots(2, 4).flat, _PANELS, strict=True):
            for name, colour in zip(names, (BLUE, ORANGE, GREEN), strict=False):
                values = np.array([[row[f"{measure} {name}"] for row in h[:length]] for h in histories], float)
                axes.fill_between(at, values.min(0), values.max(0), color=colour, alpha=0.2, linewidth=0)
                axes.plot(at, values.mean(0), "o-", color=colour, label=name, markersize=3)
            axes.set_ylabel(label)
            axes.set_xlabel("round of EM")
            axes.grid(alpha=0.2)
        figure.axes[0].legend(frameon=False, fontsize=7)
        figure.savefig(path, metadata={"Software": None})
