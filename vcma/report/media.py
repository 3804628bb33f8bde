"""Images and videos of the report: JPEG stills, and WebM films that Debian's Chromium and Firefox can play.

Each video is encoded once for all of its samples, and kept in a cache outside of the report, because DVC empties
the report's folder before each run.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.pipeline import artifact, schemas, storage
from vcma.records.columns import Columns
from vcma.video.decoding import read_frames
from vcma.video.pictures import scaled, still

VP9 = {"deadline": "realtime", "cpu-used": "8", "crf": "34", "b": "0", "g": "24", "flags": "+bitexact"}
_FILM_SIZE = 480  # px, longest side of a film's frames
_STILL_SIZE = 320  # px, longest side of a still
_MAX_RATE = 15.0  # maximum frames per second of a film
_MAX_PICTURES = 900  # maximum number of frames of a film


@dataclass(frozen=True)
class Film:
    """An encoded video: its file, frames per second, and the native frame of each encoded frame."""

    path: Path
    rate: float
    frame: list[int]


def film(source: Path | None, stored: Path, span: tuple[int, int], cache: Path, name: str) -> Film | None:
    """Encode the native frames [begin, end) of a video as WebM in the cache, unless it already exists there.

    source: the original file, or None; if it cannot be read, the frames artifact `stored` is used instead, at a
    lower frame rate. Returns None if there is no frame at all.
    """
    frames = artifact.read(schemas.FRAMES, stored)
    plan = _plan(frames, span)
    content = artifact.attributes(stored)["content"]
    recipe = json.dumps([content, plan, source is not None, VP9, _FILM_SIZE], sort_keys=True)
    path = cache / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.webm"
    notes = path.with_suffix(".json")
    if path.exists() and notes.exists():
        return Film(path, **storage.read_json(notes, "delete it"))
    made = _encode_first(path, [(_original, source), (_stored, stored)], plan, frames)
    if made is not None:
        storage.write_json(notes, {"rate": made.rate, "frame": made.frame})
    return made


def _plan(frames: Columns, span: tuple[int, int]) -> dict[str, Any]:
    """Choose the native frames of a film: first, end, step, and the film's frame rate."""
    fps = float(frames["fps"]) or 25.0
    step = max(1, round(fps / _MAX_RATE), -(-(span[1] - span[0]) // _MAX_PICTURES))
    return {"begin": span[0], "end": span[1], "step": step, "rate": fps / step}


def _original(path: Path, plan: dict[str, Any], frames: Columns) -> tuple[float, Iterator[tuple[int, np.ndarray]]]:
    wanted = np.arange(plan["begin"], plan["end"], plan["step"])
    return plan["rate"], ((index, picture) for index, _, picture in read_frames(path, wanted))


def _stored(path: Path, plan: dict[str, Any], frames: Columns) -> tuple[float, Iterator[tuple[int, np.ndarray]]]:
    kept = np.flatnonzero((frames["frame"] >= plan["begin"]) & (frames["frame"] < plan["end"]))
    step = float(np.median(np.diff(frames["time"][kept]))) if len(kept) > 1 else 1.0
    rate = 1 / step if step > 0 else 1.0
    return rate, ((int(frames["frame"][i]), still(frames, i)) for i in kept.tolist())


def _encode_first(path: Path, readers: list, plan: dict[str, Any], frames: Columns) -> Film | None:
    for read, place in readers:
        try:
            rate, pictures = read(place, plan, frames) if place is not None else (1.0, iter(()))
            first = next(pictures, None)
        except InputError:
            continue
        if first is not None:
            return Film(path, rate, _encode(path, chain([first], pictures), rate))
    return None


def _encode(path: Path, pictures: Iterable[tuple[int, np.ndarray]], rate: float) -> list[int]:
    """Encode as VP9 in one thread, so that equal input gives equal bytes; returns the native frames written."""
    import av

    shown: list[int] = []
    with (
        storage.replacing(path) as partial,
        av.open(str(partial), "w", format="webm", container_options={"fflags": "+bitexact"}) as container,
    ):
        stream = container.add_stream("libvpx-vp9", rate=Fraction(rate).limit_denominator(1001), options=VP9)
        stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1
        for frame, picture in pictures:
            small = scaled(picture, _FILM_SIZE, even=True)
            if not shown:
                stream.height, stream.width = small.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(small, format="bgr24")))
            shown.append(frame)
        container.mux(stream.encode())
    return shown


def write_stills(frames: Columns, wanted: Iterable[int], folder: Path, name: str) -> None:
    """Write stored frames as small JPEGs named `<name>-<native frame>.jpg`."""
    import cv2

    rows = {int(frame): row for row, frame in enumerate(frames["frame"])}
    for frame in sorted(set(wanted)):
        small = scaled(still(frames, rows[frame]), _STILL_SIZE)
        coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])[1]
        storage.write_bytes(folder / f"{name}-{frame}.jpg", coded.tobytes())


def copy_film(film: Film, path: Path) -> None:
    """Copy a film from the cache to the report; a link would share a file with DVC's cache."""
    try:
        shutil.copyfile(film.path, path)
    except OSError as error:
        raise storage.disk_error(error, path) from error


def prune(cache: Path, kept: Iterable[Path]) -> None:
    """Remove the films of the cache that are not in use."""
    wanted = {path.with_suffix(suffix) for path in kept for suffix in (".webm", ".json")}
    for path in cache.glob("*.*"):
        if path not in wanted:
            path.unlink()
