"""Candidate links: pairs of an end and a later start of tracklets, close in time and similar in appearance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from vcma.linking import blocks, constants
from vcma.linking.appearance import Appearance
from vcma.linking.detections import Detections
from vcma.linking.motion import TrackletEnds


class Candidates(NamedTuple):
    """Candidate links: end [e], start [e], and the cosines [e] of their embeddings and of their class parts.

    class_cosine is NaN if a class is unknown. alike [e]: whether the appearances are similar or unknown.
    """

    end: np.ndarray
    start: np.ndarray
    alike: np.ndarray
    cosine: np.ndarray
    class_cosine: np.ndarray


def candidate_links(
    detections: Detections,
    appearance: Appearance,
    ends: TrackletEnds,
    starts: TrackletEnds,
    *,
    max_gap: float,
    singletons: bool,
    min_cosine: float,
) -> Candidates:
    """Return pairs of ends and starts at most max_gap steps (or one frame) later, of similar or unknown appearance.

    With max_gap 0, also pairs whose boxes intersect, unless their cosine is not positive: the detector may classify
    an object differently in the next frame. appearance: must contain the embeddings of the tracklets. singletons:
    whether to include single detections; two of them are paired only over a short gap.
    """
    single_end, single_start = ends.count == 1, starts.count == 1
    groups = [(~single_end, ~single_start, max_gap)]
    if singletons:
        groups += [(~single_end, single_start, max_gap), (single_end, ~single_start, max_gap)]
        groups += [(single_end, single_start, min(max_gap, constants.SHORT_GAP))]
    parts = []
    for end_mask, start_mask, gap in groups:
        end, start = np.flatnonzero(end_mask), np.flatnonzero(start_mask)
        end_detection, start_detection = ends.detection[end], starts.detection[start]
        low, high = _ends_in_time(detections, end_detection, start_detection, gap)
        pairs = _similar_pairs(
            detections, appearance, end_detection, start_detection, low, high, min_cosine, max_gap == 0
        )
        parts.append(pairs._replace(end=end[pairs.end], start=start[pairs.start]))
    return _concatenated(parts)


def _ends_in_time(
    detections: Detections, end: np.ndarray, start: np.ndarray, max_gap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Ranges low [g], high [g] of the detections end [f], sorted by time, at most max_gap before each start [g]."""
    position = detections.position[start]
    high = np.searchsorted(detections.position[end], position)
    earliest = detections.time[start] - np.float32(max_gap * (1 + 1e-5))  # float32 times are rounded
    low = np.searchsorted(detections.time[end], earliest)
    return np.minimum(low, np.searchsorted(detections.position[end], position - 1)), high


def _similar_pairs(
    detections: Detections,
    appearance: Appearance,
    end: np.ndarray,
    start: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    min_cosine: float,
    meeting: bool,
) -> Candidates:
    """Pairs of detections end[f], start[g], low[g] <= f < high[g], with cosine above min_cosine or unknown.

    With meeting=True also those whose boxes intersect and whose cosine exceeds 0. `end` and `start` of the result
    are the indices f and g.
    """
    unknown = ~appearance.is_known
    unknown_end, unknown_start = unknown[end], unknown[start]
    any_unknown = unknown_end.any() or unknown_start.any()
    none, no_cosine = np.zeros(0, int), np.zeros(0, np.float32)
    parts = [Candidates(none, none, none > 0, no_cosine, no_cosine)]
    for begin, stop in _start_blocks(low, high, len(end), len(appearance.centre)):
        first, last = low[begin], high[stop - 1]
        start_embedding = appearance.of_tracklets(start[begin:stop])
        end_embedding = appearance.of_tracklets(end[first:last])
        cosine = start_embedding @ end_embedding.T
        similar: np.ndarray = np.greater(cosine, min_cosine)
        if any_unknown:
            similar |= unknown_start[begin:stop, None] | unknown_end[first:last]
        eligible = similar
        if meeting:
            eligible = similar | (cosine > 0) & _meet(detections, start[begin:stop], end[first:last])
        s, e = np.divmod(np.flatnonzero(eligible), max(last - first, 1))
        in_time = (e + first >= low[s + begin]) & (e + first < high[s + begin])
        s, e = s[in_time], e[in_time]
        class_cosine = np.einsum(
            "ec,ec->e", appearance.class_parts(start_embedding)[s], appearance.class_parts(end_embedding)[e]
        )
        parts.append(Candidates(e + first, s + begin, similar[s, e], cosine[s, e], class_cosine))
    return _concatenated(parts)


def _meet(detections: Detections, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Mask [len(i), len(j)] of the pairs of detections i and j whose boxes intersect or touch."""
    meet = np.ones((len(i), len(j)), bool)
    for centre, half in zip(detections.centre.T, detections.size.T / 2, strict=True):
        meet &= np.abs(centre[i][:, None] - centre[j]) <= half[i][:, None] + half[j]
    return meet


def _start_blocks(low: np.ndarray, high: np.ndarray, ends: int, width: int) -> Iterator[tuple[int, int]]:
    """Ranges (begin, stop) of starts whose embeddings, of `width` dimensions, and cosines fit in a block.

    The cosines are those with the ends between the first start's low and the last one's high.
    """
    widest = max(2 * blocks.PAIRS_PER_BLOCK // max(width, 1), blocks.MIN_STARTS_PER_BLOCK)
    begin = 0
    while begin < len(low) and ends:
        in_time = max(int(high[begin] - low[begin]), 1)
        longest = max(in_time // 2, blocks.MIN_STARTS_PER_BLOCK, blocks.PAIRS_PER_BLOCK // ends)
        longest = min(blocks.PAIRS_PER_BLOCK // in_time + 1, longest, widest)
        within = np.searchsorted(high, low[begin] + max(widest, 2 * in_time), side="right")
        stop = min(begin + longest, max(int(within), begin + 1))
        yield begin, stop
        begin = stop


def _concatenated(parts: Iterable[Candidates]) -> Candidates:
    return Candidates(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
