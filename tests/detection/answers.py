"""What networks of every layout answer where they see the same things, for an input of SIDE px."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SIDE = 64
STRIDES = (8, 16, 32)


class Things(NamedTuple):
    """box [n, 4] xyxy relative to the input, score [n], label [n]; no two centres lie in one cell of 8 px."""

    box: np.ndarray
    score: np.ndarray
    label: np.ndarray


def some_things(classes: int = 3, seed: int = 0) -> Things:
    """A dozen things of scores .2 to .7, some of them over others."""
    random = np.random.default_rng(seed)
    cells = random.permutation(SIDE)[:12]
    centre = (np.stack([cells % 8, cells // 8], 1) + random.uniform(0.1, 0.9, (12, 2))) / 8
    half = random.uniform(0.05, 0.3, (12, 2))
    box = np.concatenate([centre - half, centre + half], 1)
    return Things(box, random.permutation(np.linspace(0.2, 0.7, 12)), random.integers(0, classes, 12))


def answer_of(layout: str, things: Things, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A network's output float32, and how much each of its values moves the score of a thing."""
    return ANSWERS[layout](things, classes)


def _fastestdet(things, classes):
    centre, size, place = _geometry(things)
    output, scores = np.zeros((5 + classes, 64)), np.zeros((5 + classes, 64))
    output[5:] = 1 / classes
    output[5:, place] = np.eye(classes)[things.label].T
    output[0, place] = things.score ** (1 / 0.6)
    output[1:3, place] = np.arctanh(centre * 8 - np.stack([place % 8, place // 8], 1)).T
    output[3:5, place] = np.log(size / (1 - size)).T
    scores[0, place] = 1
    return output.reshape(1, -1, 8, 8), scores.reshape(1, -1, 8, 8)


def _yolox(things, classes):
    centre, size, place = _geometry(things)
    output, scores = _objects(sum((SIDE // stride) ** 2 for stride in STRIDES), things, place, classes)
    output[0, place, :2] = centre * 8 - np.stack([place % 8, place // 8], 1)
    output[0, place, 2:4] = np.log(size * 8)
    return output, scores


def _yolov5(things, classes):
    centre, size, place = _geometry(things)
    output, scores = _objects(3 * len(_grids()), things, place, classes)
    output[0, :, :2] = np.tile(_grids(), (3, 1))
    output[0, place, :2], output[0, place, 2:4] = centre * SIDE, size * SIDE
    return output, scores


def _yolov8(things, classes):
    centre, size, place = _geometry(things)
    output, scores = np.zeros((4 + classes, len(_grids()))), np.zeros((4 + classes, len(_grids())))
    output[:2] = _grids().T
    output[:4, place] = np.concatenate([centre, size], 1).T * SIDE
    output[4 + things.label, place] = things.score
    scores[4 + things.label, place] = 1
    return output[None], scores[None]


def _end2end(things, classes):
    output, scores = np.zeros((1, 300, 6)), np.zeros((1, 300, 6))
    output[0, : len(things.score)] = np.column_stack([things.box * SIDE, things.score, things.label])
    scores[0, : len(things.score), 4] = 1
    return output, scores


def _ssd(things, classes):
    output, scores = np.full((1, 1, 30, 7), -1.0), np.zeros((1, 1, 30, 7))
    rows = np.column_stack([np.zeros(len(things.score)), things.label + 1, things.score, things.box])
    output[0, 0, : len(rows)] = rows
    scores[0, 0, : len(rows), 2] = 1
    return output, scores


def _geometry(things):
    """Centre and size [n, 2], and the cell of 8 px [n] that each centre lies in."""
    centre, size = (things.box[:, :2] + things.box[:, 2:]) / 2, things.box[:, 2:] - things.box[:, :2]
    column, row = np.floor(centre * 8).astype(int).T
    return centre, size, row * 8 + column


def _objects(count, things, place, classes):
    """Candidates with objectness, at those places the things; and where the objectness of things is."""
    output, scores = np.zeros((1, count, 5 + classes)), np.zeros((1, count, 5 + classes))
    output[0, :, 5:] = 0.3  # of a class, where there is an object
    output[0, place, 4] = things.score / 0.9
    output[0, place, 5 + things.label] = 0.9
    scores[0, place, 4] = 1 / 0.9
    return output, scores


def _grids():
    """Centres in px of the cells of all strides, [84, 2]."""
    centres = []
    for stride in STRIDES:
        row, column = np.divmod(np.arange((SIDE // stride) ** 2), SIDE // stride)
        centres.append((np.stack([column, row], 1) + 0.5) * stride)
    return np.concatenate(centres)


ANSWERS = {
    "fastestdet": _fastestdet,
    "yolox": _yolox,
    "yolov5": _yolov5,
    "yolov8": _yolov8,
    "end2end": _end2end,
    "ssd": _ssd,
}
