"""`vcma summary`: print the scores of the last run."""

from __future__ import annotations

import click

from vcma.evaluation.coverage import Coverage
from vcma.evaluation.tables import metrics_table, whose
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.cli import examples, with_project
from vcma.pipeline.project import Project
from vcma.records.sentence import few_sentences


@click.command("summary", epilog=examples("vcma summary --dataset demo_full"))
@with_project
def summary_command(project: Project) -> None:
    """Print the metrics beside the baselines, what was not scored, and the report's path."""
    click.echo(summary(project))


def summary(project: Project) -> str:
    """Return the metrics of the last run and its baselines as a table, with the path of the report."""
    remedy = "run dvc repro"
    scores = storage.read_json(project.artifacts / "scores.json", remedy)
    points = storage.read_json(project.artifacts / "reference_points.json", remedy)
    coverage = read_coverage(project)
    predictions = project.artifacts / "predictions.h5"
    name = whose(artifact.attributes(predictions)["inputs"]) if predictions.exists() else "VCMA"
    table = metrics_table(scores, points, str(project.block.get("format")), coverage, name)
    lines = [f"{table}\n{coverage.reasons}" if table else "the data set has no annotations, so nothing is scored"]
    if name == "VCMA" and (hint := few_sentences(_training_sentences(project))):
        lines.append(hint)
    return "\n".join([*lines, "", f"report: {project.artifacts / 'report' / 'index.html'}"])


def read_coverage(project: Project) -> Coverage:
    """Return how much of the evaluated split was scored, and what the ground truth leaves out."""
    split = project.evaluated_split(str(project.section("evaluate")["split"]))
    path = project.artifacts / f"truth_{split}.h5"
    if not path.exists():
        return Coverage(split)
    return Coverage.of(artifact.read(schemas.TRUTH, path, ("sample", "skipped_reason")), split)


def _training_sentences(project: Project) -> int:
    """Return the number of sentences the model was trained on, from its history; 0 without one."""
    path = project.artifacts / "em_history.json"
    return int(storage.read_json(path, "run dvc repro").get("sentences", 0)) if path.exists() else 0
