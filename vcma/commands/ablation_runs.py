"""The runs of an ablation: what they are, one of them, and all of them, resumable.

Every run is one training with one seed, scored on validation and test, and leaves a file below
`artifacts/<dataset>/ablation/`, named by the digest of all that it follows from: a run that is there is not made
again. The stages up to the tubes are those of the pipeline; tubes of another alpha are linked beside them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.cli import progress
from vcma.pipeline.paths import file_stem
from vcma.pipeline.per_video import available_videos, per_video
from vcma.pipeline.project import Project
from vcma.pipeline.source import code_digest
from vcma.pipeline.stage_run import StageRun, stage_lock
from vcma.records.columns import Columns

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
BETAS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
# With some hundred videos so many rounds suffice (seen on validation), and a run stays near a minute.
SHORT = {"rounds": 8, "patience": 3}
SPLITS = ("val", "test")
# What each variant changes of train_em's settings; each is the full model otherwise.
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "em": {},
    "no_none": {"none_weight": 0.0},
    "no_time": {"time": "whole"},
    "no_margin": {"margin": 0.0},
    "frames": {"time": "frames"},
    "amortised": {"refinements": 0},
    "no_label_prior": {"label_prior": 0.0},
    # Without the cues nothing holds the emission up at first: its weights were chosen anew, on validation.
    "no_cues": {"relation_prior": 0.0, "none_weight": 1.0},
    # Every switch of ours off: what is then left is nearest to the paper's text.
    "bare": {"relation_prior": 0.0, "label_prior": 0.0, "none_weight": 0.0, "time": "frames", "margin": 0.0},
    "supervised": {},
}
SEEDLESS = ("untrained", "label_prior", "oracle", "chance")  # nothing is trained, so one run each


@dataclass(frozen=True)
class Spec:
    """One run: a variant at alpha and beta with a seed, and train_em's settings in force."""

    variant: str
    alpha: float
    seed: int
    settings: Mapping[str, Any]

    @property
    def beta(self) -> float:
        return float(self.settings["beta"])


def specs(section: Mapping[str, Any], alpha: float, seeds: Sequence[int]) -> list[Spec]:
    """Every run: the sweeps over alpha and beta, the variants, and the references, for each seed."""
    found = []
    for seed in seeds:
        base = {**section, **SHORT, "seed": seed}
        found += [Spec(name, alpha, seed, {**base, **changes}) for name, changes in CHANGES.items()]
        found.append(Spec("contrast", alpha, seed, base))
        found += [Spec("em", a, seed, base) for a in ALPHAS if a != alpha]
        found += [Spec("em", alpha, seed, {**base, "beta": b}) for b in BETAS if b != base["beta"]]
    return [*found, *(Spec(name, alpha, 0, {**section, "seed": 0}) for name in SEEDLESS)]


# --- one run ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _corpus(artifacts: Path, tubes: Path, max_frames: int, text: str, root: Path) -> Any:
    from vcma.text.features import text_features
    from vcma.training.training_set import TrainingSet

    return TrainingSet.load(artifacts, tubes, max_frames, text_features(text, root))


def make(spec: Spec, root: Path, artifacts: Path, tubes: Path, out: Path) -> None:
    """Train and score one run, and write what came of it to `out`."""
    start = time.perf_counter()
    corpus = _corpus(artifacts, tubes, int(spec.settings["max_frames"]), spec.settings["text"], root)
    truths = {split: artifact.read(schemas.TRUTH, artifacts / f"truth_{split}.h5") for split in SPLITS}
    judged = {split: corpus.validation(split, truth, "cpu") for split, truth in truths.items()}
    found = _answers(spec, corpus, judged, truths, artifacts)
    result: dict[str, Any] = {"spec": asdict(spec), "extra": found.pop("extra", {})}
    for name, by_split in found.items():
        result[name] = {split: judged[split].scores(answers).table.tolist() for split, answers in by_split.items()}
    storage.write_json(out, result | {"seconds": time.perf_counter() - start})


def _answers(spec: Spec, corpus: Any, judged: dict, truths: dict, artifacts: Path) -> dict[str, Any]:
    """{variant: {split: answers}} of one run, and `extra`: its history and calibration."""
    from vcma.model.decoding import Decoding
    from vcma.model.evidence import build
    from vcma.model.settings import Settings
    from vcma.training.model_files import describe_decoding
    from vcma.training.trainer import Trainer, fit, fit_contrast
    from vcma.training.tuning import error_of_calibration, tuned, tuned_window

    if spec.variant in ("chance", "oracle"):
        return {spec.variant: {split: _reference(spec, corpus, truths[split]) for split in SPLITS}}
    if spec.variant == "label_prior":
        window = tuned_window(judged["val"], None)
        return {spec.variant: {split: judged[split].windowed(None, window) for split in SPLITS}}
    settings = Settings.of(dict(spec.settings))
    if spec.variant == "untrained":
        return {spec.variant: {s: [j.answer() for j in judged[s].judged_untrained(settings)] for s in SPLITS}}
    model = build(corpus.vocabulary, corpus.encoder.texts.embed, settings)
    if spec.variant == "contrast":
        fit_contrast(model, corpus.epochs(settings), "cpu")
        window = tuned_window(judged["val"], model)
        return {spec.variant: {split: judged[split].windowed(model, window) for split in SPLITS}}
    known = true_alignments(corpus, artifacts) if spec.variant == "supervised" else None
    trainer, best = Trainer(model, corpus.steps(settings)), {}

    def keep(history: list[dict[str, float]]) -> None:
        if history[-1]["best"]:
            best.update(trainer.parameters())

    history = fit(trainer, corpus.epochs(settings, known), judged["val"].score, keep, [], "cpu")
    trainer.restore(best)
    grounded = {split: judged[split].judged(model) for split in SPLITS}
    decoding = tuned(judged["val"], grounded["val"])

    def answers(posterior: str) -> dict[str, Any]:
        chosen = Decoding(length_penalty=decoding.length_penalty)
        return {s: [j.answer(posterior, chosen) for j in grounded[s]] for s in SPLITS}

    def calibration(temperature: float) -> dict[str, float]:
        return {s: error_of_calibration(judged[s], grounded[s], temperature) for s in SPLITS}

    extra = {
        "history": history,
        **describe_decoding(decoding),
        "calibration_error": calibration(decoding.temperature),
        "calibration_error_before": calibration(1.0),
    }
    found: dict[str, Any] = {spec.variant: answers("p"), "extra": extra}
    if spec.variant == "em":
        found["no_relations" if spec.beta == 0 else "q"] = found["em"] if spec.beta == 0 else answers("q")
    return found


