"""VidSTG: sentences about VidOR videos, as published with the data set (Zhang et al., CVPR 2020).

A file is a list of records; `captions` are declarative sentences, `questions` interrogative ones. In a record
`used_segment.end_fid` is inclusive and `temporal_gt.end_fid` exclusive. Boxes are VidOR's own, one JSON a video,
below `boxes:` of the data set's block; without them truth has spans only. Sample ids are
`<vid>/<record number in its file>/<captions|questions>/<index>`, both numbers from 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
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
    positive,
    read_json,
    split_files,
    whole,
)
from vcma.errors import InputError
from vcma.names import root_folder, video_root

QUERY_TYPES = {"captions": "declarative", "questions": "interrogative"}
_WHAT = "a VidSTG annotation file (a list of records with vid, used_segment, captions and questions)"


@dataclass(frozen=True)
class Record:
    """What every split may know of one record: the video, the segment [begin, end) and the sentences' items."""

    number: int
    video: Video
    segment: tuple[int, int]
    sentences: tuple[tuple[str, int, Any], ...]  # (captions or questions, index, item)


Tracks = Mapping[int, tuple[np.ndarray, np.ndarray]]  # track id -> frame int64 [n], box float32 [n, 4]


@dataclass(frozen=True)
class Trajectories:
    """One video of VidOR: where it says its file is, and its tracks."""

    video_path: str | None
    tracks: Tracks


