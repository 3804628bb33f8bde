"""Frame extraction at 5 frames a second beside plain OpenCV, PyAV and decord, each storing the same JPEGs.

    python bench/extract_frames.py VIDEO ... [--rounds 5] [--json FILE]

In turns in one process, one thread each, median of the rounds. Only what is installed takes part. The same native
frames are wanted of all; each is decoded, scaled to 640 px and coded as JPEG of quality 90.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from vcma import video

HOW = {"rate": 5, "max_frames": 10**6, "max_side": 640, "quality": 90}


def coded(picture: np.ndarray) -> bytes:
    height, width = picture.shape[:2]
    scale = min(1.0, 640 / max(height, width))
    if scale < 1:
        picture = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def ours(path: Path, wanted: list[int]) -> int:
    return len(video.extract(path, [(0, -1)], **HOW)["frame"])


def opencv(path: Path, wanted: list[int]) -> int:
    """The usual loop: read every frame, keep the wanted."""
    capture, keep, found = cv2.VideoCapture(str(path)), set(wanted), []
    for i in range(wanted[-1] + 1):
        decoded, picture = capture.read()
        if decoded and i in keep:
            found.append(coded(picture))
    capture.release()
    return len(found)


def pyav(path: Path, wanted: list[int]) -> int:
    import av

    keep, found = set(wanted), []
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        for i, frame in enumerate(container.decode(video=0)):
            if i in keep:
                found.append(coded(frame.to_ndarray(format="bgr24")))
    return len(found)


def decord(path: Path, wanted: list[int]) -> int:
    import decord as library

    reader = library.VideoReader(str(path), num_threads=1)
    return len([coded(np.ascontiguousarray(reader[i].asnumpy()[:, :, ::-1])) for i in wanted])


def main() -> None:
    options = argparse.ArgumentParser(description="Frame extraction beside its alternatives.")
    options.add_argument("videos", type=Path, nargs="+")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", type=Path)
    args = options.parse_args()
    cv2.setNumThreads(1)
    ways: dict[str, Callable[[Path, list[int]], int]] = {"ours": ours, "OpenCV": opencv, "PyAV": pyav}
    try:
        import decord as _

        ways["decord"] = decord
    except ImportError:
        print("decord is not installed, left out")
    spent: dict[str, list[float]] = {name: [] for name in ways}
    frames: dict[str, int] = dict.fromkeys(ways, 0)
    grids = {}
    for path in args.videos:
        count, fps, *_ = video.probe(path)
        grids[path] = video.time_grid([(0, -1)], count, fps, HOW["rate"], HOW["max_frames"]).tolist()
    for turn in range(args.rounds + 1):  # the first warms up
        for name, way in ways.items():
            begin = time.perf_counter()
            frames[name] = sum(way(path, wanted) for path, wanted in grids.items())
            if turn:
                spent[name].append(time.perf_counter() - begin)
    figures = {
        name: {
            "frames": frames[name],
            "s": times,
            "ratio": [t / o for t, o in zip(times, spent["ours"], strict=True)],
        }
        for name, times in spent.items()
    }
    for name, row in figures.items():
        print(f"{name:8} {row['frames']} frames, {statistics.median(row['s']):.2f} s, ", end="")
        print(
            f"{statistics.median(row['ratio']):.2f} times ours [{min(row['ratio']):.2f}, {max(row['ratio']):.2f}]"
        )
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
