"""Generated scenes: simulated detections with known ground truth and identities.

Every generator takes a seed and returns a Scene. Symbols: T frames, K objects, N detections per frame, D feature
dimensions. Boxes are xyxy px, times s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vcma import boxes

CLASSES = ("person", "dog", "car", "ball")


@dataclass(frozen=True)
class Scene:
    """A generated scene.

    data: PROPOSALS columns. identity [box]: object of each detection; -1 for clutter, -2 - k for a duplicate of
    object k. truth [K, T, 4]: boxes, NaN in frames without the object.
    """

    data: dict[str, Any]
    identity: np.ndarray
    truth: np.ndarray


def crossing(seed: int, noisy: bool, frames: int = 64, detections: int = 20, things: int = 4) -> Scene:
    """Objects of 90 to 170 px crossing frames of 1000 x 1000 px at 5 frames per second.

    15 % missed detections, 8 px jitter per coordinate, 64-dimensional unit features with noise 0.1 per dimension;
    the other detections are clutter of 30 to 200 px with random features. Scores are stable, or noisy and then
    hardly informative.
    """
    rng = np.random.default_rng([seed, noisy, 0])
    truth = _boxes(_crossing_paths(rng, things, frames, 1000.0), rng.uniform(90, 170, (things, 2)))
    features = _unit(rng.normal(size=(things, 64)))
    seen = rng.random((things, frames)) >= 0.15
    found = _detect(rng, truth, seen, features, jitter=8.0, noise=0.1, score=(0.3, 0.95) if noisy else (0.86, 0.94))
    clutter = _clutter(rng, frames, detections - seen.sum(0), 1000.0, (30, 200), _no_lean(64), score=(0.05, 0.6))
    return _scene(rng, truth, [found, clutter], frames, fps=5.0, size=(1000, 1000))


def moving(seed: int, frames: int = 64, detections: int = 20) -> Scene:
    """Like `crossing`, but with a panning and shaking camera, similar features and occlusions of 6 to 12 frames.

    Four objects in two similar pairs (cosine about 0.9 before noise, 0.6 to other objects and clutter), five static
    background objects that are detected intermittently, and clutter.
    """
    rng = np.random.default_rng([seed, 1])
    lean, pair = _unit(rng.normal(size=(1, 64))), _unit(rng.normal(size=(2, 64)))
    features = _unit(0.77 * lean + 0.55 * np.repeat(pair, 2, axis=0) + 0.32 * _unit(rng.normal(size=(4, 64))))
    truth = _boxes(_crossing_paths(rng, 4, frames, 1000.0), rng.uniform(90, 170, (4, 2)))
    seen = rng.random((4, frames)) >= 0.15
    for row in seen:
        for begin in rng.choice([8, 18, 28, 38, 48], 2, replace=False):
            row[begin : begin + rng.integers(6, 13)] = False
    fixed = np.repeat(rng.uniform(0, 1000, (5, 1, 2)), frames, axis=1)
    background = _boxes(fixed, rng.uniform(40, 200, (5, 2)))
    background_seen = rng.random((5, frames)) >= 0.4
    background_features = _unit(0.77 * lean + 0.63 * _unit(rng.normal(size=(5, 64))))
    camera = np.tile(_camera(rng, frames), 2)
    found = _detect(rng, truth + camera, seen, features, jitter=8.0, noise=0.06, score=(0.3, 0.95))
    still = _detect(
        rng,
        background + camera,
        background_seen,
        background_features,
        jitter=8.0,
        noise=0.06,
        score=(0.1, 0.7),
    )
    still["identity"][:] = -1
    count = np.maximum(detections - seen.sum(0) - background_seen.sum(0), 0)
    clutter = _clutter(rng, frames, count, 1000.0, (30, 200), lean, score=(0.05, 0.6))
    return _scene(rng, truth + camera, [found, still, clutter], frames, fps=5.0, size=(1000, 1000))


def lookalikes(seed: int, frames: int = 48, detections: int = 20) -> Scene:
    """Like `crossing`, but five objects of one class with similar features (cosine about 0.96 before noise)."""
    rng = np.random.default_rng([seed, 3])
    lean, common = _unit(rng.normal(size=(1, 64))), _unit(rng.normal(size=(1, 64)))
    features = _unit(0.6 * lean + 0.77 * common + 0.2 * _unit(rng.normal(size=(5, 64))))
    truth = _boxes(_crossing_paths(rng, 5, frames, 1000.0), rng.uniform(90, 170, (5, 2)))
    seen = rng.random((5, frames)) >= 0.15
    found = _detect(rng, truth, seen, features, jitter=8.0, noise=0.06, score=(0.3, 0.95))
    found["class_prob"] = 0.6 * np.eye(len(CLASSES))[0] + 0.4 * rng.dirichlet(np.ones(len(CLASSES)), seen.sum())
    count = np.maximum(detections - seen.sum(0), 0)
    clutter = _clutter(rng, frames, count, 1000.0, (30, 200), lean, score=(0.05, 0.6))
    return _scene(rng, truth, [found, clutter], frames, fps=5.0, size=(1000, 1000))


def chase(seed: int) -> Scene:
    """Realistic input: 320 x 240 px, 6 to 10 s at 4 frames per second, about 20 regions per frame.

    Five objects, two of them in a chase so fast that boxes in adjacent frames hardly intersect. Some enter late or
    leave early, occlude each other, or are hidden for up to 1.5 s. Detections can have shifted near-duplicates;
    there are static background objects; features share a common direction and drift over time.
    """
    rng = np.random.default_rng([seed, 2])
    fps = 4.0
    frames = int(rng.integers(24, 41))
    lean = _unit(np.abs(rng.normal(size=(1, 64))))
    features = _unit(0.75 * lean + 0.66 * _unit(rng.normal(size=(5, 64))))
    size = rng.uniform(28, 75, (5, 2))
    centre = np.stack([_wander(rng, frames, speed) for speed in (26.0, 26.0, 10.0, 5.0, 1.0)])
    centre[1] = np.roll(centre[0], 2, axis=0) + rng.normal(0, 4, 2)
    centre[1, :2] = 2 * centre[1, 2] - centre[1, 4:2:-1]
    truth = _boxes(centre, size)
    for k in range(2, 5):
        begin, end = sorted(rng.choice(frames, 2, replace=False)) if rng.random() < 0.5 else (0, frames)
        if end - begin >= frames // 3:
            truth[k, :begin], truth[k, end:] = np.nan, np.nan
    seen = (rng.random((5, frames)) >= 0.1) & np.isfinite(truth[..., 0]) & ~_hidden(truth)
    for row in seen:
        if rng.random() < 0.5:
            begin = rng.integers(0, frames)
            row[begin : begin + rng.integers(2, 7)] = False
    camera = 0.25 * _camera(rng, frames)
    truth = truth + np.tile(camera, 2)
    drift = _unit(features[:, None] + 0.25 * np.cumsum(rng.normal(0, 0.03, (5, frames, 64)), axis=1))
    parts = [_detect(rng, truth, seen, drift, jitter=2.0, noise=0.04, score=(0.5, 0.98))]
    for _ in range(2):
        again = seen & (rng.random(seen.shape) < 0.35)
        parts.append(_detect(rng, truth, again, drift, jitter=9.0, noise=0.07, score=(0.1, 0.5)))
        parts[-1]["identity"] = -2 - parts[-1]["identity"]
    fixed = _boxes(np.repeat(rng.uniform(0, [320, 240], (4, 1, 2)), frames, axis=1), rng.uniform(20, 90, (4, 2)))
    fixed_features = _unit(0.75 * lean + 0.66 * _unit(rng.normal(size=(4, 64))))
    parts.append(
        _detect(
            rng,
            fixed + np.tile(camera, 2),
            rng.random((4, frames)) < 0.5,
            fixed_features,
            2.0,
            0.04,
            (0.1, 0.6),
        )
    )
    parts[-1]["identity"][:] = -1
    count = np.maximum(20 - sum(np.bincount(p["position"], minlength=frames) for p in parts), 0)
    parts.append(_clutter(rng, frames, count, 300.0, (12, 90), lean, score=(0.05, 0.4)))
    return _scene(rng, truth, parts, frames, fps, size=(320, 240))


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _no_lean(width: int) -> np.ndarray:
    return np.zeros((1, width))


def _boxes(centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Convert centres [K, T, 2] and sizes [K, 2] to boxes [K, T, 4]."""
    return np.concatenate([centre - size[:, None] / 2, centre + size[:, None] / 2], axis=-1)


