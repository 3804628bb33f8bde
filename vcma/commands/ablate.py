"""`vcma ablate`: run the ablations and hyper-parameter sweeps (the paper's figure 1) on one data set."""

from __future__ import annotations

import os
from pathlib import Path

import click

from vcma.commands.ablation_run import SPLITS
from vcma.commands.ablation_runs import make_runs
from vcma.commands.ablation_table import Ablation, markdown, write_csv
from vcma.commands.ablation_variants import run_specs
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.cli import examples, with_project
from vcma.pipeline.project import Project


@click.command(
    "ablate",
    epilog=examples("vcma ablate --dataset demo --only em --seeds 1"),
    context_settings={"default_map": {"dataset": "demo_full"}, "show_default": True},
)
@with_project
@click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True, help="Number of training seeds of each run."
)
@click.option("--only", multiple=True, help="Run only this variant (em includes its sweeps); may be repeated.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Parallel runs, one core each.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Output folder of the tables and figures.  [default: results/<dataset>]",
)
def ablate_command(project: Project, seeds: int, only: tuple[str, ...], jobs: int, out: Path | None) -> None:
    """Sweep alpha and beta and run all ablations; draw the figures and print the table with intervals."""
    from vcma.report.ablation import ablation_figure, write_sweeps
    from vcma.report.rounds import rounds_figure, rounds_table

    _check_inputs(project)
    alpha, train_em = float(project.section("link_tubes")["alpha"]), project.section("train_em")
    has_encoder = project.encoder is not None
    specs = run_specs(train_em, project.section("untrained"), alpha, range(seeds), has_encoder)
    variants = dict.fromkeys(spec.variant for spec in specs)
    if unknown := sorted(set(only) - set(variants)):
        raise click.UsageError(f"no variant {', '.join(unknown)}; choose from {', '.join(variants)}")
    results = make_runs(project, [spec for spec in specs if not only or spec.variant in only], jobs)
    folder = out or project.root / "results" / project.dataset
    truths = {split: artifact.read(schemas.TRUTH, project.artifacts / f"truth_{split}.h5") for split in SPLITS}
    write_csv(folder / "ablation.csv", results, truths)
    write_sweeps(folder / "ablation.csv", folder)
    ablation = Ablation(results, truths["test"], alpha, float(train_em["beta"]))
    if ablation.configured:
        ablation_figure(folder / "ablation.csv", results, folder)
        histories = [run["extra"]["history"] for run in ablation.configured]
        storage.write_bytes(folder / "rounds.md", rounds_table(histories).encode())
        rounds_figure(histories, folder / "rounds.png")
    text = markdown(ablation)
    storage.write_bytes(folder / "ablation.md", (text + "\n").encode())
    click.echo(text)
    click.echo(f"ablate: {len(results)} runs -> {folder}", err=True)


def _check_inputs(project: Project) -> None:
    """Raise InputError if an artifact that the runs read does not exist yet."""
    embeddings = ["embeddings"] if project.encoder else []
    for name in ("samples.h5", "queries.h5", "tubes", *embeddings, "truth_train.h5"):
        if not (project.artifacts / name).exists():
            remedy = f"run the stages with --dataset {project.dataset}, or make ablation for demo_full"
            raise InputError("does not exist yet", project.artifacts / name, remedy)
