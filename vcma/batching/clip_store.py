"""Clips from the tubes on disk: what training and grounding read, in bounded memory."""

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

_ONE_DETECTOR = "make all tubes of a data set with one detector"
_LINK = "run python stages/link_tubes.py"
_EMBED = "run python stages/embed_tubes.py"


class ClipStore:
    """The clips of a tubes folder by (video, begin, end), the latest kept in memory up to `cache_bytes`.

    videos: those of the data set; files of others in the folder are none of its tubes. A clip without a tube is
    None: its sentences get a flagged fallback. Classes and attributes of every video stand in one order, that of
    the first video or of `read_as`, whatever the order in its file; classes that one video alone was prompted with
    stand behind them.
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
        """The tubes of a video; None if the pipeline has none for it (its failure was reported).

        Raises InputError where the tubes of two videos come from different detectors, or have other classes,
        attributes or features.
        """
        tubes = read_tubes(self.folder, video)
        if tubes is None:
            return None
        self._detector = self._detector or tubes.detector
        if tubes.detector != self._detector:
            what = f"is of detector {tubes.detector}, other videos' tubes are of {self._detector}"
            raise InputError(what, video_file(self.folder, video), _ONE_DETECTOR)
        return self._labelled(tubes, video)

    def read_as(self, class_names: Iterable[str], attribute_names: Iterable[str], feature: int) -> None:
        """Give all tubes' classes and attributes in the order of these names; feature: the width of theirs."""
        self._labels = tuple(map(str, class_names)), tuple(map(str, attribute_names)), feature

    def see_by(self, embeddings: Path, encoder: str) -> None:
        """Give clips what a region-text encoder sees, from a folder; encoder: the fingerprint of what made it.

        Without one, an empty fingerprint, clips have nothing of the kind.
        """
        self._embeddings = (embeddings, encoder) if encoder else None

    def _seen(self, video: str) -> Embeddings | None:
        """What an encoder sees in the tubes of a video; raises InputError where it is another encoder."""
        if self._embeddings is None:
            return None
        folder, encoder = self._embeddings
        found = read_embeddings(video_file(folder, video), video_file(self.folder, video))
        if found.encoder != encoder:
            raise InputError(f"is by encoder {found.encoder}, not {encoder}", video_file(folder, video), _EMBED)
        return found

    def encoder_of(self, embeddings: Path, encoder: str) -> str:
        """The fingerprint of a folder of embeddings; raises InputError where it is empty or not by `encoder`."""
        for path in self.files():
            found = str(artifact.read(schemas.EMBEDDINGS, embeddings / path.name, ("encoder",))["encoder"])
            if made_by(found) != encoder:
                raise InputError(f"is by encoder {found}, not {encoder}", embeddings / path.name, _EMBED)
            return found
        raise InputError("holds no tubes of a video of this data set", self.folder, _LINK)

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
        """`tubes`, or those of a video that has none."""
        tubes = self.tubes(video)
        return no_tubes() if tubes is None else tubes

    def __call__(self, key: tuple[str, int, int]) -> Clip | None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][0]
        tubes = self.tubes(key[0])
        clip = None if tubes is None else crop(tubes, key[1], key[2], self.max_frames, self._seen(key[0]))
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
        """The files of those of the videos that have tubes, sorted."""
        return sorted(path for video in self.videos if (path := video_file(self.folder, video)).exists())

    def sources(self) -> list[Path]:
        """Every file that clips are made of: tubes and, if clips have what an encoder sees, embeddings."""
        tubes = self.files()
        seen = [self._embeddings[0] / path.name for path in tubes] if self._embeddings else []
        return [*tubes, *seen]

    def describe(self) -> Columns:
        """class_name, attribute_name, detector and a feature column of the first of the videos that has tubes; of
        its classes those that every video has.
        """
        names = ("class_name", "prompted", "attribute_name", "detector", "feature")
        for path in self.files():
            found = artifact.read(schemas.TUBES, path, names)
            return found | {"class_name": found["class_name"][~found["prompted"]]}
        raise InputError("holds no tubes of a video of this data set", self.folder, _LINK)
