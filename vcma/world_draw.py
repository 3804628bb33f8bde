"""Painting the drawn world: grounds, things, light and sensor, with OpenCV. Pictures are uint8 (height, width, 3) BGR."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from vcma.world_plan import Video
from vcma.world_scene import HEIGHT, WIDTH, figure, ground_at, scale_at
from vcma.world_shapes import Part, shade

_MARGIN = 16  # of ground beyond the picture, for the camera's motion
_HORIZON = 96 + _MARGIN
_SHIFT = 4
_GROUND = {
    "grass": (70, 145, 105),
    "street": (125, 122, 120),
    "room": (120, 160, 195),
    "beach": (150, 200, 225),
    "snow": (238, 228, 220),
    "playground": (110, 150, 190),
}
_BACK = {
    "grass": (225, 195, 150),
    "street": (215, 200, 180),
    "room": (190, 205, 205),
    "beach": (215, 180, 120),
    "snow": (225, 210, 195),
    "playground": (225, 200, 165),
}


def _grain(rng: np.random.Generator, shape: tuple[int, int], cell: int, strength: float) -> np.ndarray:
    """Smooth random field (height, width) with features of about `cell` pixels."""
    small = rng.normal(0, strength, (shape[0] // cell + 2, shape[1] // cell + 2)).astype(np.float32)
    return cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


def paint_ground(rng: np.random.Generator, setting: str) -> np.ndarray:
    """The empty scene, `_MARGIN` pixels larger on each side than the picture."""
    h, w = HEIGHT + 2 * _MARGIN, WIDTH + 2 * _MARGIN
    picture = np.empty((h, w, 3), np.float32)
    tint = rng.normal(0, 6, 3)
    picture[:_HORIZON] = np.array(_BACK[setting]) + tint
    picture[_HORIZON:] = np.array(_GROUND[setting]) + tint
    fall = np.linspace(0.88, 1.08, h - _HORIZON, dtype=np.float32)[:, None, None]
    picture[_HORIZON:] *= fall
    canvas = np.clip(picture, 0, 255).astype(np.uint8)
    _SCENERY[setting](rng, canvas)
    texture = _grain(rng, (h, w), 24, 5.0) + _grain(rng, (h, w), 7, 5.0)
    texture[:_HORIZON] *= 0.4
    fine = rng.normal(0, 5.0, (h, w)).astype(np.float32)
    fine[:_HORIZON] *= 0.3
    return np.clip(canvas + (texture + fine)[..., None], 0, 255).astype(np.uint8)


def _rect(canvas: np.ndarray, x0: float, y0: float, x1: float, y1: float, colour: Sequence[float]) -> None:
    cv2.rectangle(canvas, (round(x0), round(y0)), (round(x1), round(y1)), tuple(map(float, colour)), -1, cv2.LINE_AA)


def _poly(canvas: np.ndarray, points: Sequence[tuple[float, float]], colour: Sequence[float]) -> None:
    cv2.fillPoly(canvas, [np.round(np.array(points) * 16).astype(np.int32)], tuple(map(float, colour)), cv2.LINE_AA, 4)


def _trees(rng: np.random.Generator, canvas: np.ndarray, count: int, leaf: tuple[int, int, int]) -> None:
    for x in rng.uniform(0, canvas.shape[1], count):
        size = rng.uniform(16, 30)
        _rect(canvas, x - 3, _HORIZON - size, x + 3, _HORIZON + 3, (45, 70, 95))
        for dx, dy, r in ((-0.5, 1.1, 0.6), (0.5, 1.15, 0.6), (0, 1.6, 0.75)):
            tone = shade(leaf, rng.uniform(0.8, 1.1))
            cv2.circle(canvas, (round(x + dx * size), round(_HORIZON - dy * size)), round(r * size), tone, -1, cv2.LINE_AA)


def _hills(rng: np.random.Generator, canvas: np.ndarray, colour: tuple[int, int, int], height: float) -> None:
    x = np.linspace(0, canvas.shape[1], 30)
    y = _HORIZON - height * (0.5 + 0.5 * np.sin(x / rng.uniform(35, 60) + rng.uniform(0, 6)))
    _poly(canvas, [(0, _HORIZON), *zip(x, y, strict=True), (canvas.shape[1], _HORIZON)], colour)


def _houses(rng: np.random.Generator, canvas: np.ndarray) -> None:
    x = -10.0
    while x < canvas.shape[1]:
        wide, high = rng.uniform(45, 80), rng.uniform(50, 100)
        wall = tuple(rng.uniform(120, 200, 3))
        _rect(canvas, x, _HORIZON - high, x + wide - 2, _HORIZON, wall)
        for wx in np.arange(x + 8, x + wide - 14, 17):
            for wy in np.arange(_HORIZON - high + 9, _HORIZON - 18, 22):
                _rect(canvas, wx, wy, wx + 8, wy + 12, (150, 130, 105))
        x += wide


def _grass(rng: np.random.Generator, canvas: np.ndarray) -> None:
    _hills(rng, canvas, (110, 150, 120), 22)
    _trees(rng, canvas, int(rng.integers(2, 6)), (60, 120, 70))
    for x, y in zip(rng.uniform(0, canvas.shape[1], 160), rng.uniform(_HORIZON + 4, canvas.shape[0], 160), strict=True):
        tone = shade((60, 130, 90), rng.uniform(0.8, 1.15))
        cv2.line(canvas, (int(x), int(y)), (int(x + rng.uniform(-2, 2)), int(y - rng.uniform(2, 5))), tone, 1, cv2.LINE_AA)


def _street(rng: np.random.Generator, canvas: np.ndarray) -> None:
    _houses(rng, canvas)
    w = canvas.shape[1]
    _rect(canvas, 0, _HORIZON, w, _HORIZON + 14, (165, 168, 170))
    _rect(canvas, 0, _HORIZON + 14, w, _HORIZON + 16, (105, 105, 105))
    for x in np.arange(rng.uniform(-50, 0), w, 62):
        _poly(canvas, [(x, 200), (x + 34, 200), (x + 32, 204), (x - 2, 204)], (195, 200, 200))


def _room(rng: np.random.Generator, canvas: np.ndarray) -> None:
    w = canvas.shape[1]
    _rect(canvas, 0, _HORIZON - 6, w, _HORIZON, (225, 228, 230))
    for y in np.cumsum(np.linspace(6, 22, 11)) + _HORIZON:
        cv2.line(canvas, (0, round(y)), (w, round(y)), (98, 135, 168), 1, cv2.LINE_AA)
    x = rng.uniform(20, w - 110)
    _rect(canvas, x, 24, x + 70, 84, (235, 238, 240))
    _rect(canvas, x + 4, 28, x + 33, 80, (235, 205, 160))
    _rect(canvas, x + 37, 28, x + 66, 80, (235, 205, 160))
    x = (x + rng.uniform(110, 190)) % (w - 50)
    _rect(canvas, x, 36, x + 40, 66, (70, 100, 130))
    _rect(canvas, x + 3, 39, x + 37, 63, tuple(rng.uniform(100, 220, 3)))


def _beach(rng: np.random.Generator, canvas: np.ndarray) -> None:
    w = canvas.shape[1]
    _rect(canvas, 0, _HORIZON - 26, w, _HORIZON, (170, 125, 60))
    for y in (_HORIZON - 18, _HORIZON - 9, _HORIZON - 2):
        for x in rng.uniform(0, w, 9):
            cv2.line(canvas, (int(x), y), (int(x + rng.uniform(8, 22)), y), (205, 175, 130), 1, cv2.LINE_AA)


def _snow(rng: np.random.Generator, canvas: np.ndarray) -> None:
    _hills(rng, canvas, (205, 195, 185), 40)
    for x in rng.uniform(0, canvas.shape[1], int(rng.integers(3, 8))):
        s = rng.uniform(20, 40)
        for k in range(3):
            y = _HORIZON - k * 0.35 * s
            _poly(canvas, [(x - 0.4 * s * (1 - 0.22 * k), y), (x + 0.4 * s * (1 - 0.22 * k), y), (x, y - 0.55 * s)], (95, 110, 70))


def _playground(rng: np.random.Generator, canvas: np.ndarray) -> None:
    w = canvas.shape[1]
    _trees(rng, canvas, 3, (75, 130, 85))
    for x in np.arange(0, w, 14):
        _rect(canvas, x, _HORIZON - 22, x + 3, _HORIZON, (150, 165, 175))
    _rect(canvas, 0, _HORIZON - 19, w, _HORIZON - 17, (150, 165, 175))
    cx, cy = rng.uniform(60, w - 60), rng.uniform(170, 230)
    cv2.ellipse(canvas, (round(cx), round(cy)), (70, 22), 0, 0, 360, (130, 175, 212), -1, cv2.LINE_AA)


_SCENERY = {"grass": _grass, "street": _street, "room": _room, "beach": _beach, "snow": _snow, "playground": _playground}


def paint_parts(picture: np.ndarray, parts: Sequence[Part], colour: int | None = None) -> None:
    """Paint a thing onto a picture; with `colour`, its silhouette in one value without anti-aliasing."""
    kind = cv2.LINE_AA if colour is None else cv2.LINE_8
    for part in parts:
        points = np.round(part.points * (1 << _SHIFT)).astype(np.int32)
        tone = part.colour if colour is None else colour
        if part.width:
            cv2.polylines(picture, [points], False, tone, max(1, round(part.width)), kind, _SHIFT)
        else:
            cv2.fillConvexPoly(picture, points, tone, kind, _SHIFT)


class Painter:
    """Paints the frames of a planned video; `rng` gives its ground, light and noise."""

    def __init__(self, video: Video, rng: np.random.Generator) -> None:
        self.video = video
        self.ground = paint_ground(rng, video.setting)
        u = np.arange(video.frames) / video.frames
        swing = rng.uniform(0, 0.09) * np.sin(2 * np.pi * (rng.uniform(0.3, 1.5) * u + rng.random()))
        self.gain = rng.uniform(0.82, 1.1) * (1 + swing)
        self.cast = 1 + rng.normal(0, 0.025, 3)
        self.noise = np.clip(rng.normal(8, rng.uniform(1.2, 3.0), (HEIGHT + 40, WIDTH + 40, 3)), 0, 255).astype(np.uint8)
        self.offsets = rng.integers(0, 40, (video.frames, 2))

    def frame(self, t: int) -> np.ndarray:
        """The picture of frame t."""
        v = self.video
        picture = self._empty(t)
        order = sorted(range(len(v.actors)), key=lambda k: -self._depth(k, t))
        figures = {k: figure(v.actors[k], t, v.camera, *v.gaits[k]) for k in order}
        self._shadows(picture, figures, t)
        for k in order:
            paint_parts(picture, figures[k][0])
            self._cord(picture, figures, k, t)
        return self._sensor(picture, t)

    def visible(self, t: int) -> np.ndarray:
        """Share of each thing's silhouette (things,) that is in the picture and not hidden, in frame t."""
        v, share = self.video, np.zeros(len(self.video.actors))
        ids = np.full((HEIGHT, WIDTH), 255, np.uint8)
        for k in sorted(range(len(v.actors)), key=lambda k: -self._depth(k, t)):
            parts = figure(v.actors[k], t, v.camera, *v.gaits[k])[0]
            paint_parts(ids, parts, k)
            whole = np.zeros((3 * HEIGHT, 3 * WIDTH), np.uint8)
            paint_parts(whole, [Part(p.points + (WIDTH, HEIGHT), p.colour, p.width) for p in parts], 1)
            share[k] = max(1, int(whole.sum()))
        return np.bincount(ids.ravel(), minlength=256)[: len(share)] / share

    def boxes(self, t: int) -> np.ndarray:
        """Boxes (things, 4) in frame t, not clipped."""
        v = self.video
        return np.array([figure(a, t, v.camera, *g)[1] for a, g in zip(v.actors, v.gaits, strict=True)])

    def _depth(self, k: int, t: int) -> float:
        tracks = self.video.actors[k].tracks
        return float(tracks["d"][t] - tracks["over"][t])

    def _empty(self, t: int) -> np.ndarray:
        c, z = self.video.camera, self.video.camera.zoom[t]
        x = WIDTH / 2 - (WIDTH / 2 + _MARGIN) * z + c.dx[t]
        y = HEIGHT / 2 - (HEIGHT / 2 + _MARGIN) * z + c.dy[t]
        matrix = np.array([[z, 0, x], [0, z, y]])
        return cv2.warpAffine(self.ground, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def _shadows(self, picture: np.ndarray, figures: dict, t: int) -> None:
        v, shadow = self.video, np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        for k, (_, box) in figures.items():
            tracks = v.actors[k].tracks
            x, y = v.camera.see(float(tracks["x"][t]), float(ground_at(tracks["d"][t])), t)
            wide = 0.5 * (box[2] - box[0]) / (1 + 0.012 * tracks["lift"][t])
            tone = (46, 46, 46) if v.setting != "room" else (34, 34, 34)
            x = 0.5 * (box[0] + box[2]) if tracks["tilt"][t] else x
            axes = (round(16 * wide), round(16 * (3 + 0.09 * wide) * float(scale_at(tracks["d"][t]))))
            cv2.ellipse(shadow, (round(16 * x), round(16 * y)), axes, 0, 0, 360, tone, -1, cv2.LINE_AA, _SHIFT)
        cv2.subtract(picture, shadow, dst=picture)

    def _cord(self, picture: np.ndarray, figures: dict, k: int, t: int) -> None:
        tid = int(self.video.actors[k].tracks["cord"][t])
        if tid < 0:
            return
        mine, its = figures[k][1], figures[tid][1]
        left = its[0] > mine[0]
        hand = (mine[2] if left else mine[0], mine[1] + 0.45 * (mine[3] - mine[1]))
        knot = (its[0] + 3 if left else its[2] - 3, its[1] + 0.5 * (its[3] - its[1]))
        ends = np.round(np.array([hand, knot]) * 16).astype(np.int32)
        cv2.polylines(picture, [ends], False, (50, 60, 70), 1, cv2.LINE_AA, _SHIFT)

    def _sensor(self, picture: np.ndarray, t: int) -> np.ndarray:
        table = np.clip(np.arange(256)[:, None] * (self.gain[t] * self.cast) - 8, 0, 255).astype(np.uint8)[None]
        dy, dx = self.offsets[t]
        return cv2.add(cv2.LUT(picture, table), self.noise[dy : dy + HEIGHT, dx : dx + WIDTH])


def frames_of(video: Video, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """All the pictures of a video, in order."""
    painter = Painter(video, rng)
    for t in range(video.frames):
        yield painter.frame(t)
