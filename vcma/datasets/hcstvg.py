"""HC-STVG v1 and v2: one sentence about one person in a clip of 20 s (Tang et al., TCSVT 2021).

A file is an object keyed by video name: `bbox` [[x, y, w, h], ...] of the true span only, `st_frame` from 1,
`img_num`, `caption` (v1) or `English` (v2), and `width` and `height` or `img_size` [height, width]. The span is
[st_frame - 1, st_frame - 1 + number of boxes), whatever `ed_frame` (inclusive, not in every file), `st_time` and
`ed_time` (s) say: in version 1 there are about 8 boxes fewer than they imply. A sample's id is the video's key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from vcma.boxes import FAR
from vcma.datasets.annotation_files import read_annotations, split_files, splits_with_truth, whole_number
from vcma.datasets.entries import AnnotatedTube, Entry, UnusableEntry, UnusableError, Video, Watch, with_unique_ids
from vcma.datasets.index import Index, build
from vcma.datasets.video_files import VideoFolder, inner_path
from vcma.errors import InputError
from vcma.pipeline.paths import video_root

SECONDS = 20  # length of every clip; the frame rate that the protocols use follows from it
_TOLERANCE = 2  # frames by which rounded times may differ from the boxes
_WHAT = "an HC-STVG annotation file (an object of video names with bbox, st_frame, img_num and a sentence)"


def index(
    annotations: Path,
    block: Mapping[str, Any],
    project_root: Path,
    *,
    strict: bool = False,
    videos: bool = True,
    watch: Watch = iter,
) -> Index:
    """Index a data set in HC-STVG's format.

    annotations: folder of its files; block: its block of pipeline.yaml. If `splits:` says `val: null`, a
    validation split of the share `val_share` is carved out of train by source video, with the seed `val_seed`.
    Raises InputError if a file or folder is missing or in another format, no sample is usable, or, if `strict`, at
    the first skipped sample.
    """
    folder = VideoFolder(video_root(block, project_root)) if videos else None
    truth_splits = splits_with_truth(block)
    entries = read_entries(annotations, block, truth_splits)
    return build("hcstvg", entries, truth_splits, folder, annotations, strict, watch)


def read_entries(
    annotations: Path, block: Mapping[str, Any], truth_splits: Container[str]
) -> Iterator[Entry | UnusableEntry]:
    """Yield the sentence of every video of every split, with ground truth in `truth_splits`; reads no video.

    Raises InputError if an annotation file is missing or in another format.
    """
    return with_unique_ids(_read_entries(annotations, block, truth_splits))


def _read_entries(
    annotations: Path, block: Mapping[str, Any], truth_splits: Container[str]
) -> Iterator[Entry | UnusableEntry]:
    for split, records in _split_records(annotations, block).items():
        for key, record in records.items():
            try:
                video, sentence, path = _parse_video(key, record), _sentence(record), inner_path(key)
                truth = _parse_truth(record) if split in truth_splits else None
                segment = (0, video.frames)
                yield Entry(key, split, video, Path(key).name, path, sentence, "declarative", segment, truth)
            except UnusableError as error:
                yield UnusableEntry(key, split, error, "declarative")


def carve(keys: Iterable[str], share: float, seed: int) -> set[str]:
    """Choose the keys of a validation split: whole source videos until the share of the keys is reached.

    The choice depends only on the seed and the names, not on the order of the keys.
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


def source_video(key: str) -> str:
    """Return the name of the film that a clip was cut from: keys are `<number>_<film>.<suffix>`."""
    return Path(key).stem.split("_", 1)[-1]


def _split_records(annotations: Path, block: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    records = {split: _records(file) for split, file in split_files(annotations, block).items()}
    if "val" in block["splits"] and "val" not in records and "train" in records:
        share, seed = block.get("val_share"), block.get("val_seed")
        if not isinstance(share, float) or not 0 < share < 1 or not isinstance(seed, int):
            raise InputError(
                "'val: null' needs 'val_share:' between 0 and 1 and an integer 'val_seed:'",
                "pipeline.yaml",
                "e.g. val_share: 0.1 and val_seed: 0 in the data set's block",
            )
        carved = carve(records["train"], share, seed)
        train = records.pop("train")
        records["val"] = {k: r for k, r in train.items() if k in carved}
        records["train"] = {k: r for k, r in train.items() if k not in carved}
    return records


def _records(file: Path) -> dict[str, Any]:
    records = read_annotations(file, dict, _WHAT)
    if not any(isinstance(r, dict) and {"bbox", "st_frame", "img_num"} <= set(r) for r in records.values()):
        raise InputError(f"is not {_WHAT}", file, "set another file under 'splits:' in pipeline.yaml")
    return records


def _parse_video(key: str, record: Any) -> Video:
    if not isinstance(record, dict):
        raise UnusableError("malformed record", "not an object")
    frames = whole_number(record.get("img_num"), "img_num")
    if frames < 1:
        raise UnusableError("malformed record", "video has no frames")
    size = record.get("img_size") or [record.get("height"), record.get("width")]
    if not isinstance(size, list) or len(size) != 2:
        raise UnusableError("malformed record", "img_size is not [height, width]")
    return Video(key, frames / SECONDS, frames, whole_number(size[1], "width"), whole_number(size[0], "height"))


def _sentence(record: Mapping) -> str:
    text = record.get("English", record.get("caption"))
    if not isinstance(text, str):
        raise UnusableError("malformed record", "no caption")
    return text


def _parse_truth(record: Mapping) -> AnnotatedTube:
    start = whole_number(record.get("st_frame"), "st_frame") - 1
    if start < 0:
        raise UnusableError("malformed record", "st_frame is below 1")
    try:
        box = np.array(record.get("bbox"), np.float64).reshape(-1, 4)
    except (TypeError, ValueError, OverflowError):
        raise UnusableError("malformed record", "bbox is not a list of [x, y, w, h]") from None
    if not len(box):
        raise UnusableError("zero-length span", "no box")
    if not (np.abs(box) < FAR).all():
        raise UnusableError("malformed record", "a box is not finite")
    box[:, 2:] += box[:, :2]
    span = start, start + len(box)
    frame, contradictions = np.arange(*span, dtype=np.int64), tuple(_contradictions(record, span))
    return AnnotatedTube(span, frame, box.astype(np.float32), category="person", contradictions=contradictions)


def _contradictions(record: Mapping, span: tuple[int, int]) -> Iterator[str]:
    """Describe where ed_frame, st_time and ed_time disagree with the span that the boxes cover."""
    begin, end = span
    last, frames = record.get("ed_frame"), record.get("img_num", 0)
    if _is_number(last) and last != end:
        yield f"{end - begin} boxes, but {last - begin:g} frames up to ed_frame {last:g}"
    first_time, last_time = record.get("st_time"), record.get("ed_time")
    if not _is_number(first_time) or not _is_number(last_time):
        return
    fps = frames / SECONDS
    if abs(first_time * fps - begin) > _TOLERANCE:
        yield f"st_frame is {begin + 1}, but st_time is that of frame {first_time * fps:.0f}"
    if abs((last_time - first_time) * fps - (end - begin)) > _TOLERANCE:
        yield f"{end - begin} boxes, but {(last_time - first_time) * fps:.0f} frames from st_time to ed_time"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < FAR
