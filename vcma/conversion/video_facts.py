"""Frame rate, length and frame size of videos: as extracted, as annotated, or read from the file."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from vcma.conversion.samples import Sample
from vcma.datasets.entries import UnusableError, Video
from vcma.datasets.video_files import VideoFolder
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.paths import video_root
from vcma.pipeline.project import Project
from vcma.pipeline.video_artifacts import video_file
from vcma.video.examination import examine
from vcma.video.timeline import read_timeline


class VideoFacts(NamedTuple):
    """A video with all its properties, and times: time float64 [n], s, at which native frames int64 [n] begin."""

    video: Video
    frame: np.ndarray
    time: np.ndarray

    def seconds(self, frame: np.ndarray) -> np.ndarray:
        """Return the times of native frames [m], s: interpolated linearly, by the frame rate outside."""
        before, after = np.minimum(frame - self.frame[0], 0), np.maximum(frame - self.frame[-1], 0)
        return np.interp(frame, self.frame, self.time) + (before + after) / self.video.fps


class VideoLookup:
    """Looks up properties of a data set's videos."""

    def __init__(self, project: Project):
        self.project = project

    @cached_property
    def _folder(self) -> VideoFolder:
        return VideoFolder(video_root(self.project.block, self.project.root))

    def of_sample(self, sample: Sample) -> Video:
        """Return a sample's video, completed where its annotation lacks properties; 0 if they are not found."""
        video = sample.video
        if video.fps > 0 and video.width > 0 and video.height > 0:
            return video
        try:
            return self.facts(video, self._folder.find(sample.file, sample.path)).video
        except (InputError, UnusableError):
            return video

    def facts(self, video: Video, path: str) -> VideoFacts:
        """Return all properties of a video whose file is at `path` below the video root; raises InputError."""
        extracted = video_file(self.project.artifacts / "frames", video.id)
        if extracted.exists():
            names = ("fps", "frame_count", "width", "height", "frame", "time")
            fps, count, width, height, frame, time = artifact.read(schemas.FRAMES, extracted, names).values()
            return VideoFacts(_filled(video, float(fps), int(count), int(width), int(height)), frame, time)
        if video.fps > 0 and video.width > 0 and video.height > 0:
            return VideoFacts(video, np.zeros(1, np.int64), np.zeros(1))
        file = self._folder.root / path
        timeline, size = read_timeline(file), examine(file, thorough=False).size
        return VideoFacts(
            _filled(video, timeline.fps, len(timeline), *size), np.arange(len(timeline)), np.asarray(timeline.time)
        )


def _filled(video: Video, fps: float, frames: int, width: int, height: int) -> Video:
    return replace(video, fps=fps, frames=frames, width=width, height=height)