def _crossing_paths(rng: np.random.Generator, things: int, frames: int, side: float) -> np.ndarray:
    """Centres [K, T, 2] of slightly curved paths from one side of the frame through the middle to the other."""
    angle = rng.uniform(0, 2 * np.pi, things)
    far = 0.4 * side * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    middle = side / 2 + rng.normal(0, 0.08 * side, (things, 2))
    along = np.linspace(-1, 1, frames)[None, :, None] + rng.uniform(-0.1, 0.1, (things, 1, 1))
    across = np.stack([-far[:, 1], far[:, 0]], axis=-1)
    bend = 0.2 * np.sin(np.pi * along * rng.uniform(0.3, 1, (things, 1, 1)))
    path = middle[:, None] + far[:, None] * along + across[:, None] * bend - side / 2
    reach = np.abs(path).max(axis=(1, 2), keepdims=True)
    return side / 2 + path * np.minimum(0.4 * side / reach, 1)  # within the frame


def _wander(rng: np.random.Generator, frames: int, speed: float) -> np.ndarray:
    """Centres [T, 2] of an object moving at `speed` px per frame in 320 x 240 px, reflected at the borders."""
    place, heading = rng.uniform([40, 40], [280, 200]), rng.uniform(0, 2 * np.pi)
    centres = []
    for _ in range(frames):
        heading += rng.normal(0, 0.25)
        step = speed * rng.uniform(0.8, 1.2) * np.array([np.cos(heading), np.sin(heading)])
        if not (20 < place[0] + step[0] < 300):
            heading, step = np.pi - heading, step * [-1, 1]
        if not (20 < place[1] + step[1] < 220):
            heading, step = -heading, step * [1, -1]
        place = place + step
        centres.append(place)
    return np.array(centres)


