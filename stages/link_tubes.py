"""proposals -> tubes/<video>.h5: regions linked over time."""

from functools import partial
from pathlib import Path

import click

from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import stage
from vcma.pipeline.per_video import available_videos, per_video
from vcma.pipeline.stage_run import StageRun
from vcma.pipeline.video_artifacts import video_file
from vcma.records.columns import Columns


@stage("jobs", "scheduler", "wait", "strict", "force", example="--alpha 0.3 --scheduler tcp://host:8786")
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1),
    help="Weight of the appearance cosine against IoU, size and class agreement in the link score.",
)
@click.option("--max-tubes", type=click.IntRange(1), help="Maximum number of tubes per video.")
@click.option("--min-score", type=click.FloatRange(0, 1), help="Minimum link score.")
@click.option("--max-gap", type=click.FloatRange(0), help="Longest gap that is bridged, seconds.")
@click.option(
    "--max-overlap",
    type=click.FloatRange(0, 1),
    help="IoU above which similar regions of a frame, or tubes, are merged.",
)
@click.option(
    "--smoothing", type=click.FloatRange(0, 1), help="Weight of the smoothed boxes; 0: detected boxes only."
)
def link_tubes(run: StageRun, **parameters: float) -> None:
    """Link the proposals of every video into tubes."""
    proposals = run.artifact("proposals")
    videos = available_videos(run.artifact("samples.h5"), proposals)
    path = {video: video_file(proposals, video) for video in videos}

    def inputs(video: str) -> dict[str, str]:
        return {"proposals": artifact.attributes(path[video], schemas.PROPOSALS)["content"]}

    items = {video: (path[video],) for video in videos}
    done = per_video(run, schemas.TUBES, items, partial(_work, parameters), inputs, _count)
    run.done(done.text(), run.artifact("tubes"))


def _work(parameters: dict, proposals: Path) -> Columns:
    # Imported late, because SciPy takes half a second to import and --help does not need it.
    from vcma.linking.linker import link

    return link(artifact.read(schemas.PROPOSALS, proposals), **parameters)


def _count(columns: Columns) -> dict[str, int]:
    tubes = len(columns["tube_score"])
    return {"tubes": tubes, "empty": int(tubes == 0)}


if __name__ == "__main__":
    link_tubes()
