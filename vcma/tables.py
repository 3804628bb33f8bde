"""Metrics as aligned text, in percent, published results beside them where they belong to the same sentences."""

from __future__ import annotations

from vcma.metrics import METRICS
from vcma.references import published


def metrics_table(ours: dict, points: dict) -> str:
    """Metrics (protocol -> query type -> metrics) above their reference points (name -> the same)."""
    blocks = []
    for protocol, kinds in ours.items():
        for kind, metrics in kinds.items():
            counts = f"n = {metrics['n']:,}, missing {metrics['missing']:,}"
            rows = {"VCMA": _cells(metrics)}
            rows |= {name: _cells(p[protocol][kind]) for name, p in points.items() if kind in p.get(protocol, {})}
            for result in published(kind, metrics["n"], protocol, next(iter(ours))):
                values = [f"{result.values[m]:.1f}" if m in result.values else "–" for m in METRICS]
                rows[f"{result.method}, {result.supervision}, published"] = values
            blocks.append(_block(f"{kind}, protocol {protocol}: {counts}", rows))
    return "\n\n".join(blocks)


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
