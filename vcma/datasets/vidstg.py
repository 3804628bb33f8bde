"""VidSTG: sentences about VidOR videos, as published with the data set (Zhang et al., CVPR 2020).

A file is a list of records; `captions` are declarative sentences, `questions` interrogative ones. In a record
`used_segment.end_fid` is inclusive and `temporal_gt.end_fid` exclusive. Boxes are VidOR's own, one JSON a video,
below `boxes:` of the data set's block; without them truth has spans only. Sample ids are
`<vid>/<record number in its file>/<captions|questions>/<index>`, both numbers from 0.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vcma.boxes import FAR
from vcma.datasets.index import (
    NOT_OFFICIAL,
    Entry,
    Index,
    Problem,
    Truth,
    UnusableError,
    Video,
    VideoFolder,
    build,
    known_splits,
    positive,
    read_annotations,
    split_files,
    unique,
    whole,
)
from vcma.errors import InputError
from vcma.pipeline.paths import root_folder, video_root

QUERY_TYPES = {"captions": "declarative", "questions": "interrogative"}
Tracks = Mapping[int, tuple[np.ndarray, np.ndarray]]  # track id -> frame int64 [n], box float32 [n, 4]

_WHAT = "a VidSTG annotation file (a list of records with vid, used_segment, captions and questions)"
_NO_TRACK = (np.zeros(0, np.int64), np.zeros((0, 4), np.float32))


def index(
    annotations: Path, block: Mapping[str, Any], project_root: Path, *, strict: bool = False, videos: bool = True
) -> Index:
    """Index a data set in VidSTG's format.

    annotations: folder of its files; block: its block of pipeline.yaml (videos, boxes, splits, and optionally
    files, the official id lists, and train_truth). Raises InputError where a file or folder is missing or of
    another format, if no sample is usable, and under `strict` at the first skip.
    """
    folder = VideoFolder(video_root(block, project_root)) if videos else None
    known = known_splits(block)
    entries: Iterable[Entry | Problem] = walk(annotations, block, known)
    if block.get("boxes"):
        entries = _with_boxes(entries, VidorFolder(root_folder(block, "boxes", project_root)))
    return build("vidstg", entries, known, folder, annotations, strict)


def walk(annotations: Path, block: Mapping[str, Any], known: Container[str]) -> Iterator[Entry | Problem]:
    """Every sentence of every split, those of `known` splits with their truth but no boxes; reads no video.

    Raises InputError where an annotation file is missing or of another format.
    """
    return unique(_walk(annotations, block, known))


def _walk(annotations: Path, block: Mapping[str, Any], known: Container[str]) -> Iterator[Entry | Problem]:
    for split, file in split_files(annotations, block).items():
        listed = _official_ids(annotations, block, split)
        for number, raw in enumerate(_records(file)):
            try:
                video, segment, sentences = _parse_record(raw)
            except UnusableError as error:
                yield Problem(f"{file.name}#{number}", split, error)
                continue
            for kind, i, item in sentences:
                sample = f"{video.id}/{number}/{kind}/{i}"
                try:
                    if listed is not None and video.id not in listed:
                        raise UnusableError(NOT_OFFICIAL, f"of {split}")
                    text = _sentence(item)
                    truth = _parse_truth(raw, item, segment) if split in known else None
                    yield Entry(sample, split, video, video.id, None, text, QUERY_TYPES[kind], segment, truth)
                except UnusableError as error:
                    yield Problem(sample, split, error, QUERY_TYPES[kind])


@dataclass(frozen=True)
class Trajectories:
    """One video of VidOR: where below the video root it says its file is, and its tracks."""

    video_path: str | None
    tracks: Tracks


class VidorFolder:
    """VidOR's annotations below a root, `training/<group>/<vid>.json` or less deep; listed once."""

    def __init__(self, root: Path):
        self._paths = {path.stem: path for path in sorted(root.rglob("*.json"), reverse=True)}

    def path(self, vid: str) -> Path | None:
        return self._paths.get(vid)


def read_trajectories(path: Path | None) -> Trajectories:
    """VidOR's annotation of one video; raises UnusableError if it is missing or broken."""
    if path is None:
        raise UnusableError("no boxes", "VidOR has no annotation of the video")
    try:
        content = read_annotations(path, dict, "a VidOR annotation")
        place = content.get("video_path")
        return Trajectories(place if isinstance(place, str) else None, _tracks(content["trajectories"]))
    except InputError as error:
        raise UnusableError("no boxes", f"VidOR's annotation of the video is broken ({error.what})") from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UnusableError("no boxes", f"VidOR's annotation of the video is broken ({error!r})") from error


def boxed(truth: Truth, segment: tuple[int, int], tracks: Tracks) -> Truth:
    """The truth with its target's boxes in its span; distractors are then the rivals seen in the segment.

    Raises UnusableError if the target has no box there.
    """
    frame, box = tracks.get(truth.target_id, _NO_TRACK)
    inside = (frame >= truth.span[0]) & (frame < truth.span[1])
    if not inside.any():
        raise UnusableError("no boxes", f"object {truth.target_id} has none in its span")
    seen = [tracks.get(tid, _NO_TRACK)[0] for tid in truth.rivals]
    distractors = sum(bool(((f >= segment[0]) & (f < segment[1])).any()) for f in seen)
    return replace(truth, box_frame=frame[inside], box=box[inside], distractors=distractors)


