"""Access to clips of the tubes on disk, with a cache of bounded size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from vcma.errors import InputError
from vcma.model.clip import Clip, crop
from vcma.pipeline import artifact, schemas
from vcma.pipeline.video_artifacts import no_tubes, read_embeddings, read_tubes, video_file
from vcma.records.columns import Columns
from vcma.records.embeddings import Embeddings, made_by
from vcma.records.tubes import Tubes

_ONE_DETECTOR = "use the same detector for all videos of a data set"
_LINK = "run python stages/link_tubes.py"
_EMBED = "run python stages/embed_tubes.py"


class ClipStore:
    """Clips of a tubes folder by (video, begin, end), with an LRU cache of at most `cache_bytes`.

    videos: the videos of the data set; other files in the folder are ignored. A clip without tubes is None, and its
    sentences get a flagged fallback. The classes and attributes of all videos are reordered to that of the first
    video or of `read_as`; video-specific classes of a prompted detector follow.
    """

    def __init__(self, folder: Path, max_frames: int, videos: Iterable[str], cache_bytes: int = 2 << 30):
        self.folder, self.max_frames, self.cache_bytes = folder, max_frames, cache_bytes
        self.videos = list(videos)
        self._labels: tuple[tuple[str, ...], tuple[str, ...], int] | None = None
        self._kept: OrderedDict[tuple[str, int, int], tuple[Clip | None, int]] = OrderedDict()
        self._bytes = 0
        self._detector = ""
        self._embeddings: tuple[Path, str] | None = None

    def tubes(self, video: str) -> Tubes | None:
        """Return the tubes of a video; None if its processing failed, which was reported.

        Raises InputError if the detector, classes, attributes or feature width differ from those of other videos.
        """
        tubes = read_tubes(self.folder, video)
        if tubes is None:
            return None
        self._detector = self._detector or tubes.detector
        if tubes.detector != self._detector:
            what = f"was made with detector {tubes.detector}, other videos' tubes with {self._detector}"
            raise InputError(what, video_file(self.folder, video), _ONE_DETECTOR)
        return self._labelled(tubes, video)

    def read_as(self, class_names: Iterable[str], attribute_names: Iterable[str], feature: int) -> None:
        """Set the order of classes and attributes for all tubes; feature: required feature width."""
        self._labels = tuple(map(str, class_names)), tuple(map(str, attribute_names)), feature

    def use_embeddings(self, embeddings: Path, encoder: str) -> None:
        """Add region-text embeddings from a folder to clips.

        encoder: fingerprint that the embeddings must have; empty: clips have no embeddings.
        """
        self._embeddings = (embeddings, encoder) if encoder else None

    def _embeddings_of(self, video: str) -> Embeddings | None:
        """Embeddings of the tubes of a video; raises InputError if another encoder made them."""
        if self._embeddings is None:
            return None
        folder, encoder = self._embeddings
        found = read_embeddings(video_file(folder, video), video_file(self.folder, video))
        if found.encoder != encoder:
            what = f"was made with encoder {found.encoder}, not {encoder}"
            raise InputError(what, video_file(folder, video), _EMBED)
        return found

    def encoder_of(self, embeddings: Path, encoder: str) -> str:
        """Return the fingerprint of a folder of embeddings; raises InputError if empty or not by `encoder`."""
        for path in self.files():
            found = str(artifact.read(schemas.EMBEDDINGS, embeddings / path.name, ("encoder",))["encoder"])
            if made_by(found) != encoder:
                raise InputError(f"was made with encoder {found}, not {encoder}", embeddings / path.name, _EMBED)
            return found
        raise InputError("contains no tubes of this data set's videos", self.folder, _LINK)

    def _labelled(self, tubes: Tubes, video: str) -> Tubes:
        width = tubes.feature.shape[1]
        if self._labels is None:
            self.read_as(tubes.common_classes, tubes.attribute_name, width)
        assert self._labels is not None
        class_names, attribute_names, expected = self._labels
        if width != expected and len(tubes):
            what = f"has features of width {width}, others of {expected}"
            raise InputError(what, video_file(self.folder, video), _ONE_DETECTOR)
        try:
            return tubes.with_labels(class_names, attribute_names)
        except ValueError as error:
            raise InputError(str(error), video_file(self.folder, video), _ONE_DETECTOR) from error

    def tubes_or_empty(self, video: str) -> Tubes:
        """Return the tubes of a video, empty if there are none."""
        tubes = self.tubes(video)
        return no_tubes() if tubes is None else tubes

    def __call__(self, key: tuple[str, int, int]) -> Clip | None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][0]
        tubes = self.tubes(key[0])
        clip = None if tubes is None else crop(tubes, key[1], key[2], self.max_frames, self._embeddings_of(key[0]))
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

    def files(self) -> list[Path]:
        """Return the tubes files of the data set's videos, sorted."""
        return sorted(path for video in self.videos if (path := video_file(self.folder, video)).exists())

    def sources(self) -> list[Path]:
        """Return all files that clips are read from: tubes and, if clips have them, embeddings."""
        tubes = self.files()
        embeddings = [self._embeddings[0] / path.name for path in tubes] if self._embeddings else []
        return [*tubes, *embeddings]

    def describe(self) -> Columns:
        """Return class_name, attribute_name, detector and feature of the first video with tubes.

        class_name excludes video-specific classes. Raises InputError if no video has tubes.
        """
        names = ("class_name", "prompted", "attribute_name", "detector", "feature")
        for path in self.files():
            found = artifact.read(schemas.TUBES, path, names)
            return found | {"class_name": found["class_name"][~found["prompted"]]}
        raise InputError("contains no tubes of this data set's videos", self.folder, _LINK)
