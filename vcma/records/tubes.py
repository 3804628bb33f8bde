"""The tubes of one video: boxes over the sampled frames, with the detector's classes, attributes and features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from vcma.boxes import interpolate
from vcma.records.columns import Columns, rows

Points = tuple[np.ndarray, np.ndarray]  # a tube: native frames [n], ascending, and boxes float64 [n, 4]


@dataclass(frozen=True, eq=False)
class Tubes:
    """The TUBES columns of one video; boxes are xyxy in native pixels.

    Per sampled frame: frame int64 [T], native index; time float64 [T], s. Per tube: point_offset int64 [N + 1],
    range of its points; tube_score float32 [N]; class_prob float16 [N, C]; attribute_prob float16 [N, A]. Per
    point: position int64 [P], row of `frame`, ascending within a tube; box float32 [P, 4]; score float32 [P];
    interpolated bool [P]; feature float16 [P, D]. Names: class_name [C]; attribute_name [A]; prompted bool [C],
    classes that an open-vocabulary detector was prompted with in this video only. detector: its fingerprint; width
    and height of the native frame, px.
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
        """Create from the TUBES columns.

        Without `feature`, features have width 0; without `prompted`, no class was prompted.
        """
        given = {f.name: columns[f.name] for f in fields(cls) if f.name in columns}
        given.setdefault("feature", np.zeros((len(given["position"]), 0), np.float16))
        given.setdefault("prompted", np.zeros(len(given["class_name"]), bool))
        scalars = {"detector": str(given["detector"])} | {side: float(given[side]) for side in ("width", "height")}
        return cls(**given | scalars)

    def columns(self) -> Columns:
        """Return the TUBES columns."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return given | {side: np.int64(given[side]) for side in ("width", "height")}

    def __len__(self) -> int:
        return len(self.tube_score)

    @cached_property
    def feature_sum(self) -> np.ndarray:
        """Sum float32 [D] of the features of all points, each of unit length."""
        return unit_rows(self.feature).sum(0)

    def with_labels(self, class_names: Sequence[str], attribute_names: Sequence[str]) -> Tubes:
        """Return the tubes with classes and attributes reordered to match these names, prompted classes last.

        Raises ValueError if the names, prompted classes aside, are not the same set.
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
        """Names of the classes that the detector looks for in every video."""
        return self.class_name[~self.prompted]

    def _class_order(self, wanted: Sequence[str]) -> np.ndarray | None:
        """Return the order that puts the common classes first, as `wanted`; None if they are in that order."""
        common, rest = np.flatnonzero(~self.prompted), np.flatnonzero(self.prompted)
        order = _order("class_name", self.class_name[common], wanted)
        if order is None and (not len(rest) or len(common) <= rest[0]):
            return None
        return np.concatenate([common if order is None else common[order], rest])

    def points(self, tube: int) -> Points:
        """Return the native frames and boxes of the points of a tube."""
        mine = rows(self.point_offset, tube)
        return self.frame[self.position[mine]], np.asarray(self.box[mine], np.float64)

    def boxes_at(self, tube: int, frame: np.ndarray) -> np.ndarray:
        """Return boxes float64 [n, 4] of a tube at native frames [n]: interpolated linearly, constant outside."""
        return interpolate(np.asarray(frame), *self.points(tube))

    def interpolated_at(self, tube: int, frame: np.ndarray) -> np.ndarray:
        """Return whether a tube's box at native frames [n] is interpolated: bool [n], by the nearest point."""
        mine = rows(self.point_offset, tube)
        at = self.frame[self.position[mine]]
        nearest = np.searchsorted(frame_borders(at, np.inf)[1:-1], frame, side="right")
        return self.interpolated[mine][nearest]

    def interpolated_share(self, tube: int, begin: int, end: int) -> float:
        """Return the share of interpolated points of a tube in native frames [begin, end); 0 without any point."""
        mine = rows(self.point_offset, tube)
        frame = self.frame[self.position[mine]]
        inside = self.interpolated[mine][(frame >= begin) & (frame < end)]
        return float(inside.mean()) if len(inside) else 0.0

    def extents(self) -> list[tuple[int, int]]:
        """Return the first and last native frame of each tube."""
        begin, end = self.point_offset[:-1], self.point_offset[1:] - 1
        first, last = (self.frame[self.position[i]].tolist() for i in (begin, end))
        return list(zip(first, last, strict=True))

    def presence(self, tube: int) -> tuple[float, float]:
        """Return native frames [first, end) in which a tube is present; end is inf if it is in the last one."""
        border = frame_borders(self.frame, np.inf)
        position = self.position[rows(self.point_offset, tube)]
        return float(border[position[0]]), float(border[position[-1] + 1])

    def class_of(self, tube: int) -> str:
        """Return the name of a tube's most probable class; empty if the detector has no classes."""
        if not len(self.class_name):
            return ""
        return str(self.class_name[self.class_prob[tube].argmax()])


def unit_rows(feature: np.ndarray) -> np.ndarray:
    """Return features [n, D] as float32 of unit length; 0 for those that are not finite."""
    values = np.where(np.isfinite(feature).all(1, keepdims=True), feature, 0).astype(np.float32)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)


def _order(column: str, names: np.ndarray, wanted: Sequence[str]) -> np.ndarray | None:
    """Return the rows of `names` that make them `wanted`; None if they are in that order already."""
    have, want = (np.array([str(name) for name in listed], object) for listed in (names, wanted))
    if np.array_equal(have, want):
        return None
    mine, theirs = (np.argsort(listed, kind="stable") for listed in (have, want))
    if not np.array_equal(have[mine], want[theirs]):
        odd = sorted(set(have) ^ set(want)) or sorted(set(have))
        raise ValueError(f"{column} differs from that of the other videos, e.g. '{odd[0]}'")
    order = np.empty(len(want), np.int64)
    order[theirs] = mine
    return order


def frame_borders(frame: np.ndarray, end: float) -> np.ndarray:
    """Return the borders [T + 1] between the native frames that the sampled frames [T >= 1] stand for.

    A sampled frame stands for the native frames nearest to it: an event that starts between two sampled frames has
    started half a step before the later one on average. The first stands for no frame before itself, the last one
    for all frames up to `end` (exclusive).
    """
    return np.concatenate([frame[:1], (frame[:-1] + frame[1:] + 1) // 2, [max(end, frame[-1] + 1)]])
