"""A video with its tubes, in which sentences are grounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from vcma.detection.base import Detector
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.pipeline.paths import is_file
from vcma.pipeline.project import Project
from vcma.records.columns import Columns
from vcma.records.embeddings import Embeddings, fingerprint
from vcma.records.tubes import Tubes
from vcma.video.decoding import FrameReader
from vcma.video.picture_array import PictureArray, Pictures
from vcma.video.sampling import sample, time_grid
from vcma.video.timeline import ASSUMED_FPS, Timeline

if TYPE_CHECKING:
    from vcma.text.dual_encoder import DualEncoder


class Watch(Protocol):
    """Progress callback: iterates over `items`, of which there are at most `total`; `what` names the work."""

    def __call__(self, items: Iterable, total: int, what: str) -> Iterable: ...


def unwatched(items: Iterable, total: int, what: str) -> Iterable:
    """Iterate without showing progress."""
    return items


@dataclass(frozen=True, eq=False)
class VideoTubes:
    """A video and its tubes.

    pictures: reads the video's frames. begin, end: native frames [begin, end) in which answers may lie, without
    those at either end that could not be decoded. notes: irregularities of the video, in words. parameters: the
    sections of pipeline.yaml that the tubes were made with.
    """

    pictures: Pictures
    tubes: Tubes
    begin: int
    end: int
    notes: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    _embeddings: dict[str, Embeddings] = field(default_factory=dict, repr=False)  # by their fingerprint

    @classmethod
    def of(
        cls,
        pictures: Pictures,
        tubes: Tubes,
        sections: Mapping[str, Mapping[str, Any]],
        notes: Iterable[str] = (),
    ) -> VideoTubes:
        """Build it from the tubes of sampled frames; sections: `tube_sections` that the tubes were made with.

        Raises InputError if the tubes belong to another video.
        """
        length = len(pictures.timeline)
        if not len(tubes.frame) or tubes.frame[-1] >= length:
            last = f"up to frame {tubes.frame[-1]:,}" if len(tubes.frame) else "of no frame"
            remedy = "give the video that they were found in"
            raise InputError(f"has {length:,} frames, the tubes are {last}", str(pictures.path), remedy)
        begin, end = _searched(tubes.frame, pictures.timeline, sections["extract_frames"])
        return cls(pictures, tubes, begin, end, tuple(notes), sections)

    def __repr__(self) -> str:
        return f"VideoTubes({str(self.pictures.path)!r}: {len(self.tubes)} tubes, {len(self.timeline):,} frames)"

    @property
    def timeline(self) -> Timeline:
        return self.pictures.timeline

    @property
    def fps(self) -> float:
        """Frames per second; 25 if unknown."""
        return self.timeline.fps or ASSUMED_FPS

    def keep(self, embeddings: Embeddings) -> None:
        """Store embeddings of the tubes, so that `embedded_by` need not compute them."""
        self._embeddings[embeddings.encoder] = embeddings

    def embedded_by(self, encoder: DualEncoder, project: Project) -> Embeddings:
        """Return the tubes' embeddings by a region-text encoder; if none are stored, decode the video again."""
        key = fingerprint(encoder.name, project.section("embed_tubes")["context"])
        if key not in self._embeddings:
            frames = sampled_frames(self.pictures, project.section("extract_frames"))
            self.keep(Embeddings.of(embed(encoder, frames, self.tubes, **project.section("embed_tubes"))))
        return self._embeddings[key]
        return self._embeddings[key]

    def save(self, path: str | Path) -> None:
        """Write the tubes as an artifact, readable by `Pipeline.read_tubes` and `read_artifact`."""
        artifact.write(schemas.TUBES, Path(path), self.tubes.columns(), self.parameters, {})

    def read(self, frames: Iterable[int]) -> list[np.ndarray]:
        """Read native frames as images uint8 [height, width, 3], RGB, in ascending order without duplicates.

        Frames that cannot be decoded are left out. Raises InputError if an index is out of range.
        """
        wanted = np.unique(np.fromiter(frames, np.int64))
        if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < len(self.timeline):
            what = f"has frames 0 to {len(self.timeline) - 1:,}, but {wanted[0]:,} to {wanted[-1]:,} were requested"
            raise InputError(what, str(self.pictures.path))
        return [np.ascontiguousarray(picture[..., ::-1]) for *_, picture in self.pictures.read(wanted)]


def open_video(video: str | Path | np.ndarray, fps: float | None = None) -> Pictures:
    """Open a video file, or an array uint8 [n, height, width, 3], RGB, of `fps` frames per second.

    Raises InputError if the video is missing or invalid, or if fps does not go with it.
    """
    if not isinstance(video, str | Path):
        if fps is None:
            raise InputError("have no frame rate", "frames", "give fps")
        return PictureArray(video, fps)
    if fps is not None:
        raise InputError("has times of its own", video, "omit fps, which is only for frames in an array")
    if not is_file(Path(video)):
        raise InputError("no such video", video, "check its path")
    return FrameReader(Path(video))


def tube_sections(project: Project) -> dict[str, dict[str, Any]]:
    """Return the sections of pipeline.yaml that determine the tubes of a video."""
    return {name: project.section(name) for name in ("extract_frames", "detect_proposals", "link_tubes")}


def sampled_frames(
    pictures: Pictures,
    sampling: Mapping[str, Any],
    *,
    tell: Callable[[str], object] = lambda note: None,
    watch: Watch = unwatched,
) -> Columns:
    """Return the FRAMES columns of a whole video. sampling: the section `extract_frames`.

    tell: called with notes for the user about a damaged video, whose decodable part is searched.
    """
    if pictures.timeline.missing:
        tell(pictures.timeline.missing)
    whole = [(0, len(pictures.timeline))]
    return sample(pictures, whole, tell=tell, watch=partial(watch, what="decode"), **sampling)


def find_tubes(
    frames: Columns,
    detector: Detector,
    sections: Mapping[str, Mapping[str, Any]],
    *,
    threads: int = 0,
    watch: Watch = unwatched,
) -> Columns:
    """Detect regions in a video's frames and link them over time; returns the TUBES columns.

    frames: the FRAMES columns. sections: as returned by `tube_sections`. threads: as in `propose`.
    """
    from vcma.detection.proposals import propose
    from vcma.linking.linker import link

    how = {key: value for key, value in sections["detect_proposals"].items() if key != "precision"}
    found = propose(detector, frames, threads=threads, watch=lambda r: watch(r, len(r), what="detect"), **how)
    return link(found, **sections["link_tubes"])


def embed(
    encoder: DualEncoder, frames: Columns, tubes: Tubes, watch: Watch = unwatched, **parameters: Any
) -> Columns:
    """Return the EMBEDDINGS columns of a video's tubes. parameters: the section `embed_tubes`."""
    from vcma.embedding import tube_embeddings

    return tube_embeddings.embed(encoder, frames, tubes, watch=partial(watch, what="embed"), **parameters)


def _searched(sampled: np.ndarray, timeline: Timeline, sampling: Mapping[str, Any]) -> tuple[int, int]:
    """Return the native frames [begin, end) to search: without those at either end that could not be decoded.

    sampled [n]: native indices of the sampled frames that were decoded, ascending.
    """
    grid = time_grid([(0, -1)], timeline.elapsed, sampling["rate"], sampling["max_frames"])
    unseen = np.append(grid[grid > sampled[-1]], len(timeline))
    return int(sampled[0]) if grid[0] < sampled[0] else 0, int(unseen[0])
