"""videos -> frames/<video>.h5: frames sampled on one time grid per video, as JPEG."""

from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import stage
from vcma.pipeline.paths import video_root
from vcma.pipeline.per_video import WithNotes, per_video
from vcma.pipeline.stage_run import StageRun
from vcma.records.columns import Columns
from vcma.video.sampling import extract


@stage("jobs", "scheduler", "wait", "strict", "force", example="--rate 2 --jobs 8")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Sampled frames per second.")
@click.option(
    "--max-frames", type=click.IntRange(2), help="Maximum number of frames per video; more are thinned evenly."
)
@click.option("--max-side", type=click.IntRange(16), help="Longest side of a stored frame, pixels.")
@click.option("--quality", type=click.IntRange(1, 100), help="JPEG quality.")
def extract_frames(run: StageRun, **parameters: float) -> None:
    """Sample the frames of every video on one time grid and store them as JPEG."""
    samples = artifact.read(schemas.SAMPLES, run.artifact("samples.h5"))
    row = {video: i for i, video in enumerate(samples["video"])}
    root = video_root(run.block, run.project.root)

    spans = np.stack([samples["sample_video"], samples["segment_begin"], samples["segment_end"]], axis=1)
    segments: dict[str, list[tuple[int, int]]] = {video: [] for video in row}
    for i, begin, end in np.unique(spans, axis=0).tolist():
        segments[samples["video"][i]].append((begin, end))

    def inputs(video: str) -> dict[str, str]:
        i = row[video]
        file = f"{samples['video_bytes'][i]} bytes, modified {samples['video_modified'][i]}"
        return {"video": f"{samples['video_path'][i]}, {file}", "segments": str(segments[video])}

    items = {video: (root / samples["video_path"][i], segments[video]) for video, i in row.items()}
    done = per_video(run, schemas.FRAMES, items, partial(_extract, **parameters), inputs, _count, isolated=True)
    run.done(done.text(), run.artifact("frames"))


def _extract(path: Path, segments: list[tuple[int, int]], **parameters: Any) -> WithNotes:
    notes: list[str] = []
    return WithNotes(extract(path, segments, tell=notes.append, **parameters), notes)


def _count(columns: Columns) -> dict[str, int]:
    return {"frames": len(columns["frame"])}


if __name__ == "__main__":
    extract_frames()
