"""Compare a run with another one: metric differences, samples gained and lost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vcma.errors import InputError
from vcma.evaluation.metrics import compare, score
from vcma.report.cases import Report
from vcma.report.diagnosis import THRESHOLD
from vcma.report.loading import read_answers, read_truth


@dataclass(frozen=True)
class Comparison:
    """This run minus another one.

    table: query type -> result of `metrics.compare`; difference: sample -> difference of the score; gained, lost:
    samples that only this run, or only the other one, found.
    """

    name: str
    table: dict[str, dict]
    difference: dict[str, float]
    gained: frozenset[str]
    lost: frozenset[str]


def compare_runs(report: Report, other: Path) -> Comparison:
    """Compare with the run whose artifacts are in `other`, on this run's truth; InputError if there is none."""
    truth = read_truth(report.artifacts, report.split)
    if truth is None:
        raise InputError(f"no ground truth of split '{report.split}' to compare by", report.artifacts)
    ours, theirs = read_answers(report.artifacts)[1], read_answers(other)[1]
    scores = score(truth, theirs, report.protocol)
    their_score = np.where(np.isnan(scores.viou), scores.tiou, scores.viou)
    before = dict(zip(truth["sample"].tolist(), their_score.tolist(), strict=True))
    now = {case.sample: case.score for case in report.cases if case.score is not None}
    shared = [sample for sample in before if sample in now]
    return Comparison(
        name="/".join(other.resolve().parts[-3:]),
        table=compare(truth, ours, theirs, report.protocol),
        difference={s: now[s] - before[s] for s in shared},
        gained=frozenset(s for s in shared if now[s] > THRESHOLD >= before[s]),
        lost=frozenset(s for s in shared if now[s] <= THRESHOLD < before[s]),
    )
