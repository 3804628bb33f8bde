"""The drawn world: a seeded corpus in the formats of VidSTG and VidOR, and still images for its detector.

All output is determined by (seed, VERSION, index), bit for bit. Any change of the world or grammar needs a new
VERSION.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from world.acts import PREDICATES
from world.cast import ATTRIBUTES, CATEGORIES, VIDOR_NAMES, WHO
from world.plan import clipped, plan_video, random_of, stage_video
from world.records import Record, Video
from world.stage import HEIGHT, WIDTH

__all__ = ["ATTRIBUTES", "CATEGORIES", "PREDICATES", "SIZES", "VERSION", "draw_world", "still_pictures"]

VERSION = 1
#: Number of videos per split.
SIZES = {
    "demo": {"train": 60, "val": 20, "test": 20},
    "demo_full": {"train": 450, "val": 60, "test": 150},
}
_STILLS, _PAINT = 1, 2  # streams of random numbers; 0 is that of the plans
_DRAWN = 1_577_836_800  # modification time of videos: recorded in the index, so it must not differ between runs
_GROUP = 50  # videos per folder


def video_id(seed: int, index: int) -> str:
    """Return ten digits, as in VidOR: six random ones, and the index, which makes the id unique."""
    return f"{int(random_of(seed, VERSION, 3, index).integers(200_000, 999_999))}{index:04d}"


def splits_of(size: str) -> dict[str, range]:
    """Return the video indices of each split."""
    out, start = {}, 0
    for name, count in SIZES[size].items():
        out[name] = range(start, start + count)
        start += count
    return out


def still_pictures(seed: int, count: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield separate still images of the world, for training a detector.

    Each is: image (240, 320, 3) uint8 BGR; boxes (n, 4) float32 xyxy in continuous pixels; class ids (n,) int64
    into CATEGORIES; attributes (n, len(ATTRIBUTES)) uint8, multi-hot. Objects of which less than a third is visible
    have no box. Images are JPEG-compressed, as frames of a video are H.264-compressed.
    """
    for index in range(count):
        yield _still(seed, index)


def _still(seed: int, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    import cv2

    from world.painting import Painter

    rng = random_of(seed, VERSION, _STILLS, index)
    video = stage_video(rng, index, PREDICATES[index % len(PREDICATES)], film=False)
    painter = Painter(video, rng, rng.integers(video.frames, size=1))
    image = painter.frame(0)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 92))]
    image = np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR))
    keep = np.flatnonzero(painter.visible(0) >= 0.34)
    boxes = clipped(painter.boxes[keep, 0])
    keep, boxes = keep[(boxes[:, 2:] - boxes[:, :2]).min(1) >= 5], boxes[(boxes[:, 2:] - boxes[:, :2]).min(1) >= 5]
    things = [video.actors[k].thing for k in keep]
    classes = np.array([CATEGORIES.index(t.category) for t in things], dtype=np.int64)
    attributes = np.array([[a in t.attributes() for a in ATTRIBUTES] for t in things], dtype=np.uint8)
    return image, boxes.astype(np.float32), classes, attributes.reshape(len(things), len(ATTRIBUTES))


# --- the annotation files --------------------------------------------------------------------------


def _category(name: str) -> str:
    return VIDOR_NAMES.get(name, name)


def _cast(video: Video) -> list[dict]:
    return [{"tid": t.tid, "category": _category(t.category)} for t in video.things]


def vidstg_record(video: Video, record: Record, vid: str) -> dict:
    """Return a record in VidSTG's format; `object_tid` is null for acts without an object."""
    e = record.event
    sentences: dict[str, list[dict]] = {"captions": [], "questions": []}
    for s in record.sentences:
        kind = "person" if video.things[s.target].category in WHO else "object"
        sentence = {"description": s.text, "type": kind, "target_id": s.target}
        sentences["questions" if s.question else "captions"].append(sentence)
    return {
        "vid": vid,
        "fps": float(video.fps),
        "frame_count": video.frames,
        "used_segment": {"begin_fid": record.segment[0], "end_fid": record.segment[1] - 1},
        "width": WIDTH,
        "height": HEIGHT,
        "subject/objects": _cast(video),
        "used_relation": {
            "subject_tid": e.subject,
            "object_tid": e.other,
            "predicate": e.predicate,
            "begin_fid": e.begin,
            "end_fid": e.end,
        },
        "temporal_gt": {"begin_fid": e.begin, "end_fid": e.end},
        **sentences,
    }


