"""Rendering of the drawn world: grounds, things, light, sensor. OpenCV; frames are uint8 (height, width, 3) BGR."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from world.records import Video
from world.shapes import Part, shade
from world.stage import HEIGHT, WIDTH, figure, ground_at, scale_at

_MARGIN = 16  # pixels of ground beyond the frame, for the camera's motion
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
    """Return a smooth random field (height, width) with features of about `cell` pixels."""
    small = rng.normal(0, strength, (shape[0] // cell + 2, shape[1] // cell + 2)).astype(np.float32)
    return cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


def paint_ground(rng: np.random.Generator, setting: str) -> np.ndarray:
    """Paint the empty scene, `_MARGIN` pixels larger on each side than the frame."""
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
    cv2.rectangle(
        canvas, (round(x0), round(y0)), (round(x1), round(y1)), tuple(map(float, colour)), -1, cv2.LINE_AA
    )


def _poly(canvas: np.ndarray, points: Sequence[tuple[float, float]], colour: Sequence[float]) -> None:
    cv2.fillPoly(
        canvas, [np.round(np.array(points) * 16).astype(np.int32)], tuple(map(float, colour)), cv2.LINE_AA, 4
    )


def _trees(rng: np.random.Generator, canvas: np.ndarray, count: int, leaf: tuple[int, int, int]) -> None:
    for x in rng.uniform(0, canvas.shape[1], count):
        size = rng.uniform(16, 30)
        _rect(canvas, x - 3, _HORIZON - size, x + 3, _HORIZON + 3, (45, 70, 95))
        for dx, dy, r in ((-0.5, 1.1, 0.6), (0.5, 1.15, 0.6), (0, 1.6, 0.75)):
            tone = shade(leaf, rng.uniform(0.8, 1.1))
            cv2.circle(
                canvas, (round(x + dx * size), round(_HORIZON - dy * size)), round(r * size), tone, -1, cv2.LINE_AA
            )


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
    for x, y in zip(
        rng.uniform(0, canvas.shape[1], 160), rng.uniform(_HORIZON + 4, canvas.shape[0], 160), strict=True
    ):
        tone = shade((60, 130, 90), rng.uniform(0.8, 1.15))
        cv2.line(
            canvas,
            (int(x), int(y)),
            (int(x + rng.uniform(-2, 2)), int(y - rng.uniform(2, 5))),
            tone,
            1,
            cv2.LINE_AA,
        )


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
            _poly(
                canvas,
                [(x - 0.4 * s * (1 - 0.22 * k), y), (x + 0.4 * s * (1 - 0.22 * k), y), (x, y - 0.55 * s)],
                (95, 110, 70),
            )


def _playground(rng: np.random.Generator, canvas: np.ndarray) -> None:
    w = canvas.shape[1]
    _trees(rng, canvas, 3, (75, 130, 85))
    for x in range(0, w, 14):
        _rect(canvas, x, _HORIZON - 22, x + 3, _HORIZON, (150, 165, 175))
    _rect(canvas, 0, _HORIZON - 19, w, _HORIZON - 17, (150, 165, 175))
    cx, cy = rng.uniform(60, w - 60), rng.uniform(170, 230)
    cv2.ellipse(canvas, (round(cx), round(cy)), (70, 22), 0, 0, 360, (130, 175, 212), -1, cv2.LINE_AA)


_SCENERY = {
    "grass": _grass,
    "street": _street,
    "room": _room,
    "beach": _beach,
    "snow": _snow,
    "playground": _playground,
}


#: A part for OpenCV: outlines of all frames in fixed point, colour, stroke width in pixels (0: filled).
_Outline = tuple[np.ndarray, tuple[int, int, int], int]


def _outlines(parts: Sequence[Part]) -> list[_Outline]:
    return [
        (
            np.round(p.points * (1 << _SHIFT)).astype(np.int32, order="C"),
            p.colour,
            max(1, round(p.width)) if p.width else 0,
        )
        for p in parts
    ]


def _paint(picture: np.ndarray, outlines: Sequence[_Outline], k: int, value: int | None = None) -> None:
    """Paint a thing in the k-th frame; with `value`, its silhouette in that value, without anti-aliasing."""
    kind = cv2.LINE_AA if value is None else cv2.LINE_8
    for points, colour, width in outlines:
        tone = colour if value is None else value
        if width:
            cv2.polylines(picture, [points[k]], False, tone, width, kind, _SHIFT)
        else:
            cv2.fillConvexPoly(picture, points[k], tone, kind, _SHIFT)


class Painter:
    """Paints frames of a planned video; `rng` determines its ground, light and noise.

    at: indices of the frames to paint; methods take positions in `at`.
    """

    def __init__(self, video: Video, rng: np.random.Generator, at: np.ndarray) -> None:
        self.video, self.at = video, at
        self.ground = paint_ground(rng, video.setting)
        u = at / video.frames
        swing = rng.uniform(0, 0.09) * np.sin(2 * np.pi * (rng.uniform(0.3, 1.5) * u + rng.random()))
        self.gain = rng.uniform(0.82, 1.1) * (1 + swing)
        self.cast = 1 + rng.normal(0, 0.025, 3)
        self.noise = np.clip(rng.normal(8, rng.uniform(1.2, 3.0), (HEIGHT + 40, WIDTH + 40, 3)), 0, 255).astype(
            np.uint8
        )
        self.offsets = rng.integers(0, 40, (len(at), 2))
        figures = [figure(actor, video.camera, at) for actor in video.actors]
        self.outlines = [_outlines(parts) for parts, _ in figures]
        #: Boxes (things, frames, 4), not clipped.
        self.boxes = np.array([boxes for _, boxes in figures])
        tracks = [actor.tracks for actor in video.actors]
        depth = np.array([t["d"][at] - t["over"][at] for t in tracks])
        self.order = np.argsort(-depth, axis=0, kind="stable").T
        self.cords = np.array([t["cord"][at] for t in tracks]).astype(int)
        self.shadows = self._shadows()

    def frame(self, k: int) -> np.ndarray:
        """Paint the k-th frame."""
        picture = self._empty(k)
        shadow = np.zeros((HEIGHT, WIDTH), np.uint8)
        for centre, axes in zip(*self.shadows, strict=True):
            cv2.ellipse(shadow, centre[k].tolist(), axes[k].tolist(), 0, 0, 360, 44, -1, cv2.LINE_AA, _SHIFT)
        cv2.subtract(picture, cv2.merge([shadow] * 3), dst=picture)
        for thing in self.order[k]:
            _paint(picture, self.outlines[thing], k)
            self._cord(picture, thing, k)
        return self._sensor(picture, k)

    def visible(self, k: int) -> np.ndarray:
        """Return the share of each thing's silhouette (things,) that is visible in the k-th frame."""
        ids, share = np.full((HEIGHT, WIDTH), 255, np.uint8), np.zeros(len(self.outlines))
        for thing in self.order[k]:
            _paint(ids, self.outlines[thing], k, int(thing))
            whole = np.zeros((3 * HEIGHT, 3 * WIDTH), np.uint8)
            moved = [(p + np.array([WIDTH, HEIGHT], np.int32) * 16, c, w) for p, c, w in self.outlines[thing]]
            _paint(whole, moved, k, 1)
            share[thing] = max(1, int(whole.sum()))
        return np.bincount(ids.ravel(), minlength=256)[: len(share)] / share

    def _shadows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return centres and half axes (things, frames, 2) of the shadows on the ground, in fixed point."""
        centres, axes = [], []
        for actor, box in zip(self.video.actors, self.boxes, strict=True):
            k = {name: track[self.at] for name, track in actor.tracks.items()}
            x, y = self.video.camera.see(k["x"], ground_at(k["d"]), self.at)
            x = np.where(k["tilt"] == 0, x, 0.5 * (box[:, 0] + box[:, 2]))
            wide = 0.5 * (box[:, 2] - box[:, 0]) / (1 + 0.012 * k["lift"])
            centres.append(np.stack([x, y], axis=1))
            axes.append(np.stack([wide, (3 + 0.09 * wide) * scale_at(k["d"])], axis=1))
        fixed = lambda values: np.round(np.array(values) * (1 << _SHIFT)).astype(int)  # noqa: E731
        return fixed(centres), fixed(axes)

    def _empty(self, k: int) -> np.ndarray:
        c, t = self.video.camera, self.at[k]
        z = c.zoom[t]
        x = WIDTH / 2 - (WIDTH / 2 + _MARGIN) * z + c.dx[t]
        y = HEIGHT / 2 - (HEIGHT / 2 + _MARGIN) * z + c.dy[t]
        matrix = np.array([[z, 0, x], [0, z, y]])
        return cv2.warpAffine(
            self.ground, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )

    def _cord(self, picture: np.ndarray, thing: int, k: int) -> None:
        """Paint the cord from a hand to the thing that it pulls."""
        pulled = self.cords[thing, k]
        if pulled < 0:
            return
        mine, its = self.boxes[thing, k], self.boxes[pulled, k]
        left = its[0] > mine[0]
        hand = (mine[2] if left else mine[0], mine[1] + 0.45 * (mine[3] - mine[1]))
        knot = (its[0] + 3 if left else its[2] - 3, its[1] + 0.5 * (its[3] - its[1]))
        ends = np.round(np.array([hand, knot]) * (1 << _SHIFT)).astype(np.int32)
        cv2.polylines(picture, [ends], False, (50, 60, 70), 1, cv2.LINE_AA, _SHIFT)

    def _sensor(self, picture: np.ndarray, k: int) -> np.ndarray:
        table = np.clip(np.arange(256)[:, None] * (self.gain[k] * self.cast) - 8, 0, 255).astype(np.uint8)[None]
        dy, dx = self.offsets[k]
        return cv2.add(cv2.LUT(picture, table), self.noise[dy : dy + HEIGHT, dx : dx + WIDTH])


def frames_of(video: Video, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Paint all frames of a video, in order."""
    painter = Painter(video, rng, np.arange(video.frames))
    for k in range(video.frames):
        yield painter.frame(k)
