"""HC-STVG v1 and v2: one sentence about one person in a clip of 20 s (Tang et al., TCSVT 2021).

A file is an object keyed by video name: `bbox` [[x, y, w, h], ...] of the true span only, `st_frame` from 1,
`img_num`, `caption` (v1) or `English` (v2), and `width` and `height` or `img_size` [height, width]. In our terms
the span is [st_frame - 1, st_frame - 1 + number of boxes). A sample's id is the video's key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vcma.datasets.index import (
    Collector,
    Index,
    Sample,
    Truth,
    UnusableError,
    Video,
    VideoFolder,
    is_inside,
    read_json,
    split_files,
    whole,
)
from vcma.errors import InputError
from vcma.names import video_root

SECONDS = 20  # every clip's length; the frame rate the protocols use follows from it
_FAR = 1e9  # px; beyond it, or not a number, a coordinate is an error
_WHAT = "an HC-STVG annotation file (an object of video names with bbox, st_frame, img_num and a sentence)"


def index(annotations: Path, block: Mapping[str, Any], project_root: Path, *, strict: bool = False) -> Index:
    """Index a data set in HC-STVG's format.

    annotations: folder of its files; block: its block of pipeline.yaml. If `splits:` says `val: null`, a
    validation split is carved out of train by source video: the share `val_share`, by the seed `val_seed`. Raises
    InputError where a file or folder is missing or another format, if no sample is usable, and under `strict` at
    the first skip.
    """
    collector = Collector(annotations, VideoFolder(video_root(block, project_root)), "hcstvg", strict)
    for split, records in _split_records(annotations, block).items():
        known = split != "train" or bool(block.get("train_truth"))
        if known:
            collector.open_split(split)
        for key, record in records.items():
            sample_id = collector.unique(key, split)
            try:
                _add(collector, sample_id, key, split, record, known)
            except UnusableError as reason:
                collector.skip(sample_id, reason)
    return collector.index(annotations)


def read_records(file: Path) -> dict[str, Any]:
    """The raw records of an annotation file by video key; raises InputError if none of them is HC-STVG's."""
    records = read_json(file, dict, _WHAT)
    if not any(isinstance(r, dict) and {"bbox", "st_frame", "img_num"} <= set(r) for r in records.values()):
        raise InputError(f"is not {_WHAT}", file, "name another file under 'splits:' in pipeline.yaml")
    return records


def source_video(key: str) -> str:
    """The film a clip was cut from: keys are `<number>_<film>.<suffix>`."""
    return Path(key).stem.split("_", 1)[-1]


def carve(keys: Iterable[str], share: float, seed: int) -> set[str]:
    """The keys of a validation split: whole source videos until the share of the keys is reached.

    Which ones depends on the seed and the names alone, not on the order of the keys.
    """
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault(source_video(key), []).append(key)
    ranked = sorted(groups, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
    wanted = share * sum(map(len, groups.values()))
    chosen: set[str] = set()
    for name in ranked:
        if len(chosen) >= wanted:
            break
        chosen.update(groups[name])
    return chosen


def parse_video(key: str, record: Any) -> Video:
    """The video of one record; raises UnusableError."""
    if not isinstance(record, dict):
        raise UnusableError("record is no object")
    frames = whole(record.get("img_num"), "img_num")
    if frames < 1:
        raise UnusableError("video has no frames")
    size = record.get("img_size")
    height, width = (
        size if isinstance(size, list) and len(size) == 2 else (record.get("height"), record.get("width"))
    )
    return Video(key, frames / SECONDS, frames, whole(width, "width"), whole(height, "height"))


def parse_truth(record: Mapping) -> Truth:
    """The truth of one record; raises UnusableError."""
    start = whole(record.get("st_frame"), "st_frame") - 1
    if start < 0:
        raise UnusableError("st_frame is below 1")
    try:
        box = np.array(record.get("bbox"), np.float64).reshape(-1, 4)
    except (TypeError, ValueError, OverflowError):
        raise UnusableError("bbox is no list of [x, y, w, h]") from None
    if not len(box):
        raise UnusableError("zero-length span: no box")
    if not (np.abs(box) < _FAR).all():
        raise UnusableError("a box is not finite")
    box[:, 2:] += box[:, :2]
    frame = np.arange(start, start + len(box), dtype=np.int64)
    return Truth((start, start + len(box)), frame, box.astype(np.float32), category="person")


def _split_records(annotations: Path, block: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    records = {split: read_records(file) for split, file in split_files(annotations, block).items()}
    if "val" in block["splits"] and "val" not in records and "train" in records:
        share, seed = block.get("val_share"), block.get("val_seed")
        if not isinstance(share, float) or not 0 < share < 1 or not isinstance(seed, int):
            raise InputError(
                "'val: null' needs 'val_share:' between 0 and 1 and a whole 'val_seed:'",
                "pipeline.yaml",
                "e.g. val_share: 0.1 and val_seed: 0 in the data set's block",
            )
        carved = carve(list(records["train"]), share, seed)
        records["val"] = {k: r for k, r in records["train"].items() if k in carved}
        records["train"] = {k: r for k, r in records["train"].items() if k not in carved}
    return records


def _add(collector: Collector, sample_id: str, key: str, split: str, record: Any, known: bool) -> None:
    video = parse_video(key, record)
    sentence = record.get("English", record.get("caption"))
    if not isinstance(sentence, str):
        raise UnusableError("record has no caption")
    if not is_inside(key):
        raise UnusableError("video is outside the video folder")
    truth = parse_truth(record) if known else None
    sample = Sample(sample_id, split, sentence, "declarative", (0, video.frames))
    collector.add(sample, video, collector.folder.find(Path(key).name, key), truth)
