"""What annotations alone show: sentences, spans and boxes of an entry, and the number of sentences of a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vcma.commands.findings import Finding
from vcma.datasets.entries import AnnotatedTube, Entry, Video
from vcma.datasets.sizes import published_counts

_SHARE = 10  # less than one tenth of a published split is no copy of it


def check_entry(form: str, entry: Entry, first_ids: dict[tuple, str]) -> Iterator[Finding]:
    """What one entry shows.

    first_ids: the id of the first entry with a sentence, segment and span; this one is added where it is the first.
    """
    if not entry.sentence.strip():
        yield Finding("empty sentence", entry.split, entry.id, "")
    span = entry.truth.span if entry.truth else None
    key = (entry.split, entry.video.id, entry.segment, span, entry.sentence.strip().lower())
    if first_ids.setdefault(key, entry.id) != entry.id:
        yield Finding("duplicate", entry.split, entry.id, f"of {first_ids[key]}")
    if span and (reason := _why_evaluators_drop(form, entry, span)):
        yield Finding("dropped by evaluators", entry.split, entry.id, reason)
    if entry.truth and form == "hcstvg":
        yield from check_boxes(entry.id, entry.split, entry.truth, entry.video)


def _why_evaluators_drop(form: str, entry: Entry, span: tuple[int, int]) -> str:
    last = entry.segment[1] - 1
    if form == "hcstvg" and span[1] > entry.video.frames:
        return f"boxes up to frame {span[1]} of {entry.video.frames}"
    # STCAT wants a box for each frame up to the inclusive end, but clamps boxes and span by different limits.
    if form == "vidstg" and min(span[1], entry.video.frames - 1) != min(span[1], last):
        return f"span ends at {span[1]}, its segment at {last}"
    if entry.video.fps < 5:
        return f"{entry.video.fps:g} frames a second are below TubeDETR's 5"
    return ""


def check_boxes(sample: str, split: str, truth: AnnotatedTube, video: Video) -> Iterator[Finding]:
    """True boxes that leave the picture by a pixel or more, and frames of the true span without one."""
    picture = np.array([video.width, video.height] * 2)
    beyond = np.maximum(-truth.box, truth.box - picture).max(axis=1, initial=0)
    outside = beyond >= 1
    if outside.any():
        worst = int(beyond.argmax())
        box = ", ".join(f"{v:g}" for v in truth.box[worst])
        detail = f"{int(outside.sum())} boxes, e.g. [{box}] in frame {truth.box_frame[worst]}"
        yield Finding("box outside the picture", split, sample, f"{detail} of {video.width}x{video.height}")
    length = truth.span[1] - truth.span[0]
    missing = length - len(truth.box)
    if missing:
        yield Finding("frame without a box", split, sample, f"{missing} of {length}")


def compare_counts(form: str, block: Mapping[str, Any], counts: Counter) -> Iterator[Finding]:
    """Sentences of each split beside the published numbers of the format's data set that fits best.

    counts: number of entries by (split, query type).
    """
    published = published_counts(form).items()
    candidates = [[*_count_differences(name, splits, block, counts)] for name, splits in published]
    yield from min(candidates, key=len, default=[])


def _count_differences(name: str, splits: Mapping, block: Mapping[str, Any], counts: Counter) -> Iterator[Finding]:
    """Numbers that differ; a split with less than a tenth of the sentences is another data set of that format."""
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
