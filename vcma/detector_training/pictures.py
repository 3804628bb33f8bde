"""Pictures with boxes to train a detector on and judge it by, from COCO's or VidOR's files."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError

_JPEG_QUALITY = 95  # of the pictures kept in memory


@dataclass(frozen=True)
class Still:
    """A picture with boxes. source: a file or its bytes. boxes: (n, 4) xyxy px; labels and attributes: n."""

    source: bytes | Path
    boxes: np.ndarray
    labels: tuple[str, ...]
    attributes: tuple[tuple[str, ...], ...]

    def picture(self) -> np.ndarray:
        """The picture, (H, W, 3) uint8 BGR."""
        data = self.source if isinstance(self.source, bytes) else self.source.read_bytes()
        picture = decoded(np.frombuffer(data, np.uint8))
        if picture is None:
            raise InputError("no picture can be decoded from it", str(self.source)[:200], "replace or remove it")
        return picture


def coco_stills(annotations: Path, pictures: Path) -> Iterator[Still]:
    """Pictures of a COCO annotation file; an annotation may carry `attributes`, a list of names."""
    data = _json(annotations)
    try:
        names = {category["id"]: category["name"] for category in data["categories"]}
        things = defaultdict(list)
        for thing in data["annotations"]:
            if not thing.get("iscrowd"):
                x, y, width, height = thing["bbox"]
                things[thing["image_id"]].append(
                    ([x, y, x + width, y + height], names[thing["category_id"]], tuple(thing.get("attributes", ())))
                )
        files = [(pictures / image["file_name"], things[image["id"]]) for image in data["images"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"not a COCO annotation file: {error!r}", annotations, "give COCO instances JSON"
        ) from error
    for file, found in files:
        if not file.is_file():
            raise InputError("picture not found", file, "correct --pictures")
        yield _still(file, found)


def vidor_stills(annotations: Path, videos: Path, step: int) -> Iterator[Still]:
    """Every step-th annotated frame of the videos that VidOR JSON files below a folder describe."""
    files = sorted(annotations.rglob("*.json"))
    if not files:
        raise InputError("holds no VidOR annotation (*.json)", annotations, "correct --vidor")
    for file in files:
        data = _json(file)
        try:
            category = {thing["tid"]: thing["category"] for thing in data["subject/objects"]}
            boxes = {
                frame: [
                    ([thing["bbox"][side] for side in ("xmin", "ymin", "xmax", "ymax")], category[thing["tid"]], ())
                    for thing in things
                ]
                for frame, things in enumerate(data["trajectories"])
                if frame % step == 0
            }
            video = videos / data.get("video_path", f"{file.stem}.mp4")
        except (KeyError, TypeError) as error:
            raise InputError(f"not a VidOR annotation: {error!r}", file, "give VidOR's JSON files") from error
        for frame, picture in _frames(video, set(boxes)):
            yield _still(encoded(picture), boxes[frame])


def _still(source: bytes | Path, things: Sequence[tuple]) -> Still:
    return Still(
        source,
        np.array([box for box, _, _ in things], np.float32).reshape(-1, 4),
        tuple(label for _, label, _ in things),
        tuple(attributes for _, _, attributes in things),
    )


def _frames(video: Path, wanted: set[int]) -> Iterator[tuple[int, np.ndarray]]:
    """The wanted frames of a video, decoded in order."""
    import cv2

    capture = cv2.VideoCapture(str(video))
    if not capture.isOpened():
        raise InputError("video not found or not readable", video, "correct --videos")
    frame = 0
    while capture.grab():
        if frame in wanted:
            yield frame, capture.retrieve()[1]
        frame += 1
    capture.release()


def encoded(picture: np.ndarray) -> bytes:
    import cv2

    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


def _json(file: Path) -> dict:
    try:
        data = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read as JSON: {error}", file, "correct the path or the file") from error
    if not isinstance(data, dict):
        raise InputError("is no JSON object", file, "give an annotation file")
    return data


def decoded(jpeg: np.ndarray) -> Any:
    import cv2

    return cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
