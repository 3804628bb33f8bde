"""COCO JSON for videos: boxes or masks of tracks, in the layout of CocoVID (MMTracking, TAO) or YouTube-VIS.

CocoVID: `videos` [{id, name}], `images` [{id, video_id, frame_id, file_name}], `annotations` [{image_id,
instance_id or track_id, category_id, bbox [x, y, w, h], segmentation, score}]. YouTube-VIS: `videos` [{id,
file_names, width, height}], `annotations` [{id, video_id, category_id, bboxes or segmentations: one per frame, or
null}]; its results are a list of such annotations, with the videos in another file. `categories` [{id, name}] in
both. A frame's number is its frame_id, else the number in its file name, else its index. The box of a mask extends
to the outer edges of its outermost pixels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vcma.conversion.answers import StatedAnswer
from vcma.conversion.conventions import Conventions
from vcma.conversion.dropped import Dropped
from vcma.conversion.samples import Sample, words
from vcma.conversion.sources import videos_by_name
from vcma.conversion.track_rows import TrackRows
from vcma.errors import InputError
from vcma.pipeline.storage import read_json

CONVENTIONS = Conventions(box="xywh")
_REMEDY = "write videos, images and annotations as CocoVID, or videos and annotations as YouTube-VIS"


@dataclass(frozen=True)
class CocoVideo:
    """One of `videos`: its name, its sentence and span if given, and its rows."""

    name: str
    caption: str
    span: tuple[float, float] | None
    rows: TrackRows


@dataclass(frozen=True)
class _Line:
    """A box of a file with the id of its video; box is None if there is neither box nor mask."""

    video: Any
    time: int
    track: int
    box: list[float] | None
    score: float
    category: int


def read(path: Path, videos: Path | None, dropped: Dropped) -> tuple[list[CocoVideo], dict[int, str]]:
    """Return the videos of a file and the names of its categories; raises InputError if it is another format.

    videos: the file that lists the videos and categories of a list of results.
    """
    value = read_json(path, _REMEDY)
    if isinstance(value, list):
        if videos is None:
            raise InputError("is a list of results without videos", path, "give their file: --videos FILE")
        value = {**_with_videos(read_json(videos, _REMEDY), videos), "annotations": value}
    value = _with_videos(value, path)
    try:
        infos = {info["id"]: info for info in value["videos"]}
        lines = list(_lines(value, infos))
        names = {int(c["id"]): str(c["name"]) for c in value.get("categories") or ()}
        return list(_by_video(infos, lines, dropped)), names
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"has another layout ({error})"
        raise InputError(what, path, _REMEDY) from error


def _with_videos(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("videos"), list):
        raise InputError("has no videos", path, _REMEDY)
    return value


def _by_video(infos: Mapping[Any, dict], lines: list[_Line], dropped: Dropped) -> Iterator[CocoVideo]:
    rows_of: dict[Any, list[list[float]]] = {key: [] for key in infos}
    for row, line in enumerate(lines):
        if line.box is None:
            dropped.add("annotations without a box or mask", f"number {row}")
        else:
            rows_of[line.video].append([line.time, line.track, *line.box, line.score, line.category, row])
    for key, info in infos.items():
        rows = TrackRows.of(rows_of[key], len(lines), *(int(info.get(side) or 0) for side in ("width", "height")))
        begin_end = tuple(map(float, info["span"])) if info.get("span") else None
        yield CocoVideo(_name(info), str(info.get("caption") or ""), begin_end, rows)  # type: ignore[arg-type]


def _name(info: Mapping[str, Any]) -> str:
    files = info.get("file_names") or [""]
    return str(info.get("name") or files[0].rpartition("/")[0] or info["id"])


def _lines(value: Mapping[str, Any], infos: Mapping[Any, dict]) -> Iterator[_Line]:
    """Yield every box in the order of the file; the boxes of a YouTube-VIS annotation one by one."""
    images = {image["id"]: image for image in value.get("images") or ()}
    for number, annotation in enumerate(value["annotations"]):
        score_and_category = float(annotation.get("score", 1.0)), int(annotation.get("category_id", -1))
        if "image_id" in annotation:
            image = images[annotation["image_id"]]
            box = _box(annotation.get("bbox"), annotation.get("segmentation"), image)
            yield _Line(image["video_id"], _frame_of_image(image), _track(annotation), box, *score_and_category)
        else:
            info = infos[annotation["video_id"]]
            for time, box in _boxes_by_frame(annotation, info):
                yield _Line(info["id"], time, int(annotation.get("id", number)), box, *score_and_category)


def _track(annotation: Mapping[str, Any]) -> int:
    extra = annotation.get("attributes")
    for place in (annotation, extra if isinstance(extra, dict) else {}):
        for key in ("instance_id", "track_id"):
            if key in place:
                return int(place[key])
    raise ValueError("an annotation has neither instance_id nor track_id: detections, not tracks")


def _frame_of_image(image: Mapping[str, Any]) -> int:
    for key in ("frame_id", "frame_index"):
        if key in image:
            return int(image[key])
    return number_in(str(image["file_name"]))


def number_in(file_name: str) -> int:
    """Return the number at the end of a frame's file name; raises ValueError if there is none."""
    found = re.search(r"(\d+)$", Path(file_name).stem)
    if not found:
        raise ValueError(f"the file name {file_name} has no frame number")
    return int(found[1])


