"""Linking: the detections of one video become tubes, each of which follows one object.

The score of a link between two detections is the paper's, alpha * cosine + (1 - alpha) * IoU, refined to depend
little on alpha: features are centred on the video's mean before their cosine, since the features of a box head all
point much the same way; boxes are moved along the motion of their tracklet before their IoU, which counts as far as
their sizes agree; and a share of (1 - alpha) goes to the class, which still identifies fast objects whose boxes
never meet.

    1. `shots`: every shot is linked for itself;
    2. `detections`: read the usable detections; of two that show one object in one frame, drop the lower scored;
    3. `joining`: link the detections of neighbouring frames where no other link is nearly as good; `crossings`:
       take tracklets apart where they meet one that looks like them, since they may have been exchanged. Then join
       the ends of tracklets to the starts of later ones by their motion, then neighbouring frames, then single
       detections to either. Each time `candidates` lists the pairs that may be linked, `motion` predicts their
       overlap, and `assignment` takes the links of maximum total gain over the whole shot; detections that do not
       look like their tracklet are unlinked again, unless they are where their neighbours put them;
    4. `filling`: give the detections on the course of a tube to its gaps;
    5. `tubes`, `selection`: keep the best tubes that do not repeat a better one;
    6. `smoothing`: remove the detector's jitter from the boxes. The gaps left are interpolated.

`appearance` holds what detections look like, `constants` the numbers of the method, `blocks` the limits on memory.

Symbols in all modules: T sampled frames, n detections, f and g ends and starts of tracklets, e links, k tubes, p
their detections, P their points, D numbers of an embedding. Boxes are xyxy px in columns, centre and size within.
Times are in seconds in columns, in steps within; a step is the median time between sampled frames.
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
    """Link the detections of one video: the columns of PROPOSALS in, those of TUBES out.

    alpha: weight of appearance against overlap, in [0, 1]. max_tubes: maximum number of tubes, at least 1.
    min_score: minimum score of a link, in [0, 1]. max_gap: longest gap bridged, s, at least 0; neighbouring frames
    are linked whatever their distance. max_overlap: IoU of two boxes, or mean IoU of two tubes, above which those
    that look alike are one object, in [0, 1]. smoothing: weight of the smoothed against the detected boxes, in
    [0, 1].

    Boxes are clipped to the picture; those that are then empty, or not finite, are left out. Scores that are not
    finite count as 0; features that are not finite are unknown, and such detections are linked by overlap alone.
    The order of the detections within a frame does not matter. Raises ValueError for a parameter out of range.
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
    """The best tubes of one shot, at most max_tubes."""
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
    """The successors [n] of the detections, links over at most max_gap steps (or one frame)."""

    def joined(successor: np.ndarray, gap: float, singletons: bool, only_clear: bool = False) -> np.ndarray:
        successor = join(detections, successor, linking, max_gap=gap, singletons=singletons, only_clear=only_clear)
        return unlink_outliers(detections, successor, linking.min_cosine)

    successor = joined(np.full(len(detections.row), -1), 0.0, singletons=True, only_clear=True)
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
            raise ValueError(f"{name} is {value}, not in [0, 1]")
    if not max_gap >= 0:
        raise ValueError(f"max_gap is {max_gap} s, not at least 0")
    if max_tubes < 1:
        raise ValueError(f"max_tubes is {max_tubes}, not at least 1")
