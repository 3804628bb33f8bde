"""samples, tubes, embeddings, queries, truth_val -> model/, em_history.json: EM, trained on sentences and videos.

truth_val.h5 serves to choose the round (`stop: val`) and how answers are decoded; without annotations nothing is
chosen.
"""

from functools import partial

import click

from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.cli import progress, stage
from vcma.pipeline.stage_run import StageRun, result_key
from vcma.records.sentence import counted_sentences


@stage("force", "device", "memory", example="--beta 0.5 --seed 1")
@click.option("--beta", type=click.FloatRange(0), help="Weight of the relation evidence; 0: ignore relations.")
@click.option("--kappa", type=click.FloatRange(0, min_open=True), help="Effective sample size of a clip's frames.")
@click.option(
    "--label-prior", type=click.FloatRange(0), help="Prior weight of the detector's labels; 0: the paper."
)
@click.option(
    "--score-prior",
    type=click.FloatRange(0),
    help="Prior weight of a tube's score, temporal coverage and size; 0: the paper.",
)
@click.option("--relation-prior", type=click.FloatRange(0), help="Prior weight of predicate cues; 0: the paper.")
@click.option(
    "--region-text-prior", type=click.FloatRange(0), help="Prior weight of the region-text encoder; 0: the paper."
)
@click.option(
    "--region-text-time",
    type=click.FloatRange(0),
    help="Weight of the encoder's evidence of when a relation shows; 0: the paper.",
)
@click.option("--prompts", help="Prompts of the region-text encoder for a phrase {}, separated by |.")
@click.option("--time", type=click.Choice(["span", "frames", "whole"]), help="Family of q(y); frames: the paper.")
@click.option(
    "--margin",
    type=click.FloatRange(0),
    help="Evidence threshold per frame above the video's mean, nats; 0: the paper.",
)
@click.option(
    "--throughout",
    type=click.FloatRange(0, 1),
    help="Prior probability that a span lasts as long as its target is visible; 0: the paper.",
)
@click.option("--width", type=click.IntRange(8), help="Width of the networks, units.")
@click.option(
    "--bottleneck", type=click.IntRange(0), help="Appearance dimensions of the relation emission; 0: none."
)
@click.option("--dropout", type=click.FloatRange(0, 0.95), help="Dropout on the appearance bottleneck.")
@click.option("--refinements", type=click.IntRange(0), help="Coordinate updates per E-step; 0: use q_phi.")
@click.option("--none-weight", type=click.FloatRange(0), help="Weight of the background class; 0: the paper.")
@click.option(
    "--contrast-weight",
    type=click.FloatRange(0),
    help="Weight of the phrase-video contrastive loss after the warm-up.",
)
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="AdamW learning rate.")
@click.option("--weight-decay", type=click.FloatRange(0), help="AdamW weight decay.")
@click.option("--batch-clips", type=click.IntRange(1), help="Clips per step, with all their sentences.")
@click.option("--warm-up", type=click.IntRange(0), help="Epochs of contrastive training before EM.")
@click.option("--rounds", type=click.IntRange(1), help="Maximum number of EM rounds.")
@click.option("--patience", type=click.IntRange(1), help="Rounds without improvement before stopping.")
@click.option(
    "--stop",
    type=click.Choice(["val", "elbo", "rounds"]),
    help="Early stopping by: val, the score on annotated validation; elbo, the ELBO; rounds, never. Annotated "
    "validation also sets the span length penalty and the temperature. To use no annotation, choose elbo and leave "
    "`val` out of the data set's `splits:`.",
)
@click.option("--text", help="Text features: wordllama, learned, or the folder of a Hugging Face encoder.")
@click.option("--max-frames", type=click.IntRange(2), help="Maximum number of frames of a clip.")
@click.option("--train-frames", type=click.IntRange(2), help="Frames of a clip sampled in a training step.")
@click.option("--seed", type=click.IntRange(0), help="Random seed.")
def train_em(run: StageRun, max_frames: int, **parameters: float) -> None:
    """Learn the alignment by variational EM; only choices on validation may use boxes and spans (see --stop)."""
    # Imported late, because torch takes seconds to import and --help does not need it.
    from vcma.model.evidence import build
    from vcma.model.settings import Settings
    from vcma.training.instruments import round_row
    from vcma.training.model_files import describe_decoding, save_model, save_nothing
    from vcma.training.resume import Rounds
    from vcma.training.trainer import Trainer, fit, fit_contrast
    from vcma.training.training_set import TrainingSet
    from vcma.training.tuning import tuned, tuned_window

    if run.project.untrained:
        return run.done("nothing trained: ground_queries is untrained", save_nothing(run.project.artifacts))
    settings = Settings.of(parameters)
    train = TrainingSet.of(run.project, settings, max_frames)
    train.clips.cache_bytes, texts = int(run.memory * 2**30), train.encoder.texts
    model, contrast = (build(train.vocabulary, texts.embed, settings).to(run.device) for _ in range(2))
    truth = artifact.read(schemas.TRUTH, run.artifact("truth_val.h5"))
    validation, epoch = train.validation("val", truth, run.device), train.epochs(settings)
    trainer = Trainer(model, train.steps(settings))
    sources = [run.artifact("samples.h5"), run.artifact("queries.h5"), *train.clips.sources()]
    rounds = Rounds(run.lock.with_suffix(".safetensors"), result_key(run, sources, texts.name), trainer)
    history = [] if run.force else rounds.resume()
    with progress(None, settings.warm_up + settings.rounds, run.stage) as bar:
        bar.update(len(history))

        def keep(done: list[dict]) -> None:
            rounds.keep(done)
            if len(truth["sample"]):
                bar.set_postfix(p=f"{done[-1]['score_p']:.3f}", q=f"{done[-1]['score_q']:.3f}")
            bar.update()

        history = fit(trainer, epoch, partial(round_row, validation), keep, history, run.device)
    rounds.finish()
    fit_contrast(contrast, epoch, run.device)
    source = {"dataset": run.project.dataset, "format": run.block["format"], "validated": len(truth["sample"]) > 0}
    extra, folder = {"max_frames": max_frames, "trained_on": source}, run.artifact("model")
    decoding = describe_decoding(tuned(validation, validation.judged(model)))
    save_model(folder, model, train.detector, extra | decoding)
    window = {"window": tuned_window(validation, contrast)}
    save_model(folder / "contrast", contrast, train.detector, extra | window)
    summary = {"score": validation.metric, "sentences": len(train.sentences), "rounds": history}
    storage.write_json(run.artifact("em_history.json"), summary)
    return run.done(f"{counted_sentences(len(train.sentences))}, {len(history)} epochs", folder)


if __name__ == "__main__":
    train_em()
