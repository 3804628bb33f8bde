"""Annotated images from COCO or VidOR files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vcma.detector_training.pictures import AnnotatedPicture, encode_jpeg
from vcma.errors import InputError
from vcma.pipeline import strict_json

Annotation = tuple[Sequence[float], str, tuple[str, ...]]  # box xyxy px, label, attributes


def coco_pictures(annotations: Path, folder: Path) -> Iterator[AnnotatedPicture]:
    """Yield the images of a COCO annotation file; an annotation may have `attributes`, a list of names.

    Raises InputError if the file is invalid or an image does not exist.
    """
    data = _read_object(annotations)
    try:
        objects = _coco_annotations(data)
        files = [(folder / image["file_name"], objects[image["id"]]) for image in data["images"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"not a COCO annotation file: {error!r}", annotations, "give COCO instances JSON"
        ) from error
    for file, of_image in files:
        if not file.is_file():
            raise InputError("image not found", file, "correct --pictures")
        yield _annotated(file, of_image)


def _coco_annotations(data: dict[str, Any]) -> dict[int, list[Annotation]]:
    """Annotations by image id, without crowds."""
    names = {category["id"]: category["name"] for category in data["categories"]}
    by_image: dict[int, list[Annotation]] = defaultdict(list)
    for annotation in data["annotations"]:
        if not annotation.get("iscrowd"):
            x, y, width, height = annotation["bbox"]
            label, attributes = names[annotation["category_id"]], tuple(annotation.get("attributes", ()))
            by_image[annotation["image_id"]].append(([x, y, x + width, y + height], label, attributes))
    return by_image


def vidor_pictures(annotations: Path, videos: Path, step: int) -> Iterator[AnnotatedPicture]:
    """Yield every step-th frame of the videos annotated by the VidOR JSON files below a folder.

    Raises InputError if there are none, one is invalid, or a video cannot be read.
    """
    files = sorted(annotations.rglob("*.json"))
    if not files:
        raise InputError("contains no VidOR annotation (*.json)", annotations, "correct --vidor")
    for file in files:
        data = _read_object(file)
        try:
            by_frame = _vidor_annotations(data, step)
            video = videos / data.get("video_path", f"{file.stem}.mp4")
        except (KeyError, TypeError) as error:
            raise InputError(f"not a VidOR annotation: {error!r}", file, "give VidOR's JSON files") from error
        for frame, picture in _frames(video, set(by_frame)):
            yield _annotated(encode_jpeg(picture), by_frame[frame])


def _vidor_annotations(data: dict[str, Any], step: int) -> dict[int, list[Annotation]]:
    """Annotations of every step-th frame."""
    category = {thing["tid"]: thing["category"] for thing in data["subject/objects"]}
    return {
        frame: [
            ([box["bbox"][side] for side in ("xmin", "ymin", "xmax", "ymax")], category[box["tid"]], ())
            for box in boxes
        ]
        for frame, boxes in enumerate(data["trajectories"])
        if frame % step == 0
    }


def _annotated(source: bytes | Path, annotations: Sequence[Annotation]) -> AnnotatedPicture:
    return AnnotatedPicture(
        source,
        np.array([box for box, _, _ in annotations], np.float32).reshape(-1, 4),
        tuple(label for _, label, _ in annotations),
        tuple(attributes for _, _, attributes in annotations),
    )


def _frames(video: Path, wanted: set[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the wanted frames of a video in order, as (frame, image)."""
    import cv2

    capture = cv2.VideoCapture(str(video))
    if not capture.isOpened():
        raise InputError("video not found or unreadable", video, "correct --videos")
    frame = 0
    while capture.grab():
        if frame in wanted:
            yield frame, capture.retrieve()[1]
        frame += 1
    capture.release()


def _read_object(file: Path) -> dict[str, Any]:
    """Read the JSON object of an annotation file."""
    try:
        data = strict_json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be read as JSON: {error}", file, "correct the path or the file") from error
    if not isinstance(data, dict):
        raise InputError("not a JSON object", file, "give an annotation file")
    return data
