"""One round of linking: join ends of tracklets to starts of later ones, and take outliers out again."""

from __future__ import annotations

import numpy as np

from vcma.linking import constants
from vcma.linking.assignment import assign
from vcma.linking.candidates import Candidates, candidate_links
from vcma.linking.detections import Detections
from vcma.linking.motion import fit_ends, predicted_overlap
from vcma.linking.tracklets import first_detections, inverse


def join(
    detections: Detections,
    successor: np.ndarray,
    *,
    alpha: float,
    min_score: float,
    max_gap: float,
    singletons: bool,
    min_cosine: float,
) -> np.ndarray:
    """The successors [n] after the ends of tracklets were assigned to the starts of later ones.

    Of all assignments of ends to starts at most max_gap steps (or one frame) later, the one with the maximum sum of
    (link score - min_score). singletons: whether single detections take part.
    """
    predecessor = inverse(successor)
    appearance = detections.appearance.averaged(first_detections(successor))
    ends = fit_ends(detections, np.flatnonzero(successor < 0), predecessor)
    starts = fit_ends(detections, np.flatnonzero(predecessor < 0), successor)
    links = candidate_links(
        detections, appearance, ends, starts, max_gap=max_gap, singletons=singletons, min_cosine=min_cosine
    )
    overlap, in_reach = predicted_overlap(detections, ends, starts, links.end, links.start)
    gain = _link_scores(links, overlap, alpha) - min_score
    good = in_reach & (gain > 0)
    end, start = links.end[good], links.start[good]
    chosen = assign(end, start, gain[good])
    successor = successor.copy()
    successor[ends.detection[end[chosen]]] = starts.detection[start[chosen]]
    return successor


def _link_scores(links: Candidates, overlap: np.ndarray, alpha: float) -> np.ndarray:
    """Scores [e]: alpha * cosine + (1 - alpha) * overlap, of which the class takes a share where it is known."""
    known = np.isfinite(links.class_cosine)
    class_similarity = np.where(known, np.maximum(links.class_cosine, 0), overlap)
    share = constants.CLASS_SHARE
    return alpha * links.cosine + (1 - alpha) * ((1 - share) * overlap + share * class_similarity)


def unlink_outliers(detections: Detections, successor: np.ndarray, min_cosine: float) -> np.ndarray:
    """The successors [n] without the links of detections that do not look like the mean of their tracklet.

    Such a detection is clutter that by chance looked like one noisy detection of the tracklet.
    """
    predecessor = inverse(successor)
    appearance = detections.appearance.averaged(first_detections(successor))
    unlike = appearance.cosine_to_tracklet() <= min_cosine
    outlier = np.flatnonzero(unlike & detections.appearance.is_known)
    successor = successor.copy()
    successor[outlier] = -1
    successor[predecessor[outlier][predecessor[outlier] >= 0]] = -1
    return successor
