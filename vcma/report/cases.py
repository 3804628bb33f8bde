"""What the report shows, as data: every sentence of a split with its answer, its truth, its scores and its failure.

Frames are native indices and spans half-open, as in the artifacts. The pages are made of this by `report_pages`,
figures by `report_figures`, pictures and videos by `report_media`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vcma.boxes import pairwise_iou
from vcma.errors import InputError
from vcma.evaluation.bootstrap import mean_with_interval
from vcma.evaluation.metrics import compare, score
from vcma.evaluation.protocols import PROTOCOLS, protocols_for
from vcma.evaluation.tables import whose
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.paths import file_stem
from vcma.pipeline.video_artifacts import tubes_reader
from vcma.records.answer import answers_of, boxes_of
from vcma.records.columns import Columns, rows
from vcma.records.predicted_tubes import PredictedTubes
from vcma.records.query import Query, query
from vcma.records.tubes import Tubes

KINDS: Mapping[str, str] = {
    "found": "vIoU above 0.3 (without true boxes: tIoU)",
    "wrong time": "the chosen tube would do over the true span, the predicted span does not",
    "wrong tube": "another tube would do; the span is about right (tIoU above 0.3)",
    "wrong tube and time": "another tube would do, and the span is wrong as well",
    "missed detection": "no tube would do: over the true span none has a mean IoU above 0.3",
    "unknown": "the truth is not known",
}
_ENOUGH = 0.3  # the lower of the field's two recall thresholds


@dataclass(frozen=True)
class Truth:
    """Where the target really is: span of native frames, frame int64 [F] with box float32 [F, 4], xyxy px."""

    span: tuple[int, int]
    frame: np.ndarray
    box: np.ndarray
    category: str
    predicate: str
    distractors: int


@dataclass(frozen=True)
class Case:
    """One sentence with its answer.

    posterior: for each entity (tubes int64 [N], probabilities float32 [N]); moment int64 [T] with moment_prob
    float32 [T]; evidence: relation of the query -> psi of its tubes, float32 [T], in nat. tiou and viou are None
    where they are unavailable; kind is one of KINDS.
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
    fps: float
    truth: Truth | None
    tiou: float | None
    viou: float | None
    kind: str

    @property
    def page(self) -> str:
        """File name, without suffix, of its page."""
        return file_stem(self.sample)

    @property
    def score(self) -> float | None:
        """vIoU or, without true boxes, tIoU."""
        return self.tiou if self.viou is None else self.viou

    def tube_of(self, entity: int) -> int:
        """The tube assigned to an entity, -1 for none."""
        return self.entity_tube[entity] if 0 <= entity < len(self.entity_tube) else -1


@dataclass(frozen=True)
class Report:
    """A run's results: cases in the order of the predictions, and what its other artifacts say.

    format is that of the annotations, empty without truth; whose answers they are: VCMA's, or without a model;
    metrics and points are evaluate's; history is train_em's, both empty where the file is missing; sources: for
    each artifact (name, stage, parameters, content digest).
    """

    artifacts: Path
    format: str
    split: str
    whose: str
    posterior: str
    protocol: str
    cases: list[Case]
    metrics: dict[str, Any]
    points: dict[str, Any]
    history: dict[str, Any]
    sources: list[tuple[str, str, dict, str]]


@dataclass(frozen=True)
class Comparison:
    """This run beside another: by query type what metrics.compare says, and by sample the difference of the score;
    gained and lost are the samples that only one of the two found."""

    name: str
    table: dict[str, dict]
    difference: dict[str, float]
    gained: frozenset[str]
    lost: frozenset[str]


def load(artifacts: Path) -> Report:
    """Read what `artifacts` holds of one run. Raises InputError where an artifact that is needed is missing."""
    told = artifact.attributes(artifacts / "predictions.h5", schemas.PREDICTIONS)
    params = told["params"]
    split = str(params.get("split", "test"))
    metrics = _optional(artifacts / "metrics.json")
    truth = _truth(artifacts, split)
    known = next(iter(metrics), "") if truth is not None else ""
    protocol = known if known in PROTOCOLS or truth is None else protocols_for(truth)[0]
    return Report(
        artifacts,
        "" if truth is None else str(truth["format"]),
        split,
        whose(told["inputs"]),
        str(params.get("posterior", "p")),
        protocol,
        cases(artifacts, truth, protocol),
        metrics,
        _optional(artifacts / "reference_points.json"),
        _optional(artifacts / "em_history.json"),
        sources(artifacts),
    )


