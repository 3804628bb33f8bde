"""The published data sets in numbers, for projections: what the pipeline is given of each.

VidSTG (github.com/Guaranteer/VidSTG-Dataset): videos by its official lists of files, sentences as published;
sampled frames, clips and native frames of a video by its validation annotations (602 videos, 2,048 segments),
at the 4 frames/s of pipeline.yaml. HC-STVG version 1 (github.com/tzhhhh123/HC-STVG): a sentence a video of 20 s.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataSet:
    """videos and sentences by split. Of a mean video: native frames and rate (frames/s), width and height (px),
    sampled frames, clips (segments that sentences are searched in); and the frames of a mean clip, at most 40.
    """

    videos: dict[str, int]
    sentences: dict[str, int]
    native_frames: int
    rate: float
    size: tuple[int, int]
    sampled: float
    clips: float
    clip_frames: int

    @property
    def video_count(self) -> int:
        return sum(self.videos.values())

    @property
    def frames(self) -> int:
        """Sampled frames of all videos."""
        return round(self.sampled * self.video_count)


DATA_SETS = {
    "VidSTG": DataSet(
        videos={"train": 5_563, "val": 618, "test": 743},
        sentences={"train": 80_684, "val": 8_956, "test": 10_303},
        native_frames=1_024,
        rate=28.5,
        size=(640, 480),
        sampled=142.5,
        clips=3.4,
        clip_frames=35,
    ),
    "HC-STVG": DataSet(
        videos={"train": 4_050, "val": 450, "test": 1_160},  # version 1; a tenth of train serves as val
        sentences={"train": 4_050, "val": 450, "test": 1_160},
        native_frames=500,
        rate=25.0,
        size=(640, 360),
        sampled=80,
        clips=1,
        clip_frames=40,
    ),
}
