"""predictions, truth -> metrics.json, scores.json, reference_points.json: metrics, and those of the baselines."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import numpy as np

from vcma.evaluation.baselines import chance, identity_oracle, oracle
from vcma.evaluation.protocols import PROTOCOLS
from vcma.evaluation.scoring import Scorer, score_file
from vcma.evaluation.tables import whose
from vcma.evaluation.truth import read_truth
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.cli import mode, progress, stage
from vcma.pipeline.stage_run import StageRun
from vcma.pipeline.video_artifacts import read_regions, tubes_reader
from vcma.records.answer import answers_of, boxes_of
from vcma.records.columns import Columns
from vcma.records.predicted_tubes import PredictedTubes


@stage(example="--protocol all --compare other/predictions.json")
@click.option("--split", type=click.Choice(["val", "test"]), help="Ground-truth split.")
@click.option("--protocol", type=click.Choice(["default", "all", *PROTOCOLS]), help="Evaluation protocol.")
@click.option("--seed", type=click.IntRange(0), help="Random seed of the bootstrap and of the baseline `chance`.")
@mode(
    "--predictions",
    "foreign",
    type=click.Path(path_type=Path),
    help="Score this JSON file instead of VCMA's predictions.",
)
@mode("--json", "out", type=click.Path(path_type=Path), help="With --predictions: output file for the metrics.")
@mode(
    "--compare",
    "other",
    type=click.Path(path_type=Path),
    help="Print paired differences from this predictions file.",
)
def evaluate(run: StageRun, split: str, protocol: str, seed: int) -> None:
    """Score predictions by protocol, with 95 % intervals, beside the baselines."""
    split = run.project.evaluated_split(split)
    foreign, out, other = (run.modes[name] for name in ("foreign", "out", "other"))
    if out and not foreign:
        raise click.UsageError("--json needs --predictions; VCMA's own metrics go to metrics.json")
    if foreign:  # as `vcma score` does
        scorer = Scorer.of(read_truth(run.project, split), split, protocol, seed)
        for text in score_file(scorer, foreign, other, out):
            click.echo(text)
        return run.done(scorer.scope, out) if out else None
    truth = artifact.read(schemas.TRUTH, run.artifact(f"truth_{split}.h5"))
    if not len(truth["sample"]):
        # Your own clips have no ground truth; the files must exist, because the report depends on them.
        for name in ("metrics.json", "scores.json", "reference_points.json"):
            storage.write_json(run.artifact(name), {})
        return run.done(f"no ground truth of the split {split}, nothing scored", run.artifact("metrics.json"))
    scorer = Scorer.of(truth, split, protocol, seed)
    predictions = scorer.read(run.artifact("predictions.json"))
    metrics = scorer.metrics(predictions)
    if other:
        click.echo(scorer.comparison(predictions, metrics, "VCMA", other) + "\n")
    answers = progress(_baselines(run, truth, seed), None, run.stage)
    baselines = {name: scorer.metrics(found) for name, found in answers}
    storage.write_json(run.artifact("reference_points.json"), baselines)
    storage.write_json(run.artifact("scores.json"), metrics)
    storage.write_json(run.artifact("metrics.json"), scorer.headline(predictions))
    name = whose(artifact.attributes(run.artifact("references.h5"))["inputs"])
    click.echo(scorer.summary(predictions, metrics, baselines, name))
    return run.done(scorer.scope, run.artifact("scores.json"))


def _baselines(run: StageRun, truth: Columns, seed: int) -> Iterator[tuple[str, PredictedTubes]]:
    tubes = tubes_reader(run.artifact("tubes"))
    references = artifact.read(schemas.REFERENCES, run.artifact("references.h5"))
    video = dict(zip(truth["sample"], truth["video"], strict=True))
    yield "chance", chance(truth, tubes, seed=seed, whole=True)
    for method in dict.fromkeys(references["method"]):
        answers = answers_of(references, np.flatnonzero(references["method"] == method))
        yield method, boxes_of([a for a in answers if a.sample in video], tubes, video)
    if len(truth["box"]):
        yield "oracle", oracle(truth, tubes)
        if (proposals := run.artifact("proposals")).is_dir():  # tubes of another tracker have no proposals
            yield "identity_oracle", identity_oracle(truth, partial(read_regions, proposals))


if __name__ == "__main__":
    evaluate()