def _optional(path: Path) -> dict[str, Any]:
    return storage.read_json(path, "make it again") if path.exists() else {}


def _truth(artifacts: Path, split: str) -> Columns | None:
    """The truth of a split; None where there is none, as for a user's own videos."""
    path = artifacts / f"truth_{split}.h5"
    if not path.exists():
        return None
    truth = artifact.read(schemas.TRUTH, path)
    return truth if (truth["span_end"] > truth["span_begin"]).any() else None


def sources(artifacts: Path) -> list[tuple[str, str, dict, str]]:
    """Name, stage, parameters and content of each artifact of the run; of a folder, those of its first file."""
    found = []
    for schema in schemas.SCHEMAS.values():
        folder = artifacts / schema.name
        paths = sorted(folder.glob("*.h5"))[:1] if folder.is_dir() else [artifacts / f"{schema.name}.h5"]
        for path in filter(Path.exists, paths):
            attributes = artifact.attributes(path)
            shown = attributes["content"] if path.parent == artifacts else ""
            found.append((schema.name, attributes["stage"], attributes["params"], shown))
    model = _optional(artifacts / "model" / "model.json")
    if model:
        found.append(("model", "train_em", model.get("settings", {}), ""))
    return found


def answers(artifacts: Path) -> tuple[Columns, PredictedTubes]:
    """The PREDICTIONS columns of a run, and the same with boxes as the metrics take them."""
    columns = artifact.read(schemas.PREDICTIONS, artifacts / "predictions.h5")
    video = dict(zip(columns["sample"], columns["video"], strict=True))
    told, tubes = answers_of(columns, range(len(video))), tubes_reader(artifacts / "tubes")
    for answer in told:
        if answer.tube >= (known := len(tubes(video[answer.sample]))):
            what = f"'{answer.sample}' names tube {answer.tube}, its video has {known}"
            raise InputError(what, artifacts / "predictions.h5", "ground again: python stages/ground_queries.py")
    return columns, boxes_of(told, tubes, video)


def cases(artifacts: Path, truth: Columns | None, protocol: str) -> list[Case]:
    """Every predicted sentence, scored by the protocol where truth is known."""
    predicted, boxed = answers(artifacts)
    samples = artifact.read(schemas.SAMPLES, artifacts / "samples.h5")
    queries = artifact.read(schemas.QUERIES, artifacts / "queries.h5")
    sample_row, query_row = _rows(samples["sample"]), _rows(queries["sample"])
    scored = _scored(truth, boxed, protocol)
    tubes = tubes_reader(artifacts / "tubes")
    found = []
    for i, (sample, video) in enumerate(zip(predicted["sample"], predicted["video"], strict=True)):
        if sample not in query_row or sample not in sample_row:
            raise InputError(f"no parsed sentence for the predicted sample '{sample}'", artifacts, "run dvc repro")
        told = query(queries, query_row[sample])
        real, tiou, viou = scored.get(sample, (None, None, None))
        kind = diagnose(real, tubes(video), int(predicted["tube"][i]), tiou, viou)
        asked = _asked(samples, sample_row[sample], tubes(video))
        answer = _answer(predicted, i, told)
        found.append(
            Case(sample, video, query=told, **asked, **answer, truth=real, tiou=tiou, viou=viou, kind=kind)
        )
    return found


def _scored(
    truth: Columns | None, predictions: PredictedTubes, protocol: str
) -> dict[str, tuple[Truth, float | None, float | None]]:
    """Sample -> truth, tIoU and vIoU, of those whose truth is known."""
    if truth is None:
        return {}
    scores = score(truth, predictions, protocol)
    known = np.flatnonzero(truth["span_end"] > truth["span_begin"])
    return {
        str(truth["sample"][row]): (_true(truth, row), _number(scores.tiou[row]), _number(scores.viou[row]))
        for row in known.tolist()
    }


def _rows(names: np.ndarray) -> dict[str, int]:
    return {name: row for row, name in enumerate(names.tolist())}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _asked(samples: Columns, i: int, tubes: Tubes) -> dict[str, Any]:
    """Query type, searched segment and frame rate of one sample."""
    begin, end = int(samples["segment_begin"][i]), int(samples["segment_end"][i])
    frame, time = tubes.frame, tubes.time
    last = int(frame[-1]) + 1 if len(frame) else begin + 1
    fps = float(samples["video_fps"][samples["sample_video"][i]])
    if fps <= 0 and len(frame) > 1:
        fps = float(np.ptp(frame) / max(np.ptp(time), 1e-6))
    return {
        "query_type": str(samples["query_type"][i]),
        "segment": (begin, max(end if end >= 0 else last, begin + 1)),
        "fps": fps if fps > 0 else 25.0,
    }


