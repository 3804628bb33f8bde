"""Linking: the detector's regions of one video become tubes that follow one thing each.

The score of a link between two detections is the paper's, alpha * cosine + (1 - alpha) * IoU, with refinements that
make it depend little on alpha: features are centred on the video's mean before their cosine (features of a box head
all lean one way); boxes are moved along their tube's own motion before their IoU, and that counts as far as their
sizes agree; and a part of (1 - alpha) goes to the class, which still tells of fast things whose boxes never meet.

    1. `_repeats`: of two regions of one frame that show one thing twice, the poorer scored goes;
    2. `_join` the detections of neighbouring frames, then the ends of fragments to the starts of later ones, then
       single detections to either: each time the assignment of greatest total link score (the Hungarian optimum,
       over the whole video), fragments judged by their mean appearance and by the motion of their last and first
       points; detections that do not look like their fragment are taken out again;
    3. `_cover`: the best scored tubes, without those that repeat a better one;
    4. `smooth`, `_points`: boxes freed of the detector's jitter, gaps bridged.

Symbols: n detections, e links under trial, P points of tubes, D numbers a feature. `successor` [n] and `before` [n]
name the next and the previous detection of the same tube, -1 for none. Boxes are xyxy px outside, centre and size
within. A step is the median time between sampled frames.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import solveh_banded
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

from vcma import boxes
from vcma.linking.appearance import Looks, blocks

Columns = dict[str, Any]

_PASSED_ON = ("frame", "time", "class_name", "attribute_name", "detector", "width", "height")
_KIND = 0.2  # weight of the class beside the IoU
_MEMORY = 3  # points whose motion predicts the next; more average the jitter out, but miss a turn
_RIDGE = 0.3  # steps^2; how far the velocity of few points is trusted: (jitter / usual speed)^2
_DOUBT = 0.1  # prediction error in box sizes, for a line known as well as one of its points
_REACH = 0.8  # no link beyond this many box sizes, times the same growth
_UNLIKE = 3.0  # a link must look alike by this many deviations more than different things of one frame do
_HALF = 0.5  # but no more than so far from their mean to identity
_LONE = 3.0  # steps; how long a gap is bridged between two lone detections
_GROWTH = 2.0  # and beyond that none between boxes of sizes further apart than by this factor
_ROWS = 64  # starts under trial at a time, at least: bounds the number of blocks
_BLOCK = 1 << 17  # links under trial at a time: bounds memory, whatever the length of the video
_DENSE = 1 << 20  # elements of the largest matrix assigned densely
_SUDDEN = 3.0  # deviations from the smoothed course that are no jitter any more
_STIFFNESS = (0.03, 0.3, 3.0, 30.0, 300.0)  # weights of the squared acceleration that `smooth` chooses from


@dataclass
class _Detections:
    """The usable detections of one video, by frame, better scored first.

    row [n]: their row in the input; position [n]: row of frame; at [n]: time in steps; centre, size [n, 2] px;
    score [n]; looks: of n; start [T + 1]: first detection of each frame.
    """

    row: np.ndarray
    position: np.ndarray
    at: np.ndarray
    centre: np.ndarray
    size: np.ndarray
    score: np.ndarray
    looks: Looks
    start: np.ndarray

    def only(self, keep: np.ndarray) -> _Detections:
        """Those of the mask keep [n]."""
        start = np.concatenate([[0], np.cumsum(keep)])[self.start]
        apart = {"looks", "start"}
        columns = {name: getattr(self, name)[keep] for name in self.__dataclass_fields__ if name not in apart}
        return _Detections(**columns, looks=self.looks.only(keep), start=start)


@dataclass
class _Ends:
    """Where fragments end and how they move there; the same seen backwards for where they start.

    node [f]: the detection, by time; at [f]; centre, size, velocity [f, 2]: a line fitted to the last points, at
    that detection; count, mean, spread [f]: points fitted, their mean time before the end, their summed squared
    deviation.
    """

    node: np.ndarray
    at: np.ndarray
    centre: np.ndarray
    size: np.ndarray
    velocity: np.ndarray
    count: np.ndarray
    mean: np.ndarray
    spread: np.ndarray


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
    """Tubes of one video: the columns of PROPOSALS in, those of TUBES out.

    alpha: weight of appearance against overlap, in [0, 1]. max_tubes: at most so many tubes, the best, at least 1.
    min_score: least score of a link, in [0, 1]. max_gap: longest gap bridged, s, at least 0; neighbouring frames
    are linked whatever their distance. max_overlap: largest IoU of two boxes, or mean IoU of two tubes, that look
    like one thing, in [0, 1]. smoothing: weight of the smoothed against the detected boxes, in [0, 1].

    Boxes are cut to the picture; those that are empty then, or not finite, are no detections. Scores that are not
    finite count as 0; features that are not finite are unknown, and such detections are linked by overlap alone.
    The order of the detections within a frame is of no consequence. Raises ValueError for a parameter out of range.
    """
    _check(alpha, max_tubes, min_score, max_gap, max_overlap, smoothing)
    found = _detections(data)
    unlike = _unlike(found)
    found = found.only(~_repeats(found, max_overlap, unlike))
    step = _step(data["time"])
    successor = np.full(len(found.row), -1)
    for longest, lone in ((0.0, True), (max_gap / step, False), (max_gap / step, True)):
        successor = _join(found, successor, alpha, min_score, longest, lone, unlike)
        successor = _without_strangers(found, successor, unlike)
    tubes = _tubes(found, successor)
    looks = found.looks.averaged(_heads(_inverse(successor)))
    tubes = tubes.only(_cover(found, tubes, looks, np.asarray(data["time"]), max_tubes, max_overlap, unlike))
    return _columns(data, found, tubes, smoothing)


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


def _step(time: np.ndarray) -> float:
    """The median time between sampled frames, s; 1 if there is none."""
    gaps = np.diff(time)
    gaps = gaps[gaps > 0]
    return float(np.median(gaps)) if len(gaps) else 1.0


# ---- detections ------------------------------------------------------------------------------------------


def _detections(data: Columns) -> _Detections:
    box = boxes.clip(np.asarray(data["box"], np.float32), float(data["width"]), float(data["height"]))
    row = np.flatnonzero(boxes.area(box) > 0)
    position = np.repeat(np.arange(len(data["frame"])), np.diff(data["box_offset"]))
    score = np.nan_to_num(np.asarray(data["score"], np.float32), nan=0, posinf=0, neginf=0)
    row = row[_order(data, position[row], score[row], box[row], row)]
    box, position = box[row], position[row]
    at = (np.asarray(data["time"], np.float64) / _step(data["time"]))[position]
    crowded = len(row) >= 2 * len(np.unique(position))
    return _Detections(
        row,
        position,
        (at - at[:1]).astype(np.float32),
        (box[:, :2] + box[:, 2:]) / 2,
        box[:, 2:] - box[:, :2],
        score[row],
        Looks.read(data["feature"], data["class_prob"], row, crowded),
        np.searchsorted(position, np.arange(len(data["frame"]) + 1)),
    )


def _order(data: Columns, position: np.ndarray, score: np.ndarray, box: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Order of the detections that does not depend on their rows: by frame, falling score, box and what is left."""
    keys = (*box.T[::-1], -score, position)
    order = np.lexsort(keys)
    same = np.logical_and.reduce([key[order[1:]] == key[order[:-1]] for key in keys])
    if same.any():
        rest = [np.asarray(data[name], np.float32)[row] for name in ("feature", "class_prob", "attribute_prob")]
        order = np.lexsort((*np.concatenate(rest, axis=1).T, *keys))
    return order


