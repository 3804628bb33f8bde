"""Read a run's artifacts into a `Report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vcma.errors import InputError
from vcma.evaluation.coverage import Coverage
from vcma.evaluation.metrics import score
from vcma.evaluation.protocols import PROTOCOLS, protocols_for
from vcma.evaluation.tables import whose
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.video_artifacts import tubes_reader
from vcma.records.answer import answers_of, boxes_of
from vcma.records.columns import Columns, rows
from vcma.records.predicted_tubes import PredictedTubes
from vcma.records.query import Query, query_at
from vcma.records.tubes import Tubes
from vcma.report.cases import Case, Report, Source, Truth
from vcma.report.clock import Clock
from vcma.report.diagnosis import diagnose


class _Scored(NamedTuple):
    truth: Truth | None = None
    tiou: float | None = None
    viou: float | None = None


def load_report(artifacts: Path) -> Report:
    """Read the run in the folder `artifacts`. Raises InputError if a required artifact is missing."""
    attributes = artifact.attributes(artifacts / "predictions.h5", schemas.PREDICTIONS)
    params = attributes["params"]
    split = str(params.get("split", "test"))
    metrics = _read_if_there(artifacts / "scores.json")
    truth = read_truth(artifacts, split)
    protocol = ""
    if truth is not None:
        scored_by = next(iter(metrics), "")
        protocol = scored_by if scored_by in PROTOCOLS else protocols_for(truth)[0]
    return Report(
        artifacts=artifacts,
        annotation_format="" if truth is None else str(truth["format"]),
        split=split,
        coverage=_coverage(artifacts, truth, split),
        whose=whose(attributes["inputs"]),
        posterior=str(params.get("posterior", "p")),
        protocol=protocol,
        cases=load_cases(artifacts, truth, protocol),
        metrics=metrics,
        baselines=_read_if_there(artifacts / "reference_points.json"),
        history=_read_if_there(artifacts / "em_history.json"),
        sources=read_sources(artifacts),
    )


def _coverage(artifacts: Path, truth: Columns | None, split: str) -> Coverage:
    """Return the coverage of a split; without ground truth, what was left out of the data set."""
    if truth is not None:
        return Coverage.of(truth, split)
    left_out = artifact.read(schemas.SAMPLES, artifacts / "samples.h5", ("skipped_reason",))
    return Coverage.of({"sample": []} | left_out, "the data set")


def _read_if_there(path: Path) -> dict[str, Any]:
    return storage.read_json(path, "run dvc repro") if path.exists() else {}


def read_truth(artifacts: Path, split: str) -> Columns | None:
    """Read the ground truth of a split; None if there is none, as for a user's own videos."""
    path = artifacts / f"truth_{split}.h5"
    if not path.exists():
        return None
    truth = artifact.read(schemas.TRUTH, path)
    return truth if (truth["span_end"] > truth["span_begin"]).any() else None


def read_sources(artifacts: Path) -> list[Source]:
    """List the artifacts of the run; a folder of per-video artifacts is described by its first file."""
    found = []
    for schema in schemas.SCHEMAS.values():
        folder = artifacts / schema.name
        paths = sorted(folder.glob("*.h5"))[:1] if folder.is_dir() else [artifacts / f"{schema.name}.h5"]
        for path in filter(Path.exists, paths):
            attributes = artifact.attributes(path)
            content = attributes["content"] if path.parent == artifacts else ""
            found.append(Source(schema.name, attributes["stage"], attributes["params"], content))
    model = _read_if_there(artifacts / "model" / "model.json")
    if model:
        found.append(Source("model", "train_em", model.get("settings", {}), ""))
    return found


def read_answers(artifacts: Path) -> tuple[Columns, PredictedTubes]:
    """Read the PREDICTIONS columns of a run, and the predicted tubes in the form that the metrics take.

    Raises InputError if a prediction refers to a tube that its video does not have.
    """
    columns = artifact.read(schemas.PREDICTIONS, artifacts / "predictions.h5")
    video = dict(zip(columns["sample"], columns["video"], strict=True))
    answers, tubes_of = answers_of(columns, range(len(video))), tubes_reader(artifacts / "tubes")
    for answer in answers:
        if answer.tube >= (count := len(tubes_of(video[answer.sample]))):
            what = f"'{answer.sample}' refers to tube {answer.tube}, its video has {count}"
            raise InputError(what, artifacts / "predictions.h5", "ground again: python stages/ground_queries.py")
    return columns, boxes_of(answers, tubes_of, video)