def _answer(predicted: Columns, i: int, told: Query) -> dict[str, Any]:
    """What PREDICTIONS says of row i."""
    entities = range(*predicted["entity_offset"][i : i + 2])
    candidates = [rows(predicted["candidate_offset"], e) for e in entities]
    moments = rows(predicted["moment_offset"], i)
    return {
        "span": (int(predicted["span_begin"][i]), int(predicted["span_end"][i])),
        "tube": int(predicted["tube"][i]),
        "probability": float(predicted["probability"][i]),
        "entropy": float(predicted["entropy"][i]),
        "flags": tuple(str(predicted["flags"][i]).split()),
        "entity_tube": tuple(int(predicted["entity_tube"][e]) for e in entities),
        "posterior": tuple((predicted["candidate"][c], predicted["candidate_prob"][c]) for c in candidates),
        "moment": predicted["moment"][moments],
        "moment_prob": predicted["moment_prob"][moments],
        "evidence": _evidence(predicted, i, told),
    }


def _evidence(predicted: Columns, i: int, told: Query) -> dict[int, np.ndarray]:
    """Relation of the query -> its evidence; em lists pairs before actions and leaves out a thing with itself."""
    kept = [k for k, r in enumerate(told.relations) if r.subject != r.object]
    order = sorted(kept, key=lambda k: told.relations[k].object is None)
    given = range(*predicted["relation_offset"][i : i + 2])
    values = [predicted["evidence"][rows(predicted["evidence_offset"], r)] for r in given]
    return {k: v for k, v in zip(order, values, strict=False) if len(v)}


def _true(truth: Columns, row: int) -> Truth:
    mine = rows(truth["box_offset"], row)
    return Truth(
        (int(truth["span_begin"][row]), int(truth["span_end"][row])),
        truth["box_frame"][mine],
        truth["box"][mine],
        str(truth["category"][row]),
        str(truth["predicate"][row]),
        int(truth["distractors"][row]),
    )


def diagnose(truth: Truth | None, tubes: Tubes, tube: int, tiou: float | None, viou: float | None) -> str:
    """Which of KINDS an answer is."""
    if truth is None or tiou is None:
        return "unknown"
    if viou is None:
        return "found" if tiou > _ENOUGH else "wrong time"
    if viou > _ENOUGH:
        return "found"
    fit = fits(truth, tubes)
    if not (fit > _ENOUGH).any():
        return "missed detection"
    if fit[tube] > _ENOUGH and tube >= 0:
        return "wrong time"
    return "wrong tube" if tiou > _ENOUGH else "wrong tube and time"


def fits(truth: Truth, tubes: Tubes) -> np.ndarray:
    """Mean IoU [tube] of each tube of a video with the true boxes over the true span."""
    inside = (truth.frame >= truth.span[0]) & (truth.frame < truth.span[1])
    frame, box = truth.frame[inside], truth.box[inside].astype(np.float64)
    count = len(tubes)
    if not len(frame):
        return np.zeros(count)
    return np.array([pairwise_iou(tubes.boxes_at(n, frame), box).mean() for n in range(count)])


def against(report: Report, other: Path) -> Comparison:
    """Compare with the run whose artifacts stand in `other`, on this run's truth; InputError without a truth."""
    truth = _truth(report.artifacts, report.split)
    if truth is None:
        raise InputError(f"no truth of split '{report.split}' to compare by", report.artifacts)
    ours, theirs = answers(report.artifacts)[1], answers(other)[1]
    mine = {case.sample: case for case in report.cases}
    values = score(truth, theirs, report.protocol)
    used = np.where(np.isnan(values.viou), values.tiou, values.viou)
    before = dict(zip(truth["sample"].tolist(), used.tolist(), strict=True))
    shared = [s for s in before if s in mine and mine[s].score is not None]
    return Comparison(
        "/".join(other.resolve().parts[-3:]),
        compare(truth, ours, theirs, report.protocol),
        {s: float(mine[s].score or 0) - before[s] for s in shared},
        frozenset(s for s in shared if (mine[s].score or 0) > _ENOUGH >= before[s]),
        frozenset(s for s in shared if (mine[s].score or 0) <= _ENOUGH < before[s]),
    )