def _boxes_by_frame(
    annotation: Mapping[str, Any], info: Mapping[str, Any]
) -> Iterator[tuple[int, list[float] | None]]:
    """Yield (frame number, box) for the frames in which a YouTube-VIS annotation has a box or mask."""
    boxes, masks = annotation.get("bboxes") or [], annotation.get("segmentations") or []
    names = info.get("file_names")
    for i in range(max(len(boxes), len(masks))):
        box, mask = (values[i] if i < len(values) else None for values in (boxes, masks))
        if box or mask:
            yield number_in(names[i]) if names else i, _box(box, mask, info)


def _box(box: Any, mask: Any, picture: Mapping[str, Any]) -> list[float] | None:
    """Return [x, y, w, h] of a box, or else of a mask: RLE as in pycocotools, or polygons; None without either."""
    if box:
        x, y, w, h = map(float, box)
        return [x, y, w, h]
    if not mask:
        return None
    from pycocotools import mask as coco_mask

    if isinstance(mask, list):
        points = [(x, y) for polygon in mask for x, y in zip(polygon[::2], polygon[1::2], strict=True)]
        low, high = (tuple(map(f, zip(*points, strict=True))) for f in (min, max))
        return [*low, high[0] - low[0], high[1] - low[1]]
    if isinstance(mask["counts"], list):
        mask = coco_mask.frPyObjects(mask, picture["height"], picture["width"])
    found = coco_mask.toBbox(mask).tolist()
    return found if found[2] > 0 and found[3] > 0 else None


def answers(videos: Iterable[CocoVideo], samples: Mapping[str, Sample], dropped: Dropped) -> Iterator[StatedAnswer]:
    """Yield a prediction for each video, for the sample that matches its name and sentence, from its best track."""
    sample_of = _SampleLookup(samples)
    for video in videos:
        sample, rows = sample_of(video), video.rows
        if sample is None:
            dropped.add("videos that do not match exactly one sample of the split", video.name)
            continue
        if len(rows):
            tracks, place = np.unique(rows.track, return_inverse=True)
            best = tracks[(np.bincount(place, rows.score) / np.bincount(place)).argmax()]
            dropped.add("tracks with a lower score than another of their sample", video.name, len(tracks) - 1)
            rows = rows.at(rows.track == best)
        yield StatedAnswer(sample, video.span, rows.time, rows.box)


class _SampleLookup:
    """Finds the sample of a video of a file: that with its name as id, else that of its name and sentence."""

    def __init__(self, samples: Mapping[str, Sample]):
        self.samples, self.of_video = samples, {}  # type: ignore[var-annotated]
        for sample in samples.values():
            self.of_video.setdefault(sample.video.id, []).append(sample)
        self.video_of = videos_by_name(self.of_video)

    def __call__(self, video: CocoVideo) -> Sample | None:
        if video.name in self.samples:
            return self.samples[video.name]
        found = self.of_video.get(self.video_of.get(video.name, ""), [])
        if video.caption:
            found = [sample for sample in found if words(sample.sentence) == words(video.caption)]
        return found[0] if len(found) == 1 else None


def written(stated: Iterable[StatedAnswer]) -> dict[str, Any]:
    """Return predictions as tracks in YouTube-VIS's layout: a video per sample, `bboxes` with one entry a frame."""
    videos, annotations = [], []
    for number, answer in enumerate(stated, start=1):
        sample, frames = answer.sample, answer.time.astype(int)
        length = max(sample.video.frames, int(frames.max(initial=-1)) + 1)
        boxes: list[list[float] | None] = [None] * length
        for frame, box in zip(frames.tolist(), answer.box.tolist(), strict=True):
            boxes[frame] = [round(v, 2) for v in box]
        info = {"id": number, "name": sample.id, "video": sample.video.id, "caption": sample.sentence}
        info |= {"width": sample.video.width, "height": sample.video.height, "length": length}
        videos.append(info | {"span": list(answer.span or ())})
        annotations.append({"id": number, "video_id": number, "category_id": 1, "iscrowd": 0, "bboxes": boxes})
    return {"videos": videos, "categories": [{"id": 1, "name": "target"}], "annotations": annotations}
