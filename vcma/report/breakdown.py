"""Break the mean score down by properties that make a sentence hard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vcma.evaluation.bootstrap import mean_with_interval
from vcma.records.query import Query
from vcma.report.cases import Case


@dataclass(frozen=True)
class Group:
    """Mean score of a group of samples, with its 95 % interval over videos (NaN if all are of one video)."""

    label: str
    n: int
    mean: float
    low: float
    high: float


def breakdown(cases: Sequence[Case]) -> dict[str, list[Group]]:
    """Group the samples that have a score; returns title -> groups in order, where there are several."""
    pairs = [(c, c.truth) for c in cases if c.score is not None and c.truth is not None]
    if not pairs:
        return {}
    scored = [c for c, _ in pairs]
    length = np.array([float(np.ptp(c.clock.seconds(np.array(truth.span)))) for c, truth in pairs])
    entropy = np.array([c.entropy for c in scored])
    labels = {
        "length of the true span, s": _quartiles(length, "{:.1f}–{:.1f}"),
        "others of its category": [_distractors(truth.distractors) for _, truth in pairs],
        "relation": _most_common([truth.predicate or _first_predicate(c.query) for c, truth in pairs], 10),
        "entropy of the posterior, nat": _quartiles(entropy, "{:.2f}–{:.2f}"),
    }
    found = {title: _groups(scored, of) for title, of in labels.items()}
    return {title: groups for title, groups in found.items() if len(groups) > 1}


# A label is "<sort key>\0<displayed text>".


def _quartiles(values: np.ndarray, form: str) -> list[str]:
    """Label each value with one of at most four classes of equal size, in ascending order."""
    edges = np.unique(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
    place = np.searchsorted(edges[1:-1], values, side="right")
    if len(edges) < 2:
        return [form.format(values[0], values[0])] * len(values)
    return [f"{p}\0{form.format(edges[p], edges[p + 1])}" for p in place.tolist()]


def _distractors(count: int) -> str:
    return "9\0unknown" if count < 0 else f"{min(count, 3)}\0{count if count < 3 else '3 or more'}"


def _first_predicate(query: Query) -> str:
    return query.relations[0].predicate if query.relations else "none"


def _most_common(names: list[str], maximum: int) -> list[str]:
    """Keep the most common names, and label all others "others"."""
    distinct, counts = np.unique(np.array(names, dtype=object).astype(str), return_counts=True)
    kept = set(distinct[np.argsort(-counts, kind="stable")[:maximum]].tolist())
    return [f"0\0{name}" if name in kept else "1\0others" for name in names]


def _groups(cases: Sequence[Case], labels: list[str]) -> list[Group]:
    groups = []
    for label in sorted(set(labels)):
        members = [c for c, own in zip(cases, labels, strict=True) if own == label]
        values = np.array([c.score for c in members], np.float64)
        estimate = mean_with_interval(values, np.array([c.video for c in members]))
        groups.append(Group(label.split("\0")[-1], len(members), *estimate))
    return groups
