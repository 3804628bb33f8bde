"""One run of an ablation: training with one seed and scoring on validation and test; the key of its result."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vcma.commands.ablation_variants import UNTRAINED, RunSpec
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.source import code_digest
from vcma.records.columns import Columns
from vcma.text.dual_encoder import cached_encoder

if TYPE_CHECKING:
    from vcma.batching.encoder import Label
    from vcma.model.evidence import Model
    from vcma.training.trainer import History
    from vcma.training.training_set import TrainingSet
    from vcma.training.validation import Validation

SPLITS = ("val", "test")
AnswersBySplit = dict[str, Any]  # split -> argument of `Validation.scores`


def run_key(spec: RunSpec, root: Path, artifacts: Path, tubes: Path, encoder: Path | None) -> str:
    """Return the digest of everything that determines a run: settings, code and contents of its inputs.

    encoder: the folder of the data set's region-text encoder.
    """
    contents = [artifact.attributes(artifacts / f"{name}.h5")["content"] for name in ("samples", "queries")]
    contents += [artifact.attributes(artifacts / f"truth_{split}.h5")["content"] for split in SPLITS]
    contents += [*_contents(tubes), _text_encoder(spec.settings["text"], root)]
    if spec.reads_region_text and encoder:
        contents += [*_contents(artifacts / "embeddings"), cached_encoder(encoder).name]
    text = json.dumps([asdict(spec), code_digest(Path(__file__)), contents], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@lru_cache
def _contents(folder: Path) -> list[str]:
    return [artifact.attributes(path)["content"] for path in sorted(folder.glob("*.h5"))]


@lru_cache
def _text_encoder(choice: str, root: Path) -> str:
    from vcma.text.features import text_features

    return text_features(choice, root).name


@dataclass(frozen=True)
class _Data:
    """Inputs shared by the runs on one folder of tubes; validation: each split's sentences with ground truth."""

    training: TrainingSet
    truth: Mapping[str, Columns]
    validation: Mapping[str, Validation]


def make_run(spec: RunSpec, root: Path, artifacts: Path, tubes: Path, encoder: Path | None, out: Path) -> None:
    """Train and score one run and write the result to `out`.

    The result has the spec, seconds, the scores of each sample by variant and split (one training may score several
    variants), and under `extra` history and calibration.
    """
    start = time.perf_counter()
    texts, prompts = spec.settings["text"], spec.settings["prompts"]
    seeing, relations = encoder if spec.reads_region_text else None, spec.settings["region_text_time"] > 0
    frames = int(spec.settings["max_frames"])
    training = _training_set(artifacts, tubes, frames, texts, root, seeing, prompts, relations)
    truth = {split: artifact.read(schemas.TRUTH, artifacts / f"truth_{split}.h5") for split in SPLITS}
    data = _Data(training, truth, {split: training.validation(split, truth[split], "cpu") for split in SPLITS})
    answers, extra = _answers(spec, data, artifacts)
    result: dict[str, Any] = {"spec": asdict(spec), "extra": extra}
    for variant, by_split in answers.items():
        result[variant] = {
            split: data.validation[split].scores(found).table.tolist() for split, found in by_split.items()
        }
    storage.write_json(out, result | {"seconds": time.perf_counter() - start})


@lru_cache(maxsize=1)
def _training_set(
    artifacts: Path,
    tubes: Path,
    max_frames: int,
    text: str,
    root: Path,
    encoder: Path | None,
    prompts: str,
    relations: bool,
) -> TrainingSet:
    from vcma.text.features import text_features
    from vcma.training.training_set import TrainingSet

    seeing = cached_encoder(encoder) if encoder else None
    return TrainingSet.load(artifacts, tubes, max_frames, text_features(text, root), seeing, prompts, relations)


def _answers(spec: RunSpec, data: _Data, artifacts: Path) -> tuple[dict[str, AnswersBySplit], dict[str, Any]]:
    """Return the answers of each variant that a run scores, and its history and calibration if it has any."""
    from vcma.model.evidence import build
    from vcma.model.settings import Settings, UntrainedSettings
    from vcma.training.trainer import fit_contrast

    if spec.variant in ("chance", "oracle"):
        return {spec.variant: {split: _reference(spec, data, split) for split in SPLITS}}, {}
    if spec.variant == "label_prior":
        return {spec.variant: _windowed(data, None)}, {}
    if spec.variant.startswith(UNTRAINED):
        settings = UntrainedSettings.of(spec.settings)
        judged = {split: validation.judged_untrained(settings) for split, validation in data.validation.items()}
        return {spec.variant: {split: [j.answer() for j in judged[split]] for split in SPLITS}}, {}
    model = build(data.training.vocabulary, data.training.encoder.texts.embed, Settings.of(spec.settings))
    if spec.variant == "contrast":
        fit_contrast(model, data.training.epochs(model.settings), "cpu")
        return {spec.variant: _windowed(data, model)}, {}
    alignments = true_alignments(data.training, artifacts) if spec.variant == "supervised" else None
    return _answers_of_em(spec, data, model, _fit(model, data, alignments))


