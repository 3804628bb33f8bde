"""The report's data: every sentence of a split with its answer, ground truth, scores and outcome.

Frames are native indices and spans half-open, as in the artifacts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vcma.evaluation.coverage import Coverage
from vcma.records.query import Query
from vcma.report.clock import Clock


@dataclass(frozen=True)
class Truth:
    """Ground truth of a sentence: span of native frames, frame int64 [F] with box float32 [F, 4], xyxy px."""

    span: tuple[int, int]
    frame: np.ndarray
    box: np.ndarray
    category: str
    predicate: str
    distractors: int


@dataclass(frozen=True)
class Case:
    """One sentence with its answer.

    posterior: for each entity (tubes int64 [N], probabilities float32 [N]); moment int64 [T], sampled native
    frames, with moment_prob float32 [T], the probability that each shows the sentence; evidence: relation of the
    query -> psi of the chosen tubes, float32 [T], in nats. tiou and viou: None if unavailable; outcome: one of
    `diagnosis.OUTCOMES`.
    """

    sample: str
    video: str
    query_type: str
    query: Query
    segment: tuple[int, int]
    span: tuple[int, int]
    tube: int
    probability: float
    entropy: float
    flags: tuple[str, ...]
    entity_tube: tuple[int, ...]
    posterior: tuple[tuple[np.ndarray, np.ndarray], ...]
    moment: np.ndarray
    moment_prob: np.ndarray
    evidence: Mapping[int, np.ndarray]
    clock: Clock
    truth: Truth | None
    tiou: float | None
    viou: float | None
    outcome: str

    def timed_by(self, frame: np.ndarray, time: np.ndarray) -> Case:
        """Return the case with a clock from these sampled frames' times, if its video has no tubes."""
        has_times = len(self.clock.frame) > 0
        return self if has_times else replace(self, clock=Clock(frame, time, self.clock.fps))

    @property
    def score(self) -> float | None:
        """The vIoU or, without true boxes, the tIoU."""
        return self.tiou if self.viou is None else self.viou

    def tube_of(self, entity: int) -> int:
        """Return the tube assigned to an entity, -1 for none."""
        return self.entity_tube[entity] if 0 <= entity < len(self.entity_tube) else -1


class Source(NamedTuple):
    """An artifact of a run: its name, the stage and parameters that made it, and its content digest."""

    artifact: str
    stage: str
    params: Mapping[str, Any]
    content: str


@dataclass(frozen=True)
class Report:
    """A run's results: cases in the order of the predictions, and the contents of its other artifacts.

    annotation_format: empty without ground truth; coverage: what was scored and left out (of the whole data set if
    there is no ground truth); whose: name of the method, "VCMA" or an untrained one; metrics: protocol -> query
    type -> metrics, and baselines: name -> the same, from evaluate; history: from train_em. All three are empty if
    their file is missing.
    """

    artifacts: Path
    annotation_format: str
    split: str
    coverage: Coverage
    whose: str
    posterior: str
    protocol: str
    cases: list[Case]
    metrics: dict[str, Any]
    baselines: dict[str, Any]
    history: dict[str, Any]
    sources: list[Source]

    @property
    def scored(self) -> bool:
        """Return whether any answer has a score."""
        return any(case.score is not None for case in self.cases)


def spread(cases: Sequence[Case], count: int) -> list[Case]:
    """Choose `count` cases evenly spaced over the ranking by score, best first, of different videos if possible."""
    ranked = sorted(cases, key=lambda c: -(c.score if c.score is not None else c.probability))
    chosen: list[int] = []
    left = set(range(len(ranked)))
    for place in np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().tolist():
        nearest = sorted(left, key=lambda i: abs(i - place))[:5]
        used = {ranked[i].video for i in chosen}
        chosen.append(next((i for i in nearest if ranked[i].video not in used), nearest[0]))
        left.remove(chosen[-1])
    return [ranked[i] for i in sorted(chosen)]
