"""Motion at the ends of tracklets, and the overlap it predicts across a gap.

The starts of tracklets are ends seen backwards in time, so one fit serves both. Symbols: f ends, e links.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vcma import boxes
from vcma.linking import constants
from vcma.linking.detections import Detections


@dataclass
class TrackletEnds:
    """The ends of tracklets, with a line fitted to the last detections of each.

    detection [f]: the last detection; time [f], in steps, and centre, size, velocity [f, 2] of the line there;
    count, mean_time, spread [f]: number of detections fitted, their mean time relative to the end, and their summed
    squared deviation from it, with the ridge.
    """

    detection: np.ndarray
    time: np.ndarray
    centre: np.ndarray
    size: np.ndarray
    velocity: np.ndarray
    count: np.ndarray
    mean_time: np.ndarray
    spread: np.ndarray


def fit_ends(detections: Detections, last: np.ndarray, predecessor: np.ndarray) -> TrackletEnds:
    """Fit lines by ridge regression to the ends of the tracklets whose last detections are last [f].

    With the successors in place of predecessor [n], the same of their starts.
    """
    ends = len(last)
    count, sum_t, sum_tt = np.ones(ends, np.float32), np.zeros(ends, np.float32), np.zeros(ends, np.float32)
    sum_x, sum_tx = np.zeros((ends, 2), np.float32), np.zeros((ends, 2), np.float32)
    sum_size = detections.size[last]
    live, here = np.arange(ends), last
    for _ in range(constants.MOTION_POINTS - 1):
        here = predecessor[here]
        live, here = live[here >= 0], here[here >= 0]
        if not len(live):
            break
        t = detections.time[here] - detections.time[last[live]]
        x = detections.centre[here] - detections.centre[last[live]]
        count[live] += 1
        sum_t[live] += t
        sum_tt[live] += t * t
        sum_x[live] += x
        sum_tx[live] += t[:, None] * x
        sum_size[live] += detections.size[here]
    mean_time = sum_t / count
    spread = sum_tt - sum_t * mean_time + constants.VELOCITY_RIDGE
    velocity = (sum_tx - mean_time[:, None] * sum_x) / spread[:, None]
    return TrackletEnds(
        detection=last,
        time=detections.time[last],
        centre=detections.centre[last] + sum_x / count[:, None] - mean_time[:, None] * velocity,
        size=sum_size / count[:, None],
        velocity=velocity,
        count=count,
        mean_time=mean_time,
        spread=spread,
    )


def predicted_overlap(
    detections: Detections, ends: TrackletEnds, starts: TrackletEnds, end: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Overlap [e] of each end with each start after motion compensation, and whether they are within reach [e].

    The end is moved to the time of the start and the start back to that of the end; the IoU of each counts by the
    number of detections behind its velocity. Both boxes are widened by the error of the prediction. The overlap is
    that IoU times the IoU of the two sizes alone.
    """
    gap = starts.time[start] - ends.time[end]
    forward, forward_distance = _predicted_iou(detections, ends, end, starts.detection[start], gap)
    backward, backward_distance = _predicted_iou(detections, starts, start, ends.detection[end], -gap)
    evidence = ends.count[end] - 1, starts.count[start] - 1
    share = np.divide(evidence[0], sum(evidence), out=np.full(len(end), 0.5, np.float32), where=sum(evidence) > 0)
    in_reach = np.minimum(forward_distance, backward_distance) < constants.MAX_DISTANCE
    growth = np.abs(np.log(ends.size[end] / starts.size[start])).max(1, initial=0)
    in_reach &= (gap <= constants.SHORT_GAP) | (growth < np.log(constants.MAX_GROWTH))
    origin = np.zeros(2, np.float32)
    size_iou = boxes.iou_of_centred(origin, ends.size[end], origin, starts.size[start])
    return size_iou * (share * forward + (1 - share) * backward), in_reach


def _predicted_iou(
    detections: Detections, lines: TrackletEnds, end: np.ndarray, other: np.ndarray, later: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """IoU [e] of the boxes of lines[end] moved by `later` steps with the detections other [e], and their distance
    [e] in box sizes.

    Both are relative to the standard error of the line at that time, in units of that of a single detection, which
    grows with the time from the fitted detections: the boxes are widened by it, the distance is divided by it.
    """
    error = np.sqrt(1 / lines.count[end] + (later - lines.mean_time[end]) ** 2 / lines.spread[end])[:, None]
    centre, size = lines.centre[end] + lines.velocity[end] * later[:, None], lines.size[end]
    other_centre, other_size = detections.centre[other], detections.size[other]
    distance = (np.abs(centre - other_centre) / ((size + other_size) * (error / 2))).max(1, initial=0)
    margin = constants.PREDICTION_ERROR * error * (size + other_size)
    return boxes.iou_of_centred(centre, size + margin, other_centre, other_size + margin), distance
