"""predictions, truth -> metrics.json, reference_points.json: the metrics and what they must be read against."""

from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma.datasets.formats import annotated_truth
from vcma.errors import InputError
from vcma.evaluation.baselines import chance, identity_oracle, oracle
from vcma.evaluation.exchange import named_for, read_predictions
from vcma.evaluation.metrics import PROTOCOLS, compare, protocols_for
from vcma.evaluation.metrics import evaluate as evaluate_by
from vcma.evaluation.tables import comparison_table, left_out, metrics_table, whose
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.cli import mode, stage
from vcma.pipeline.stage_run import StageRun
from vcma.pipeline.video_artifacts import read_regions, tubes_reader
from vcma.records.answer import Predictions, answers_of, boxes_of
from vcma.records.columns import Columns


@stage()
@click.option("--split", type=click.Choice(["val", "test"]), help="Which truth.")
@click.option("--protocol", type=click.Choice(["default", "all", *PROTOCOLS]), help="By which protocol.")
@click.option("--seed", type=click.IntRange(0), help="Of the bootstrap and of the answers by chance.")
@mode("--predictions", "foreign", type=click.Path(path_type=Path), help="Score this JSON file instead of ours.")
@mode("--json", "out", type=click.Path(path_type=Path), help="With --predictions: where the metrics go.")
@mode("--compare", "other", type=click.Path(path_type=Path), help="Print paired differences to this JSON file.")
def evaluate(run: StageRun, split: str, protocol: str, seed: int) -> None:
    """Score predictions by protocol, with 95 % intervals, beside their reference points."""
    foreign, out = run.modes["foreign"], run.modes["out"]
    if out and not foreign:
        raise click.UsageError("--json belongs to --predictions; ours go to metrics.json")
    path = run.artifact(f"truth_{split}.h5")
    if foreign and not path.exists():  # somebody else's predictions need the annotations alone
        truth = annotated_truth(run.project.data, run.block, run.project.root, split)
    else:
        truth = artifact.read(schemas.TRUTH, path)
    if foreign and not len(truth["sample"]):
        raise InputError(f"nothing is annotated in the split {split}", path, "name another with --split")
    if not len(truth["sample"]):
        # Your own clips have no truth: there is nothing to score, and the report is drawn all the same.
        for name in ("metrics.json", "reference_points.json"):
            storage.write_json(run.artifact(name), {})
        return run.done(f"no truth for the split {split}, nothing scored", run.artifact("metrics.json"))
    known = protocols_for(truth)
    protocols = known if protocol == "all" else known[:1] if protocol == "default" else (protocol,)

    def read(path: Path) -> Predictions:
        return named_for(read_predictions(path), [*truth["sample"], *truth["skipped"]], split)

    predictions = read(foreign or run.artifact("predictions.json"))

    def by_protocol(found: Any) -> dict:
        return {p: evaluate_by(truth, found, p, seed=seed) for p in protocols}

    ours, points = by_protocol(predictions), {}
    if run.modes["other"]:
        other = read(run.modes["other"])
        differences = {p: compare(truth, predictions, other, p, seed=seed) for p in protocols}
        names = str(foreign or "VCMA"), str(run.modes["other"])
        click.echo(comparison_table(differences, ours, by_protocol(other), *names) + "\n")
    if not foreign:
        points = _reference_points(run, truth, by_protocol, seed)
        out = run.artifact("metrics.json")
        storage.write_json(run.artifact("reference_points.json"), points)
    if out:
        storage.write_json(out, ours)
    who = foreign.name if foreign else whose(artifact.attributes(run.artifact("references.h5"))["inputs"])
    click.echo(metrics_table(ours, points, str(truth["format"]), split, who))
    unknown = set(predictions.sample) - set(truth["sample"]) - set(truth["skipped"])
    empty = int((predictions.box[:, 2:] <= predictions.box[:, :2]).any(axis=1).sum())
    click.echo(left_out(split, truth["skipped_reason"], len(unknown), empty))
    return run.done(f"{len(truth['sample']):,} samples by {', '.join(protocols)}", out) if out else None


def _reference_points(run: StageRun, truth: Columns, by_protocol: Any, seed: int) -> dict:
    tubes = tubes_reader(run.artifact("tubes"))
    found = artifact.read(schemas.REFERENCES, run.artifact("references.h5"))
    video = dict(zip(truth["sample"], truth["video"], strict=True))
    points = {"chance": by_protocol(chance(truth, tubes, seed=seed, whole=True))}
    for method in dict.fromkeys(found["method"]):
        answers = [a for a in answers_of(found, np.flatnonzero(found["method"] == method)) if a.sample in video]
        points[method] = by_protocol(boxes_of(answers, tubes, video))
    if len(truth["box"]):
        points["oracle"] = by_protocol(oracle(truth, tubes))
        if (proposals := run.artifact("proposals")).is_dir():  # another tracker's tubes come without
            points["identity_oracle"] = by_protocol(identity_oracle(truth, partial(read_regions, proposals)))
    return points


if __name__ == "__main__":
    evaluate()