def vidor_annotation(video: Video, vid: str, group: str) -> dict:
    """Return trajectories and relations in VidOR's format; boxes in whole pixels, including occluded objects."""
    boxes = np.round(clipped(video.geometry.boxes)).astype(int)
    trajectories = [
        [_box(tid, boxes[tid, t]) for tid in range(len(video.things)) if video.seen[tid, t]]
        for t in range(video.frames)
    ]
    return {
        "version": f"drawn world {VERSION}",
        "video_id": vid,
        "video_hash": "",
        "video_path": f"{group}/{vid}.mp4",
        "frame_count": video.frames,
        "fps": float(video.fps),
        "width": WIDTH,
        "height": HEIGHT,
        "subject/objects": _cast(video),
        "trajectories": trajectories,
        "relation_instances": _instances(video),
    }


def _box(tid: int, box: np.ndarray) -> dict:
    corners = dict(zip(("xmin", "ymin", "xmax", "ymax"), box.tolist(), strict=True))
    return {"tid": tid, "bbox": corners, "generated": 0, "tracker": "none"}


def _instances(video: Video) -> list[dict]:
    """Return every relation that was acted or is asked for, without duplicates."""
    events = dict.fromkeys([*video.events, *(r.event for r in video.records)])
    return [
        {
            "subject_tid": e.subject,
            "predicate": e.predicate,
            "object_tid": e.other,
            "begin_fid": e.begin,
            "end_fid": e.end,
        }
        for e in events
    ]


# --- writing ---------------------------------------------------------------------------------------


def encode(path: Path, frames: Iterator[np.ndarray], fps: int) -> None:
    """Write an H.264 file; bytes and modification time are deterministic."""
    import av

    # x264's macroblock tree reads uninitialised memory, which makes the bytes differ between runs.
    options = {"crf": "23", "preset": "veryfast", "threads": "1", "g": "48", "x264-params": "mbtree=0"}
    with av.open(str(path), "w", format="mp4", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.thread_count = 1
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    os.utime(path, (_DRAWN, _DRAWN))


def draw_video(root: Path, seed: int, index: int, split: str) -> tuple[str, list[dict], list[list[dict]]]:
    """Draw one video with its trajectories below `root`.

    Returns its id, its VidSTG records, and the difficulty of each sentence of each record.
    """
    import cv2

    from world.painting import frames_of

    cv2.setNumThreads(1)
    video = plan_video(seed, VERSION, index, test=split == "test")
    vid, group = video_id(seed, index), f"{index // _GROUP:04d}"
    side = "validation" if split == "test" else "training"
    clip = root / "vidor" / "video" / group / f"{vid}.mp4"
    notes = root / "vidor" / "annotation" / side / group / f"{vid}.json"
    for path in (clip, notes):
        path.parent.mkdir(parents=True, exist_ok=True)
    encode(clip, frames_of(video, random_of(seed, VERSION, _PAINT, index)), video.fps)
    notes.write_text(_json(vidor_annotation(video, vid, group)))
    records = [vidstg_record(video, r, vid) for r in video.records]
    return vid, records, [[{"question": s.question, **s.hardness} for s in r.sentences] for r in video.records]


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def draw_world(root: Path, size: str, seed: int, jobs: int) -> dict[str, int]:
    """Draw a data set of SIZES below `root`; returns the number of records of each split."""
    from joblib import Parallel, delayed

    splits = splits_of(size)
    work = [(index, split) for split, indices in splits.items() for index in indices]
    drawn = Parallel(n_jobs=jobs)(delayed(draw_video)(root, seed, index, split) for index, split in work)
    hardness: dict[str, dict] = {}
    counts = {}
    for split, indices in splits.items():
        mine = [drawn[i] for i in indices]
        records = [r for _, found, _ in mine for r in found]
        hard = [h for _, _, found in mine for h in found]
        (root / f"{split}_annotations.json").write_text(json.dumps(records, indent=1))
        (root / f"{split}_files.json").write_text(json.dumps([vid for vid, _, _ in mine]))
        hardness |= dict(_by_sample(records, hard))
        counts[split] = len(records)
    about = {
        "version": VERSION,
        "seed": seed,
        "size": size,
        "videos": {split: len(indices) for split, indices in splits.items()},
        "records": counts,
        "categories": CATEGORIES,
        "attributes": ATTRIBUTES,
        "predicates": PREDICATES,
        "samples": hardness,
    }
    (root / "world.json").write_text(json.dumps(about, indent=1))
    return counts


def _by_sample(records: list[dict], hard: list[list[dict]]) -> Iterator[tuple[str, dict]]:
    """Yield the ids of samples, as the loaders form them, with their difficulty."""
    for number, (record, sentences) in enumerate(zip(records, hard, strict=True)):
        count = {"captions": 0, "questions": 0}
        for facts in sentences:
            key = "questions" if facts["question"] else "captions"
            yield (
                f"{record['vid']}/{number}/{key}/{count[key]}",
                {k: v for k, v in facts.items() if k != "question"},
            )
            count[key] += 1
