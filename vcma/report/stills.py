"""Stills of a case: which stored frames to show, and the boxes to draw over each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vcma.records.columns import Columns
from vcma.records.tubes import Tubes
from vcma.report.cases import Case


class StillBox(NamedTuple):
    """A box over a still.

    role: "true", "answer" or "entity"; tube: -1 for true boxes; box: [x, y, width, height], px.
    """

    role: str
    tube: int
    box: list[float]
    interpolated: bool


@dataclass(frozen=True)
class Still:
    """A stored frame on the page.

    frame: native index; file: path relative to the report; seconds: its time; width, height: native px; inside:
    whether it is within the predicted span.
    """

    frame: int
    file: str
    seconds: float
    width: float
    height: float
    boxes: list[StillBox]
    inside: bool


@dataclass(frozen=True)
class IllustratedCase:
    """A case with its stills.

    page: name of its page; film: whether its video can be played; thumb: the still in lists; strip: a strip of
    stills.
    """

    case: Case
    page: str
    film: bool
    thumb: Still | None
    strip: tuple[Still, ...] = ()

    @property
    def stills(self) -> list[Still]:
        return [*self.strip, *([self.thumb] if self.thumb else [])]


def illustrate(
    case: Case, page: str, media: str, frames: Columns, tubes: Tubes, film: bool, count: int
) -> IllustratedCase:
    """Choose a still and a strip of `count` stills for a case, from the FRAMES columns of its video.

    page: the name of its page; media: prefix of the names of the video's stills.
    """
    if not len(frames["frame"]):
        return IllustratedCase(case, page, film, None)
    size = float(frames["width"]), float(frames["height"])
    inside = np.flatnonzero((frames["frame"] >= case.span[0]) & (frames["frame"] < case.span[1]))
    middle = int(inside[len(inside) // 2]) if len(inside) else int(np.abs(frames["frame"] - case.span[0]).argmin())
    thumb, *strip = (
        _still(case, media, int(frames["frame"][row]), size, tubes)
        for row in (middle, *strip_rows(case, frames["frame"], count))
    )
    return IllustratedCase(case, page, film, thumb, tuple(strip))


def _still(case: Case, media: str, frame: int, size: tuple[float, float], tubes: Tubes) -> Still:
    return Still(
        frame=frame,
        file=f"media/{media}-{frame}.jpg",
        seconds=case.clock.at(frame),
        width=size[0],
        height=size[1],
        boxes=[
            StillBox(role, tube, [round(float(v), 1) for v in (x1, y1, x2 - x1, y2 - y1)], interpolated)
            for role, tube, (x1, y1, x2, y2), interpolated in boxes_at(case, tubes, frame)
            if role != "other"
        ],
        inside=case.span[0] <= frame < case.span[1],
    )


def strip_rows(case: Case, frame: np.ndarray, count: int) -> np.ndarray:
    """Choose rows of stored frames, evenly over the spans and a quarter of their length on either side."""
    spans = [case.span, *([case.truth.span] if case.truth else [])]
    begin, end = min(s[0] for s in spans), max(s[1] for s in spans)
    margin = (end - begin) // 4
    low, high = max(case.segment[0], begin - margin), min(case.segment[1], end + margin)
    rows = np.flatnonzero((frame >= low) & (frame < high))
    if not len(rows) and len(frame):
        rows = np.array([np.abs(frame - begin).argmin()])
    return rows[np.unique(np.linspace(0, len(rows) - 1, count).round().astype(int))] if len(rows) else rows


def boxes_at(case: Case, tubes: Tubes, frame: int) -> list[tuple[str, int, np.ndarray, bool]]:
    """List the boxes in a native frame as (role, tube, box float [4], interpolated).

    role: "answer" (only within the predicted span), "entity" (another entity of the sentence), "other" (any other
    tube) or "true", in drawing order: other, entity, answer, true.
    """
    found = []
    for tube in range(len(tubes)):
        frames, _ = tubes.points(tube)
        here = len(frames) and frames[0] <= frame <= frames[-1]
        answer = tube == case.tube and case.span[0] <= frame < case.span[1]
        if here or answer:
            role = "answer" if answer else "entity" if tube in case.entity_tube else "other"
            at = np.array([frame])
            found.append((role, tube, tubes.boxes_at(tube, at)[0], bool(tubes.interpolated_at(tube, at)[0])))
    if case.truth is not None and case.truth.span[0] <= frame < case.truth.span[1]:
        found += [("true", -1, box, False) for box in case.truth.box[case.truth.frame == frame]]
    order = ("other", "entity", "answer", "true")
    return sorted(found, key=lambda item: order.index(item[0]))