def load_cases(artifacts: Path, truth: Columns | None, protocol: str) -> list[Case]:
    """Build a case for each predicted sentence, scored by the protocol if there is ground truth."""
    predicted, boxed = read_answers(artifacts)
    samples = artifact.read(schemas.SAMPLES, artifacts / "samples.h5")
    queries = artifact.read(schemas.QUERIES, artifacts / "queries.h5")
    sample_row, query_row = _row_of(samples["sample"]), _row_of(queries["sample"])
    scored = _scored(truth, boxed, protocol)
    tubes_of = tubes_reader(artifacts / "tubes")
    cases = []
    for i, sample in enumerate(predicted["sample"]):
        if sample not in query_row or sample not in sample_row:
            raise InputError(f"no parsed sentence for the predicted sample '{sample}'", artifacts, "run dvc repro")
        tubes = tubes_of(predicted["video"][i])
        parsed = query_at(queries, query_row[sample])
        cases.append(_case(predicted, i, samples, sample_row[sample], parsed, tubes, scored.get(sample, _Scored())))
    return cases


def _case(
    predicted: Columns, i: int, samples: Columns, sample_row: int, parsed: Query, tubes: Tubes, scored: _Scored
) -> Case:
    """Build a case from row i of the PREDICTIONS columns and its row of the SAMPLES columns."""
    entities = range(*predicted["entity_offset"][i : i + 2])
    candidates = [rows(predicted["candidate_offset"], e) for e in entities]
    moments = rows(predicted["moment_offset"], i)
    tube = int(predicted["tube"][i])
    return Case(
        sample=predicted["sample"][i],
        video=predicted["video"][i],
        query_type=_query_type(str(samples["query_type"][sample_row]), parsed),
        query=parsed,
        segment=_segment(samples, sample_row, tubes),
        span=(int(predicted["span_begin"][i]), int(predicted["span_end"][i])),
        tube=tube,
        probability=float(predicted["probability"][i]),
        entropy=float(predicted["entropy"][i]),
        flags=tuple(str(predicted["flags"][i]).split()),
        entity_tube=tuple(int(predicted["entity_tube"][e]) for e in entities),
        posterior=tuple((predicted["candidate"][c], predicted["candidate_prob"][c]) for c in candidates),
        moment=predicted["moment"][moments],
        moment_prob=predicted["moment_prob"][moments],
        evidence=_evidence(predicted, i, parsed),
        clock=Clock(tubes.frame, tubes.time, _frame_rate(samples, sample_row, tubes)),
        truth=scored.truth,
        tiou=scored.tiou,
        viou=scored.viou,
        outcome=diagnose(scored.truth, tubes, tube, scored.tiou, scored.viou),
    )


def _query_type(annotated: str, parsed: Query) -> str:
    """What the data set says a sentence is; where it does not, what was read off the sentence."""
    return parsed.kind if annotated == "unknown" else annotated


def _segment(samples: Columns, i: int, tubes: Tubes) -> tuple[int, int]:
    """Return the segment of a sample, native frames; up to the last sampled frame if its end is the video's."""
    begin, end = int(samples["segment_begin"][i]), int(samples["segment_end"][i])
    last = int(tubes.frame[-1]) + 1 if len(tubes.frame) else begin + 1
    return begin, max(end if end >= 0 else last, begin + 1)


def _frame_rate(samples: Columns, i: int, tubes: Tubes) -> float:
    """Return the frame rate of a sample's video, estimated from its sampled frames if not annotated."""
    fps = float(samples["video_fps"][samples["sample_video"][i]])
    if fps <= 0 and len(tubes.frame) > 1:
        fps = float(np.ptp(tubes.frame) / max(np.ptp(tubes.time), 1e-6))
    return fps if fps > 0 else 25.0


def _evidence(predicted: Columns, i: int, parsed: Query) -> dict[int, np.ndarray]:
    """Return relation of the query -> its evidence [T]."""
    given = range(*predicted["relation_offset"][i : i + 2])
    values = [predicted["evidence"][rows(predicted["evidence_offset"], r)] for r in given]
    return {k: v for k, v in zip(parsed.evidence_order(), values, strict=False) if len(v)}


def _scored(truth: Columns | None, predictions: PredictedTubes, protocol: str) -> dict[str, _Scored]:
    """Return sample -> truth and scores, for the annotated samples."""
    if truth is None:
        return {}
    scores = score(truth, predictions, protocol)
    annotated = np.flatnonzero(truth["span_end"] > truth["span_begin"])
    return {
        str(truth["sample"][row]): _Scored(
            _truth_of(truth, row), _number(scores.tiou[row]), _number(scores.viou[row])
        )
        for row in annotated.tolist()
    }


def _truth_of(truth: Columns, row: int) -> Truth:
    points = rows(truth["box_offset"], row)
    return Truth(
        span=(int(truth["span_begin"][row]), int(truth["span_end"][row])),
        frame=truth["box_frame"][points],
        box=truth["box"][points],
        category=str(truth["category"][row]),
        predicate=str(truth["predicate"][row]),
        distractors=int(truth["distractors"][row]),
    )


def _row_of(names: np.ndarray) -> dict[str, int]:
    return {name: row for row, name in enumerate(names.tolist())}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
