"""`vcma ablate`: the paper's figure of hyper-parameters and the table of ablations, on one data set, resumable.

Every run is one training with one seed, scored on validation and test, and leaves a file below
`artifacts/<dataset>/ablation/`, named by the digest of all that it follows from: a run that is there is not made
again. The stages up to the tubes are those of the pipeline; tubes of another alpha are linked beside them.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma import artifact
from vcma.cli import Project, Run, alone, find_config, load_project, progress
from vcma.errors import InputError
from vcma.names import file_stem
from vcma.runner import code_digest, listed, per_video

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
BETAS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
# With some hundred videos so many rounds suffice (seen on validation), and a run stays near a minute.
SHORT = {"rounds": 8, "patience": 3}
SPLITS = ("val", "test")
COLUMNS = (
    *("variant", "alpha", "beta", "seed", "split", "query_type"),
    *("m_tIoU", "m_vIoU", "vIoU@0.3", "vIoU@0.5"),
)
# What each variant changes of train_em's settings; each is the full model otherwise.
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "em": {},
    "no_none": {"none_weight": 0.0},
    "no_relations": {"beta": 0.0},
    "no_time": {"time": "whole"},
    "no_brevity": {"brevity": 0.0},
    "frames": {"time": "frames"},
    "amortised": {"refinements": 0},
    "no_label_prior": {"label_prior": 0.0},
    # Without the cues nothing holds the emission up at first: its weights were chosen anew, on validation.
    "no_cues": {"relation_prior": 0.0, "none_weight": 1.0, "brevity": 4.0},
    "cues_untrained": {"rounds": 0},
    "supervised": {},
}
# How each is to be read, in the table.
MEANING = {
    "em": "EM, as configured",
    "q": "the same, decoded from q_phi in one pass",
    "no_none": "no `none` class (its weight 0)",
    "no_relations": "no relations (beta 0)",
    "no_time": "no temporal latent (the whole segment)",
    "no_brevity": "no preference for short spans in learning",
    "frames": "time: frames, the paper's q(y)",
    "amortised": "pure amortised (no refinement)",
    "no_label_prior": "label prior off",
    "no_cues": "relation prior off (`none` 1, brevity 4)",
    "cues_untrained": "both priors after the warm-up, no EM",
    "contrast": "phrase-video contrast alone, window tuned",
    "label_prior": "label prior untrained, window tuned",
    "supervised": "supervised ceiling (true tubes and spans)",
    "oracle": "oracle (best tube, true span)",
    "chance": "chance",
}


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
    return [*found, *(Spec(name, alpha, 0, {**section, "seed": 0}) for name in ("label_prior", "oracle", "chance"))]


# --- one run ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _corpus(artifacts: Path, tubes: Path, max_frames: int) -> Any:
    from vcma.fitting import Corpus

    return Corpus.load(artifacts, tubes, max_frames)


def make(spec: Spec, artifacts: Path, tubes: Path, out: Path) -> None:
    """Train and score one run, and write what came of it to `out`."""
    start = time.perf_counter()
    corpus = _corpus(artifacts, tubes, int(spec.settings["max_frames"]))
    truths = {split: artifact.read(artifact.TRUTH, artifacts / f"truth_{split}.h5") for split in SPLITS}
    judged = {split: corpus.judged(split, truth, "cpu") for split, truth in truths.items()}
    found = _answers(spec, corpus, judged, truths, artifacts)
    result: dict[str, Any] = {"spec": asdict(spec), "extra": found.pop("extra", {})}
    for name, by_split in found.items():
        result[name] = {split: judged[split].scores(answers).table.tolist() for split, answers in by_split.items()}
    artifact.write_json(out, result | {"seconds": time.perf_counter() - start})


def _answers(spec: Spec, corpus: Any, judged: dict, truths: dict, artifacts: Path) -> dict[str, Any]:
    """{variant: {split: answers}} of one run, and `extra`: its history and calibration."""
    from vcma import em
    from vcma.text import static_vectors

    if spec.variant in ("chance", "oracle"):
        return {spec.variant: {split: _reference(spec, corpus, truths[split]) for split in SPLITS}}
    if spec.variant == "label_prior":
        window = judged["val"].window(None)
        return {spec.variant: {split: judged[split].windowed(None, window) for split in SPLITS}}
    settings = em.Settings.of(dict(spec.settings))
    model = em.build(corpus.vocabulary, static_vectors, settings)
    if spec.variant == "contrast":
        em.fit_contrast(model, corpus.epochs(settings), "cpu")
        window = judged["val"].window(model)
        return {spec.variant: {split: judged[split].windowed(model, window) for split in SPLITS}}
    known = true_alignments(corpus, artifacts) if spec.variant == "supervised" else None
    trainer, best = em.Trainer(model), {}

    def keep(history: list[dict[str, float]]) -> None:
        if history[-1]["best"] or not settings.rounds:
            best.update(trainer.parameters())

    history = em.fit(trainer, corpus.epochs(settings, known), judged["val"].score, keep, [], "cpu")
    trainer.restore(best)
    fitted = judged["val"].fitted(model)
    temperature = fitted["temperature"]
    both = {split: judged[split].answers(model, fitted["brevity"]) for split in SPLITS}
    extra = {
        "history": history,
        **fitted,
        "calibration_error": {split: judged[split].calibration_error(model, temperature) for split in SPLITS},
        "calibration_error_before": {split: judged[split].calibration_error(model, 1.0) for split in SPLITS},
    }
    found: dict[str, Any] = {spec.variant: {split: p for split, (p, _) in both.items()}, "extra": extra}
    if spec.variant == "em":
        found["q"] = {split: q for split, (_, q) in both.items()}
    return found


def _reference(spec: Spec, corpus: Any, truth: artifact.Columns) -> Any:
    from vcma.references import chance, oracle

    if spec.variant == "oracle":
        return oracle(truth, corpus.clips.tubes_or_empty)
    return chance(truth, corpus.clips.tubes_or_empty, seed=spec.seed, whole=True)


def true_alignments(corpus: Any, artifacts: Path) -> dict[str, tuple[int, int, int]]:
    """The truth of the training sentences, for the supervised ceiling alone.

    By sample: the row of the target's best tube in its clip (-1: none fits), the first and the end slot of the
    true span. Raises InputError where the data set has no truth_train.h5.
    """
    from vcma.calibration import RIGHT, fit_of

    truth = artifact.read(artifact.TRUTH, artifacts / "truth_train.h5")
    row = {sample: i for i, sample in enumerate(truth["sample"])}
    found = {}
    for sentence in corpus.train:
        clip, i = corpus.clips(sentence.clip), row[sentence.sample]
        if clip is None:
            continue
        tubes = corpus.clips.tubes(sentence.video)
        fit = [fit_of(truth, i, tubes, int(n)) for n in clip.tube]
        inside = (clip.frame >= truth["span_begin"][i]) & (clip.frame < truth["span_end"][i])
        slots = np.flatnonzero(inside)
        span = (int(slots[0]), int(slots[-1]) + 1) if len(slots) else (-1, -1)
        found[sentence.sample] = (int(np.argmax(fit)) if max(fit) > RIGHT else -1, *span)
    return found


# --- all runs --------------------------------------------------------------------------------------------------


def link_other(project: Project, alpha: float, jobs: int) -> Path:
    """The tubes of another alpha, made beside the data set's own with the linker's other parameters unchanged."""
    from vcma.tubes import link

    folder = project.artifacts / "ablation" / f"alpha-{alpha:g}"
    params = {**project.section("link_tubes"), "alpha": alpha}
    proposals = project.artifacts / "proposals"
    videos = listed(project.artifacts / "samples.h5", proposals)
    path = {video: proposals / f"{file_stem(video)}.h5" for video in videos}
    run = Run("link_tubes", Path(link.__code__.co_filename), replace(project, folder=folder), params, jobs=jobs)

    def inputs(video: str) -> dict[str, str]:
        return {"proposals": artifact.attributes(path[video], artifact.PROPOSALS)["content"]}

    items = {video: (path[video],) for video in videos}
    with alone(run):
        per_video(run, artifact.TUBES, items, partial(_linked, params), inputs, lambda columns: {})
    return folder / "tubes"


def _linked(params: Mapping[str, Any], path: Path) -> artifact.Columns:
    from vcma.tubes import link

    return link(artifact.read(artifact.PROPOSALS, path), **params)


def key_of(spec: Spec, artifacts: Path, tubes: Path) -> str:
    """Digest of all that a run follows from: settings, code, and what its inputs hold."""
    contents = [artifact.attributes(artifacts / f"{name}.h5")["content"] for name in ("samples", "queries")]
    contents += [artifact.attributes(artifacts / f"truth_{split}.h5")["content"] for split in SPLITS]
    contents += _contents(tubes)
    text = json.dumps([asdict(spec), code_digest(Path(__file__)), contents], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


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
    paths = [artifacts / "ablation" / f"{key_of(s, artifacts, tubes[s.alpha])}.json" for s in wanted]
    work = [(s, artifacts, tubes[s.alpha], p) for s, p in zip(wanted, paths, strict=True) if not p.exists()]
    # Runs of one alpha follow one another, so that a worker reads each tubes folder once; the configured one first.
    work.sort(key=lambda item: (item[0].alpha != own, item[0].alpha))
    click.echo(f"ablate: {len(wanted)} runs, {len(wanted) - len(work)} made before", err=True)
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
        for _ in progress(parallel(joblib.delayed(make)(*item) for item in work), len(work), "ablate"):
            pass
    return [artifact.read_json(path, "run vcma ablate again") for path in paths]


# --- what came of it -------------------------------------------------------------------------------------------


def rows(results: Sequence[Mapping[str, Any]], truths: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The long-form table: one row a run, split and query type, `all` being both."""
    for result in results:
        spec = result["spec"]
        for variant in (v for v in result if v in MEANING):
            for split, table in result[variant].items():
                values = np.array(table, float)
                for kind, mine in _kinds(truths[split]):
                    means = np.nanmean(values[mine], axis=0)
                    yield {
                        "variant": variant,
                        "alpha": spec["alpha"],
                        "beta": spec["settings"]["beta"],
                        "seed": spec["seed"],
                        "split": split,
                        "query_type": kind,
                        **dict(zip(COLUMNS[6:], (f"{m:.6f}" for m in means), strict=True)),
                    }


