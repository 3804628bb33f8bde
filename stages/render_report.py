"""all artifacts -> report/index.html: the results of a run as pages; or one sample as a film strip for a paper."""

import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import click

from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import mode, progress, stage
from vcma.pipeline.paths import video_root
from vcma.pipeline.stage_run import StageRun
from vcma.pipeline.workers import parallel
from vcma.report.cases import Report
from vcma.report.comparison import compare_runs
from vcma.report.film_strip import film_strip
from vcma.report.loading import load_report
from vcma.report.names import readable_name
from vcma.report.pages import write_report
from vcma.report.sample_pages import ReportFiles
from vcma.video.fonts import lacking


@stage("jobs", example="--figure 2373450082/5/captions/0 --out strip.pdf")
@click.option("--examples", type=click.IntRange(0), help="Number of examples in the report.")
@mode("--figure", metavar="SAMPLE", help="Only draw this sample as a film strip, as in the paper's figure 2.")
@mode(
    "--against",
    type=click.Path(path_type=Path),
    help="Compare with another run, given by its folder of artifacts: samples gained and lost.",
)
@mode("--out", type=click.Path(path_type=Path), help="Output folder or, with --figure, a .png, .svg or .pdf file.")
def render_report(run: StageRun, examples: int) -> None:
    """Write the report as HTML pages that open from disk, without network or server."""
    report = load_report(run.project.artifacts)
    sample, other, out = run.modes["figure"], run.modes["against"], run.modes["out"]
    if sample is not None:
        return _figure(run, report, sample, out or run.project.root / "report" / f"{readable_name(sample)}.png")
    comparison = compare_runs(report, other) if other else None
    # A comparison is not an output of the pipeline and must not replace the report.
    folder = out or (run.project.root / "report" / "against" if other else run.artifact("report"))
    if not out:
        shutil.rmtree(folder, ignore_errors=True)
    cache = run.project.artifacts / ".ledger" / "render_report"
    files = ReportFiles(folder, run.project.artifacts, cache, _originals(run))
    table = run.project.root / "results" / run.project.dataset / "ablation.csv"
    missing = write_report(report, files, examples, table, comparison, partial(_each, run))
    for line in missing:
        click.echo(f"{run.stage}: {line}", err=True)
    run.done(f"{len(report.cases):,} samples, {len(missing):,} videos without frames", folder / "index.html")
    return None


def _figure(run: StageRun, report: Report, sample: str, out: Path) -> None:
    case = next((c for c in report.cases if c.sample == sample), None)
    if case is None:
        example = f", e.g. '{report.cases[0].sample}'" if report.cases else ""
        raise InputError(f"no prediction for sample '{sample}'", remedy=f"choose one of the report{example}")
    film_strip(case, run.project.artifacts, out)
    if note := lacking([case.query.text]):
        click.echo(f"{run.stage}: {note}", err=True)
    run.done(f"'{case.query.text}'", out)


def _originals(run: StageRun) -> Callable[[str], Path | None]:
    """Return a function from a video to its original file, or to None if the videos are not available."""
    try:
        root = video_root(run.block, run.project.root)
    except InputError:
        root = None
    samples = artifact.read(schemas.SAMPLES, run.artifact("samples.h5"), ("video", "video_path"))
    paths = dict(zip(samples["video"], samples["video_path"], strict=True))
    return partial(_original, root, paths)


def _original(root: Path | None, paths: dict[str, str], video: str) -> Path | None:
    return root / paths[video] if root is not None and video in paths else None


def _each(run: StageRun, work: Callable, jobs: list) -> Iterable:
    return progress(parallel(run, work, jobs), len(jobs), run.stage)


if __name__ == "__main__":
    render_report()