def _camera(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Camera offset [T, 2] px: a slow pan of up to 12 px per frame and a shake of 5 px."""
    phase, t = rng.uniform(0, 2 * np.pi, 2), np.arange(frames)[:, None]
    pan = np.cumsum(12 * np.sin(2 * np.pi * t / 48 + phase), axis=0)
    return pan - pan.mean(0) + rng.normal(0, 5, (frames, 2))


def _hidden(truth: np.ndarray) -> np.ndarray:
    """Mask [K, T] of occlusion: the centre is inside the box of an object of lower index, which is nearer."""
    centre = (truth[..., :2] + truth[..., 2:]) / 2
    inside = (centre[:, None] > truth[None, ..., :2]) & (centre[:, None] < truth[None, ..., 2:])
    nearer = np.tri(len(truth), k=-1, dtype=bool)[:, :, None]
    return (inside.all(-1) & nearer).any(1)


def _detect(
    rng: np.random.Generator,
    truth: np.ndarray,
    seen: np.ndarray,
    features: np.ndarray,
    jitter: float,
    noise: float,
    score: tuple[float, float],
) -> dict[str, np.ndarray]:
    """Simulate detections of objects [K, T, 4] in frames of the mask seen [K, T]; features [K, D] or [K, T, D]."""
    thing, position = np.nonzero(seen)
    feature = features[thing] if features.ndim == 2 else features[thing, position]
    likely = np.eye(len(CLASSES))[thing % len(CLASSES)]
    return {
        "position": position,
        "identity": thing,
        "box": truth[thing, position] + rng.normal(0, jitter, (len(thing), 4)),
        "feature": feature + rng.normal(0, noise, feature.shape),
        "score": rng.uniform(*score, len(thing)),
        "class_prob": 0.6 * likely + 0.4 * rng.dirichlet(np.ones(len(CLASSES)), len(thing)),
    }


def _clutter(
    rng: np.random.Generator,
    frames: int,
    count: np.ndarray,
    side: float,
    size: tuple[float, float],
    lean: np.ndarray,
    score: tuple[float, float],
) -> dict[str, np.ndarray]:
    """Simulate count [T] independent false detections per frame."""
    position = np.repeat(np.arange(frames), count)
    centre, extent = rng.uniform(0, side, (len(position), 2)), rng.uniform(*size, (len(position), 2))
    return {
        "position": position,
        "identity": np.full(len(position), -1),
        "box": np.concatenate([centre - extent / 2, centre + extent / 2], axis=1),
        "feature": _unit(1.2 * lean + _unit(rng.normal(size=(len(position), lean.shape[1])))),
        "score": rng.uniform(*score, len(position)),
        "class_prob": rng.dirichlet(np.ones(len(CLASSES)), len(position)),
    }


def _scene(
    rng: np.random.Generator, truth: np.ndarray, parts: list, frames: int, fps: float, size: tuple[int, int]
) -> Scene:
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((-rows["score"], rows["position"]))
    order = order[boxes.area(boxes.clip(rows["box"], *size))[order] > 0]
    rows = {name: column[order] for name, column in rows.items()}
    count = np.bincount(rows["position"], minlength=frames)
    truth = boxes.clip(truth, *size)
    truth = np.where(boxes.area(truth)[..., None] > 0, truth, np.nan)
    data = {
        "frame": np.arange(frames) * 5,
        "time": np.arange(frames) / fps,
        "box_offset": np.concatenate([[0], np.cumsum(count)]),
        "box": boxes.clip(rows["box"], *size).astype(np.float32),
        "score": rows["score"].astype(np.float32),
        "class_prob": rows["class_prob"].astype(np.float16),
        "attribute_prob": rng.random((len(order), 3)).astype(np.float16),
        "feature": rows["feature"].astype(np.float16),
        "class_name": np.array(CLASSES, dtype=object),
        "attribute_name": np.array(["red", "blue", "striped"], dtype=object),
        "detector": np.array("generated", dtype=object),
        "width": np.array(size[0]),
        "height": np.array(size[1]),
    }
    return Scene(data, rows["identity"], truth)