def _kinds(truth: artifact.Columns) -> list[tuple[str, np.ndarray]]:
    kind = np.asarray(truth["query_type"], dtype=str)
    return [*((str(k), kind == k) for k in np.unique(kind)), ("all", np.ones(len(kind), bool))]


@dataclass(frozen=True)
class Outcome:
    """All runs of a sweep, to be asked: m_vIoU of every test sample, mean over seeds."""

    results: Sequence[Mapping[str, Any]]
    truth: artifact.Columns
    alpha: float
    beta: float

    def each(self, variant: str, alpha: float | None = None, beta: float | None = None) -> np.ndarray:
        """vIoU [seed, sample] on test of a variant; alpha and beta are the configured ones unless given."""
        wanted = self.alpha if alpha is None else alpha, beta
        found = []
        for result in self.results:
            spec = result["spec"]
            at = spec["alpha"], spec["settings"]["beta"]
            here = at[0] == wanted[0] and (at[1] == beta if beta is not None else self._usual(variant, at[1]))
            if variant in result and here:
                found.append(np.array(result[variant]["test"], float)[:, 1])
        return np.array(found)

    def _usual(self, variant: str, beta: float) -> bool:
        return beta == (0.0 if variant == "no_relations" else self.beta)

    def difference(self, one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
        """Paired difference of means over seeds, one minus other, with its 95 % interval over videos."""
        from vcma.metrics import interval

        return interval(one.mean(0) - other.mean(0), self.truth["video"])


def summary(outcome: Outcome) -> str:
    """The table of the variants and the comparisons that are claimed, as Markdown."""
    from vcma.metrics import interval

    lines = ["| variant | m_vIoU, test | seeds | EM minus it, 95 % interval |", "|---|---|---|---|"]
    full = outcome.each("em")
    for variant, meaning in MEANING.items():
        scores = outcome.each(variant)
        if not len(scores):
            continue
        value, low, high = interval(scores.mean(0), outcome.truth["video"])
        spread = f"{len(scores)}, ± {100 * scores.mean(1).std(ddof=1):.1f}" if len(scores) > 1 else "1"
        gap = "–" if variant == "em" else _percent(outcome.difference(full, scores))
        lines.append(f"| {meaning} | {_percent((value, low, high))} | {spread} | {gap} |")
    betas = {b: outcome.each("em", beta=b) for b in BETAS}
    alphas = {a: outcome.each("em", alpha=a) for a in ALPHAS}
    for name, swept in (("beta", betas), ("alpha", alphas)):
        means = {value: float(np.nanmean(s)) for value, s in swept.items() if len(s)}
        told = ", ".join(f"{value:g}: {100 * m:.1f}" for value, m in means.items())
        best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
        lines += ["", f"{name} (m_vIoU, test): {told}."]
        rivals = (0.0, 4.0) if name == "beta" else (worst,)
        for rival in (r for r in rivals if r in means and r != best):
            difference = _percent(outcome.difference(swept[best], swept[rival]))
            lines.append(f"Best {best:g} minus {rival:g}: {difference}.")
    calibrated = [r["extra"] for r in outcome.results if "em" in r and r["spec"] == _like(r, outcome)]
    for when in ("calibration_error_before", "calibration_error"):
        values = [e[when]["test"] for e in calibrated]
        if values:
            lines += ["", f"{when.replace('_', ' ')}, test: {np.mean(values):.3f} ± {np.std(values):.3f}."]
    seconds = [r["seconds"] for r in outcome.results if "em" in r]
    lines += ["", f"Seconds a run, median: {np.median(seconds):.0f} (one core each)."] if seconds else []
    return "\n".join(lines)


def _like(result: Mapping[str, Any], outcome: Outcome) -> Any:
    spec = result["spec"]
    usual = spec["alpha"] == outcome.alpha and spec["settings"]["beta"] == outcome.beta
    return spec if usual else None


def _percent(value: tuple[float, float, float]) -> str:
    return f"{100 * value[0]:.1f} [{100 * value[1]:.1f}, {100 * value[2]:.1f}]"


@click.command("ablate")
@click.option("--dataset", default="demo_full", show_default=True, help="Which data set.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Training seeds of each run.")
@click.option("--only", multiple=True, help="Only these variants (em with all of its sweep).")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Runs at once, a core each.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the table and figures go: results/<dataset>.")
@click.option("--config", type=click.Path(path_type=Path), help="Another pipeline.yaml.")
def ablate(
    dataset: str, seeds: int, only: tuple[str, ...], jobs: int, out: Path | None, config: Path | None
) -> None:
    """Sweep alpha and beta and run every ablation; draw the figure, print the table with intervals."""
    from vcma.report_figures import ablation_figures

    project = load_project(config or find_config(Path.cwd()), dataset)
    for name in ("samples.h5", "queries.h5", "tubes", "truth_train.h5"):
        if not (project.artifacts / name).exists():
            raise InputError("is not there yet", project.artifacts / name, "run make ablation, which makes it")
    alpha, section = float(project.section("link_tubes")["alpha"]), project.section("train_em")
    wanted = specs(section, alpha, range(seeds))
    unknown = set(only) - {s.variant for s in wanted}
    if unknown:
        raise click.UsageError(f"no variant {', '.join(sorted(unknown))}; there are {', '.join(MEANING)}")
    results = run_all(project, [s for s in wanted if not only or s.variant in only], jobs)
    folder = out or project.root / "results" / dataset
    truths = {split: artifact.read(artifact.TRUTH, project.artifacts / f"truth_{split}.h5") for split in SPLITS}
    write_table(folder / "ablation.csv", rows(results, truths))
    ablation_figures(folder / "ablation.csv", results, folder)
    text = summary(Outcome(results, truths["test"], alpha, float(section["beta"])))
    artifact.write_bytes(folder / "ablation.md", (text + "\n").encode())
    click.echo(text)
    click.echo(f"ablate: {len(results)} runs -> {folder}", err=True)


def write_table(path: Path, table: Iterator[dict[str, Any]]) -> None:
    """Write the long-form table as CSV."""
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    artifact.write_bytes(path, text.getvalue().encode())
