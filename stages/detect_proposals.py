"""frames -> proposals/<video>.h5: the detector's regions in every sampled frame."""

from functools import partial
from pathlib import Path

import click
import numpy as np

from vcma.detection.proposals import propose
from vcma.detection.registry import cached_detector, load_detector
from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import stage
from vcma.pipeline.per_video import available_videos, per_video
from vcma.pipeline.stage_run import StageRun
from vcma.pipeline.video_artifacts import video_file
from vcma.records.columns import Columns


@stage("jobs", "scheduler", "strict", "force", "device")
@click.option("--top-k", type=click.IntRange(1), help="Most regions of one frame.")
@click.option("--score-threshold", type=click.FloatRange(0, 1), help="Least detection score.")
@click.option("--nms-threshold", type=click.FloatRange(0, 1), help="IoU beyond which the weaker region goes.")
@click.option("--min-size", type=click.FloatRange(0), help="Least side of a region in stored pixels.")
@click.option("--batch", type=click.IntRange(1), help="Frames in one forward pass.")
def detect_proposals(run: StageRun, batch: int, **parameters: float) -> None:
    """Find regions in every sampled frame with the data set's detector."""
    settings = run.project.detector
    fingerprint = load_detector(settings, run.project.root, run.device).fingerprint
    frames = run.artifact("frames")
    videos = available_videos(run.artifact("samples.h5"), frames)
    path = {video: video_file(frames, video) for video in videos}

    def inputs(video: str) -> dict[str, str]:
        content = artifact.attributes(path[video], schemas.FRAMES)["content"]
        return {"frames": content, "detector": fingerprint}

    work = partial(_work, settings, run.project.root, run.device, batch, parameters)
    items = {video: (path[video],) for video in videos}
    done = per_video(run, schemas.PROPOSALS, items, work, inputs, _count)
    run.done(done.text(), run.artifact("proposals"))


def _work(settings: dict, root: Path, device: str, batch: int, parameters: dict, frames: Path) -> Columns:
    detector = cached_detector(settings, root, device)
    return propose(detector, artifact.read(schemas.FRAMES, frames), batch=batch, **parameters)


def _count(columns: Columns) -> dict[str, int]:
    return {"regions": len(columns["box"]), "frames without": int((np.diff(columns["box_offset"]) == 0).sum())}


if __name__ == "__main__":
    detect_proposals()
