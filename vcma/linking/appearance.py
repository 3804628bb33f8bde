"""Appearance embeddings of detections and tracklets, computed on demand.

An embedding is a unit vector: the concatenation of a detection's feature and class distribution, each centred on
the video's mean and scaled to a fixed length. For a long video the embeddings would take most of the memory, so
they are computed block by block from the input columns, and only the means of tracklets are stored.

Symbols: n detections, g tracklets of several detections, d and C dimensions of a feature and of a class
distribution, D = d + C dimensions of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vcma.linking import blocks, constants


@dataclass(frozen=True)
class Appearance:
    """Appearance embeddings: unit vectors, or 0 if neither feature nor class distribution is known.

    feature [N, d], class_prob [N, C]: input columns; row [n]: rows of the detections. centre [D]: subtracted from
    both. scale [n, 2]: factors of the centred feature and class distribution, 0 if unknown. tracklet [n]: row of
    the detection's tracklet in tracklet_embedding [g, D], -1 for a single detection. cached [n, D]: embeddings of
    the detections, or [0, D] if they are too large to cache.
    """

    feature: np.ndarray
    class_prob: np.ndarray
    row: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    tracklet: np.ndarray
    tracklet_embedding: np.ndarray
    cached: np.ndarray

    @classmethod
    def read(cls, feature: np.ndarray, class_prob: np.ndarray, row: np.ndarray, centred: bool) -> Appearance:
        """Prepare the embeddings of the detections in rows `row` [n] of the input columns.

        centred: whether to subtract the video's mean. If most frames contain a single object, the mean is that
        object and must not be subtracted.
        """
        weight = constants.CLASS_WEIGHT
        parts = [_centre_and_scale(values, row, centred) for values in (feature, class_prob)]
        scale = np.stack([scale for _, scale in parts], axis=1) * np.array([1, weight], np.float32)
        length = np.sqrt(((scale > 0) * np.array([1, weight**2])).sum(1))
        scale /= np.where(length > 0, length, 1)[:, None]
        centre = np.concatenate([centre for centre, _ in parts])
        empty = np.zeros((0, len(centre)), np.float32)
        appearance = cls(feature, class_prob, row, centre, scale, np.full(len(row), -1), empty, empty)
        if len(row) * len(centre) < blocks.MAX_CACHED_ELEMENTS:
            appearance = replace(appearance, cached=appearance.of_detections(np.arange(len(row))))
        return appearance

    def select(self, keep: np.ndarray) -> Appearance:
        """Return the embeddings of the detections in the mask keep [n]."""
        cached = self.cached[keep] if len(self.cached) else self.cached
        return replace(
            self, row=self.row[keep], scale=self.scale[keep], tracklet=self.tracklet[keep], cached=cached
        )

    def of_detections(self, i: np.ndarray) -> np.ndarray:
        """Return the embeddings float32 [len(i), D] of the detections i."""
        if len(self.cached):
            return self.cached[i]
        row, scale, width = self.row[i], self.scale[i], self.feature.shape[1]
        embedding = np.concatenate([self.feature[row], self.class_prob[row]], axis=1, dtype=np.float32)
        for part, factor in ((embedding[:, :width], scale[:, :1]), (embedding[:, width:], scale[:, 1:])):
            if not factor.all():
                part[factor[:, 0] == 0] = 0  # may not be finite
        embedding -= self.centre
        embedding[:, :width] *= scale[:, :1]
        embedding[:, width:] *= scale[:, 1:]
        return embedding

    def cosine(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Return the cosine [e] of the embeddings of the detections i [e] and j [e]."""
        cosine = np.empty(len(i), np.float32)
        for e in blocks.row_blocks(np.arange(len(i)), len(self.centre)):
            cosine[e] = np.einsum("ed,ed->e", self.of_detections(i[e]), self.of_detections(j[e]))
        return cosine

    def of_tracklets(self, i: np.ndarray) -> np.ndarray:
        """Return the embeddings float32 [len(i), D] of the tracklets that contain the detections i."""
        tracklet = self.tracklet[i]
        single = tracklet < 0
        if single.all():
            return self.of_detections(i)
        embedding = self.tracklet_embedding[tracklet]
        embedding[single] = self.of_detections(i[single])
        return embedding

    def class_parts(self, embedding: np.ndarray) -> np.ndarray:
        """Return the class parts [k, C] of embeddings [k, D], scaled to unit length; NaN if unknown."""
        part = embedding[:, self.feature.shape[1] :]
        length = np.sqrt(np.einsum("kc,kc->k", part, part))
        return part / np.where(length > 0, length, np.nan)[:, None]

    @property
    def is_known(self) -> np.ndarray:
        """Mask [n] of the detections whose tracklet has a known appearance: an embedding that is not 0."""
        is_known, several = np.asarray(self.scale.any(1)), self.tracklet >= 0
        is_known[several] = np.asarray(self.tracklet_embedding.any(1))[self.tracklet[several]]
        return is_known

    def averaged(self, first: np.ndarray) -> Appearance:
        """Return the embeddings with the mean embedding of every tracklet of several detections.

        first [n]: first detection of each detection's tracklet.
        """
        several = np.flatnonzero((np.bincount(first, minlength=len(first)) > 1)[first])
        several = several[np.argsort(first[several], kind="stable")]
        tracklet = np.full(len(first), -1)
        tracklet[several] = np.cumsum(np.diff(first[several], prepend=-1) > 0) - 1
        mean = np.zeros((int(tracklet.max(initial=-1)) + 1, len(self.centre)), np.float32)
        for i in blocks.row_blocks(several, len(self.centre)):
            begin = np.flatnonzero(np.diff(tracklet[i], prepend=-1))
            mean[tracklet[i[begin]]] += np.add.reduceat(self.of_detections(i), begin)
        mean /= np.maximum(np.sqrt(np.einsum("gd,gd->g", mean, mean)), 1e-6)[:, None]
        return replace(self, tracklet=tracklet, tracklet_embedding=mean)

    def cosine_to_tracklet(self) -> np.ndarray:
        """Return the cosine [n] of each detection's embedding and its tracklet's; 1 for a single detection."""
        cosine = np.ones(len(self.row), np.float32)
        for i in blocks.row_blocks(np.flatnonzero(self.tracklet >= 0), len(self.centre)):
            cosine[i] = np.einsum("id,id->i", self.of_detections(i), self.tracklet_embedding[self.tracklet[i]])
        return cosine


