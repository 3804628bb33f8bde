"""Fabricated data sets of the three formats, and what tests read of them."""

import json

from vcma.datasets.formats import READERS
from vcma.pipeline import artifact, schemas

FILES = {"train": "train_annotations.json", "val": "val_annotations.json", "test": "test_annotations.json"}


def record(vid="100", **changes):
    """A valid VidSTG record of a video of 50 frames: adult 0 holds dog 2 in frames 10..29; adult 1 is a rival."""
    things = [{"tid": 0, "category": "adult"}, {"tid": 1, "category": "adult"}, {"tid": 2, "category": "dog"}]
    return {
        "vid": vid,
        "fps": 25.0,
        "frame_count": 50,
        "width": 64,
        "height": 48,
        "used_segment": {"begin_fid": 5, "end_fid": 39},
        "subject/objects": things,
        "used_relation": {
            "subject_tid": 0,
            "object_tid": 2,
            "predicate": "hold",
            "begin_fid": 10,
            "end_fid": 30,
        },
        "temporal_gt": {"begin_fid": 10, "end_fid": 30},
        "captions": [{"description": "an adult holds a dog.", "type": "person", "target_id": 0}],
        "questions": [{"description": "what does the adult hold?", "type": "object", "target_id": 2}],
    } | changes


def segment(begin, end):
    """A range of frames as VidSTG writes it."""
    return {"begin_fid": begin, "end_fid": end}


def vidor(vid="100", path=None, frames=50, rival=range(0, 4), **changes):
    """VidOR's annotation of it: target and dog throughout, the rival in some frames."""

    def seen(frame):
        boxes = {0: [frame, 1, frame + 10, 21], 2: [30, 20, 40, 30]}
        if frame in rival:
            boxes[1] = [0, 0, 5, 5]
        return [
            {"tid": t, "bbox": dict(zip(("xmin", "ymin", "xmax", "ymax"), b, strict=True)), "generated": 0}
            for t, b in boxes.items()
        ]

    content = {"video_id": vid, "frame_count": frames, "fps": 25.0, "width": 64, "height": 48}
    content |= {"trajectories": [seen(f) for f in range(frames)], "relation_instances": []}
    return content | ({"video_path": path} if path else {}) | changes


def lay_out(root, records, boxes=None, files=None):
    """Write a VidSTG data set below root: {split: [records]}, a video for each vid, VidOR files {vid: content}."""
    data, videos = root / "data" / "vidstg", root / "vidor" / "video"
    data.mkdir(parents=True)
    videos.mkdir(parents=True)
    for split, items in records.items():
        (data / FILES[split]).write_text(json.dumps(items))
        vids = {item["vid"] for item in items if isinstance(item, dict) and isinstance(item.get("vid"), str)}
        for vid in vids:
            if "/" not in vid:
                (videos / f"{vid}.mp4").write_bytes(b"video")
    block = {"format": "vidstg", "videos": "vidor/video", "boxes": None}
    block["splits"] = {split: FILES[split] for split in records}
    for vid, content in (boxes or {}).items():
        place = root / "vidor" / "annotation" / "training" / "0042" / f"{vid}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(content))
        block["boxes"] = "vidor/annotation"
    return data, block


def read(data, block, root, **options):
    index = READERS[block.get("format", "vidstg")](data, block, root, **options)
    artifact.lengths(schemas.SAMPLES, index.samples, "samples")
    for truth in index.truths.values():
        artifact.lengths(schemas.TRUTH, truth, "truth")
    return index


def reasons(index):
    return dict(zip(index.samples["skipped"].tolist(), index.samples["skipped_reason"].tolist(), strict=True))


# What an entry is skipped for, and what of `record` is then changed.
BAD_RECORDS = {
    "zero-length span": {"temporal_gt": {"begin_fid": 10, "end_fid": 10}},
    "span outside its segment": {"temporal_gt": {"begin_fid": 40, "end_fid": 45}},
    "names an absent object: 9": {
        "used_relation": {"subject_tid": 0, "object_tid": 9, "predicate": "hold", "begin_fid": 10, "end_fid": 30}
    },
    "names an absent object: 3": {"captions": [{"description": "x y", "target_id": 3}]},
    "empty sentence": {"captions": [{"description": " \t", "target_id": 0}]},
    "malformed record: sentence without description": {"captions": [{"target_id": 0}]},
    "malformed record: fps": {"fps": 0},
    "malformed record: frame_count": {"frame_count": "50"},
    "malformed record: width": {"width": 1e400},
    "malformed record: no used_segment": {"used_segment": [5, 39]},
    "malformed record: used_segment 60..70": {"used_segment": {"begin_fid": 60, "end_fid": 70}},
    "malformed record: used_segment 30..20": {"used_segment": {"begin_fid": 30, "end_fid": 20}},
    "malformed record: temporal_gt.end_fid": {"temporal_gt": {"begin_fid": 10, "end_fid": 20.5}},
    "malformed record: no valid subject/objects": {"subject/objects": [{"category": "adult"}]},
    "malformed record: captions is not a list": {"captions": "a dog"},
    "malformed record: no vid": {"vid": None},
    "no boxes: VidOR has no annotation": {"vid": "300"},
    "video missing": {"vid": "sub/400"},
}


def tube(n=30, start=11, frames=400, **changes):
    boxes = [[i, 2, 10, 20] for i in range(n)]
    return {
        "bbox": boxes,
        "st_frame": start,
        "st_time": 0.5,
        "ed_time": 2.0,
        "img_num": frames,
        "width": 640,
        "height": 360,
        "caption": "The man walks.",
    } | changes


def lay_out_hcstvg(root, records, **block):
    videos = root / "videos"
    videos.mkdir(parents=True)
    for split, items in records.items():
        (root / f"{split}.json").write_text(json.dumps(items))
        for key in items:
            if ".." not in key:
                (videos / key).write_bytes(b"video")
    splits = {split: f"{split}.json" for split in records}
    return {"format": "hcstvg", "videos": "videos", "splits": splits} | block


def lay_out_clips(root, name, content, videos=("a.mp4",)):
    for video in videos:
        (root / "clips" / video).parent.mkdir(parents=True, exist_ok=True)
        (root / "clips" / video).write_bytes(b"video")
    (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return {"format": "clips", "videos": "clips", "splits": {"test": name}}
