"""Checks that need only annotations: sentences, spans and boxes of an entry, number of sentences of a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vcma.boxes import area, clip
from vcma.commands.findings import Finding
from vcma.datasets.entries import AnnotatedTube, Entry, Video
from vcma.datasets.sizes import published_counts

_SHARE = 10  # a split with less than 1/10 of the published sentences is not taken for a copy of that data set


def check_entry(form: str, entry: Entry, first_ids: dict[tuple, str]) -> Iterator[Finding]:
    """Yield the findings about one entry.

    first_ids: (split, video, segment, span, sentence) -> id of the first entry with them; updated with this entry.
    """
    if not entry.sentence.strip():
        yield Finding("empty sentence", entry.split, entry.id, "")
    span = entry.truth.span if entry.truth else None
    key = (entry.split, entry.video.id, entry.segment, span, entry.sentence.strip().lower())
    if first_ids.setdefault(key, entry.id) != entry.id:
        yield Finding("duplicate", entry.split, entry.id, f"of {first_ids[key]}")
    if span and (reason := _why_evaluators_drop(form, entry, span)):
        yield Finding("dropped by evaluators", entry.split, entry.id, reason)
    if entry.truth and entry.truth.contradictions:
        yield Finding("span disagrees", entry.split, entry.id, "; ".join(entry.truth.contradictions))
    if entry.truth and form == "hcstvg":
        yield from check_boxes(entry.id, entry.split, entry.truth, entry.video)


def _why_evaluators_drop(form: str, entry: Entry, span: tuple[int, int]) -> str:
    last = entry.segment[1] - 1
    if form == "hcstvg" and span[1] > entry.video.frames:
        return f"boxes up to frame {span[1]} of {entry.video.frames}"
    # STCAT requires a box for each frame up to the inclusive end, but clamps boxes and span to different limits.
    if form == "vidstg" and min(span[1], entry.video.frames - 1) != min(span[1], last):
        return f"span ends at {span[1]}, its segment at {last}"
    if entry.video.fps < 5:
        return f"{entry.video.fps:g} frames per second, below TubeDETR's 5"
    return ""


def check_boxes(sample: str, split: str, truth: AnnotatedTube, video: Video) -> Iterator[Finding]:
    """Yield findings about empty true boxes, boxes a pixel or more outside the frame, and frames without a box."""
    known = video.width > 0 and video.height > 0
    inside = clip(truth.box, video.width, video.height) if known else truth.box
    empty = area(truth.box) == 0
    absent = (area(inside) == 0) & ~empty
    partly = (np.abs(inside - truth.box).max(axis=1, initial=0) >= 1) & ~empty & ~absent
    picture = f" of {video.width}x{video.height}" if known else ""
    kinds = {
        "empty box": empty,
        "box wholly outside the picture": absent,
        "box outside the picture": partly,
    }
    for kind, rows in kinds.items():
        if rows.any():
            worst = int(np.where(rows, np.abs(inside - truth.box).max(axis=1, initial=0), -1).argmax())
            box = ", ".join(f"{v:g}" for v in truth.box[worst])
            detail = (
                f"{int(rows.sum())} of {len(rows)} boxes, e.g. [{box}] in frame {truth.box_frame[worst]}{picture}"
            )
            yield Finding(kind, split, sample, detail)
    length = truth.span[1] - truth.span[0]
    missing = length - len(truth.box)
    if missing:
        yield Finding("frame without a box", split, sample, f"{missing} of {length}")
    if (empty | absent).all():
        yield Finding("cannot score", split, sample, f"{int(empty.sum())} empty, {int(absent.sum())} outside")


def compare_counts(form: str, block: Mapping[str, Any], counts: Counter) -> Iterator[Finding]:
    """Compare the number of sentences of each split with the published data set of the format that fits best.

    counts: number of entries by (split, query type).
    """
    published = published_counts(form).items()
    candidates = [[*_count_differences(name, splits, block, counts)] for name, splits in published]
    yield from min(candidates, key=len, default=[])


def _count_differences(name: str, splits: Mapping, block: Mapping[str, Any], counts: Counter) -> Iterator[Finding]:
    """Yield counts that differ from the published ones; splits of less than a tenth of the size are ignored."""
    carved = "val" in block["splits"] and not block["splits"]["val"] and "val" not in splits
    for split, published in splits.items():
        parts = ("train", "val") if carved and split == "train" else (split,)
        found = {query_type: sum(counts[part, query_type] for part in parts) for query_type in published}
        if sum(found.values()) * _SHARE < sum(published.values()):
            continue
        for query_type, n in published.items():
            if found[query_type] != n:
                detail = f"{found[query_type]:,} {query_type} sentences, published {n:,}"
                yield Finding("count differs", split, name, detail)
