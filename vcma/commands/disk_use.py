"""Estimate the disk space of a data set's artifacts from its annotations and the parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import click
import numpy as np

from vcma.datasets.entries import Entry, UnusableEntry, Video
from vcma.detection.registry import load_detector
from vcma.errors import InputError
from vcma.pipeline.project import Project
from vcma.video.sampling import time_grid

_FILE_OVERHEAD = 30_000  # bytes of an HDF5 file besides its data
# JPEG bytes per pixel by quality, measured on two home videos of 640 x 480 and 640 x 362 pixels.
_JPEG_BYTES = ((30, 50, 75, 85, 90, 95, 100), (0.08, 0.11, 0.16, 0.21, 0.26, 0.37, 0.67))


class DiskUse(NamedTuple):
    """Estimated number of files and bytes of one kind of artifact."""

    artifact: str
    files: int
    bytes: int


@dataclass(frozen=True)
class StorageParameters:
    """The parameters that determine the size of artifacts.

    rate: sampled frames per second; max_frames: maximum per video; max_side: longest side of a frame, px; quality:
    of JPEG; proposals: regions per frame; features, classes, attributes: their dimensions; tubes: per video.
    """

    rate: float
    max_frames: int
    max_side: int
    quality: int
    proposals: int
    features: int
    classes: int
    attributes: int
    tubes: int


def estimate_disk_use(entries: Iterable[Entry | UnusableEntry], parameters: StorageParameters) -> list[DiskUse]:
    """Estimate the disk space of a data set's artifacts; all but the JPEG frames are upper bounds.

    A video of unknown size or length counts as 30 s of 640 x 480 pixels at 30 fps.
    """
    p, dataset = parameters, _count(entries)
    grids = {
        vid: len(time_grid(dataset.segments[vid], np.arange(v.frames) / v.fps, p.rate, p.max_frames))
        for vid, v in dataset.videos.items()
    }
    pixels = sum(n * _pixels(dataset.videos[vid], p.max_side) for vid, n in grids.items())
    T, V = sum(grids.values()), len(grids)
    labels = p.classes + p.attributes
    jpeg = pixels * float(np.interp(p.quality, *_JPEG_BYTES))
    region = 16 + 4 + 2 * (p.features + labels)  # box, score, half floats
    point = 8 + 16 + 4 + 1 + 2 * p.features  # frame, box, score, flag, half floats
    return [
        DiskUse("samples", 1, dataset.sentences * 200 + V * 150),
        DiskUse("frames", V, int(jpeg) + T * 24 + V * _FILE_OVERHEAD),
        DiskUse("proposals", V, T * (p.proposals * region + 24) + V * _FILE_OVERHEAD),
        DiskUse("tubes", V, p.tubes * (T * point + V * (4 + 2 * labels)) + T * 16 + V * _FILE_OVERHEAD),
        DiskUse("queries", 1, dataset.sentences * 500),
        DiskUse("predictions.json", 1, dataset.test_frames * 42 + dataset.test_sentences * 80),
    ]


@dataclass
class _Counts:
    """The facts of a data set that determine its size; test_frames: summed over the test split's sentences."""

    videos: dict[str, Video] = field(default_factory=dict)
    segments: dict[str, set[tuple[int, int]]] = field(default_factory=dict)
    sentences: int = 0
    test_sentences: int = 0
    test_frames: int = 0


def _count(entries: Iterable[Entry | UnusableEntry]) -> _Counts:
    counts = _Counts()
    for entry in entries:
        if isinstance(entry, UnusableEntry):
            continue
        video = counts.videos.setdefault(entry.video.id, _assumed(entry.video))
        counts.segments.setdefault(video.id, set()).add(entry.segment)
        counts.sentences += 1
        if entry.split == "test":
            begin, end = entry.segment
            counts.test_sentences += 1
            counts.test_frames += (video.frames if end < 0 else end) - begin
    return counts


def _assumed(video: Video) -> Video:
    return Video(video.id, video.fps or 30.0, video.frames or 900, video.width or 640, video.height or 480)


def _pixels(video: Video, max_side: int) -> float:
    return video.width * video.height * min(1.0, max_side / max(video.width, video.height)) ** 2


def storage_parameters(project: Project) -> StorageParameters:
    """Collect them from a project's parameters and detector; raises InputError if a key is missing.

    If the detector cannot be loaded, 1,024 features, 80 classes and 30 attributes are assumed, with a note on
    stderr.
    """

    def value(section: str, key: str) -> Any:
        try:
            return project.section(section)[key]
        except KeyError:
            raise InputError(f"section '{section}' lacks the key '{key}'", "pipeline.yaml") from None

    return StorageParameters(
        rate=value("extract_frames", "rate"),
        max_frames=value("extract_frames", "max_frames"),
        max_side=value("extract_frames", "max_side"),
        quality=value("extract_frames", "quality"),
        proposals=value("detect_proposals", "top_k"),
        **_detector_sizes(project),
        tubes=value("link_tubes", "max_tubes"),
    )


def _detector_sizes(project: Project) -> dict[str, int]:
    try:
        detector = load_detector(project.detector, project.root)
    except InputError as error:
        click.echo(f"note: assuming 1,024 features, 80 classes and 30 attributes, because {error}", err=True)
        return {"features": 1024, "classes": 80, "attributes": 30}
    labels = {"classes": len(detector.class_names), "attributes": len(detector.attribute_names)}
    return {"features": detector.feature_dim, **labels}
