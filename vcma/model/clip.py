"""A clip: the tubes of one video cropped to the segment a sentence is searched in, as dense arrays.

Axes: N tubes, T sampled frames, D appearance, C classes, A attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vcma.model.motion_features import PAIR_FEATURES, SINGLE_FEATURES, pair_features, single_features
from vcma.records.tubes import Tubes


@dataclass(frozen=True)
class Clip:
    """Tubes over the sampled frames of one segment.

    frame int64 [T] native indices; time float32 [T] in s; end the native frame where the segment ends (exclusive);
    tube int64 [N] rows among the video's tubes; box float32 [N, T, 4] xyxy in native pixels, held where absent;
    present bool [N, T]; feature float32 [N, D], the mean over time, of unit length; class_prob float32 [N, C];
    attribute_prob float32 [N, A]; size (width, height) of the native picture in px.
    """

    frame: np.ndarray
    time: np.ndarray
    end: int
    tube: np.ndarray
    box: np.ndarray
    present: np.ndarray
    feature: np.ndarray
    class_prob: np.ndarray
    attribute_prob: np.ndarray
    size: tuple[float, float]

    @property
    def bytes(self) -> int:
        """Memory of it with its geometry, roughly."""
        N, T = self.present.shape
        return N * T * (N * len(PAIR_FEATURES) + len(SINGLE_FEATURES) + 10) * 2 + self.feature.nbytes * 2

    @cached_property
    def appearance(self) -> np.ndarray:
        """What is seen of each tube: float32 [N, D + C + A], feature and labels."""
        return np.concatenate([self.feature, self.class_prob, self.attribute_prob], axis=1)

    @cached_property
    def single(self) -> np.ndarray:
        """Motion of each tube: float16 [N, T, SINGLE_FEATURES]."""
        return single_features(self.box / max(self.size[1], 1), self.time).astype(np.float16)

    @cached_property
    def pair(self) -> np.ndarray:
        """Geometry and motion of each pair of tubes: float16 [N, N, T, PAIR_FEATURES]."""
        return pair_features(self.box / max(self.size[1], 1), self.time).astype(np.float16)


def crop(tubes: Tubes, begin: int, end: int, max_frames: int) -> Clip:
    """Crop one video's tubes to native frames [begin, end), end -1 being the video's, and thin the frames.

    Of more than max_frames sampled frames the j-th kept is number floor(j * n / max_frames). A tube absent from
    the kept frames is left out. A segment without sampled frames takes the nearest one, so that T >= 1 unless the
    video has none. What is not finite counts as nothing: 0 in a feature, no box at all.
    """
    frame, time = tubes.frame, tubes.time
    last = int(frame[-1]) + 1 if len(frame) else begin + 1
    end = last if end < 0 else end
    kept = np.flatnonzero((frame >= begin) & (frame < end))
    if not len(kept) and len(frame):
        kept = np.array([np.abs(frame - begin).argmin()])
    if len(kept) > max_frames:
        kept = kept[np.arange(max_frames) * len(kept) // max_frames]
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
    return Clip(
        frame=frame[kept],
        time=time[kept].astype(np.float32),
        end=end,
        tube=tube,
        box=_hold(box, present),
        present=present,
        feature=feature,
        class_prob=_finite(tubes.class_prob[tube]),
        attribute_prob=_finite(tubes.attribute_prob[tube]),
        size=(tubes.width, tubes.height),
    )


def _finite(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values.astype(np.float32), nan=0, posinf=0, neginf=0)


def _hold(box: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Fill absent boxes [N, T, 4] with the nearest earlier present one, before the first with the first."""
    if not present.size:
        return box
    T = present.shape[1]
    seen = np.maximum.accumulate(np.where(present, np.arange(T), -1), axis=1)
    source = np.where(seen >= 0, seen, present.argmax(axis=1)[:, None])
    return np.take_along_axis(box, source[..., None], axis=1)