def _reference(spec: RunSpec, data: _Data, split: str) -> Any:
    from vcma.evaluation.baselines import chance, oracle

    tubes = data.training.clips.tubes_or_empty
    if spec.variant == "oracle":
        return oracle(data.truth[split], tubes)
    return chance(data.truth[split], tubes, seed=spec.seed, whole=True)


def _windowed(data: _Data, model: Model | None) -> AnswersBySplit:
    """Return the answers of a model's prior, or of the labels, over the best window on validation."""
    from vcma.training.tuning import tuned_window

    window = tuned_window(data.validation["val"], model)
    return {split: data.validation[split].windowed(model, window) for split in SPLITS}


def _fit(model: Model, data: _Data, alignments: Mapping[str, Label] | None) -> History:
    """Train a model by EM, restore its best round, and return the history."""
    from vcma.training.instruments import round_row
    from vcma.training.trainer import Trainer, fit

    trainer = Trainer(model, data.training.steps(model.settings))
    best: dict[str, Any] = {}

    def keep_best(history: History) -> None:
        if history[-1]["best"]:
            best.update(trainer.parameters())

    epochs = data.training.epochs(model.settings, alignments)
    history = fit(trainer, epochs, partial(round_row, data.validation["val"]), keep_best, [], "cpu")
    trainer.restore(best)
    return history


def _answers_of_em(
    spec: RunSpec, data: _Data, model: Model, history: History
) -> tuple[dict[str, AnswersBySplit], dict[str, Any]]:
    """Return the answers of an EM run's variants, and its history, decoding and calibration."""
    from vcma.model.decoding import Decoding
    from vcma.training.model_files import describe_decoding
    from vcma.training.tuning import error_of_calibration, tuned

    judged = {split: data.validation[split].judged(model) for split in SPLITS}
    decoding = Decoding() if model.settings.stop == "elbo" else tuned(data.validation["val"], judged["val"])
    untempered = Decoding(length_penalty=decoding.length_penalty)

    def answers(posterior: str) -> AnswersBySplit:
        return {split: [j.answer(posterior, untempered) for j in judged[split]] for split in SPLITS}

    def calibration_error(temperature: float) -> dict[str, float]:
        return {split: error_of_calibration(data.validation[split], judged[split], temperature) for split in SPLITS}

    found = {spec.variant: answers("both")}
    if spec.variant == "em" and spec.beta == 0:
        found["no_relations"] = found["em"]
    elif spec.variant == "em":
        found |= {posterior: answers(posterior) for posterior in ("p", "q")}
    return found, {
        "history": history,
        **describe_decoding(decoding),
        "calibration_error": calibration_error(decoding.temperature),
        "calibration_error_before": calibration_error(1.0),
    }


def true_alignments(training: TrainingSet, artifacts: Path) -> dict[str, Label]:
    """Return the true alignment of each training sentence, for the supervised ceiling only.

    By sample: the row of the target's best tube in its clip (-1: none overlaps enough), and the first and end slot
    of the true span. Raises InputError if the data set has no truth_train.h5.
    """
    from vcma.training.calibration import RIGHT, mean_iou

    truth = artifact.read(schemas.TRUTH, artifacts / "truth_train.h5")
    row = {sample: i for i, sample in enumerate(truth["sample"])}
    found = {}
    for sentence in training.sentences:
        clip, i = training.clips(sentence.clip), row[sentence.sample]
        if clip is None:
            continue
        tubes = training.clips.tubes(sentence.video)
        assert tubes is not None  # its clip has some
        fit = [mean_iou(truth, i, tubes, int(n)) for n in clip.tube]
        inside = (clip.frame >= truth["span_begin"][i]) & (clip.frame < truth["span_end"][i])
        slots = np.flatnonzero(inside)
        span = (int(slots[0]), int(slots[-1]) + 1) if len(slots) else (-1, -1)
        found[sentence.sample] = (int(np.argmax(fit)) if max(fit) > RIGHT else -1, *span)
    return found
