"""All runs of an ablation, in parallel and resumable.

Every run writes a file below `artifacts/<dataset>/ablation/`, named by the digest of everything that determines
it; a run whose file exists is not repeated. Frames and proposals are the pipeline's; tubes for other values of
alpha are linked into separate folders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from vcma.commands.ablation_run import make_run, run_key
from vcma.commands.ablation_variants import RunSpec
from vcma.pipeline import artifact, schemas, storage
from vcma.pipeline.cli import progress
from vcma.pipeline.per_video import available_videos, per_video
from vcma.pipeline.project import Project
from vcma.pipeline.stage_run import StageRun, stage_lock
from vcma.pipeline.video_artifacts import video_file
from vcma.records.columns import Columns


def make_runs(project: Project, specs: Sequence[RunSpec], jobs: int) -> list[dict[str, Any]]:
    """Make every missing run, in parallel, and return the results of all runs, in order."""
    import joblib

    artifacts = project.artifacts
    own = float(project.section("link_tubes")["alpha"])
    tubes = {
        alpha: artifacts / "tubes" if alpha == own else _link_tubes(project, alpha, jobs)
        for alpha in {spec.alpha for spec in specs}
    }
    read = project.root, artifacts
    keys = [run_key(spec, *read, tubes[spec.alpha], project.encoder) for spec in specs]
    paths = [artifacts / "ablation" / f"{key}.json" for key in keys]
    missing = [(spec, path) for spec, path in zip(specs, paths, strict=True) if not path.exists()]
    # Runs with the same inputs are consecutive, so that a worker loads them once; the configured alpha comes first.
    missing.sort(key=lambda item: (item[0].alpha != own, item[0].alpha, item[0].reads_region_text))
    click.echo(f"ablate: {len(specs)} runs, {len(specs) - len(missing)} made before", err=True)
    work = (
        joblib.delayed(make_run)(spec, *read, tubes[spec.alpha], project.encoder, path) for spec, path in missing
    )
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
        for _ in progress(parallel(work), len(missing), "ablate"):
            pass
    return [storage.read_json(path, "run vcma ablate again") for path in paths]


def _link_tubes(project: Project, alpha: float, jobs: int) -> Path:
    """Link tubes with another alpha and all other parameters unchanged, and return their folder."""
    from vcma.linking.linker import link

    folder = project.artifacts / "ablation" / f"alpha-{alpha:g}"
    params = {**project.section("link_tubes"), "alpha": alpha}
    proposals = project.artifacts / "proposals"
    videos = available_videos(project.artifacts / "samples.h5", proposals)
    path = {video: video_file(proposals, video) for video in videos}
    linker = Path(link.__code__.co_filename)
    run = StageRun("link_tubes", linker, replace(project, folder=folder), params, jobs=jobs)

    def inputs(video: str) -> dict[str, str]:
        return {"proposals": artifact.attributes(path[video], schemas.PROPOSALS)["content"]}

    items = {video: (path[video],) for video in videos}
    with stage_lock(run):
        per_video(run, schemas.TUBES, items, partial(_link, params), inputs, lambda columns: {})
    return folder / "tubes"


def _link(params: Mapping[str, Any], path: Path) -> Columns:
    from vcma.linking.linker import link

    return link(artifact.read(schemas.PROPOSALS, path), **params)
