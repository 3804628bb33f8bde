"""Conversion of another program's tracks to the tubes of a video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from vcma import boxes
from vcma.conversion.conventions import Conventions
from vcma.conversion.dropped import Dropped
from vcma.conversion.track_rows import TrackRows
from vcma.conversion.video_facts import VideoFacts
from vcma.errors import InputError
from vcma.records.columns import Columns, offsets

_COUNTING, _SHARE = 2, 0.01  # frames, and share of the video's frames, by which frame counts may differ
_STRETCH = 0.02  # relative tolerance of the aspect ratio, as sizes are rounded when frames are resized


@dataclass(frozen=True)
class TubeSettings:
    """How tracks are read.

    class_names: {number in the file: name}; a single class has the key None. detector: fingerprint to store in the
    tubes. max_tubes: maximum per video.
    """

    conventions: Conventions
    class_names: Mapping[int | None, str]
    detector: str
    max_tubes: int


class _Points(NamedTuple):
    """Usable points: native frame int64 [n], xyxy box float64 [n, 4] px, and their rows of the file."""

    frame: np.ndarray
    box: np.ndarray
    rows: TrackRows

    def at(self, chosen: np.ndarray) -> _Points:
        return _Points(self.frame[chosen], self.box[chosen], self.rows.at(chosen))


def tube_columns(
    rows: TrackRows, facts: VideoFacts, settings: TubeSettings, dropped: Dropped
) -> tuple[Columns, np.ndarray]:
    """Return the TUBES columns of one video, and the index of each point among the boxes of the file, int64 [P].

    Tubes are the best tracks, in descending order of their sum of scores. Raises InputError if frames, boxes or
    classes cannot belong to the video.
    """
    video = facts.video
    points = _usable(_native(rows, facts, settings.conventions), facts, dropped)
    grid = _grid(points.frame, video.frames, settings.conventions.stride)
    tracks = _best_tracks(points, settings.max_tubes)
    left = set(points.rows.track.tolist()) - set(tracks)
    dropped.add(f"tracks beyond the best {settings.max_tubes} of a video (--max-tubes)", video.id, len(left))
    rank = np.full(len(points.frame), len(tracks))
    for place, track in enumerate(tracks):
        rank[points.rows.track == track] = place
    points = points.at(np.lexsort((points.frame, rank))[: int((rank < len(tracks)).sum())])
    counts = np.bincount(rank, minlength=len(tracks))[: len(tracks)]
    columns = {
        "frame": grid,
        "time": facts.seconds(grid),
        "point_offset": offsets(counts),
        "position": np.searchsorted(grid, points.frame),
        "box": points.box.astype(np.float32),
        "score": points.rows.score.astype(np.float32),
        "tube_score": (_sums(points.rows.score, counts) / max(len(grid), 1)).astype(np.float32),
        "detector": settings.detector,
        "width": np.int64(video.width),
        "height": np.int64(video.height),
        **_classes(points.rows.category, counts, settings.class_names),
    }
    return columns, points.rows.row


def _native(rows: TrackRows, facts: VideoFacts, conventions: Conventions) -> _Points:
    """Convert rows to native frames and pixels; raises InputError if they cannot belong to the video."""
    video = facts.video
    try:
        frame = conventions.to_frames(rows.time, video.fps)
    except ValueError as error:
        raise InputError(str(error), video.id, "pass --times seconds if times are in seconds") from None
    if len(frame) and frame.min() < 0:
        what = f"a frame number is below {conventions.first}: numbers are probably counted from 0"
        raise InputError(what, video.id, "pass --first-frame 0")
    if len(frame) and video.frames and frame.max() >= video.frames + max(_COUNTING, _SHARE * video.frames):
        what = f"frame {frame.max():,} of a video of {video.frames:,} frames: another frame rate or another video"
        raise InputError(what, video.id, "track all frames of this video, or pass --stride N for every N-th frame")
    box = conventions.to_corners(rows.box, video.width, video.height)
    return _Points(frame, box if conventions.normalised else box * _scale(rows, facts), rows)


def _scale(rows: TrackRows, facts: VideoFacts) -> np.ndarray:
    """Return the factors that convert boxes from the size of the tracked frames to that of the video."""
    if not (rows.width and rows.height):
        return np.ones(4)
    x, y = facts.video.width / rows.width, facts.video.height / rows.height
    if abs(x / y - 1) > _STRETCH:
        size = f"{rows.width} x {rows.height}, the video {facts.video.width} x {facts.video.height}"
        raise InputError(f"its frames are {size}: another aspect ratio", facts.video.id, "track this very video")
    return np.array([x, y, x, y])


def _usable(points: _Points, facts: VideoFacts, dropped: Dropped) -> _Points:
    """Return the usable points; of several boxes of a track in one frame, the one with the highest score."""
    video = facts.video
    finite = (np.abs(points.box) < boxes.FAR).all(axis=1) & np.isfinite(points.rows.score)
    cut = boxes.clip(np.where(finite[:, None], points.box, 0), video.width, video.height)
    problems = {
        "boxes or scores that are not finite": ~finite,
        "boxes without area in the frame": finite & (boxes.area(cut) == 0),
        "boxes in frames after the end of the video": points.frame >= (video.frames or np.inf),
    }
    kept = np.ones(len(points.frame), bool)
    for reason, wrong in problems.items():
        dropped.add(reason, video.id, int((kept & wrong).sum()))
        kept &= ~wrong
    points = points.at(kept)
    score = points.rows.score
    dropped.change("scores clipped to the range from 0 to 1", video.id, int(((score < 0) | (score > 1)).sum()))
    points = points._replace(rows=replace(points.rows, score=score.clip(0, 1)))
    points = points.at(np.lexsort((-points.rows.score, points.frame, points.rows.track)))
    first = np.ones(len(points.frame), bool)
    first[1:] = (np.diff(points.frame) != 0) | (np.diff(points.rows.track) != 0)
    dropped.add("further boxes of a track in one frame", video.id, int((~first).sum()))
    return points.at(first)


def _grid(frame: np.ndarray, frames: int, stride: int) -> np.ndarray:
    """Return the tracked frames, ascending: those with boxes, and others at their spacing, up to the end."""
    used = np.unique(frame)
    if not len(used):
        return np.arange(0, frames, stride)
    step = int(np.gcd.reduce(np.diff(used))) if len(used) > 1 else stride
    return np.arange(used[0] % step, max(frames, int(used[-1]) + 1), step)


def _best_tracks(points: _Points, count: int) -> list[int]:
    """Return the ids of at most `count` tracks, in descending order of their sum of scores.

    Selection is greedy, as in `link_tubes`: the next track maximises the sum of its scores, each divided by 1 + the
    number of tracks selected before in that frame, so that a short track in empty frames can outrank a long one in
    crowded ones.
    """
    tracks, owner = np.unique(points.rows.track, return_inverse=True)
    score, frame = points.rows.score, np.unique(points.frame, return_inverse=True)[1]
    cover, left = np.zeros(frame.max(initial=-1) + 1, np.int64), np.ones(len(tracks), bool)
    for _ in range(min(count, len(tracks))):
        value = np.bincount(owner, score / (1 + cover[frame]), len(tracks))
        best = int(np.where(left, value, -1).argmax())
        left[best] = False
        cover[frame[owner == best]] += 1
    total = np.bincount(owner, score, len(tracks))
    return tracks[sorted(np.flatnonzero(~left), key=lambda i: (-total[i], i))].tolist()


def _sums(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.bincount(np.repeat(np.arange(len(counts)), counts), values, len(counts))


def _classes(category: np.ndarray, counts: np.ndarray, names: Mapping[int | None, str]) -> Columns:
    """Return class_name, and each tube's share of points per class; raises InputError for a class without name."""
    numbers = list(names)
    if numbers == [None]:
        place = np.zeros(len(category), np.int64)
    else:
        unknown = sorted(set(category.tolist()) - set(numbers))  # type: ignore[arg-type]
        if unknown:
            raise InputError(f"class {unknown[0]} has no name", remedy="list all class names in --classes FILE")
        at = {number: i for i, number in enumerate(numbers)}
        place = np.array([at[c] for c in category.tolist()], np.int64)
    owner = np.repeat(np.arange(len(counts)), counts)
    share = np.zeros((len(counts), len(numbers)))
    np.add.at(share, (owner, place), 1)
    share /= np.maximum(counts, 1)[:, None]
    return {"class_name": np.array(list(names.values()), dtype=object), "class_prob": share.astype(np.float16)}