def _centre_and_scale(values: np.ndarray, row: np.ndarray, centred: bool) -> tuple[np.ndarray, np.ndarray]:
    """Centre [d] and scale [n] such that (values[row] - centre) * scale are unit vectors.

    The centre is the mean of the finite rows, or 0 unless `centred`. The scale is 0 for rows that are not finite or
    do not differ from the centre.
    """
    length, total = np.zeros(len(row), np.float32), np.zeros(values.shape[1])
    usable = np.zeros(len(row), bool)
    for i in blocks.row_blocks(np.arange(len(row)), values.shape[1]):
        block = values[row[i]].astype(np.float32)
        usable[i] = np.isfinite(block).all(1)
        block[~usable[i]] = 0
        length[i] = np.sqrt(np.einsum("nd,nd->n", block, block))
        total += block.sum(0)
    longest = length.max(initial=0)
    centre = (total / max(usable.sum(), 1) * centred).astype(np.float32)
    if centred:
        for i in blocks.row_blocks(np.flatnonzero(usable), values.shape[1]):
            block = values[row[i]].astype(np.float32) - centre
            length[i] = np.sqrt(np.einsum("nd,nd->n", block, block))
    usable &= length > constants.MIN_RELATIVE_LENGTH * longest
    return centre, np.divide(usable, length, out=np.zeros_like(length), where=usable)