def spread(cases: Sequence[Case], count: int) -> list[Case]:
    """`count` cases evenly spaced over the ranking by score, best first, of different videos where possible."""
    ranked = sorted(cases, key=lambda c: -(c.score if c.score is not None else c.probability))
    chosen: list[int] = []
    free = set(range(len(ranked)))
    for place in np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().tolist():
        near = sorted(free, key=lambda i: abs(i - place))[:5]
        used = {ranked[i].video for i in chosen}
        chosen.append(next((i for i in near if ranked[i].video not in used), near[0]))
        free.remove(chosen[-1])
    return [ranked[i] for i in sorted(chosen)]


def marked(query: Query) -> list[tuple[str, int]]:
    """The sentence in pieces: (text, entity or -1); where phrases nest, the shorter one has its text."""
    owner = np.full(len(query.text), -1)
    for i in sorted(range(len(query.entities)), key=lambda i: -np.ptp(query.entities[i].span)):
        begin, end = query.entities[i].span
        owner[begin:end] = i
    cuts = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(query.text)]
    return [(query.text[a:b], int(owner[a])) for a, b in pairwise(cuts) if b > a]


def free(wanted: float, taken: Sequence[float], pitch: float) -> float:
    """The height nearest to `wanted` that keeps `pitch` from those taken: where a line of text may stand."""
    tries = (wanted + step * pitch * sign for step in range(len(taken) + 1) for sign in (1, -1))
    return next(
        (y for y in tries if all(abs(y - other) >= 0.99 * pitch for other in taken)),
        max(taken, default=wanted) + pitch,
    )


@dataclass(frozen=True)
class Group:
    """Mean score of some samples with its 95 % interval over videos."""

    label: str
    n: int
    mean: float
    low: float
    high: float


def breakdown(cases: Sequence[Case]) -> dict[str, list[Group]]:
    """Mean score against what makes a sentence hard: title -> groups. Only samples with a score count."""
    pairs = [(c, c.truth) for c in cases if c.score is not None and c.truth is not None]
    if not pairs:
        return {}
    known = [c for c, _ in pairs]
    length = np.array([(truth.span[1] - truth.span[0]) / c.fps for c, truth in pairs])
    entropy = np.array([c.entropy for c in known])
    parts = {
        "length of the true span, s": _binned(length, "{:.1f}–{:.1f}"),
        "others of its category": [_distractors(truth.distractors) for _, truth in pairs],
        "relation": _commonest([truth.predicate or _predicate(c.query) for c, truth in pairs], 10),
        "entropy of the posterior, nat": _binned(entropy, "{:.2f}–{:.2f}"),
    }
    found = {title: _grouped(known, labels) for title, labels in parts.items()}
    return {title: groups for title, groups in found.items() if len(groups) > 1}


def _binned(values: np.ndarray, form: str) -> list[str]:
    """Labels of (at most) four classes of equal size, in rising order of their values."""
    edges = np.unique(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
    place = np.searchsorted(edges[1:-1], values, side="right")
    if len(edges) < 2:
        return [form.format(values[0], values[0])] * len(values)
    return [f"{p}\0{form.format(edges[p], edges[p + 1])}" for p in place.tolist()]


def _distractors(count: int) -> str:
    return "9\0unknown" if count < 0 else f"{min(count, 3)}\0{count if count < 3 else '3 or more'}"


def _predicate(told: Query) -> str:
    return told.relations[0].predicate if told.relations else "none"


def _commonest(labels: list[str], most: int) -> list[str]:
    names, counts = np.unique(np.array(labels, dtype=object).astype(str), return_counts=True)
    kept = set(names[np.argsort(-counts, kind="stable")[:most]].tolist())
    return [f"0\0{label}" if label in kept else "1\0others" for label in labels]


def _grouped(cases: Sequence[Case], labels: list[str]) -> list[Group]:
    """One group a label; what stands before a NUL orders them only."""
    groups = []
    for label in sorted(set(labels)):
        mine = [c for c, own in zip(cases, labels, strict=True) if own == label]
        values = np.array([c.score for c in mine], np.float64)
        estimate = mean_with_interval(values, np.array([c.video for c in mine]))
        groups.append(Group(label.split("\0")[-1], len(mine), *estimate))
    return groups