class VidorFolder:
    """VidOR's annotations below a root, `training/<group>/<vid>.json` or less deep; listed once."""

    def __init__(self, root: Path):
        self.root = root
        self._paths = {path.stem: path for path in sorted(root.rglob("*.json"), reverse=True)}

    def read(self, vid: str) -> Trajectories:
        """The trajectories of one video; raises UnusableError if its file is missing or broken."""
        if vid not in self._paths:
            raise UnusableError("no VidOR annotation of the video")
        try:
            content = read_json(self._paths[vid], dict, "a VidOR annotation")
            path = content.get("video_path")
            return Trajectories(path if isinstance(path, str) else None, _tracks(content["trajectories"]))
        except (InputError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise UnusableError(f"VidOR annotation of the video is broken ({error})") from error


def index(annotations: Path, block: Mapping[str, Any], project_root: Path, *, strict: bool = False) -> Index:
    """Index a data set in VidSTG's format.

    annotations: folder of its files; block: its block of pipeline.yaml (videos, boxes, splits, and optionally
    files, the official id lists, and train_truth). Raises InputError where a file or folder is missing or another
    format, if no sample is usable, and under `strict` at the first skip.
    """
    collector = Collector(annotations, VideoFolder(video_root(block, project_root)), "vidstg", strict)
    vidor = VidorFolder(root_folder(block, "boxes", project_root)) if block.get("boxes") else None
    for name, file in split_files(annotations, block).items():
        known = name != "train" or bool(block.get("train_truth"))
        split = _Split(name, official_ids(annotations, block, name), known, vidor if known else None)
        _read_split(collector, split, file)
    return collector.index(annotations)


def read_records(file: Path) -> list:
    """The raw records of an annotation file; raises InputError if none of them is VidSTG's."""
    records = read_json(file, list, _WHAT)
    if not any(isinstance(r, dict) and {"vid", "used_segment", "captions"} <= set(r) for r in records):
        raise InputError(f"is not {_WHAT}", file, "name another file under 'splits:' in pipeline.yaml")
    return records


def official_ids(annotations: Path, block: Mapping[str, Any], split: str) -> set[str] | None:
    """The official list of a split's videos, where the block names one under `files:`."""
    name = (block.get("files") or {}).get(split)
    if not name:
        return None
    return set(map(str, read_json(annotations / str(name), list, "a list of video ids")))


def parse_record(record: Any, number: int) -> Record:
    """The untruthful part of a record: nothing here looks at spans, targets or relations; raises UnusableError."""
    if not isinstance(record, dict):
        raise UnusableError("record is no object")
    vid = record.get("vid")
    if not isinstance(vid, str | int) or not str(vid):
        raise UnusableError("record has no vid")
    frames = whole(record.get("frame_count"), "frame_count")
    begin, last = (
        whole(_part(record, "used_segment").get(k), f"used_segment.{k}") for k in ("begin_fid", "end_fid")
    )
    if not 0 <= begin <= last or begin >= frames:
        raise UnusableError(f"used_segment {begin}..{last} is empty or outside the video's {frames} frames")
    size = whole(record.get("width"), "width"), whole(record.get("height"), "height")
    video = Video(str(vid), positive(record.get("fps"), "fps"), frames, *size)
    return Record(number, video, (begin, min(last + 1, frames)), tuple(_sentences(record)))


def parse_truth(record: Mapping, item: Any, segment: tuple[int, int]) -> Truth:
    """The truth of one sentence without its boxes; raises UnusableError for what no evaluation could use."""
    if not isinstance(item, dict):
        raise UnusableError("sentence is no object")
    begin, end = (whole(_part(record, "temporal_gt").get(k), f"temporal_gt.{k}") for k in ("begin_fid", "end_fid"))
    if end <= begin:
        raise UnusableError(f"zero-length span {begin}..{end}")
    if end <= segment[0] or begin >= segment[1]:
        raise UnusableError(f"span {begin}..{end} is outside its segment")
    category = {o["tid"]: str(o.get("category", "")) for o in _objects(record)}
    relation = _part(record, "used_relation")
    target = _known(item.get("target_id"), category)
    _known(relation.get("subject_tid"), category)
    if relation.get("object_tid") is not None:  # an action alone has no object
        _known(relation["object_tid"], category)
    return Truth(
        (begin, end),
        target_id=target,
        category=category[target],
        predicate=str(relation.get("predicate", "")),
        distractors=sum(c == category[target] for c in category.values()) - 1,
    )


def with_boxes(truth: Truth, raw: Mapping, segment: tuple[int, int], tracks: Tracks) -> Truth:
    """The truth with its target's boxes in its span; distractors are then those seen in the segment."""
    frame, box = tracks.get(truth.target_id, _NO_TRACK)
    inside = (frame >= truth.span[0]) & (frame < truth.span[1])
    if not inside.any():
        raise UnusableError("target has no box in its span")
    rivals = {o["tid"] for o in _objects(raw) if o.get("category") == truth.category} - {truth.target_id}
    seen = [tracks.get(tid, _NO_TRACK)[0] for tid in rivals]
    distractors = sum(bool(((f >= segment[0]) & (f < segment[1])).any()) for f in seen)
    return replace(truth, box_frame=frame[inside], box=box[inside], distractors=distractors)


_NO_TRACK = (np.zeros(0, np.int64), np.zeros((0, 4), np.float32))


@dataclass
class _Split:
    """What reading one split needs: vidor only where truth may be known and there are boxes."""

    name: str
    listed: set[str] | None
    known: bool
    vidor: VidorFolder | None
    cache: dict[str, Trajectories | UnusableError] = field(default_factory=dict)


def _read_split(collector: Collector, split: _Split, file: Path) -> None:
    if split.known:
        collector.open_split(split.name)
    for number, raw in enumerate(read_records(file)):
        try:
            record = parse_record(raw, number)
        except UnusableError as reason:
            collector.skip(f"{file.name}#{number}", reason)
            continue
        for kind, i, item in record.sentences:
            sample_id = collector.unique(f"{record.video.id}/{number}/{kind}/{i}", split.name)
            try:
                if split.listed is not None and record.video.id not in split.listed:
                    raise UnusableError(f"video not in the official list of {split.name}")
                truth, hint = _truth(split, raw, item, record) if split.known else (None, None)
                path = collector.folder.find(record.video.id, hint)
                sample = Sample(sample_id, split.name, _text(item), QUERY_TYPES[kind], record.segment)
                collector.add(sample, record.video, path, truth)
            except UnusableError as reason:
                collector.skip(sample_id, reason)


def _truth(split: _Split, raw: Mapping, item: Any, record: Record) -> tuple[Truth, str | None]:
    """The truth of one sentence, and where VidOR says its video is."""
    truth = parse_truth(raw, item, record.segment)
    if split.vidor is None:
        return truth, None
    found = _cached(split.vidor, record.video.id, split.cache)
    return with_boxes(truth, raw, record.segment, found.tracks), found.video_path


def _text(item: Any) -> str:
    text = item.get("description") if isinstance(item, dict) else None
    if not isinstance(text, str):
        raise UnusableError("sentence has no description")
    return text


def _cached(vidor: VidorFolder, vid: str, cache: dict[str, Trajectories | UnusableError]) -> Trajectories:
    if vid not in cache:
        try:
            cache[vid] = vidor.read(vid)
        except UnusableError as reason:
            cache[vid] = reason
    found = cache[vid]
    if isinstance(found, UnusableError):
        raise found
    return found


def _part(record: Mapping, key: str) -> Mapping:
    part = record.get(key)
    if not isinstance(part, dict):
        raise UnusableError(f"record has no {key}")
    return part


def _known(tid: object, category: Mapping[int, str]) -> int:
    if isinstance(tid, bool) or not isinstance(tid, int) or tid not in category:
        raise UnusableError(f"names the absent object {tid}")
    return tid


def _sentences(record: Mapping) -> Iterator[tuple[str, int, Any]]:
    for kind in QUERY_TYPES:
        items = record.get(kind, [])
        if not isinstance(items, list):
            raise UnusableError(f"{kind} is no list")
        yield from ((kind, i, item) for i, item in enumerate(items))


def _objects(record: Mapping) -> list[dict]:
    found = record.get("subject/objects")
    if not isinstance(found, list) or not all(isinstance(o, dict) and isinstance(o.get("tid"), int) for o in found):
        raise UnusableError("record has no valid subject/objects")
    return found


def _tracks(trajectories: list) -> Tracks:
    """VidOR's lists of {tid, bbox}, one a frame, as arrays; a second box of a track in a frame is dropped."""
    frames: dict[int, list[int]] = {}
    boxes: dict[int, list[tuple]] = {}
    for frame, seen in enumerate(trajectories):
        for thing in seen:
            tid, b = int(thing["tid"]), thing["bbox"]
            mine = frames.setdefault(tid, [])
            if not mine or mine[-1] != frame:
                mine.append(frame)
                boxes.setdefault(tid, []).append((b["xmin"], b["ymin"], b["xmax"], b["ymax"]))
    return {tid: (np.array(frames[tid], np.int64), np.array(boxes[tid], np.float32)) for tid in frames}
