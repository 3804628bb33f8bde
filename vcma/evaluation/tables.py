"""Metrics as aligned text, in percent, with published results on the same sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vcma.evaluation.coverage import Coverage
from vcma.evaluation.metrics import METRICS
from vcma.evaluation.published import published

_UNIT = "percent [95 % interval]"
# Descriptions of the baselines, in printing order.
BASELINES = {
    "chance": "a random tube, the whole segment",
    "labels": "the tube that fits the detector's labels best, the whole segment",
    "untrained": "labels and words of place and motion, without training",
    "contrast": "phrase-video contrast without EM",
    "oracle": "the tube with the highest IoU, the true span",
    "identity_oracle": "the detected regions that match the true boxes, the true span",
}


def metrics_table(
    metrics: dict, baselines: dict, annotation_format: str, coverage: Coverage, name: str = "VCMA"
) -> str:
    """Format metrics (protocol -> query type -> metrics) with baselines (name -> the same), by query type.

    annotation_format and coverage: what was scored; they decide which published results are listed. name: the
    method's row label. With several protocols, each row states its protocol.
    """
    explained = described(baselines)
    scored = {name: metrics, **{b: baselines[b] for b in explained}}
    several = len(metrics) > 1
    blocks = []
    for query_type, by_protocol in _by_query_type(metrics).items():
        rows = {
            f"{who}, {protocol}" if several else who: _cells(found[protocol][query_type])
            for who, found in scored.items()
            for protocol in by_protocol
            if query_type in found.get(protocol, {})
        }
        for protocol, ours in by_protocol.items():
            for result in published(annotation_format, coverage.split, query_type, ours["n"], protocol):
                label = f"{result.label}, {protocol}" if several and result.protocol else result.label
                rows[label] = [_digits(result.values.get(m)) for m in METRICS]
        blocks.append(_block(_title(query_type, by_protocol, coverage), rows))
    if blocks and explained:
        blocks.append("\n".join(f"  {baseline}: {text}" for baseline, text in explained.items() if text))
    return "\n\n".join(blocks)


def described(baselines: Iterable[str]) -> dict[str, str]:
    """Return the description of each baseline, in printing order; empty for unknown ones."""
    return {name: BASELINES.get(name, "") for name in sorted(baselines, key=_place)}


def _place(baseline: str) -> tuple[int, str]:
    return (list(BASELINES).index(baseline) if baseline in BASELINES else len(BASELINES)), baseline


def _title(query_type: str, by_protocol: dict[str, dict], coverage: Coverage) -> str:
    first = next(iter(by_protocol.values()))
    title = f"{query_type}, protocol{'s' * (len(by_protocol) > 1)} {', '.join(by_protocol)}: n = {first['n']:,}"
    title += f" ({coverage.share})" if coverage.share else ""
    title += f", missing {first['missing']:,}"
    if first["m_vIoU"]["value"] is None:
        return f"{title} (scores 0); no true boxes: spatial metrics are unavailable"
    title += ", true boxes without a predicted one "
    return title + ", ".join(f"{m['missing_boxes']:,}" for m in by_protocol.values()) + "; both score 0"


def whose(inputs: Mapping[str, str]) -> str:
    """Return the method that made an artifact with these inputs: VCMA, or the one without a trained model."""
    return "VCMA" if "model" in inputs else "untrained (labels and cues)"


def comparison_table(differences: dict, ours: dict, theirs: dict, name: str, other: str) -> str:
    """Format paired differences (protocol -> query type -> metrics), `name` minus `other`."""
    blocks = []
    for query_type, by_protocol in _by_query_type(differences).items():
        protocol, metrics = next(iter(by_protocol.items()))
        missing = " and ".join(f"{found[protocol][query_type]['missing']:,}" for found in (ours, theirs))
        title = f"{query_type}, {name} minus {other}: n = {metrics['n']:,}, missing {missing} (count 0)"
        blocks.append(_block(title, {f"protocol {p}": _cells(m) for p, m in by_protocol.items()}))
    return "\n\n".join(blocks)


def _by_query_type(metrics: dict) -> dict[str, dict]:
    """Regroup protocol -> query type -> metrics as query type -> protocol -> metrics."""
    query_types = dict.fromkeys(query_type for found in metrics.values() for query_type in found)
    return {t: {p: found[t] for p, found in metrics.items() if t in found} for t in query_types}


def _block(title: str, rows: dict[str, list[str]]) -> str:
    width = max(map(len, [_UNIT, *rows])) + 2
    head = f"  {_UNIT:<{width}}" + "".join(f"{name:>24}" for name in METRICS)
    return "\n".join(
        [title, head, *(f"  {n:<{width}}" + "".join(f"{c:>24}" for c in row) for n, row in rows.items())]
    )


def _cells(metrics: dict) -> list[str]:
    return [_cell(metrics[name]) for name in METRICS]


def _digits(value: float | None) -> str:
    """Format a published number with its published digits, at least one decimal."""
    return "–" if value is None else f"{value:.1f}" if value == round(value, 1) else f"{value:g}"


def _cell(value: dict) -> str:
    if value["value"] is None:
        return "unavailable"
    text = f"{100 * value['value']:.1f}"
    return text if value["low"] is None else f"{text} [{100 * value['low']:.1f}, {100 * value['high']:.1f}]"
