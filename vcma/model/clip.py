"""A clip: the tubes of one video within the segment in which a sentence is grounded, as dense arrays.

Axes: N tubes, T sampled frames, D appearance, C classes, A attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from vcma.model.motion_features import PAIR_FEATURES, SINGLE_FEATURES, pair_features, single_features
from vcma.records.embeddings import Embeddings
from vcma.records.tubes import Tubes


@dataclass(frozen=True, eq=False)
class Crops:
    """Embedded crops of a clip's tubes, sorted by tube and frame: row of the tube, native frame, unit vector."""

    tube: Int[np.ndarray, " c"]
    frame: Int[np.ndarray, " c"]
    vector: Float[np.ndarray, "c W"]


_NO_CROPS = Crops(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 0), np.float32))


@dataclass(frozen=True, eq=False)
class Clip:
    """Tubes in the sampled frames of one segment.

    frame: native indices. time: s. end: native frame at which the segment ends (exclusive). tube: indices among the
    video's tubes. box: xyxy in native pixels, held constant where absent. feature: mean over time, unit length.
    score: mean detection score over the frames with the tube; interpolated points count as 0. embedding: mean
    embedding of each tube's crops by a region-text encoder, 0 without crops, of width 0 without an encoder. size:
    width and height of the video, px. prompts: names of the last classes, specific to this video. crops: those in
    the segment.
    """

    frame: Int[np.ndarray, " T"]
    time: Float[np.ndarray, " T"]
    end: int
    tube: Int[np.ndarray, " N"]
    box: Float[np.ndarray, "N T 4"]
    present: Bool[np.ndarray, "N T"]
    feature: Float[np.ndarray, "N D"]
    class_prob: Float[np.ndarray, "N C"]
    attribute_prob: Float[np.ndarray, "N A"]
    score: Float[np.ndarray, " N"]
    embedding: Float[np.ndarray, "N W"]
    size: tuple[float, float]
    prompts: tuple[str, ...] = ()
    crops: Crops = _NO_CROPS

    @property
    def bytes(self) -> int:
        """Approximate memory size, including geometry features."""
        N, T = self.present.shape
        geometry = N * T * (N * len(PAIR_FEATURES) + len(SINGLE_FEATURES) + 10) * 2
        return geometry + self.feature.nbytes * 2 + self.embedding.nbytes + self.crops.vector.nbytes

    @cached_property
    def appearance(self) -> Float[np.ndarray, "N W"]:
        """Feature, class and attribute probabilities of each tube, concatenated, without video-specific classes."""
        common = self.class_prob[:, : self.class_prob.shape[1] - len(self.prompts)]
        return np.concatenate([self.feature, common, self.attribute_prob], axis=1)

    @cached_property
    def crop_position(self) -> Float[np.ndarray, "N T"]:
        """Fractional row of `crops` for each tube and frame, for interpolation over time.

        It is linear in time between two crops and held before the first and after the last; NaN for a tube without
        crops.
        """
        position = np.full(self.present.shape, np.nan)
        for tube in np.unique(self.crops.tube):
            rows = np.flatnonzero(self.crops.tube == tube)
            position[tube] = np.interp(self.frame, self.crops.frame[rows], rows)
        return position

    @cached_property
    def single(self) -> Float[np.ndarray, "N T c"]:
        """Motion of each tube: SINGLE_FEATURES, float16."""
        return single_features(self.box / max(self.size[1], 1), self.time).astype(np.float16)

    @cached_property
    def pair(self) -> Float[np.ndarray, "N N T c"]:
        """Geometry and motion of each pair of tubes: PAIR_FEATURES, float16."""
        return pair_features(self.box / max(self.size[1], 1), self.time).astype(np.float16)