def _with_boxes(entries: Iterable[Entry | Problem], vidor: VidorFolder) -> Iterator[Entry | Problem]:
    """The entries with the boxes of those whose truth is known; each video's file is read once."""
    cache: dict[str, Trajectories | UnusableError] = {}
    for entry in entries:
        if isinstance(entry, Problem) or entry.truth is None:
            yield entry
            continue
        vid = entry.video.id
        try:
            if vid not in cache:
                cache[vid] = _read_or_error(vidor.path(vid))
            found = cache[vid]
            if isinstance(found, UnusableError):
                raise found
            yield replace(entry, path=found.video_path, truth=boxed(entry.truth, entry.segment, found.tracks))
        except UnusableError as error:
            yield Problem(entry.id, entry.split, error, entry.query_type)


def _read_or_error(path: Path | None) -> Trajectories | UnusableError:
    try:
        return read_trajectories(path)
    except UnusableError as error:
        return error


def _records(file: Path) -> list:
    records = read_annotations(file, list, _WHAT)
    if not any(isinstance(r, dict) and {"vid", "used_segment", "captions"} <= set(r) for r in records):
        raise InputError(f"is not {_WHAT}", file, "name another file under 'splits:' in pipeline.yaml")
    return records


def _official_ids(annotations: Path, block: Mapping[str, Any], split: str) -> set[str] | None:
    name = (block.get("files") or {}).get(split)
    if not name:
        return None
    return set(map(str, read_annotations(annotations / str(name), list, "a list of video ids", "files")))


def _parse_record(record: Any) -> tuple[Video, tuple[int, int], list[tuple[str, int, Any]]]:
    """What every split may know: video, segment [begin, end), and (captions or questions, index, item) each.

    Nothing here looks at spans, targets or relations.
    """
    if not isinstance(record, dict):
        raise UnusableError("malformed record", "no object")
    vid = record.get("vid")
    if not isinstance(vid, str | int) or not str(vid):
        raise UnusableError("malformed record", "no vid")
    frames = whole(record.get("frame_count"), "frame_count")
    begin, last = _range(record, "used_segment")
    if not 0 <= begin <= last or begin >= frames:
        raise UnusableError("malformed record", f"used_segment {begin}..{last} is empty or not in {frames} frames")
    size = whole(record.get("width"), "width"), whole(record.get("height"), "height")
    video = Video(str(vid), positive(record.get("fps"), "fps"), frames, *size)
    return video, (begin, min(last + 1, frames)), list(_sentences(record))


def _parse_truth(record: Mapping, item: Mapping, segment: tuple[int, int]) -> Truth:
    """The truth of one sentence without its boxes; raises UnusableError for what no evaluation could use."""
    begin, end = _range(record, "temporal_gt")
    if end <= begin:
        raise UnusableError("zero-length span", f"{begin}..{end}")
    if end <= segment[0] or begin >= segment[1]:
        raise UnusableError("span outside its segment", f"{begin}..{end}")
    category = _categories(record)
    relation = _part(record, "used_relation")
    target = _known(item.get("target_id"), category)
    _known(relation.get("subject_tid"), category)
    if relation.get("object_tid") is not None:  # an action alone has no object
        _known(relation["object_tid"], category)
    rivals = tuple(tid for tid, c in category.items() if c == category[target] and tid != target)
    predicate = str(relation.get("predicate", ""))
    return Truth(
        (begin, end),
        target_id=target,
        category=category[target],
        predicate=predicate,
        rivals=rivals,
        distractors=len(rivals),
    )


def _sentence(item: Any) -> str:
    text = item.get("description") if isinstance(item, dict) else None
    if not isinstance(text, str):
        raise UnusableError("malformed record", "sentence without description")
    return text


def _part(record: Mapping, key: str) -> Mapping:
    part = record.get(key)
    if not isinstance(part, dict):
        raise UnusableError("malformed record", f"no {key}")
    return part


def _range(record: Mapping, key: str) -> tuple[int, int]:
    part = _part(record, key)
    return whole(part.get("begin_fid"), f"{key}.begin_fid"), whole(part.get("end_fid"), f"{key}.end_fid")


def _sentences(record: Mapping) -> Iterator[tuple[str, int, Any]]:
    for kind in QUERY_TYPES:
        items = record.get(kind, [])
        if not isinstance(items, list):
            raise UnusableError("malformed record", f"{kind} is no list")
        yield from ((kind, i, item) for i, item in enumerate(items))


def _categories(record: Mapping) -> dict[int, str]:
    """Category of each object of the record by track id."""
    found = record.get("subject/objects")
    if not isinstance(found, list) or not all(isinstance(o, dict) and isinstance(o.get("tid"), int) for o in found):
        raise UnusableError("malformed record", "no valid subject/objects")
    return {o["tid"]: str(o.get("category", "")) for o in found}


def _known(tid: object, category: Mapping[int, str]) -> int:
    if isinstance(tid, bool) or not isinstance(tid, int) or tid not in category:
        raise UnusableError("names an absent object", str(tid))
    return tid


def _tracks(trajectories: list) -> Tracks:
    """VidOR's lists of {tid, bbox}, one a frame, as arrays; a second box of a track in a frame is dropped.

    Raises UnusableError for a box that is not finite; KeyError, TypeError or ValueError where they are none.
    """
    frames: dict[int, list[int]] = {}
    boxes: dict[int, list[tuple]] = {}
    for frame, seen in enumerate(trajectories):
        for thing in seen:
            tid, b = int(thing["tid"]), thing["bbox"]
            mine = frames.setdefault(tid, [])
            if not mine or mine[-1] != frame:
                mine.append(frame)
                boxes.setdefault(tid, []).append((b["xmin"], b["ymin"], b["xmax"], b["ymax"]))
    exact = {tid: np.array(b, np.float64) for tid, b in boxes.items()}
    if not all((np.abs(b) < FAR).all() for b in exact.values()):
        raise UnusableError("no boxes", "VidOR's annotation of the video is broken (a box is not finite)")
    return {tid: (np.array(frames[tid], np.int64), b.astype(np.float32)) for tid, b in exact.items()}
