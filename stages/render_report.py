"""everything -> report/index.html: what a run found, to be looked at; or one sample as a film strip for a paper."""

import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import click

from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import mode, progress, stage
from vcma.pipeline.paths import file_stem, video_root
from vcma.pipeline.stage_run import StageRun
from vcma.pipeline.workers import parallel
from vcma.report import cases
from vcma.report.figures import film_strip
from vcma.report.pages import Shelf, write_report


@stage("jobs")
@click.option("--examples", type=click.IntRange(0), help="Grounded examples on the page.")
@mode("--figure", metavar="SAMPLE", help="Only draw this sample as a film strip, as in the paper's figure 2.")
@mode("--against", type=click.Path(path_type=Path), help="Another run's artifacts: samples gained and lost.")
@mode("--out", type=click.Path(path_type=Path), help="Another folder or, with --figure, a .png, .svg or .pdf.")
def render_report(run: StageRun, examples: int) -> None:
    """Write the report as pages that open from the disk, without network or server."""
    found = cases.load(run.project.artifacts)
    sample, other, out = run.modes["figure"], run.modes["against"], run.modes["out"]
    if sample is not None:
        return _figure(run, found, sample, out or run.project.root / "report" / f"{file_stem(sample)}.png")
    comparison = cases.against(found, other) if other else None
    # A comparison is no output of the pipeline: it must not take the report's place there.
    folder = out or (run.project.root / "report" / "against" if other else run.artifact("report"))
    if not out:
        shutil.rmtree(folder, ignore_errors=True)
    cache = run.project.artifacts / ".ledger" / "render_report"
    shelf = Shelf(folder, run.project.artifacts, cache, _sources(run))
    table = run.project.root / "results" / run.project.dataset / "ablation.csv"
    lacking = write_report(found, shelf, examples, table, comparison, partial(_each, run))
    for line in lacking:
        click.echo(f"{run.stage}: {line}", err=True)
    run.done(f"{len(found.cases):,} samples, {len(lacking):,} videos without pictures", folder / "index.html")
    return None


def _figure(run: StageRun, found: cases.Report, sample: str, out: Path) -> None:
    case = next((c for c in found.cases if c.sample == sample), None)
    if case is None:
        example = f", e.g. '{found.cases[0].sample}'" if found.cases else ""
        raise InputError(f"no prediction for sample '{sample}'", remedy=f"name one of the report's{example}")
    film_strip(case, run.project.artifacts, out)
    run.done(f"'{case.query.text}'", out)


def _sources(run: StageRun) -> Callable[[str], Path | None]:
    """From a video to its original file; the stored frames are shown where the videos are not at hand."""
    try:
        root = video_root(run.block, run.project.root)
    except InputError:
        root = None
    samples = artifact.read(schemas.SAMPLES, run.artifact("samples.h5"), ("video", "video_path"))
    paths = dict(zip(samples["video"], samples["video_path"], strict=True))
    return partial(_source, root, paths)


def _source(root: Path | None, paths: dict[str, str], video: str) -> Path | None:
    return root / paths[video] if root is not None and video in paths else None


def _each(run: StageRun, work: Callable, jobs: list) -> Iterable:
    return progress(parallel(run, work, jobs), len(jobs), run.stage)


if __name__ == "__main__":
    render_report()
