"""Compute a sample's timeline as CSS styles and polyline points: presence of tubes, and curves over time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vcma.records.columns import rows
from vcma.records.tubes import Tubes
from vcma.report.candidates import tube_name
from vcma.report.cases import Case


class TubeRow(NamedTuple):
    """A tube's row of the timeline; parts: (style, whether the tube is interpolated there)."""

    tube: int
    name: str
    parts: list[tuple[str, bool]]


class EvidenceRow(NamedTuple):
    """A relation's row of the timeline: its curve in [-reach, reach] nats, its mean inside and outside the span."""

    relation: int
    text: str
    predicate: str
    points: str
    reach: float
    mean: float | None
    outside: float | None


def place(case: Case, span: tuple[int, int]) -> str:
    """Return the CSS position of a span of native frames on the timeline."""
    begin, end = case.segment
    low, high = (min(max((f - begin) / (end - begin), 0), 1) for f in span)
    return f"left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"


def tube_rows(case: Case, tubes: Tubes) -> list[TubeRow]:
    """Return the presence of each tube in the segment; the answer comes first, then the tubes of entities.

    Tubes without a point in the segment are left out, except for the answer.
    """

    def row(tube: int) -> TubeRow:
        points = rows(tubes.point_offset, tube)
        intervals = _intervals(tubes.position[points], tubes.interpolated[points], tubes.frame)
        in_segment = [i for i in intervals if i[1] > case.segment[0] and i[0] < case.segment[1]]
        parts = [(place(case, (begin, end)), bridged) for begin, end, bridged in in_segment]
        return TubeRow(tube, tube_name(tubes, tube), parts)

    order = sorted(range(len(tubes)), key=lambda n: (n != case.tube, n not in case.entity_tube, n))
    return [found for tube in order if (found := row(tube)).parts or tube == case.tube]


def _intervals(position: np.ndarray, bridged: np.ndarray, frame: np.ndarray) -> list[tuple[int, int, bool]]:
    """Return intervals of native frames (begin, end, bridged) from positions among the sampled frames."""
    if not len(position):
        return []
    cut = np.flatnonzero((np.diff(position) != 1) | (bridged[1:] != bridged[:-1])) + 1
    stop = np.append(frame[1:], frame[-1] + 1)
    return [
        (int(frame[part[0]]), int(stop[part[-1]]), bool(bridged[group[0]]))
        for group in np.split(np.arange(len(position)), cut)
        for part in [position[group]]
    ]


def steps(case: Case, values: np.ndarray, low: float, high: float) -> str:
    """Return a step curve over the moments as points of a polyline in a 1000 x 100 box."""
    begin, end = case.segment
    edge = np.append(case.moment, max(end, int(case.moment[-1]) + 1) if len(case.moment) else end)
    x = 1000 * np.clip((edge - begin) / (end - begin), 0, 1)
    y = 100 * (1 - np.clip((values - low) / max(high - low, 1e-6), 0, 1))
    return " ".join(f"{a:.1f},{v:.1f} {b:.1f},{v:.1f}" for a, b, v in zip(x[:-1], x[1:], y, strict=True))


def evidence_rows(case: Case) -> list[EvidenceRow]:
    """Return the evidence psi of each relation for the chosen tubes over time, on a common scale."""
    values = {k: v for k, v in case.evidence.items() if len(v) == len(case.moment)}
    reach = max([1.0, *(float(np.abs(v).max()) for v in values.values())])
    inside = (case.moment >= case.span[0]) & (case.moment < case.span[1])
    return [
        EvidenceRow(
            relation=k,
            text=_relation_text(case, k),
            predicate=case.query.relations[k].predicate,
            points=steps(case, value, -reach, reach),
            reach=reach,
            mean=float(value[inside].mean()) if inside.any() else None,
            outside=float(value[~inside].mean()) if (~inside).any() else None,
        )
        for k, value in sorted(values.items())
    ]


def _relation_text(case: Case, k: int) -> str:
    relation, entities = case.query.relations[k], case.query.entities
    thing = "" if relation.object is None else entities[relation.object].text
    return f"{entities[relation.subject].text} – {relation.predicate}" + (f" – {thing}" if thing else "")


def ticks(case: Case) -> list[tuple[str, str]]:
    """Return tick marks at round times of the segment: (style, text)."""
    begin, end = case.segment
    first_shown, over = case.clock.seconds(np.array(case.segment)).tolist()
    seconds = over - first_shown
    step = next((s for s in (0.5, 1, 2, 5, 10, 20, 30, 60, 120) if seconds / s <= 6), 300)
    first = int(np.ceil(first_shown / step))
    times = [i * step for i in range(first, first + 8) if i * step < over]
    at = case.clock.frames_at(np.array(times)).tolist()
    return [(f"left:{100 * (f - begin) / (end - begin):.2f}%", f"{t:g} s") for t, f in zip(times, at, strict=True)]