def _reference(spec: Spec, corpus: Any, truth: Columns) -> Any:
    from vcma.evaluation.baselines import chance, oracle

    if spec.variant == "oracle":
        return oracle(truth, corpus.clips.tubes_or_empty)
    return chance(truth, corpus.clips.tubes_or_empty, seed=spec.seed, whole=True)


def true_alignments(corpus: Any, artifacts: Path) -> dict[str, tuple[int, int, int]]:
    """The truth of the training sentences, for the supervised ceiling alone.

    By sample: the row of the target's best tube in its clip (-1: none fits), the first and the end slot of the
    true span. Raises InputError where the data set has no truth_train.h5.
    """
    from vcma.training.calibration import RIGHT, mean_iou

    truth = artifact.read(schemas.TRUTH, artifacts / "truth_train.h5")
    row = {sample: i for i, sample in enumerate(truth["sample"])}
    found = {}
    for sentence in corpus.sentences:
        clip, i = corpus.clips(sentence.clip), row[sentence.sample]
        if clip is None:
            continue
        tubes = corpus.clips.tubes(sentence.video)
        fit = [mean_iou(truth, i, tubes, int(n)) for n in clip.tube]
        inside = (clip.frame >= truth["span_begin"][i]) & (clip.frame < truth["span_end"][i])
        slots = np.flatnonzero(inside)
        span = (int(slots[0]), int(slots[-1]) + 1) if len(slots) else (-1, -1)
        found[sentence.sample] = (int(np.argmax(fit)) if max(fit) > RIGHT else -1, *span)
    return found


# --- all runs --------------------------------------------------------------------------------------------------


def link_other(project: Project, alpha: float, jobs: int) -> Path:
    """The tubes of another alpha, made beside the data set's own with the linker's other parameters unchanged."""
    from vcma.linking.linker import link

    folder = project.artifacts / "ablation" / f"alpha-{alpha:g}"
    params = {**project.section("link_tubes"), "alpha": alpha}
    proposals = project.artifacts / "proposals"
    videos = available_videos(project.artifacts / "samples.h5", proposals)
    path = {video: proposals / f"{file_stem(video)}.h5" for video in videos}
    run = StageRun(
        "link_tubes", Path(link.__code__.co_filename), replace(project, folder=folder), params, jobs=jobs
    )

    def inputs(video: str) -> dict[str, str]:
        return {"proposals": artifact.attributes(path[video], schemas.PROPOSALS)["content"]}

    items = {video: (path[video],) for video in videos}
    with stage_lock(run):
        per_video(run, schemas.TUBES, items, partial(_linked, params), inputs, lambda columns: {})
    return folder / "tubes"


def _linked(params: Mapping[str, Any], path: Path) -> Columns:
    from vcma.linking.linker import link

    return link(artifact.read(schemas.PROPOSALS, path), **params)


def key_of(spec: Spec, root: Path, artifacts: Path, tubes: Path) -> str:
    """Digest of all that a run follows from: settings, code, and what its inputs hold."""
    contents = [artifact.attributes(artifacts / f"{name}.h5")["content"] for name in ("samples", "queries")]
    contents += [artifact.attributes(artifacts / f"truth_{split}.h5")["content"] for split in SPLITS]
    contents += [*_contents(tubes), _texts(spec.settings["text"], root)]
    text = json.dumps([asdict(spec), code_digest(Path(__file__)), contents], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@lru_cache
def _texts(choice: str, root: Path) -> str:
    from vcma.text.features import text_features

    return text_features(choice, root).name


@lru_cache
def _contents(tubes: Path) -> list[str]:
    return [artifact.attributes(path)["content"] for path in sorted(tubes.glob("*.h5"))]


def run_all(project: Project, wanted: Sequence[Spec], jobs: int) -> list[dict[str, Any]]:
    """Make every run that is missing, in parallel, and return what came of all of them, in order."""
    import joblib

    artifacts = project.artifacts
    own = float(project.section("link_tubes")["alpha"])
    tubes = {
        a: artifacts / "tubes" if a == own else link_other(project, a, jobs) for a in {s.alpha for s in wanted}
    }
    paths = [artifacts / "ablation" / f"{key_of(s, project.root, artifacts, tubes[s.alpha])}.json" for s in wanted]
    work = [
        (s, project.root, artifacts, tubes[s.alpha], p)
        for s, p in zip(wanted, paths, strict=True)
        if not p.exists()
    ]
    # Runs of one alpha follow one another, so that a worker reads each tubes folder once; the configured one first.
    work.sort(key=lambda item: (item[0].alpha != own, item[0].alpha))
    click.echo(f"ablate: {len(wanted)} runs, {len(wanted) - len(work)} made before", err=True)
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
        for _ in progress(parallel(joblib.delayed(make)(*item) for item in work), len(work), "ablate"):
            pass
    return [storage.read_json(path, "run vcma ablate again") for path in paths]
