"""VidSTG: sentences about VidOR videos, as published with the data set (Zhang et al., CVPR 2020).

A file is a list of records; `captions` are declarative sentences, `questions` interrogative ones. In a record
`used_segment.end_fid` is inclusive and `temporal_gt.end_fid` exclusive. Boxes come from VidOR, one JSON file per
video, below `boxes:` of the data set's block; without them the ground truth has spans only. Sample ids are
`<vid>/<record number in its file>/<captions|questions>/<index>`, both numbers counted from 0.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vcma.datasets.annotation_files import (
    positive_number,
    read_annotations,
    split_files,
    splits_with_truth,
    whole_number,
)
from vcma.datasets.entries import AnnotatedTube, Entry, UnusableEntry, UnusableError, Video, Watch, with_unique_ids
from vcma.datasets.index import NOT_OFFICIAL, Index, build
from vcma.datasets.video_files import VideoFolder
from vcma.datasets.vidor import NO_TRACK, Tracks, Trajectories, VidorFolder, read_trajectories
from vcma.errors import InputError
from vcma.pipeline.paths import root_folder, video_root

QUERY_TYPES = {"captions": "declarative", "questions": "interrogative"}

_WHAT = "a VidSTG annotation file (a list of records with vid, used_segment, captions and questions)"


def index(
    annotations: Path,
    block: Mapping[str, Any],
    project_root: Path,
    *,
    strict: bool = False,
    videos: bool = True,
    watch: Watch = iter,
) -> Index:
    """Index a data set in VidSTG's format.

    annotations: folder of its files; block: its block of pipeline.yaml (videos, boxes, splits, and optionally
    files, the official id lists, and train_truth). Raises InputError if a file or folder is missing or in another
    format, no sample is usable, or, if `strict`, at the first skipped sample.
    """
    folder = VideoFolder(video_root(block, project_root)) if videos else None
    truth_splits = splits_with_truth(block)
    entries: Iterable[Entry | UnusableEntry] = read_entries(annotations, block, truth_splits)
    if block.get("boxes"):
        entries = _with_vidor_boxes(entries, VidorFolder(root_folder(block, "boxes", project_root)))
    return build("vidstg", entries, truth_splits, folder, annotations, strict, watch)


def read_entries(
    annotations: Path, block: Mapping[str, Any], truth_splits: Container[str]
) -> Iterator[Entry | UnusableEntry]:
    """Yield every sentence of every split, with ground truth but no boxes in `truth_splits`; reads no video.

    Raises InputError if an annotation file is missing or in another format.
    """
    return with_unique_ids(_read_entries(annotations, block, truth_splits))


def _read_entries(
    annotations: Path, block: Mapping[str, Any], truth_splits: Container[str]
) -> Iterator[Entry | UnusableEntry]:
    for split, file in split_files(annotations, block).items():
        official_ids = _official_ids(annotations, block, split)
        for number, record in enumerate(_records(file)):
            try:
                video, segment, sentences = _parse_record(record)
            except UnusableError as error:
                yield UnusableEntry(f"{file.name}#{number}", split, error)
                continue
            for key, i, item in sentences:
                sample = f"{video.id}/{number}/{key}/{i}"
                try:
                    if official_ids is not None and video.id not in official_ids:
                        raise UnusableError(NOT_OFFICIAL, f"of {split}")
                    text = _sentence(item)
                    truth = _parse_truth(record, item, segment) if split in truth_splits else None
                    yield Entry(sample, split, video, video.id, None, text, QUERY_TYPES[key], segment, truth)
                except UnusableError as error:
                    yield UnusableEntry(sample, split, error, QUERY_TYPES[key])


def with_boxes(truth: AnnotatedTube, segment: tuple[int, int], tracks: Tracks) -> AnnotatedTube:
    """Add the target's boxes in its span; distractors are then the rivals with a box in the segment.

    Raises UnusableError if the target has no box in its span.
    """
    frame, box = tracks.get(truth.target_id, NO_TRACK)
    inside = (frame >= truth.span[0]) & (frame < truth.span[1])
    if not inside.any():
        raise UnusableError("no boxes", f"object {truth.target_id} has none in its span")
    rival_frames = [tracks.get(tid, NO_TRACK)[0] for tid in truth.rivals]
    distractors = sum(bool(((f >= segment[0]) & (f < segment[1])).any()) for f in rival_frames)
    return replace(truth, box_frame=frame[inside], box=box[inside], distractors=distractors)


def _with_vidor_boxes(
    entries: Iterable[Entry | UnusableEntry], vidor: VidorFolder
) -> Iterator[Entry | UnusableEntry]:
    """Add boxes to the entries with ground truth; reads each video's file once."""
    cache: dict[str, Trajectories | UnusableError] = {}
    for entry in entries:
        if isinstance(entry, UnusableEntry) or entry.truth is None:
            yield entry
            continue
        vid = entry.video.id
        try:
            if vid not in cache:
                cache[vid] = _read_or_error(vidor.path(vid))
            found = cache[vid]
            if isinstance(found, UnusableError):
                raise found
            yield replace(entry, path=found.video_path, truth=with_boxes(entry.truth, entry.segment, found.tracks))
        except UnusableError as error:
            yield UnusableEntry(entry.id, entry.split, error, entry.query_type)


