"""samples, queries, tubes, embeddings, model -> predictions.h5, predictions.json, references.h5: tube, span."""

from dataclasses import asdict

import click

from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import progress, stage
from vcma.pipeline.stage_run import StageRun
from vcma.pipeline.video_artifacts import report_strays
from vcma.records.answer import prediction_columns, reference_columns
from vcma.records.sentence import grouped, sentences


@stage("device", example="--split val --untrained")
@click.option("--split", type=click.Choice(["train", "val", "test"]), help="Split to ground.")
@click.option(
    "--posterior",
    type=click.Choice(["p", "q", "both"]),
    help="Posterior to decode: p_theta(Z | E, R, V), q_phi(Z | E, V) or their geometric mean.",
)
@click.option(
    "--untrained",
    type=bool,
    is_flag=False,
    flag_value="true",
    help="Use no model but detector labels and scores, and cues for predicates.",
)
def ground_queries(run: StageRun, split: str, posterior: str, untrained: bool) -> None:
    """Ground every sentence of a split: choose a tube and a span of native frames."""
    # Imported late, because torch takes seconds to import and --help does not need it.
    from vcma.batching.clip_store import ClipStore
    from vcma.inference.grounder import Grounder
    from vcma.inference.predictions_json import write_predictions
    from vcma.inference.reference_answers import reference_answers
    from vcma.inference.untrained import corpus_encoder, settings_of

    split = run.project.evaluated_split(split)
    samples = artifact.read(schemas.SAMPLES, run.artifact("samples.h5"))
    queries = artifact.read(schemas.QUERIES, run.artifact("queries.h5"))
    chosen = sentences(samples, queries, split)
    report_strays(run.artifact("tubes"), run.artifact("samples.h5"))
    clips = ClipStore(run.artifact("tubes"), 1, samples["video"])
    detector, model = str(clips.describe()["detector"]), run.artifact("model")
    inputs = {name: artifact.attributes(run.artifact(f"{name}.h5"))["content"] for name in ("samples", "queries")}
    params = dict(run.params) | {"split": split}
    settings, max_frames = settings_of(run.project.section("untrained"))
    if untrained:
        params |= asdict(settings) | {"max_frames": max_frames}
        encoder = corpus_encoder(clips, run.artifact("embeddings"), run.project.encoder, settings)
        grounder = Grounder.untrained(settings, max_frames, encoder, run.device)
    else:
        how = run.project.root, detector, run.device, posterior
        grounder = Grounder.trained(model, *how, seeing=run.project.encoder)
        inputs["model"] = grounder.weights
    vocabulary = grounder.encoder.vocabulary
    clips.read_as(vocabulary.class_names, vocabulary.attribute_names, vocabulary.feature)
    clips.use_embeddings(run.artifact("embeddings"), vocabulary.region_text)
    clips.max_frames = grounder.max_frames
    answers = {}
    if not untrained:
        answers = reference_answers(
            model / "contrast", settings, detector, clips, grounder.encoder, chosen, run.device
        )
    with progress(None, len(grouped(chosen)), run.stage) as bar:
        found = grounder.in_corpus(clips, chosen, bar.update)
    answers = answers or {"untrained": [p.answer for p in found]}
    columns, references = prediction_columns(found), reference_columns(answers)
    artifact.write(schemas.PREDICTIONS, run.artifact("predictions.h5"), columns, params, inputs)
    artifact.write(schemas.REFERENCES, run.artifact("references.h5"), references, params, inputs)
    write_predictions(run.artifact("predictions.json"), found, chosen, clips)
    flagged = sum(bool(p.flags) for p in found)
    run.done(f"{len(found):,} sentences of {split}, {flagged:,} flagged", run.artifact("predictions.json"))


if __name__ == "__main__":
    ground_queries()
