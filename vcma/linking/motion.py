"""Motion at the ends of tracklets, and the overlap it predicts across a gap.

Starts of tracklets are handled as ends in reversed time. Symbols: f ends, e links.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vcma import boxes
from vcma.linking import constants
from vcma.linking.detections import Detections


@dataclass
class TrackletEnds:
    """Ends of tracklets, with a line fitted to the last detections of each.

    detection [f]: last detection. time [f], steps, and centre, size, velocity [f, 2]: of the line at that
    detection. count, mean_time, spread [f]: number of fitted detections, their mean time relative to the end, and
    the sum of squared deviations from it plus the ridge.
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
    """Fit lines by ridge regression to the ends of the tracklets with last detections last [f].

    A line is fitted to as many detections as lie within MAX_RESIDUAL of it: straight motion is estimated precisely,
    and a turn ends the fit. To fit the starts of tracklets, pass first detections as `last` and the successors as
    `predecessor` [n].
    """
    fit = _Sums(len(last))
    size = detections.size[last]
    live, here = np.arange(len(last)), last
    for _ in range(constants.MOTION_POINTS - 1):
        here = predecessor[here]
        live, here = live[here >= 0], here[here >= 0]
        longer = fit.with_point(
            live,
            detections.time[here] - detections.time[last[live]],
            detections.centre[here] - detections.centre[last[live]],
        )
        close = longer.cost <= (constants.MAX_RESIDUAL * detections.size[last[live]]) ** 2
        on_line = close.all(1) | (longer.count <= constants.SURE_MOTION_POINTS)
        live, here = live[on_line], here[on_line]
        if not len(live):
            break
        fit.replace(live, longer, on_line)
        size[live] += detections.size[here]
    velocity = fit.velocity
    return TrackletEnds(
        detection=last,
        time=detections.time[last],
        centre=detections.centre[last] + fit.x / fit.count[:, None] - fit.mean_time[:, None] * velocity,
        size=size / fit.count[:, None],
        velocity=velocity,
        count=fit.count,
        mean_time=fit.mean_time,
        spread=fit.spread,
    )


class _Sums:
    """Sufficient statistics of f line fits, over points at time t and place x relative to the end (included).

    count, t, tt [f] and x, tx, xx [f, 2]: sums of 1, t, t^2 and of x, t x, x^2.
    """

    def __init__(self, lines: int) -> None:
        self.count = np.ones(lines, np.float32)
        self.t, self.tt = np.zeros((2, lines), np.float32)
        self.x, self.tx, self.xx = np.zeros((3, lines, 2), np.float32)

    def with_point(self, lines: np.ndarray, t: np.ndarray, x: np.ndarray) -> _Sums:
        """Return the sums of the given lines with one more point each, at time t and place x."""
        longer = _Sums(0)
        longer.count = self.count[lines] + 1
        longer.t, longer.tt = self.t[lines] + t, self.tt[lines] + t * t
        longer.x, longer.tx = self.x[lines] + x, self.tx[lines] + t[:, None] * x
        longer.xx = self.xx[lines] + x * x
        return longer

    def replace(self, lines: np.ndarray, others: _Sums, of_others: np.ndarray) -> None:
        """Replace the sums of the given lines with those of `others` in the mask of_others."""
        for name, values in vars(self).items():
            values[lines] = getattr(others, name)[of_others]

    @property
    def mean_time(self) -> np.ndarray:
        return self.t / self.count

    @property
    def spread(self) -> np.ndarray:
        """Sum of squared deviations from the mean time, plus the ridge."""
        return self.tt - self.t * self.mean_time + constants.VELOCITY_RIDGE

    @property
    def velocity(self) -> np.ndarray:
        return (self.tx - self.mean_time[:, None] * self.x) / self.spread[:, None]

    @property
    def cost(self) -> np.ndarray:
        """Minimum [f, 2] of the ridge regression objective, per degree of freedom."""
        residual = self.xx - self.x**2 / self.count[:, None] - self.velocity**2 * self.spread[:, None]
        return residual / np.maximum(self.count - 2, 1)[:, None]


def predicted_overlap(
    detections: Detections, ends: TrackletEnds, starts: TrackletEnds, end: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the overlap [e] of ends and starts after motion compensation, and whether they are within reach [e].

    The end is moved forward to the time of the start and the start back to that of the end; the two IoUs are
    averaged, weighted by the number of detections behind each velocity. Boxes are widened by the prediction error.
    The overlap is this mean times the IoU of the two sizes (boxes with equal centres).
    """
    gap = starts.time[start] - ends.time[end]
    forward, forward_distance = _predicted_iou(detections, ends, end, starts.detection[start], gap)
    backward, backward_distance = _predicted_iou(detections, starts, start, ends.detection[end], -gap)
    weight = ends.count[end] - 1, starts.count[start] - 1
    share = np.divide(weight[0], sum(weight), out=np.full(len(end), 0.5, np.float32), where=sum(weight) > 0)
    in_reach = np.minimum(forward_distance, backward_distance) < constants.MAX_DISTANCE
    growth = np.abs(np.log(ends.size[end] / starts.size[start])).max(1, initial=0)
    in_reach &= (gap <= constants.SHORT_GAP) | (growth < np.log(constants.MAX_GROWTH))
    origin = np.zeros(2, np.float32)
    size_iou = boxes.iou_of_centred(origin, ends.size[end], origin, starts.size[start])
    return size_iou * (share * forward + (1 - share) * backward), in_reach


def _predicted_iou(
    detections: Detections, lines: TrackletEnds, end: np.ndarray, other: np.ndarray, later: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """IoU [e] of lines[end], moved by `later` steps, with the detections other [e], and distance [e] in box sizes.

    The standard error of the line at that time, in units of that of a single detection, grows with the distance
    from the fitted detections: boxes are widened in proportion to it, and the distance is divided by it.
    """
    error = np.sqrt(1 / lines.count[end] + (later - lines.mean_time[end]) ** 2 / lines.spread[end])[:, None]
    centre, size = lines.centre[end] + lines.velocity[end] * later[:, None], lines.size[end]
    other_centre, other_size = detections.centre[other], detections.size[other]
    distance = (np.abs(centre - other_centre) / ((size + other_size) * (error / 2))).max(1, initial=0)
    margin = constants.PREDICTION_ERROR * error * (size + other_size)
    return boxes.iou_of_centred(centre, size + margin, other_centre, other_size + margin), distance
