"""Clips from the tubes on disk: what training and grounding read, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from vcma.errors import InputError
from vcma.model.clip import Clip, crop
from vcma.pipeline import artifact, schemas
from vcma.pipeline.video_artifacts import no_tubes, read_tubes, video_file
from vcma.records.columns import Columns
from vcma.records.tubes import Tubes


class ClipStore:
    """The clips of a tubes folder by (video, begin, end), the latest kept in memory up to `cache_bytes`.

    A clip without a tube is None: its sentences get a flagged fallback.
    """

    def __init__(self, folder: Path, max_frames: int, cache_bytes: int = 2 << 30):
        self.folder, self.max_frames, self.cache_bytes = folder, max_frames, cache_bytes
        self._kept: OrderedDict[tuple[str, int, int], tuple[Clip | None, int]] = OrderedDict()
        self._bytes = 0
        self._detector = ""

    def tubes(self, video: str) -> Tubes | None:
        """The tubes of a video; None if the pipeline has none for it (its failure was reported).

        Raises InputError where the tubes of two videos come from different detectors.
        """
        tubes = read_tubes(self.folder, video)
        if tubes is None:
            return None
        self._detector = self._detector or tubes.detector
        if tubes.detector != self._detector:
            what = f"is of detector {tubes.detector}, other videos' tubes are of {self._detector}"
            raise InputError(what, video_file(self.folder, video), "make all tubes of a data set with one detector")
        return tubes

    def tubes_or_empty(self, video: str) -> Tubes:
        """`tubes`, or those of a video that has none."""
        tubes = self.tubes(video)
        return no_tubes() if tubes is None else tubes

    def __call__(self, key: tuple[str, int, int]) -> Clip | None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][0]
        tubes = self.tubes(key[0])
        clip = None if tubes is None else crop(tubes, key[1], key[2], self.max_frames)
        if clip is not None and not len(clip.tube):
            clip = None
        self._keep(key, clip)
        return clip

    def _keep(self, key: tuple[str, int, int], clip: Clip | None) -> None:
        size = 0 if clip is None else clip.bytes
        self._kept[key] = (clip, size)
        self._bytes += size
        while self._bytes > self.cache_bytes and len(self._kept) > 1:
            _, (_, freed) = self._kept.popitem(last=False)
            self._bytes -= freed

    def describe(self) -> Columns:
        """class_name, attribute_name, detector and a feature column of any one of the videos."""
        for path in sorted(self.folder.glob("*.h5")):
            return artifact.read(schemas.TUBES, path, ("class_name", "attribute_name", "detector", "feature"))
        raise InputError("holds no tubes", self.folder, "run python stages/link_tubes.py")
