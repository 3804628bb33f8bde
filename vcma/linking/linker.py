"""Linking of the detections of one video into tubes, each of which follows one object.

The score of a link between two detections is the paper's, alpha * cosine + (1 - alpha) * IoU, with refinements that
make it less sensitive to alpha. Features are centred on the video's mean before the cosine, because box-head
features all have similar directions. Boxes are moved along the motion of their tracklets before the IoU, which is
multiplied by the IoU of their sizes. A share of (1 - alpha) goes to the class, which identifies fast objects even
if their boxes do not intersect.

    1. `shots`: link every shot separately. 2. `detections`: read the valid detections; suppress duplicates of an
    object in one frame. 3. `joining`: make the unambiguous links between adjacent frames. `crossings`: split
    tracklets where they overlap
       a similar one, since their identities may have been switched. Then join the ends of tracklets to the starts
       of later ones by their motion, then detections in adjacent frames, then single detections to either. In each
       round, `candidates` lists the possible pairs, `motion` predicts their overlap, and `assignment` selects the
       links with the maximum total gain over the shot; detections unlike their tracklet are unlinked again, unless
       they overlap the box interpolated between their neighbours.
    4. `filling`: assign nearby detections of weaker tubes to the gaps of a tube.
    5. `tubes`, `selection`: keep the best tubes, without duplicates.
    6. `smoothing`: remove the detector's jitter from the boxes. Remaining gaps are interpolated.

`appearance` computes the embeddings; `constants` contains the constants of the method, `blocks` the memory limits.

Symbols in all modules: T sampled frames, n detections, f and g ends and starts of tracklets, e links, k tubes, p
their detections, P their points, D dimensions of an embedding. Boxes are xyxy px in columns, centre and size
internally. Times are in seconds in columns, in steps internally; a step is the median time between sampled frames.
"""

from __future__ import annotations

import numpy as np

from vcma.linking.crossings import unlink_crossings
from vcma.linking.detections import Detections, duplicates, minimum_cosine, read_detections, time_step
from vcma.linking.filling import fill_gaps
from vcma.linking.joining import Linking, join, unlink_outliers
from vcma.linking.selection import best_tubes
from vcma.linking.shots import Shot, shots
from vcma.linking.tracklets import first_detections
from vcma.linking.tube_columns import tube_columns
from vcma.linking.tubes import LinkedTubes, build_tubes
from vcma.records.columns import Columns


def link(
    data: Columns,
    *,
    alpha: float,
    max_tubes: int,
    min_score: float,
    max_gap: float,
    max_overlap: float,
    smoothing: float,
) -> Columns:
    """Link the detections of one video; takes the columns of PROPOSALS and returns those of TUBES.

    alpha: weight of appearance relative to overlap, in [0, 1]. max_tubes: maximum number of tubes, at least 1.
    min_score: minimum score of a link, in [0, 1]. max_gap: maximum length of a bridged gap, s, at least 0; links
    between adjacent sampled frames are always allowed. max_overlap: IoU of two boxes, or mean IoU of two
    tubes, above which those of similar appearance are considered one object, in [0, 1]. smoothing: weight of the
    smoothed relative to the detected boxes, in [0, 1].

    Boxes are clipped to the frame; boxes that are then empty, or not finite, are omitted. Scores that are not
    finite count as 0. Features that are not finite count as unknown; such detections are linked by overlap only.
    The result does not depend on the order of detections within a frame. Raises ValueError for a parameter out of
    range.
    """
    _check(alpha, max_tubes, min_score, max_gap, max_overlap, smoothing)
    found = LinkedTubes.concatenated(
        [_link_shot(shot, alpha, max_tubes, min_score, max_gap, max_overlap) for shot in shots(data)]
    )
    best = found.select(np.argsort(-found.value, kind="stable")[:max_tubes])
    return tube_columns(data, best.select(np.argsort(-best.total, kind="stable")), smoothing)


def _link_shot(
    shot: Shot, alpha: float, max_tubes: int, min_score: float, max_gap: float, max_overlap: float
) -> LinkedTubes:
    """Link one shot; returns at most max_tubes tubes."""
    detections = read_detections(shot.data)
    linking = Linking(alpha, min_score, minimum_cosine(detections))
    detections = detections.select(~duplicates(detections, max_overlap, linking.min_cosine))
    time = np.asarray(shot.data["time"], np.float64)
    successor = fill_gaps(detections, _successors(detections, linking, max_gap / time_step(time)), time)
    tubes = build_tubes(detections, successor)
    best, value = best_tubes(
        detections,
        tubes,
        detections.appearance.averaged(first_detections(successor)),
        time,
        max_tubes=max_tubes,
        max_overlap=max_overlap,
        min_cosine=linking.min_cosine,
    )
    return LinkedTubes.of_shot(detections, tubes.select(best), value, shot.first_box, shot.first_frame)


def _successors(detections: Detections, linking: Linking, max_gap: float) -> np.ndarray:
    """Successors [n] of the detections after all rounds, with links over at most max_gap steps (or one frame)."""

    def joined(successor: np.ndarray, gap: float, singletons: bool, only_unambiguous: bool = False) -> np.ndarray:
        successor = join(
            detections, successor, linking, max_gap=gap, singletons=singletons, only_unambiguous=only_unambiguous
        )
        return unlink_outliers(detections, successor, linking.min_cosine)

    successor = joined(np.full(len(detections.row), -1), 0.0, singletons=True, only_unambiguous=True)
    successor = unlink_crossings(detections, successor, linking.min_cosine)
    successor = joined(successor, max_gap, singletons=False)
    successor = joined(successor, 0.0, singletons=True)
    return joined(successor, max_gap, singletons=True)


def _check(
    alpha: float, max_tubes: int, min_score: float, max_gap: float, max_overlap: float, smoothing: float
) -> None:
    share = {"alpha": alpha, "min_score": min_score, "max_overlap": max_overlap, "smoothing": smoothing}
    for name, value in share.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}, must be in [0, 1]")
    if not max_gap >= 0:
        raise ValueError(f"max_gap is {max_gap} s, must be at least 0")
    if max_tubes < 1:
        raise ValueError(f"max_tubes is {max_tubes}, must be at least 1")
