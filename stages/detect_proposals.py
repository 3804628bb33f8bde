"""frames, queries -> proposals/<video>.h5: the detector's regions in every sampled frame.

An open-vocabulary detector is prompted with the phrases of a video's sentences; any other detector ignores them.
"""

from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma.detection.precision import PRECISIONS
from vcma.detection.prompts import Prompt, described, prompt_digest, video_prompts
from vcma.detection.proposals import propose
from vcma.detection.registry import cached_detector, load_detector
from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import stage
from vcma.pipeline.per_video import available_videos, per_video
from vcma.pipeline.stage_run import StageRun
from vcma.pipeline.video_artifacts import video_file
from vcma.records.columns import Columns


@stage("jobs", "scheduler", "wait", "strict", "force", "device", example="--device cuda:0 --batch 32 --jobs 16")
@click.option("--top-k", type=click.IntRange(1), help="Maximum number of regions per frame.")
@click.option("--score-threshold", type=click.FloatRange(0, 1), help="Minimum detection score.")
@click.option(
    "--nms-threshold",
    type=click.FloatRange(0, 1),
    help="NMS threshold: IoU above which the lower-scored region is dropped.",
)
@click.option("--min-size", type=click.FloatRange(0), help="Minimum side of a region, pixels of the stored frame.")
@click.option("--batch", type=click.IntRange(1), help="Frames per forward pass.")
@click.option("--precision", type=click.Choice(PRECISIONS), help="Floating-point precision of the network.")
def detect_proposals(run: StageRun, precision: str, **parameters: Any) -> None:
    """Detect regions in every sampled frame with the data set's detector."""
    how = (run.project.detector, run.project.root, run.device, precision)
    # Of a cluster's run this process needs names and fingerprint alone, and may be on a machine without a GPU.
    detector = load_detector(*how[:2]) if run.scheduler else load_detector(*how)
    frames = run.artifact("frames")
    videos = available_videos(run.artifact("samples.h5"), frames)
    path = {video: video_file(frames, video) for video in videos}
    prompts = _prompts(run) if detector.reads_sentences else {}

    def inputs(video: str) -> dict[str, str]:
        content = artifact.attributes(path[video], schemas.FRAMES)["content"]
        asked = {"prompt": prompt_digest(prompts[video])} if prompts else {}
        return {"frames": content, "detector": detector.fingerprint, **asked}

    threads = 0 if run.device == "cpu" else run.jobs
    work = partial(_work, how, parameters | {"threads": threads})
    items = {video: (path[video], prompts.get(video, ())) for video in videos}
    done = per_video(run, schemas.PROPOSALS, items, work, inputs, _count).text()
    if prompts:
        done += f", {described([prompts[video] for video in videos])}"
    run.done(done, run.artifact("proposals"))


def _prompts(run: StageRun) -> dict[str, Prompt]:
    samples = artifact.read(schemas.SAMPLES, run.artifact("samples.h5"))
    return video_prompts(samples, artifact.read(schemas.QUERIES, run.artifact("queries.h5")))


def _work(how: tuple, parameters: dict, frames: Path, phrases: Prompt) -> Columns:
    return propose(cached_detector(*how).prompted(phrases), artifact.read(schemas.FRAMES, frames), **parameters)


def _count(columns: Columns) -> dict[str, int]:
    return {"regions": len(columns["box"]), "frames without": int((np.diff(columns["box_offset"]) == 0).sum())}


if __name__ == "__main__":
    detect_proposals()
