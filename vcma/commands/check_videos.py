"""Compare videos and VidOR's boxes with the annotations; videos are examined in parallel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vcma.commands.check_annotations import check_boxes
from vcma.commands.findings import Finding
from vcma.datasets.entries import Entry, UnusableError, Video
from vcma.datasets.video_files import VideoFolder, check_length, is_inside, size_and_mtime
from vcma.datasets.vidor import Tracks, read_trajectories
from vcma.datasets.vidstg import with_boxes
from vcma.errors import InputError
from vcma.pipeline.paths import is_file
from vcma.video.examination import examine
from vcma.video.timeline import read_timeline

Progress = Callable[
    [Iterator, int], Iterable
]  # progress(items, total) yields the items and shows how many are done


@dataclass
class VideoToCheck:
    """One video with all that a worker needs to examine it.

    file and path: as in Entry; `check_videos` sets path to the file it finds. entries: the entries with ground
    truth. vidor_file: VidOR's annotation file of the video.
    """

    video: Video
    file: str
    path: str | None
    split: str
    vidor_file: Path | None = None
    entries: list[Entry] = field(default_factory=list)


def check_videos(
    videos: Sequence[VideoToCheck], folder: VideoFolder, vidor: bool, jobs: int, decode: bool, progress: Progress
) -> Iterator[Finding]:
    """Yield the findings about every video and, with VidOR's boxes, about the true boxes of its entries.

    decode: decode every frame instead of only reading the container's packets.
    """
    work = [(replace(v, path=_find(folder, v)), folder.root, vidor, decode) for v in videos]
    if jobs == 1 or len(videos) < 2:
        results: Iterator = (_check_video(*item) for item in work)
    else:
        import joblib

        # One native thread per worker: two thread pools on the same cores can be ten times slower than one.
        with joblib.parallel_config("loky", inner_max_num_threads=1):
            parallel = joblib.Parallel(n_jobs=jobs, return_as="generator")
            results = parallel(joblib.delayed(_check_video)(*item) for item in work)
    for findings in progress(results, len(videos)):
        yield from findings


def _find(folder: VideoFolder, video: VideoToCheck) -> str | None:
    try:
        return folder.find(video.file, video.path)
    except UnusableError:
        return None


def _check_video(video: VideoToCheck, root: Path, vidor: bool, decode: bool) -> list[Finding]:
    findings: list[Finding] = []
    path = video.path
    if vidor and video.entries:
        try:
            trajectories = read_trajectories(video.vidor_file)
            hint = trajectories.video_path
            path = hint if hint and is_inside(hint) and is_file(root / hint) else path
            findings += _check_vidor_boxes(video, trajectories.tracks)
        except UnusableError as error:
            findings += [Finding(error.kind, entry.split, entry.id, error.detail) for entry in video.entries]
    try:
        if path is None:
            raise UnusableError("video missing")
        size_and_mtime(root / path)
        findings += _check_video_file(video, root / path, decode)
    except UnusableError as error:
        findings.append(Finding(error.kind, video.split, video.video.id, error.detail))
    return findings


def _check_vidor_boxes(video: VideoToCheck, tracks: Tracks) -> Iterator[Finding]:
    for entry in video.entries:
        assert entry.truth is not None
        try:
            truth = with_boxes(entry.truth, entry.segment, tracks)
            yield from check_boxes(entry.id, entry.split, truth, video.video)
        except UnusableError as error:
            yield Finding(error.kind, entry.split, entry.id, error.detail)


def _check_video_file(video: VideoToCheck, path: Path, decode: bool) -> Iterator[Finding]:
    """Yield differences between a video file and its annotation (0: unknown); UnusableError if it is unusable."""
    annotated = video.video
    try:
        timeline = read_timeline(path)
        size, changes, broken = examine(path, decode)
    except InputError as error:
        raise UnusableError("video unreadable", error.what) from error
    frames, fps = len(timeline), timeline.fps
    if timeline.missing:
        raise UnusableError("video truncated", timeline.missing)
    if 2 * broken > frames:
        raise UnusableError("video damaged", f"{broken} of {frames} frames cannot be decoded")
    check_length(frames, annotated.frames)

    def note(kind: str, detail: str) -> Finding:
        return Finding(kind, video.split, annotated.id, detail)

    if broken:
        yield note("damaged frames", f"{broken} of {frames}")
    if changes:
        yield note("picture changes", ", ".join(changes))
    for odd in timeline.notes:
        yield note("odd times", odd)
    if annotated.frames and frames != annotated.frames:
        yield note("frame count differs", f"{frames}, annotated {annotated.frames}")
    if annotated.width and annotated.height and size != (annotated.width, annotated.height):
        yield note("size differs", f"{size[0]}x{size[1]}, annotated {annotated.width}x{annotated.height}")
    if annotated.fps and abs(fps - annotated.fps) > annotated.fps / 100:
        yield note("frame rate differs", f"{fps:.6g}, annotated {annotated.fps:.6g}")