def crop(tubes: Tubes, begin: int, end: int, max_frames: int, embeddings: Embeddings | None = None) -> Clip:
    """Crop one video's tubes to native frames [begin, end), and subsample them to max_frames; end -1: the video's.

    Of n > max_frames sampled frames, the j-th one kept is number floor(j * n / max_frames). Tubes that are absent
    from all kept frames are omitted. A segment without sampled frames uses the nearest one, so T >= 1 unless the
    video has no frames. Features that are not finite become 0; boxes that are not finite count as absent.
    embeddings: embeddings of the tubes by a region-text encoder; a tube without crops in the segment uses all.
    """
    frame = tubes.frame
    last = int(frame[-1]) + 1 if len(frame) else begin + 1
    end = last if end < 0 else end
    kept = _kept_frames(frame, begin, end, max_frames)
    slot = np.full(len(frame), -1)
    slot[kept] = np.arange(len(kept))

    owner = np.repeat(np.arange(len(tubes)), np.diff(tubes.point_offset))
    column = slot[tubes.position]
    used = (column >= 0) & np.isfinite(tubes.box).all(axis=1)
    tube = np.unique(owner[used])
    row = np.searchsorted(tube, owner[used])
    column = column[used]
    shape = len(tube), len(kept)
    present = np.zeros(shape, bool)
    present[row, column] = True
    box = np.zeros((*shape, 4), np.float32)
    box[row, column] = tubes.box[used]
    point = _finite(tubes.feature[used])
    feature = (row == np.arange(len(tube))[:, None]).astype(np.float32) @ point
    feature /= np.maximum(np.linalg.norm(feature, axis=1, keepdims=True), 1e-6)
    embeddings = embeddings or Embeddings.none()
    score = np.bincount(row, _finite(tubes.score[used]), len(tube)) / present.sum(1)
    return Clip(
        frame=frame[kept],
        time=tubes.time[kept].astype(np.float32),
        end=end,
        tube=tube,
        box=_hold(box, present),
        present=present,
        feature=feature,
        class_prob=_finite(tubes.class_prob[tube][:, np.argsort(tubes.prompted, kind="stable")]),
        attribute_prob=_finite(tubes.attribute_prob[tube]),
        score=score.astype(np.float32),
        embedding=_mean_embedding(embeddings, tube, begin, end),
        size=(tubes.width, tubes.height),
        crops=_crops(embeddings, tube, begin, end),
        prompts=tuple(map(str, tubes.class_name[tubes.prompted])),
    )


def _mean_embedding(
    embeddings: Embeddings, tube: Int[np.ndarray, " N"], begin: int, end: int
) -> Float[np.ndarray, "N W"]:
    """Mean embedding of the crops of each tube in native frames [begin, end), or of all if there are none."""
    inside = (embeddings.frame >= begin) & (embeddings.frame < end)
    weight = (embeddings.tube == tube[:, None]) * np.where(inside, 1.0, 1e-6)
    mean = weight @ embeddings.embedding / np.maximum(weight.sum(1, keepdims=True), 1e-9)
    return mean.astype(np.float32)


def _crops(embeddings: Embeddings, tube: Int[np.ndarray, " N"], begin: int, end: int) -> Crops:
    """Crops of the given tubes in native frames [begin, end)."""
    inside = (embeddings.frame >= begin) & (embeddings.frame < end) & np.isin(embeddings.tube, tube)
    row, frame = np.searchsorted(tube, embeddings.tube[inside]), embeddings.frame[inside]
    order = np.lexsort((frame, row))
    return Crops(row[order], frame[order], embeddings.embedding[inside][order])


def _kept_frames(frame: Int[np.ndarray, " F"], begin: int, end: int, max_frames: int) -> Int[np.ndarray, " T"]:
    """Rows of the sampled frames kept by `crop`."""
    kept = np.flatnonzero((frame >= begin) & (frame < end))
    if not len(kept) and len(frame):
        return np.array([np.abs(frame - begin).argmin()])
    if len(kept) > max_frames:
        return kept[np.arange(max_frames) * len(kept) // max_frames]
    return kept


def _finite(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values.astype(np.float32), nan=0, posinf=0, neginf=0)


def _hold(box: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Fill absent boxes [N, T, 4] with the previous present one; before the first, with the first."""
    if not present.size:
        return box
    T = present.shape[1]
    latest = np.maximum.accumulate(np.where(present, np.arange(T), -1), axis=1)
    source = np.where(latest >= 0, latest, present.argmax(axis=1)[:, None])
    return np.take_along_axis(box, source[..., None], axis=1)
