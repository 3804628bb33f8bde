"""Metrics as aligned text, in percent, published results beside them where they belong to the same sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from vcma.evaluation.metrics import METRICS
from vcma.evaluation.published import published

_UNIT = "percent [95 % interval]"
# What each reference point is, in the order in which they stand.
_POINTS = {
    "chance": "a random tube, the whole segment",
    "labels": "the tube of the detector's labels, the whole segment",
    "untrained": "labels and words of place and motion",
    "contrast": "phrase-video contrast without EM",
    "oracle": "the best tube, the true span",
    "identity_oracle": "the detected regions that are right, the true span",
}


def metrics_table(ours: dict, points: dict, form: str, split: str, name: str = "VCMA") -> str:
    """Metrics (protocol -> query type -> metrics) above their reference points (name -> the same), by query type.

    form and split: the annotation format and the split scored, which decide what published results belong here;
    name: whose metrics they are. Several protocols stand below one another, each row saying which is its.
    """
    known = {point: points[point] for point in _POINTS if point in points}
    scored, several = {name: ours} | known | points, len(ours) > 1
    blocks = []
    for kind, of in _by_query_type(ours).items():
        rows = {
            f"{who}, {protocol}" if several else who: _cells(found[protocol][kind])
            for who, found in scored.items()
            for protocol in of
            if kind in found.get(protocol, {})
        }
        for protocol, metrics in of.items():
            for result in published(form, split, kind, metrics["n"], protocol):
                label = f"{result.label}, {protocol}" if several and result.protocol else result.label
                rows[label] = [_digits(result.values.get(m)) for m in METRICS]
        metrics = next(iter(of.values()))
        title = f"{kind}, protocol{'s' * several} {', '.join(of)}: n = {metrics['n']:,}"
        title += f", missing {metrics['missing']:,}, true boxes without a predicted one "
        title += ", ".join(f"{m['missing_boxes']:,}" for m in of.values()) + "; both score 0"
        blocks.append(_block(title, rows))
    if blocks and known:
        blocks.append("\n".join(f"  {point}: {_POINTS[point]}" for point in known))
    return "\n\n".join(blocks)


def whose(inputs: Mapping[str, str]) -> str:
    """Whose answers those of an artifact with these inputs are: VCMA's, or those that need no model."""
    return "VCMA" if "model" in inputs else "untrained (labels and cues)"


def left_out(split: str, reasons: Iterable[str], foreign: int, empty: int = 0) -> str:
    """One line: how many items of a split are not scored and why, predictions of which no sample is known, and
    predicted boxes without an area."""
    kinds = Counter(reason.split(":")[0] for reason in reasons).most_common()
    listed = ", ".join(f"{n:,} {kind}" for kind, n in kinds)
    text = f"left out of {split}: {sum(n for _, n in kinds):,}{f' ({listed})' if listed else ''}"
    if foreign:
        text += f"; {foreign:,} predictions are for no sample of {split}"
    if empty:
        text += f"; {empty:,} predicted boxes are empty, [x1, y1, x2, y2] with x1 < x2 and y1 < y2 was expected"
    return text


def comparison_table(differences: dict, ours: dict, theirs: dict, name: str, other: str) -> str:
    """Paired differences (protocol -> query type -> metrics), `name` minus `other`, and both's own metrics."""
    blocks = []
    for kind, of in _by_query_type(differences).items():
        protocol, metrics = next(iter(of.items()))
        absent = f"{ours[protocol][kind]['missing']:,} and {theirs[protocol][kind]['missing']:,}"
        title = f"{kind}, {name} minus {other}: n = {metrics['n']:,}, missing {absent} (count 0)"
        blocks.append(_block(title, {f"protocol {protocol}": _cells(m) for protocol, m in of.items()}))
    return "\n\n".join(blocks)


def _by_query_type(metrics: dict) -> dict[str, dict]:
    """Query type -> protocol -> metrics, of protocol -> query type -> metrics."""
    kinds = dict.fromkeys(kind for found in metrics.values() for kind in found)
    return {kind: {p: found[kind] for p, found in metrics.items() if kind in found} for kind in kinds}


def _block(title: str, rows: dict[str, list[str]]) -> str:
    width = max(map(len, [_UNIT, *rows])) + 2
    head = f"  {_UNIT:<{width}}" + "".join(f"{name:>24}" for name in METRICS)
    return "\n".join(
        [title, head, *(f"  {n:<{width}}" + "".join(f"{c:>24}" for c in row) for n, row in rows.items())]
    )


def _cells(metrics: dict) -> list[str]:
    return [_cell(metrics[name]) for name in METRICS]


def _digits(value: float | None) -> str:
    """A published number as it was published, one decimal at least."""
    return "–" if value is None else f"{value:.1f}" if value == round(value, 1) else f"{value:g}"


def _cell(value: dict) -> str:
    if value["value"] is None:
        return "unavailable"
    text = f"{100 * value['value']:.1f}"
    return text if value["low"] is None else f"{text} [{100 * value['low']:.1f}, {100 * value['high']:.1f}]"