def _unlike(found: _Detections) -> float:
    """The cosine that a link must exceed: what different things of one frame hardly reach; 0 if all look the same.

    Measured on at most 16 frames, between regions that overlap too little to show the same thing. Where different
    things look much alike, half the way from their mean to identity: more would part a thing from itself.
    """
    last = len(found.start) - 2
    cosines = [np.zeros(0, np.float32)]
    for t in sorted({round(last * k / 15) for k in range(16)} if last >= 0 else ()):
        begin, stop = found.start[t : t + 2]
        better, worse = _pairs(found, begin, stop)
        apart = _iou_of(found, better, worse) < 0.3
        look = found.looks.of(np.arange(begin, stop))
        cosines.append((look @ look.T)[better[apart] - begin, worse[apart] - begin])
    cosine = np.concatenate(cosines)
    cosine = cosine[cosine != 0]  # exactly 0: an unknown look
    if len(cosine) < 2:
        return 0.0
    return float(min(cosine.mean() + _UNLIKE * cosine.std(), (1 - _HALF) * cosine.mean() + _HALF))


def _repeats(found: _Detections, max_overlap: float, unlike: float) -> np.ndarray:
    """[n]: what overlaps a better scored detection of its frame and looks like it: the same thing once more."""
    repeat = np.zeros(len(found.row), bool)
    count = np.diff(found.start)
    most = max(_BLOCK // max(int(count.max(initial=1)), 1), 1)
    for begin in range(0, len(repeat), most):
        better, worse = _pairs(found, begin, min(begin + most, len(repeat)))
        close = _iou_of(found, better, worse) > max_overlap
        better, worse = better[close], worse[close]
        same = np.einsum("ed,ed->e", found.looks.of(better), found.looks.of(worse)) > unlike
        for b, w in zip(better[same].tolist(), worse[same].tolist(), strict=True):
            repeat[w] |= not repeat[b]
    return repeat


def _pairs(found: _Detections, begin: int, stop: int) -> tuple:
    """Detections begin .. stop - 1, each with every later one, that is poorer scored, of its frame."""
    first = np.arange(begin, stop)
    count = found.start[found.position[begin:stop] + 1] - first - 1
    return np.repeat(first, count), _runs(first + 1, count)


def _iou_of(found: _Detections, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    return _iou(found.centre[i], found.size[i], found.centre[j], found.size[j])


def _iou(centre: np.ndarray, size: np.ndarray, other_centre: np.ndarray, other_size: np.ndarray) -> np.ndarray:
    """IoU [...] of boxes given by centre and size [..., 2], sizes positive."""
    inter = (size + other_size) / 2 - np.abs(centre - other_centre)
    inter = np.maximum(np.minimum(inter, np.minimum(size, other_size)), 0)
    inter = inter[..., 0] * inter[..., 1]
    return inter / (size[..., 0] * size[..., 1] + other_size[..., 0] * other_size[..., 1] - inter)


# ---- joining ---------------------------------------------------------------------------------------------


def _join(
    found: _Detections,
    successor: np.ndarray,
    alpha: float,
    min_score: float,
    longest: float,
    lone: bool,
    unlike: float,
) -> np.ndarray:
    """The successors [n] after ends of fragments have been assigned to starts of later ones.

    Of all assignments of the ends to starts at most `longest` steps (or one frame) later it takes the one of the
    greatest sum of (link score - min_score). lone: whether single detections take part.
    """
    before = _inverse(successor)
    looks = found.looks.averaged(_heads(before))
    ends = _ends(found, np.flatnonzero(successor < 0), before)
    starts = _ends(found, np.flatnonzero(before < 0), successor)
    end, start, cosine, kind = _trials(found, looks, ends, starts, longest, lone, unlike)
    overlap, near = _overlap(found, ends, starts, end, start)
    kind = np.where(np.isfinite(kind), np.maximum(kind, 0), overlap)
    gain = alpha * cosine + (1 - alpha) * ((1 - _KIND) * overlap + _KIND * kind) - min_score
    good = near & (gain > 0)
    end, start = end[good], start[good]
    chosen = assign(end, start, gain[good])
    successor = successor.copy()
    successor[ends.node[end[chosen]]] = starts.node[start[chosen]]
    return successor


def _without_strangers(found: _Detections, successor: np.ndarray, unlike: float) -> np.ndarray:
    """The successors [n] less the links of detections that do not look like the mean of their fragment: clutter
    that by chance looked like one noisy detection of it."""
    before = _inverse(successor)
    alike = found.looks.averaged(_heads(before)).likeness()
    stranger = np.flatnonzero((alike <= unlike) & found.looks.known)
    successor = successor.copy()
    successor[stranger] = -1
    successor[before[stranger][before[stranger] >= 0]] = -1
    return successor


def _inverse(successor: np.ndarray) -> np.ndarray:
    before = np.full(len(successor), -1)
    linked = np.flatnonzero(successor >= 0)
    before[successor[linked]] = linked
    return before


def _heads(before: np.ndarray) -> np.ndarray:
    """First detection [n] of the fragment of each, by pointer doubling."""
    head = np.where(before < 0, np.arange(len(before)), before)
    while True:
        further = head[head]
        if (further == head).all():
            return head
        head = further


def _ends(found: _Detections, node: np.ndarray, before: np.ndarray) -> _Ends:
    """Lines by ridge regression through the last `_MEMORY` points of the fragments that end in node [f]."""
    size = len(node)
    count, s1, s2 = np.ones(size, np.float32), np.zeros(size, np.float32), np.zeros(size, np.float32)
    total, moment = np.zeros((size, 2), np.float32), np.zeros((size, 2), np.float32)
    extent = found.size[node]
    live, here = np.arange(size), node
    for _ in range(_MEMORY - 1):
        here = before[here]
        live, here = live[here >= 0], here[here >= 0]
        if not len(live):
            break
        ago = found.at[here] - found.at[node[live]]
        away = found.centre[here] - found.centre[node[live]]
        count[live] += 1
        s1[live] += ago
        s2[live] += ago * ago
        total[live] += away
        moment[live] += ago[:, None] * away
        extent[live] += found.size[here]
    mean = s1 / count
    spread = s2 - s1 * mean + _RIDGE
    velocity = (moment - mean[:, None] * total) / spread[:, None]
    centre = found.centre[node] + total / count[:, None] - mean[:, None] * velocity
    return _Ends(node, found.at[node], centre, extent / count[:, None], velocity, count, mean, spread)


def _trials(
    found: _Detections, looks: Looks, ends: _Ends, starts: _Ends, longest: float, lone: bool, unlike: float
) -> tuple:
    """End [e], start [e], cosine of looks [e] and of classes [e] (NaN where unknown) of the pairs in time's reach
    that look alike, or whose looks are unknown.

    looks: of the whole fragment of each detection. Two lone detections are tried over at most _LONE
    steps: that far apart nothing tells a thing from clutter.
    """
    lone_end, lone_start = ends.count == 1, starts.count == 1
    groups = [(~lone_end, ~lone_start, longest)]
    if lone:
        groups += [(~lone_end, lone_start, longest), (lone_end, ~lone_start, longest)]
        groups += [(lone_end, lone_start, min(longest, _LONE))]
    parts = []
    for some_ends, some_starts, reach in groups:
        end, start = np.flatnonzero(some_ends), np.flatnonzero(some_starts)
        low, high = _window(found, ends.node[end], starts.node[start], reach)
        e, s, *cosines = _alike(looks, ends.node[end], starts.node[start], low, high, unlike)
        parts.append((end[e], start[s], *cosines))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _window(found: _Detections, end: np.ndarray, start: np.ndarray, longest: float) -> tuple:
    """First and last + 1 of the detections end, by time, that lie before each start by `longest` steps at most."""
    frame = found.position[start]
    high = np.searchsorted(found.position[end], frame)
    low = np.searchsorted(found.at[end], found.at[start] - np.float32(longest * (1 + 1e-5)))
    return np.minimum(low, np.searchsorted(found.position[end], frame - 1)), high


def _alike(
    looks: Looks, end: np.ndarray, start: np.ndarray, low: np.ndarray, high: np.ndarray, unlike: float
) -> tuple:
    """Places in end [f] and start [g] of the pairs low[g] <= f < high[g] whose looks' cosine is above `unlike` or
    unknown, that cosine and that of their classes, which is NaN where unknown. end, start: detections, of which the
    looks are read block by block."""
    blank = ~looks.known
    unknown_end, unknown_start = blank[end], blank[start]
    unknown = unknown_end.any() or unknown_start.any()
    nothing, widest = np.zeros(0, np.float32), max(2 * _BLOCK // max(len(looks.lean), 1), _ROWS)
    parts = [(np.zeros(0, int), np.zeros(0, int), nothing, nothing)]
    begin = 0
    while begin < len(low) and len(end):
        reached = max(int(high[begin] - low[begin]), 1)
        most = min(_BLOCK // reached + 1, max(reached // 2, _ROWS, _BLOCK // len(end)), widest)
        within = np.searchsorted(high, low[begin] + max(widest, 2 * reached), side="right")
        stop = min(begin + most, max(int(within), begin + 1))
        first, last = low[begin], high[stop - 1]
        later, sooner = looks.of(start[begin:stop]), looks.of(end[first:last])
        cosine = later @ sooner.T
        alike: np.ndarray = np.greater(cosine, unlike)
        if unknown:
            alike |= unknown_start[begin:stop, None] | unknown_end[first:last]
        s, e = np.divmod(np.flatnonzero(alike), max(last - first, 1))
        timely = (e + first >= low[s + begin]) & (e + first < high[s + begin])
        s, e = s[timely], e[timely]
        kind = np.einsum("ec,ec->e", looks.kinds(later)[s], looks.kinds(sooner)[e])
        parts.append((e + first, s + begin, cosine[s, e], kind))
        begin = stop
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _overlap(found: _Detections, ends: _Ends, starts: _Ends, end: np.ndarray, start: np.ndarray) -> tuple:
    """IoU [e] of each end with each start where their motion brings them, times the IoU of their sizes alone, and
    whether they are in reach [e]: the line drawn through a gap tells nothing of a thing that grew much in it.

    The end is moved to the start's time and the start back to the end's; each counts by the points that tell its
    velocity. Both boxes are widened by the prediction's error, which grows with the time from those points.
    """
    later = starts.at[start] - ends.at[end]
    forward, forward_miss = _predicted(found, ends, end, starts.node[start], later)
    backward, backward_miss = _predicted(found, starts, start, ends.node[end], -later)
    informed = ends.count[end] - 1, starts.count[start] - 1
    share = np.divide(informed[0], sum(informed), out=np.full(len(end), 0.5, np.float32), where=sum(informed) > 0)
    near = np.minimum(forward_miss, backward_miss) < _REACH
    growth = np.abs(np.log(ends.size[end] / starts.size[start])).max(1, initial=0)
    near &= (later <= _LONE) | (growth < np.log(_GROWTH))
    alike = _iou(np.zeros(2, np.float32), ends.size[end], np.zeros(2, np.float32), starts.size[start])
    return alike * (share * forward + (1 - share) * backward), near


def _predicted(found: _Detections, line: _Ends, end: np.ndarray, node: np.ndarray, later: np.ndarray) -> tuple:
    """IoU [e] of the boxes of line[end] moved by `later` steps with those of the detections node [e], both widened
    by the prediction's error; and their distance [e] in sizes and units of that error."""
    error = np.sqrt(1 / line.count[end] + (later - line.mean[end]) ** 2 / line.spread[end])[:, None]
    centre, size = line.centre[end] + line.velocity[end] * later[:, None], line.size[end]
    other_centre, other_size = found.centre[node], found.size[node]
    miss = (np.abs(centre - other_centre) / ((size + other_size) * (error / 2))).max(1, initial=0)
    wider = _DOUBT * error * (size + other_size)
    return _iou(centre, size + wider, other_centre, other_size + wider), miss


def assign(left: np.ndarray, right: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Indices of the links of the greatest total gain, no node in two of them.

    Link k joins left[k] >= 0 to right[k] >= 0, no pair twice, and gains gain[k] > 0. The graph falls into small
    connected parts, solved one by one: exact, and linear in the length of the video.
    """
    if not len(left):
        return np.zeros(0, int)
    lefts = int(left.max()) + 1
    nodes = lefts + int(right.max()) + 1
    graph = csr_matrix((np.ones(len(left), np.int8), (left, lefts + right)), shape=(nodes, nodes))
    part = connected_components(graph, directed=False)[1]
    row, column = _place(left, part[left]), _place(right, part[lefts + right])
    order = np.argsort(part[left], kind="stable")
    first = np.flatnonzero(np.diff(part[left][order], prepend=-1))
    count = np.diff(first, append=len(order))
    chosen = [order[first[count == 1]]]
    for begin, size in zip(first[count > 1].tolist(), count[count > 1].tolist(), strict=True):
        here = order[begin : begin + size]
        chosen.append(here[_assign_part(row[here], column[here], gain[here])])
    return np.concatenate(chosen)


def _place(node: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Place [e] of each link's node among the nodes of its part, counted from 0."""
    order = np.lexsort((node, part))
    place = np.cumsum(np.diff(node[order], prepend=-1) != 0)
    begin = np.diff(part[order], prepend=-1) != 0
    out = np.empty(len(node), np.int64)
    out[order] = place - np.maximum.accumulate(np.where(begin, place, 0))
    return out


def _assign_part(row: np.ndarray, column: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """As `assign`, of one connected part."""
    rows, columns = int(row.max()) + 1, int(column.max()) + 1
    if rows == 1 or columns == 1:
        return np.array([gain.argmax()])
    if rows * columns > _DENSE:
        return _assign_sparse(row, column, gain, rows, columns)
    total, link_of = np.zeros((rows, columns)), np.full((rows, columns), -1)
    total[row, column], link_of[row, column] = gain, np.arange(len(gain))
    best = link_of[linear_sum_assignment(total, maximize=True)]
    return best[best >= 0]


def _assign_sparse(row: np.ndarray, column: np.ndarray, gain: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The same without a dense matrix: every node may also be matched to a stand-in of its own, at cost 1, and the
    stand-ins of two linked nodes to each other, at next to none; a link costs 2 less its gain, scaled to 1."""
    node = np.arange(rows + columns)
    cost = np.concatenate([2 - gain / gain.max(), np.ones(rows + columns), np.full(len(gain), 1e-9)])
    left = np.concatenate([row, node, rows + column])
    right = np.concatenate([column, np.roll(node, -columns), columns + row])
    size = rows + columns
    matched = min_weight_full_bipartite_matching(csr_matrix((cost, (left, right)), shape=(size, size)))[1]
    return np.flatnonzero(matched[row] == column)


# ---- tubes -----------------------------------------------------------------------------------------------


@dataclass
class _Tubes:
    """Fragments as tubes, best scored first: node [p] are their detections, end to end, offset [k + 1] where each
    begins; score [k]: summed detection scores a sampled frame of the video."""

    node: np.ndarray
    offset: np.ndarray
    score: np.ndarray

    def only(self, keep: np.ndarray) -> _Tubes:
        """Those numbered keep [k]."""
        count = np.diff(self.offset)[keep]
        return _Tubes(self.node[_runs(self.offset[keep], count)], _offset(count), self.score[keep])


def _runs(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """first[0], first[0] + 1, ... (count[0] of them), first[1], ..."""
    return np.arange(count.sum()) + np.repeat(first - _offset(count)[:-1], count)


def _offset(count: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(count)]).astype(np.int64)


def _tubes(found: _Detections, successor: np.ndarray) -> _Tubes:
    head = _heads(_inverse(successor))
    node = np.argsort(head, kind="stable")
    offset = np.append(np.flatnonzero(np.diff(head[node], prepend=-1)), len(node))
    total = np.diff(np.concatenate([[0], np.cumsum(found.score[node], dtype=np.float64)])[offset])
    tubes = _Tubes(node, offset, total / max(len(found.start) - 1, 1))
    return tubes.only(np.argsort(-tubes.score, kind="stable"))


@dataclass
class _Points:
    """The points of tubes, gaps bridged.

    offset [k + 1]; position [P]: row of frame; left, right [P]: the detections (rows of _Tubes.node) on either
    side, the same one where detected; part [P]: how far from left to right.
    """

    offset: np.ndarray
    position: np.ndarray
    left: np.ndarray
    right: np.ndarray
    part: np.ndarray

    def of(self, values: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Values [P, d] (or those rows of them), linear between those of the detections [p, d]."""
        part = self.part[rows, None]
        return values[self.left[rows]] * (1 - part) + values[self.right[rows]] * part


def _points(position: np.ndarray, offset: np.ndarray, time: np.ndarray) -> _Points:
    """Points of tubes whose detections, end to end, lie at position [p] of the frames at time [T]."""
    last = np.zeros(len(position), bool)
    last[offset[1:] - 1] = True
    count = np.where(last, 1, np.diff(position, append=0))
    left = np.repeat(np.arange(len(position)), count)
    at = _runs(position, count)
    right = left + (at > position[left])
    span = time[position[right]] - time[position[left]]
    part = np.divide(time[at] - time[position[left]], span, out=np.zeros(len(at)), where=span > 0)
    return _Points(_offset(np.add.reduceat(count, offset[:-1]) if len(count) else count), at, left, right, part)


def _cover(
    found: _Detections,
    tubes: _Tubes,
    looks: Looks,
    time: np.ndarray,
    most: int,
    max_overlap: float,
    unlike: float,
) -> np.ndarray:
    """Numbers of the best tubes, at most `most`, without those that look like a better one and overlap it by a mean
    IoU above max_overlap. looks: of the tube of each detection."""
    points = _points(found.position[tubes.node], tubes.offset, time)
    of_centre, of_size, head = found.centre[tubes.node], found.size[tubes.node], tubes.node[tubes.offset[:-1]]
    taken = np.zeros((2, min(most, len(head)), len(time), 2), np.float32)  # centre and size; size 0 where absent
    kept: list[int] = []
    for k, (begin, end) in enumerate(itertools.pairwise(points.offset)):
        centre, size = (points.of(values, slice(begin, end)) for values in (of_centre, of_size))
        span = slice(points.position[begin], points.position[end - 1] + 1)
        rivals = taken[:, : len(kept), span]
        shared = (rivals[1, ..., 0] > 0).sum(1)
        both = np.maximum(np.minimum(shared, len(centre)), 1)
        close = np.flatnonzero(_iou(rivals[0], rivals[1], centre, size).sum(1) / both > max_overlap)
        if not (len(close) and (looks.of(head[kept][close]) @ looks.of(head[[k]])[0] >= unlike).any()):
            taken[0, len(kept), span], taken[1, len(kept), span] = centre, size
            kept.append(k)
        if len(kept) == most:
            break
    return np.array(kept, dtype=np.int64)


def _columns(data: Columns, found: _Detections, tubes: _Tubes, smoothing: float) -> Columns:
    """The columns of TUBES."""
    time = np.asarray(data["time"], np.float64)
    node, row = tubes.node, found.row[tubes.node]
    points = _points(found.position[node], tubes.offset, time)
    size = float(data["width"]), float(data["height"])
    course = [
        boxes.clip(
            points.of(smooth(found.at[node], found.centre[node], found.size[node], tubes.offset, weight)), *size
        )
        for weight in (smoothing, 0.0)
    ]
    box = np.where(boxes.area(course[0])[:, None] > 0, *course)  # a course may leave the picture: as detected, then
    real = points.left == points.right
    feature = np.empty((len(real), data["feature"].shape[1]), np.float16)
    for i in blocks(np.arange(len(real)), feature.shape[1]):
        left, right = (
            np.nan_to_num(data["feature"][row[side[i]]], copy=False, posinf=0, neginf=0)
            for side in (points.left, points.right)
        )
        part = points.part[i, None]
        feature[i] = left * (1 - part) + right * part
    return {
        **{name: data[name] for name in _PASSED_ON},
        "point_offset": points.offset,
        "position": points.position.astype(np.int64),
        "box": box.astype(np.float32),
        "score": np.where(real, found.score[node][points.left], 0).astype(np.float32),
        "interpolated": ~real,
        "feature": feature,
        "tube_score": tubes.score.astype(np.float32),
        "class_prob": _mean(data["class_prob"][row], tubes.offset),
        "attribute_prob": _mean(data["attribute_prob"][row], tubes.offset),
    }


def _mean(values: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Mean [k, d] of the finite values [p, d] of each tube."""
    if len(offset) == 1:
        return np.zeros((0, values.shape[1]), np.float16)
    total = np.add.reduceat(np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0), offset[:-1])
    return (total / np.diff(offset)[:, None]).astype(np.float16)


# ---- smoothing -------------------------------------------------------------------------------------------


def smooth(at: np.ndarray, centre: np.ndarray, size: np.ndarray, offset: np.ndarray, weight: float) -> np.ndarray:
    """Boxes [p, 4], xyxy, of the detections of tubes, `weight` of the way to their smoothed course.

    at [p]: time in steps; centre, size [p, 2]; offset [k + 1]: detections of each tube. The smoothed course
    minimises squared distance plus stiffness times squared acceleration (Whittaker). Which stiffness, generalised
    cross-validation decides for each tube, of centre and size apart: what truly moves is not blurred.
    """
    raw = np.concatenate([centre, size], axis=1).astype(np.float64)
    if len(raw) and weight > 0:
        course = raw + weight * _jitter(_course(at.astype(np.float64), raw, offset) - raw, offset)
        course[:, 2:] = np.maximum(course[:, 2:], raw[:, 2:] / 2)  # never turned inside out
        raw = course
    return np.concatenate([raw[:, :2] - raw[:, 2:] / 2, raw[:, :2] + raw[:, 2:] / 2], axis=1)


def _jitter(correction: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The corrections [p, 4] less what is no jitter: beyond `_SUDDEN` deviations of its tube a correction would
    undo a sudden move or a box cut by an occluder, and is faded out."""
    usual = [np.median(np.abs(correction[a:b]), axis=0) for a, b in itertools.pairwise(offset)]
    most = _SUDDEN * 1.48 * np.repeat(usual, np.diff(offset), axis=0)  # 1.48 medians: a normal deviation
    return correction * np.minimum(1, most / np.maximum(np.abs(correction), 1e-9)) ** 2


def _course(at: np.ndarray, raw: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The smoothed course [p, 4] of raw [p, 4]; tubes of fewer than 4 detections stay as they are."""
    penalty = _penalty(at, offset)
    count = np.repeat(np.diff(offset), np.diff(offset))
    angle = np.linspace(0, np.pi, 65)
    best, lowest = raw.copy(), np.full((len(offset) - 1, 2), np.inf)
    for stiffness in _STIFFNESS:
        system = stiffness * penalty
        system[-1] += 1
        course = solveh_banded(system, raw, check_finite=False)
        freedom = np.mean(1 / (1 + stiffness * (2 - 2 * np.cos(angle)) ** 2))  # of an endless course, a point
        left = (1 - freedom) * (1 - 2 / np.maximum(np.diff(offset), 4))  # a line's two are always used
        misfit = np.add.reduceat((course - raw) ** 2, offset[:-1]).reshape(-1, 2, 2).sum(2)
        cost = misfit / left[:, None] ** 2
        better = np.repeat(cost < lowest, np.diff(offset), axis=0) & (count > 3)[:, None]
        best = np.where(np.repeat(better, 2, axis=1), course, best)
        lowest = np.minimum(cost, lowest)
    return best


def _penalty(at: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Squared accelerations of tubes as a symmetric matrix in upper banded form [3, p]."""
    after = np.maximum(np.diff(at), 1e-3)
    first, second = after[:-1], after[1:]
    inside = np.ones(len(first))
    for border in (offset[1:-1] - 1, offset[1:-1] - 2):
        inside[border[(border >= 0) & (border < len(inside))]] = 0
    root = np.sqrt(2 * inside / (first + second))
    row = root * np.stack([1 / first, -1 / first - 1 / second, 1 / second])
    banded = np.zeros((3, len(at)))
    for i in range(3):
        for j in range(i, 3):
            banded[2 - (j - i), j : len(at) - 2 + j] += row[i] * row[j]
    return banded
