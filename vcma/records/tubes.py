"""The tubes of one video: boxes over the sampled frames, with what the detector said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from vcma.boxes import interpolate
from vcma.records.columns import Columns, rows

Points = tuple[np.ndarray, np.ndarray]  # native frames [n], rising, and boxes float64 [n, 4]: a tube


@dataclass(frozen=True, eq=False)
class Tubes:
    """The TUBES columns of one video, under their names; boxes are xyxy in native pixels.

    frame int64 [T], native index of each sampled frame, and time float64 [T], s; point_offset int64 [N + 1], the
    points of each tube; of each point position int64 [P] (row of frame, rising within a tube), box float32 [P, 4],
    score float32 [P], interpolated bool [P] and feature float16 [P, D]; of each tube tube_score float32 [N],
    class_prob float16 [N, C] and attribute_prob float16 [N, A]; class_name [C] and attribute_name [A]; prompted
    bool [C], the classes that an open-vocabulary detector was asked for in this video alone; detector, its
    fingerprint; width and height of the native picture, px.
    """

    frame: np.ndarray
    time: np.ndarray
    point_offset: np.ndarray
    position: np.ndarray
    box: np.ndarray
    score: np.ndarray
    interpolated: np.ndarray
    feature: np.ndarray
    tube_score: np.ndarray
    class_prob: np.ndarray
    attribute_prob: np.ndarray
    class_name: np.ndarray
    prompted: np.ndarray
    attribute_name: np.ndarray
    detector: str
    width: float
    height: float

    @classmethod
    def of(cls, columns: Mapping[str, Any]) -> Tubes:
        """From the TUBES columns; without `feature` the points have features of width 0, without `prompted` all
        classes are of every video.
        """
        given = {f.name: columns[f.name] for f in fields(cls) if f.name in columns}
        given.setdefault("feature", np.zeros((len(given["position"]), 0), np.float16))
        given.setdefault("prompted", np.zeros(len(given["class_name"]), bool))
        scalars = {"detector": str(given["detector"])} | {side: float(given[side]) for side in ("width", "height")}
        return cls(**given | scalars)

    def columns(self) -> Columns:
        """The TUBES columns."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return given | {side: np.int64(given[side]) for side in ("width", "height")}

    def __len__(self) -> int:
        return len(self.tube_score)

    def with_labels(self, class_names: Sequence[str], attribute_names: Sequence[str]) -> Tubes:
        """The same tubes with their classes and attributes in the order of these names, prompted classes last.

        Raises ValueError where they are not the same names, prompted classes aside.
        """
        classes = self._class_order(class_names)
        attributes = _order("attribute_name", self.attribute_name, attribute_names)
        if classes is None and attributes is None:
            return self
        changed: dict[str, Any] = {}
        if classes is not None:
            changed |= {name: getattr(self, name)[classes] for name in ("class_name", "prompted")}
            changed |= {"class_prob": self.class_prob[:, classes]}
        if attributes is not None:
            named, strength = self.attribute_name[attributes], self.attribute_prob[:, attributes]
            changed |= {"attribute_name": named, "attribute_prob": strength}
        return replace(self, **changed)

    @property
    def common_classes(self) -> np.ndarray:
        """The names of the classes that were looked for in every video."""
        return self.class_name[~self.prompted]

    def _class_order(self, wanted: Sequence[str]) -> np.ndarray | None:
        """The classes that every video has, in the order of their names, then the others; None: as they are."""
        common, rest = np.flatnonzero(~self.prompted), np.flatnonzero(self.prompted)
        order = _order("class_name", self.class_name[common], wanted)
        if order is None and (not len(rest) or len(common) <= rest[0]):
            return None
        return np.concatenate([common if order is None else common[order], rest])

    def points(self, tube: int) -> Points:
        """Native frames and boxes of the points of one tube."""
        mine = rows(self.point_offset, tube)
        return self.frame[self.position[mine]], np.asarray(self.box[mine], np.float64)

    def boxes_at(self, tube: int, frame: np.ndarray) -> np.ndarray:
        """Boxes float64 [n, 4] of one tube at native frames [n]: linear between its points, held beyond them."""
        return interpolate(np.asarray(frame), *self.points(tube))

    def interpolated_at(self, tube: int, frame: np.ndarray) -> np.ndarray:
        """Whether no detection confirms one tube's box at native frames [n]: bool, by the nearest point."""
        mine = rows(self.point_offset, tube)
        at = self.frame[self.position[mine]]
        nearest = np.searchsorted(frame_borders(at, np.inf)[1:-1], frame, side="right")
        return self.interpolated[mine][nearest]

    def interpolated_share(self, tube: int, begin: int, end: int) -> float:
        """Share of a tube's points in native frames [begin, end) that no detection confirms; 0 without any."""
        mine = rows(self.point_offset, tube)
        frame = self.frame[self.position[mine]]
        inside = self.interpolated[mine][(frame >= begin) & (frame < end)]
        return float(inside.mean()) if len(inside) else 0.0

    def extents(self) -> list[tuple[int, int]]:
        """First and last native frame of each tube."""
        begin, end = self.point_offset[:-1], self.point_offset[1:] - 1
        first, last = (self.frame[self.position[i]].tolist() for i in (begin, end))
        return list(zip(first, last, strict=True))

    def presence(self, tube: int) -> tuple[float, float]:
        """Native frames [first, end) in which a tube is there, no end where it is there in the last sampled one."""
        border = frame_borders(self.frame, np.inf)
        position = self.position[rows(self.point_offset, tube)]
        return float(border[position[0]]), float(border[position[-1] + 1])

    def class_of(self, tube: int) -> str:
        """Name of the likeliest class of a tube; empty where no class is known."""
        if not len(self.class_name):
            return ""
        return str(self.class_name[self.class_prob[tube].argmax()])


def _order(column: str, names: np.ndarray, wanted: Sequence[str]) -> np.ndarray | None:
    """The rows of `names` that make them `wanted`; None where they are that already."""
    have, want = (np.array([str(name) for name in listed], object) for listed in (names, wanted))
    if np.array_equal(have, want):
        return None
    mine, theirs = (np.argsort(listed, kind="stable") for listed in (have, want))
    if not np.array_equal(have[mine], want[theirs]):
        odd = sorted(set(have) ^ set(want)) or sorted(set(have))
        raise ValueError(f"its {column} are not those of the others, e.g. '{odd[0]}'")
    order = np.empty(len(want), np.int64)
    order[theirs] = mine
    return order


def frame_borders(frame: np.ndarray, end: float) -> np.ndarray:
    """Borders [T + 1] between the native frames that the sampled frames [T >= 1] stand for: those nearest to each.

    What begins between two sampled frames has begun on average half a step before the later one, so a border lies
    midway. The first sampled frame stands for all from itself on, the last one for all up to `end` (exclusive).
    """
    return np.concatenate([frame[:1], (frame[:-1] + frame[1:] + 1) // 2, [max(end, frame[-1] + 1)]])