def _read_or_error(path: Path | None) -> Trajectories | UnusableError:
    try:
        return read_trajectories(path)
    except UnusableError as error:
        return error


def _records(file: Path) -> list:
    records = read_annotations(file, list, _WHAT)
    if not any(isinstance(r, dict) and {"vid", "used_segment", "captions"} <= set(r) for r in records):
        raise InputError(f"is not {_WHAT}", file, "set another file under 'splits:' in pipeline.yaml")
    return records


def _official_ids(annotations: Path, block: Mapping[str, Any], split: str) -> set[str] | None:
    name = (block.get("files") or {}).get(split)
    if not name:
        return None
    return set(map(str, read_annotations(annotations / str(name), list, "a list of video ids", "files")))


def _parse_record(record: Any) -> tuple[Video, tuple[int, int], list[tuple[str, int, Any]]]:
    """Parse what every split may use: video, segment [begin, end), and (captions or questions, index, item) each.

    Must not read spans, targets or relations: the train split is weakly supervised.
    """
    if not isinstance(record, dict):
        raise UnusableError("malformed record", "not an object")
    vid = record.get("vid")
    if not isinstance(vid, str | int) or not str(vid):
        raise UnusableError("malformed record", "no vid")
    frames = whole_number(record.get("frame_count"), "frame_count")
    begin, last = _frame_range(record, "used_segment")
    if not 0 <= begin <= last or begin >= frames:
        raise UnusableError("malformed record", f"used_segment {begin}..{last} is empty or outside {frames} frames")
    size = whole_number(record.get("width"), "width"), whole_number(record.get("height"), "height")
    video = Video(str(vid), positive_number(record.get("fps"), "fps"), frames, *size)
    return video, (begin, min(last + 1, frames)), list(_sentences(record))


def _parse_truth(record: Mapping, item: Mapping, segment: tuple[int, int]) -> AnnotatedTube:
    """Parse the ground truth of one sentence without boxes; raises UnusableError if it cannot be evaluated."""
    begin, end = _frame_range(record, "temporal_gt")
    if end <= begin:
        raise UnusableError("zero-length span", f"{begin}..{end}")
    if end <= segment[0] or begin >= segment[1]:
        raise UnusableError("span outside its segment", f"{begin}..{end}")
    category = _categories(record)
    relation = _object(record, "used_relation")
    target = _listed_tid(item.get("target_id"), category)
    _listed_tid(relation.get("subject_tid"), category)
    if relation.get("object_tid") is not None:  # an action alone has no object
        _listed_tid(relation["object_tid"], category)
    rivals = tuple(tid for tid, c in category.items() if c == category[target] and tid != target)
    predicate = str(relation.get("predicate", ""))
    return AnnotatedTube(
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


def _object(record: Mapping, key: str) -> Mapping:
    value = record.get(key)
    if not isinstance(value, dict):
        raise UnusableError("malformed record", f"no {key}")
    return value


def _frame_range(record: Mapping, key: str) -> tuple[int, int]:
    frames = _object(record, key)
    begin = whole_number(frames.get("begin_fid"), f"{key}.begin_fid")
    return begin, whole_number(frames.get("end_fid"), f"{key}.end_fid")


def _sentences(record: Mapping) -> Iterator[tuple[str, int, Any]]:
    for key in QUERY_TYPES:
        items = record.get(key, [])
        if not isinstance(items, list):
            raise UnusableError("malformed record", f"{key} is not a list")
        yield from ((key, i, item) for i, item in enumerate(items))


def _categories(record: Mapping) -> dict[int, str]:
    """Return the category of each object of the record by track id."""
    objects = record.get("subject/objects")
    if not isinstance(objects, list) or not all(
        isinstance(o, dict) and isinstance(o.get("tid"), int) for o in objects
    ):
        raise UnusableError("malformed record", "no valid subject/objects")
    return {o["tid"]: str(o.get("category", "")) for o in objects}


def _listed_tid(tid: object, category: Mapping[int, str]) -> int:
    if isinstance(tid, bool) or not isinstance(tid, int) or tid not in category:
        raise UnusableError("names an absent object", str(tid))
    return tid
