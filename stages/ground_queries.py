"""samples, queries, tubes, model -> predictions.h5, predictions.json, references.h5: a tube and a span each."""

from dataclasses import asdict

import click

from vcma.batching.clip_store import Clips
from vcma.batching.encoder import Encoder
from vcma.inference.untrained import label_encoder, settings_of
from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import mode, progress, stage
from vcma.pipeline.stage_run import StageRun
from vcma.records.answer import prediction_columns, reference_columns
from vcma.records.sentence import grouped, sentences


@stage("device")
@click.option("--split", type=click.Choice(["train", "val", "test"]), help="Which sentences.")
@click.option("--posterior", type=click.Choice(["p", "q"]), help="p_theta(Z | E, R, V) or q_phi(Z | E, V).")
@mode("--untrained", is_flag=True, help="Without a model: by the detector's labels and what predicates' words say.")
def ground_queries(run: StageRun, split: str, posterior: str) -> None:
    """Ground every sentence of a split: which tube, over which span of native frames."""
    # torch takes seconds to import, which --help need not wait for.
    from vcma.inference.grounder import export, ground_all, ground_untrained, reference_answers
    from vcma.text.features import text_features
    from vcma.training.model_files import decoding, load_model

    samples = artifact.read(schemas.SAMPLES, run.artifact("samples.h5"))
    queries = artifact.read(schemas.QUERIES, run.artifact("queries.h5"))
    told = sentences(samples, queries, split)
    clips = Clips(run.artifact("tubes"), 1)
    known = clips.describe()
    inputs = {name: artifact.attributes(run.artifact(f"{name}.h5"))["content"] for name in ("samples", "queries")}
    params = dict(run.params)
    if run.modes["untrained"]:
        settings, clips.max_frames = settings_of(run.project.section("train_em"))
        params |= asdict(settings) | {"max_frames": clips.max_frames}
        encoder = label_encoder(known)
        encoder.learn(told)
        with progress(None, len(grouped(told)), run.stage) as bar:
            found = ground_untrained(settings, clips, encoder, told, run.device, bar.update)
        answers = {"untrained": [p.answer for p in found]}
    else:
        detector = str(known["detector"])
        model, description = load_model(run.artifact("model"), detector)
        inputs["model"] = description["weights"]
        contrast, simple = load_model(run.artifact("model") / "contrast", detector)
        clips.max_frames, fitted = description["max_frames"], decoding(description)
        texts = text_features(model.settings.text, run.project.root, model.vocabulary.text)
        encoder = Encoder(model.vocabulary, texts)
        encoder.learn(told)
        with progress(None, len(grouped(told)), run.stage) as bar:
            found = ground_all(
                model.to(run.device), clips, encoder, told, posterior, fitted, run.device, bar.update
            )
        answers = reference_answers(contrast.to(run.device), simple["window"], clips, encoder, told, run.device)
    columns, references = prediction_columns(found), reference_columns(answers)
    artifact.write(schemas.PREDICTIONS, run.artifact("predictions.h5"), columns, params, inputs)
    artifact.write(schemas.REFERENCES, run.artifact("references.h5"), references, params, inputs)
    export(run.artifact("predictions.json"), found, told, clips)
    flagged = sum(bool(p.flags) for p in found)
    run.done(f"{len(found):,} sentences, {flagged:,} flagged", run.artifact("predictions.json"))


if __name__ == "__main__":
    ground_queries()
