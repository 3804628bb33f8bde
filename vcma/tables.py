"""Metrics as aligned text, in percent, published results beside them where they belong to the same sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from vcma.metrics import METRICS
from vcma.references import published


def metrics_table(ours: dict, points: dict, form: str, split: str, name: str = "VCMA") -> str:
    """Metrics (protocol -> query type -> metrics) above their reference points (name -> the same).

    form and split: the annotation format and the split scored, which decide what published results belong here;
    name: whose metrics they are.
    """
    blocks = []
    for protocol, kinds in ours.items():
        for kind, metrics in kinds.items():
            counts = f"n = {metrics['n']:,}, missing {metrics['missing']:,} (count 0)"
            counts += f", true boxes without a predicted one {metrics['missing_boxes']:,} (count 0)"
            rows = {name: _cells(metrics)}
            rows |= {name: _cells(p[protocol][kind]) for name, p in points.items() if kind in p.get(protocol, {})}
            for result in published(form, split, kind, metrics["n"], protocol):
                values = [f"{result.values[m]:g}" if m in result.values else "–" for m in METRICS]
                rows[result.label] = values
            blocks.append(_block(f"{kind}, protocol {protocol}: {counts}", rows))
    return "\n\n".join(blocks)


def left_out(split: str, reasons: Iterable[str], foreign: int) -> str:
    """One line: how many items of a split are not scored and why, and predictions of which no sample is known."""
    kinds = Counter(reason.split(":")[0] for reason in reasons).most_common()
    listed = ", ".join(f"{n:,} {kind}" for kind, n in kinds)
    text = f"left out of {split}: {sum(n for _, n in kinds):,}{f' ({listed})' if listed else ''}"
    return text + (f"; {foreign:,} predictions are for no sample of {split}" if foreign else "")


def comparison_table(differences: dict) -> str:
    """Paired differences (protocol -> query type -> metrics)."""
    return "\n\n".join(
        _block(f"{kind}, protocol {protocol}: n = {metrics['n']:,}", {"difference": _cells(metrics)})
        for protocol, kinds in differences.items()
        for kind, metrics in kinds.items()
    )


def _block(title: str, rows: dict[str, list[str]]) -> str:
    width = max(map(len, rows)) + 2
    head = f"  {'':<{width}}" + "".join(f"{name:>24}" for name in METRICS)
    return "\n".join(
        [title, head, *(f"  {n:<{width}}" + "".join(f"{c:>24}" for c in row) for n, row in rows.items())]
    )


def _cells(metrics: dict) -> list[str]:
    return [_cell(metrics[name]) for name in METRICS]


def _cell(value: dict) -> str:
    if value["value"] is None:
        return "unavailable"
    text = f"{100 * value['value']:.1f}"
    return text if value["low"] is None else f"{text} [{100 * value['low']:.1f}, {100 * value['high']:.1f}]"
