"""Linking: the regions of one video become tubes."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from vcma import boxes

Columns = dict[str, Any]

_PASSED_ON = ("frame", "time", "class_name", "attribute_name", "detector", "width", "height")


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
    """Tubes of one video: columns of PROPOSALS in, columns of TUBES out."""
    data = _usable(data)
    row, col, score = _edges(data, alpha, min_score, max_gap)
    tubes = _paths(_best_links(len(data["box"]), row, col, score))
    rank = [data["score"][t].sum() / max(len(data["frame"]), 1) for t in tubes]
    order = np.argsort(-np.array(rank), kind="stable")
    kept: list[int] = []
    filled = {}
    for k in order:
        if len(kept) == max_tubes:
            break
        filled[k] = _fill(data, tubes[k])
        if all(_overlap(filled[k], filled[m]) <= max_overlap for m in kept):
            kept.append(k)
    return _columns(data, [tubes[k] for k in kept], [filled[k] for k in kept], np.array(rank)[kept])


def _usable(data: Columns) -> Columns:
    box = boxes.clip(np.asarray(data["box"], dtype=np.float64), float(data["width"]), float(data["height"]))
    position = np.repeat(np.arange(len(data["frame"])), np.diff(data["box_offset"]))
    keep = np.flatnonzero(np.isfinite(box).all(1) & (boxes.area(box) > 0))
    score = np.nan_to_num(np.asarray(data["score"], dtype=np.float64), nan=0, posinf=1, neginf=0)
    out = dict(data)
    columns = [np.asarray(data[k], np.float32) for k in ("feature", "class_prob", "attribute_prob")]
    keys = np.concatenate([*columns, box, -score[:, None]], axis=1)[keep]
    keep = keep[np.lexsort((*np.nan_to_num(keys).T, position[keep]))]
    out.update(box=box[keep], score=score[keep], position=position[keep])
    for name, column in zip(("feature", "class_prob", "attribute_prob"), columns, strict=True):
        out[name] = np.nan_to_num(column[keep], posinf=0, neginf=0)
    return out


def _edges(data: Columns, alpha: float, min_score: float, max_gap: float) -> tuple:
    position, time, box = data["position"], data["time"], data["box"]
    x = data["feature"] - (data["feature"].mean(0) if len(box) else 0)
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6)
    found = []
    start = np.searchsorted(position, np.arange(len(time) + 1))
    for t in range(len(time)):
        here = np.arange(start[t], start[t + 1])
        last = np.searchsorted(time, time[t] + max_gap, side="right")
        there = (
            np.arange(start[t + 1], start[max(last, min(t + 2, len(time)))])
            if t + 1 < len(time)
            else here[:0]
        )
        s = alpha * (x[here] @ x[there].T) + (1 - alpha) * boxes.iou_matrix(box[here], box[there])
        s = s - min_score - 0.02 * (position[there] - t - 1)
        i, j = np.nonzero(s > 0)
        found.append((here[i], there[j], s[i, j]))
    if not found:
        return np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def _best_links(n: int, row: np.ndarray, col: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Successor [n] of each detection, -1 where its path ends: the path cover of greatest total score."""
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    free = np.arange(n)
    cost = np.concatenate([2.0 - score, np.full(2 * n, 1.0), np.full(len(row), 1e-9)])
    rows, cols = (
        np.concatenate([row, free, n + free, n + col]),
        np.concatenate([col, n + free, free, n + row]),
    )
    _, to = min_weight_full_bipartite_matching(csr_matrix((cost, (rows, cols)), shape=(2 * n, 2 * n)))
    return np.where(to[:n] < n, to[:n], -1)


def _paths(successor: np.ndarray) -> list[np.ndarray]:
    first = np.setdiff1d(np.arange(len(successor)), successor)
    paths = []
    for node in first:
        path = [node]
        while successor[path[-1]] >= 0:
            path.append(successor[path[-1]])
        paths.append(np.array(path))
    return paths


def _fill(data: Columns, tube: np.ndarray) -> Columns:
    known = data["position"][tube]
    position = np.arange(known[0], known[-1] + 1)
    at, known_at = data["time"][position], data["time"][known]
    real = np.isin(position, known)
    score = np.zeros(len(position))
    score[real] = data["score"][tube]
    return {
        "position": position,
        "box": boxes.interpolate(at, known_at, data["box"][tube]),
        "feature": boxes.interpolate(at, known_at, data["feature"][tube]),
        "score": score,
        "interpolated": ~real,
    }


def _overlap(a: Columns, b: Columns) -> float:
    _, i, j = np.intersect1d(a["position"], b["position"], return_indices=True)
    both = boxes.pairwise_iou(a["box"][i], b["box"][j]).sum()
    return float(both / (len(a["position"]) + len(b["position"]) - len(i)))


def _columns(data: Columns, tubes: list, filled: list, rank: np.ndarray) -> Columns:
    def joined(name: str, shape: tuple, dtype: str) -> np.ndarray:
        return np.concatenate([np.zeros((0, *shape)), *(f[name] for f in filled)]).astype(dtype)

    def mean(name: str) -> np.ndarray:
        width = data[name].shape[1]
        return np.array([data[name][t].mean(0) for t in tubes]).reshape(len(tubes), width).astype(np.float16)

    return {
        **{name: data[name] for name in _PASSED_ON},
        "point_offset": np.cumsum([0, *(len(f["position"]) for f in filled)]).astype(np.int64),
        "position": joined("position", (), "int64"),
        "box": joined("box", (4,), "float32"),
        "score": joined("score", (), "float32"),
        "interpolated": joined("interpolated", (), "bool"),
        "feature": joined("feature", (data["feature"].shape[1],), "float16"),
        "tube_score": rank.astype(np.float32),
        "class_prob": mean("class_prob"),
        "attribute_prob": mean("attribute_prob"),
    }
