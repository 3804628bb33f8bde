"""`vcma summary`: the closing table of a run."""

from __future__ import annotations

import click

from vcma.evaluation.tables import metrics_table, whose
from vcma.pipeline import artifact, storage
from vcma.pipeline.cli import with_project
from vcma.pipeline.project import Project


@click.command("summary")
@with_project
def summary_command(project: Project) -> None:
    """Print the metrics beside their reference points, and where the report is."""
    click.echo(summary(project))


def summary(project: Project) -> str:
    """The metrics of the last run beside their reference points, as a table, and the path of the report."""
    remedy = "run dvc repro"
    metrics = storage.read_json(project.artifacts / "metrics.json", remedy)
    points = storage.read_json(project.artifacts / "reference_points.json", remedy)
    form, split = str(project.block.get("format")), project.section("evaluate")["split"]
    predictions = project.artifacts / "predictions.h5"
    name = whose(artifact.attributes(predictions)["inputs"]) if predictions.exists() else "VCMA"
    table = metrics_table(metrics, points, form, split, name) or "nothing is annotated, so nothing is scored"
    return f"{table}\n\nreport: {project.artifacts / 'report' / 'index.html'}"
