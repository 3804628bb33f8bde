"""What detections look like, for linking: unit vectors of appearance and class, made when they are asked for.

Of a long video they would be most of what linking holds in memory; so they are read from the input again, block by
block, and only the means of fragments are kept.

Symbols: n detections, g fragments of several detections, d and C numbers of a feature and of a class distribution,
D = d + C of a look.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

_CLASS = 0.6  # weight of the class distribution beside the features
_BLOCK = 1 << 17  # numbers at a time
_SHORT = 1 << 20  # numbers; the looks of a video of fewer are made once


@dataclass(frozen=True)
class Looks:
    """Looks of unit length; 0 where nothing is known.

    row [n]: where a detection is in `feature` [N, d] and `kind` [N, C]; lean [D]: what is taken off; scale [n, 2]:
    what feature and class are multiplied by then, 0 where unknown. fragment [n]: the detection's row of `mean`
    [g, D], whose look is the mean of its fragment; -1 for its own look. made [n, D]: the own looks, or none.
    """

    feature: np.ndarray
    kind: np.ndarray
    row: np.ndarray
    lean: np.ndarray
    scale: np.ndarray
    fragment: np.ndarray
    mean: np.ndarray
    made: np.ndarray

    @classmethod
    def read(cls, feature: np.ndarray, kind: np.ndarray, row: np.ndarray, centred: bool) -> Looks:
        """Of the detections `row` [n]. centred: whether to judge by what differs from the video's mean; where most
        frames hold a single thing, that mean is the thing itself."""
        parts = [_directions(values, row, centred) for values in (feature, kind)]
        scale = np.stack([scale for _, scale in parts], axis=1) * np.array([1, _CLASS], np.float32)
        length = np.sqrt(((scale > 0) * np.array([1, _CLASS**2])).sum(1))
        scale /= np.where(length > 0, length, 1)[:, None]
        lean = np.concatenate([lean for lean, _ in parts])
        none = np.zeros((0, len(lean)), np.float32)
        looks = cls(feature, kind, row, lean, scale, np.full(len(row), -1), none, none)
        return replace(looks, made=looks.own(np.arange(len(row)))) if len(row) * len(lean) < _SHORT else looks

    def only(self, keep: np.ndarray) -> Looks:
        """Those of the mask keep [n]."""
        made = self.made[keep] if len(self.made) else self.made
        return replace(self, row=self.row[keep], scale=self.scale[keep], fragment=self.fragment[keep], made=made)

    def of(self, i: np.ndarray) -> np.ndarray:
        """Looks float32 [len(i), D] of the detections i."""
        fragment = self.fragment[i]
        single = fragment < 0
        if single.all():
            return self.own(i)
        looks = self.mean[fragment]
        looks[single] = self.own(i[single])
        return looks

    def own(self, i: np.ndarray) -> np.ndarray:
        """The same whatever their fragments."""
        if len(self.made):
            return self.made[i]
        row, scale, width = self.row[i], self.scale[i], self.feature.shape[1]
        looks = np.concatenate([self.feature[row], self.kind[row]], axis=1, dtype=np.float32)
        for part, factor in ((looks[:, :width], scale[:, :1]), (looks[:, width:], scale[:, 1:])):
            if not factor.all():
                part[factor[:, 0] == 0] = 0  # may not be finite
        looks -= self.lean
        looks[:, :width] *= scale[:, :1]
        looks[:, width:] *= scale[:, 1:]
        return looks

    def kinds(self, looks: np.ndarray) -> np.ndarray:
        """The class parts [k, C] of looks [k, D], of unit length; NaN where unknown."""
        kinds = looks[:, self.feature.shape[1] :]
        length = np.sqrt(np.einsum("kc,kc->k", kinds, kinds))
        return kinds / np.where(length > 0, length, np.nan)[:, None]

    @property
    def known(self) -> np.ndarray:
        """[n]: something is known of the look."""
        known, several = np.asarray(self.scale.any(1)), self.fragment >= 0
        known[several] = np.asarray(self.mean.any(1))[self.fragment[several]]
        return known

    def averaged(self, head: np.ndarray) -> Looks:
        """With the looks of fragments of several detections as their mean. head [n]: the first detection of the
        fragment each belongs to."""
        several = np.flatnonzero((np.bincount(head, minlength=len(head)) > 1)[head])
        several = several[np.argsort(head[several], kind="stable")]
        fragment = np.full(len(head), -1)
        fragment[several] = np.cumsum(np.diff(head[several], prepend=-1) > 0) - 1
        mean = np.zeros((int(fragment.max(initial=-1)) + 1, len(self.lean)), np.float32)
        for i in blocks(several, len(self.lean)):
            first = np.flatnonzero(np.diff(fragment[i], prepend=-1))
            mean[fragment[i[first]]] += np.add.reduceat(self.own(i), first)
        mean /= np.maximum(np.sqrt(np.einsum("gd,gd->g", mean, mean)), 1e-6)[:, None]
        return replace(self, fragment=fragment, mean=mean)

    def likeness(self) -> np.ndarray:
        """How alike [n] each detection and its fragment are, as a cosine; 1 where it is alone."""
        alike = np.ones(len(self.row), np.float32)
        for i in blocks(np.flatnonzero(self.fragment >= 0), len(self.lean)):
            alike[i] = np.einsum("id,id->i", self.own(i), self.mean[self.fragment[i]])
        return alike


def _directions(values: np.ndarray, row: np.ndarray, centred: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean [d] of the finite of values[row] (0 unless `centred`); and the factor [n] that makes what differs from
    it a unit vector, 0 where not finite or no different."""
    length, total = np.zeros(len(row), np.float32), np.zeros(values.shape[1])
    known = np.zeros(len(row), bool)
    for i in blocks(np.arange(len(row)), values.shape[1]):
        block = values[row[i]].astype(np.float32)
        known[i] = np.isfinite(block).all(1)
        block[~known[i]] = 0
        length[i] = np.sqrt(np.einsum("nd,nd->n", block, block))
        total += block.sum(0)
    longest = length.max(initial=0)
    lean = (total / max(known.sum(), 1) * centred).astype(np.float32)
    if centred:
        for i in blocks(np.flatnonzero(known), values.shape[1]):
            block = values[row[i]].astype(np.float32) - lean
            length[i] = np.sqrt(np.einsum("nd,nd->n", block, block))
    known &= length > 2e-3 * longest  # what float16 can tell apart
    return lean, np.divide(known, length, out=np.zeros_like(length), where=known)


def blocks(rows: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Parts of rows, as many at a time as make a block of so wide rows."""
    most = max(_BLOCK // max(width, 1), 1)
    for begin in range(0, len(rows), most):
        yield rows[begin : begin + most]
