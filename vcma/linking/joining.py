"""One round of linking: join the ends of tracklets to the starts of later ones, then remove outliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vcma import boxes
from vcma.linking import constants
from vcma.linking.assignment import assign, unambiguous_links
from vcma.linking.candidates import Candidates, candidate_links
from vcma.linking.detections import Detections
from vcma.linking.motion import fit_ends, predicted_overlap
from vcma.linking.tracklets import first_detections, inverse, unlinked


@dataclass(frozen=True)
class Linking:
    """Parameters of linking.

    alpha: weight of appearance. min_score: minimum score of a link. min_cosine: minimum cosine of the embeddings of
    similar detections.
    """

    alpha: float
    min_score: float
    min_cosine: float


def join(
    detections: Detections,
    successor: np.ndarray,
    linking: Linking,
    *,
    max_gap: float,
    singletons: bool,
    only_unambiguous: bool = False,
) -> np.ndarray:
    """Return the successors [n] after joining the ends of tracklets to the starts of later ones.

    Of all assignments of ends to starts at most max_gap steps (or one frame) later, the one with the maximum total
    gain is used; with only_unambiguous, only the unambiguous links. The gain is (link score - min_score) times the
    square root of the mean score of the two detections relative to the video's maximum, so that confident
    detections take precedence. singletons: whether to include single detections.
    """
    predecessor = inverse(successor)
    appearance = detections.appearance.averaged(first_detections(successor))
    ends = fit_ends(detections, np.flatnonzero(successor < 0), predecessor)
    starts = fit_ends(detections, np.flatnonzero(predecessor < 0), successor)
    links = candidate_links(
        detections, appearance, ends, starts, max_gap=max_gap, singletons=singletons, min_cosine=linking.min_cosine
    )
    overlap, in_reach = predicted_overlap(detections, ends, starts, links.end, links.start)
    gain = _link_scores(links, overlap, linking.alpha) - linking.min_score
    gain *= np.sqrt(_confidence(detections, ends.detection[links.end], starts.detection[links.start]))
    good = in_reach & (gain > 0) & (links.alike | (overlap >= constants.STEADY_OVERLAP))
    end, start, gain = links.end[good], links.start[good], gain[good]
    chosen = unambiguous_links(end, start, gain, constants.MARGIN) if only_unambiguous else assign(end, start, gain)
    successor = successor.copy()
    successor[ends.detection[end[chosen]]] = starts.detection[start[chosen]]
    return successor


def _link_scores(links: Candidates, overlap: np.ndarray, alpha: float) -> np.ndarray:
    """Scores [e]: alpha * cosine + (1 - alpha) * overlap, with a share of the overlap term for a known class."""
    known = np.isfinite(links.class_cosine)
    class_similarity = np.where(known, np.maximum(links.class_cosine, 0), overlap)
    share = constants.CLASS_SHARE
    return alpha * links.cosine + (1 - alpha) * ((1 - share) * overlap + share * class_similarity)


def _confidence(detections: Detections, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Mean score [e] of the detections i [e] and j [e] relative to the video's maximum; 1 if all scores are 0."""
    best = detections.score.max(initial=0)
    return (detections.score[i] + detections.score[j]) / (2 * best) if best > 0 else np.ones(len(i), np.float32)


def unlink_outliers(detections: Detections, successor: np.ndarray, min_cosine: float) -> np.ndarray:
    """Return the successors [n] without the links of detections unlike the mean of their tracklet.

    Such a detection is clutter that happened to resemble one noisy detection of the tracklet, unless it overlaps
    the box interpolated between its neighbours.
    """
    predecessor = inverse(successor)
    appearance = detections.appearance.averaged(first_detections(successor))
    unlike = (appearance.cosine_to_tracklet() <= min_cosine) & detections.appearance.is_known
    inner = np.flatnonzero(unlike & (successor >= 0) & (predecessor >= 0))
    steady = _overlap_of_neighbours(detections, predecessor[inner], inner, successor[inner])
    unlike[inner[steady >= constants.STEADY_OVERLAP]] = False
    return unlinked(successor, np.flatnonzero(unlike))


def _overlap_of_neighbours(
    detections: Detections, left: np.ndarray, i: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """IoU [e] of the detections i [e] with the box interpolated between left [e] and right [e]."""
    time, centre, size = detections.time, detections.centre, detections.size
    part = ((time[i] - time[left]) / (time[right] - time[left]))[:, None]
    between_centre = centre[left] * (1 - part) + centre[right] * part
    between_size = size[left] * (1 - part) + size[right] * part
    return boxes.iou_of_centred(between_centre, between_size, centre[i], size[i])
