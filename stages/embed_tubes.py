"""frames, tubes -> embeddings/<video>.h5: some regions of each tube, embedded by a region-text encoder."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from vcma.pipeline import artifact, schemas
from vcma.pipeline.cli import stage
from vcma.pipeline.per_video import available_videos, per_video, without_artifacts
from vcma.pipeline.stage_run import StageRun
from vcma.pipeline.video_artifacts import video_file
from vcma.records.columns import Columns
from vcma.records.tubes import Tubes


@stage("jobs", "scheduler", "wait", "strict", "force", "device", example="--device cuda:0 --points 16")
@click.option("--points", type=click.IntRange(1), help="Maximum number of embedded regions per tube.")
@click.option("--context", type=click.FloatRange(0, 4), help="Margin around a box in its crop, share of its sides.")
@click.option("--batch", type=click.IntRange(1), help="Regions per forward pass.")
def embed_tubes(run: StageRun, **parameters: Any) -> None:
    """Embed some regions of each tube with the data set's region-text encoder, if it has one."""
    folder = run.project.encoder
    if folder is None:
        return run.done("no encoder, nothing embedded", without_artifacts(run, schemas.EMBEDDINGS))
    # Loads the whole encoder, so that errors show before any work. Imported late because torch takes seconds to
    # import.
    from vcma.text.dual_encoder import cached_encoder

    name, tubes, frames = cached_encoder(folder, run.own_device).name, run.artifact("tubes"), run.artifact("frames")
    videos = available_videos(run.artifact("samples.h5"), tubes)
    items = {video: (video_file(frames, video), video_file(tubes, video)) for video in videos}

    def inputs(video: str) -> dict[str, str]:
        content = [artifact.attributes(path)["content"] for path in items[video]]
        return {"frames": content[0], "tubes": content[1], "encoder": name}

    work = partial(_work, folder, run.device, parameters)
    done = per_video(run, schemas.EMBEDDINGS, items, work, inputs, _count)
    return run.done(done.text(), run.artifact("embeddings"))


def _work(folder: Path, device: str, parameters: dict, frames: Path, tubes: Path) -> Columns:
    from vcma.embedding.tube_embeddings import embed
    from vcma.text.dual_encoder import cached_encoder

    read = Tubes.of(artifact.read(schemas.TUBES, tubes))
    return embed(cached_encoder(folder, device), artifact.read(schemas.FRAMES, frames), read, **parameters)


def _count(columns: Columns) -> dict[str, int]:
    return {"tubes": len(columns["crop_offset"]) - 1, "regions": len(columns["point"])}


if __name__ == "__main__":
    embed_tubes()
