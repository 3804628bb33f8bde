"""Frame extraction at 5 frames per second, compared with OpenCV, PyAV and decord.

    python bench/extract_frames.py VIDEO ... [--rounds 5] [--json FILE]

All methods extract the same native frames, scale them to 640 px and encode them as JPEG with quality 90. They run
in alternation in one process, with one thread each. Libraries that are not installed are skipped.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path

import turns  # first: it sets the number of threads

# isort: split
import cv2
import numpy as np

from vcma.video import sampling
from vcma.video.examination import examine
from vcma.video.timeline import read_timeline

HOW = {"rate": 5, "max_frames": 10**6, "max_side": 640, "quality": 90}
Way = Callable[[Path, list[int]], list[bytes]]


def coded(picture: np.ndarray) -> bytes:
    height, width = picture.shape[:2]
    scale = min(1.0, 640 / max(height, width))
    if scale < 1:
        picture = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def ours(path: Path, wanted: list[int]) -> list[bytes]:
    found = sampling.extract(path, [(0, -1)], **HOW)
    begin, end = found["jpeg_offset"][:-1], found["jpeg_offset"][1:]
    return [found["jpeg"][a:b].tobytes() for a, b in zip(begin, end, strict=True)]


def opencv(path: Path, wanted: list[int]) -> list[bytes]:
    """Grab every frame, retrieve the wanted ones."""
    capture, keep, found = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1]), set(wanted), []
    for i in range(wanted[-1] + 1):
        if capture.grab() and i in keep:
            found.append(coded(capture.retrieve()[1]))
    capture.release()
    return found


def pyav(path: Path, wanted: list[int]) -> list[bytes]:
    import av

    keep, found = set(wanted), []
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        for i, frame in enumerate(container.decode(video=0)):
            if i in keep:
                found.append(coded(frame.to_ndarray(format="bgr24")))
    return found


def decord(path: Path, wanted: list[int]) -> list[bytes]:
    from decord import VideoReader

    pictures = VideoReader(str(path), num_threads=1).get_batch(wanted).asnumpy()
    return [coded(np.ascontiguousarray(picture[:, :, ::-1])) for picture in pictures]


def rivals() -> dict[str, Way]:
    found: dict[str, Way] = {"OpenCV": opencv, "PyAV": pyav}
    if importlib.util.find_spec("decord"):
        return found | {"decord": decord}
    print("skipped decord: not installed")
    return found


def main() -> None:
    options = argparse.ArgumentParser(description="Frame extraction, compared with OpenCV, PyAV and decord.")
    options.add_argument("videos", type=Path, nargs="+", help="video files")
    options.add_argument("--rounds", type=int, default=5, help="repetitions")
    options.add_argument("--json", type=Path, help="write the results to this file")
    args = options.parse_args()
    cv2.setNumThreads(1)
    grids: dict[str, dict[Path, list[int]]] = {}  # by video size
    for path in args.videos:
        width, height = examine(path, thorough=False).size
        grid = sampling.time_grid([(0, -1)], read_timeline(path).elapsed, HOW["rate"], HOW["max_frames"])
        grids.setdefault(f"{width} x {height}", {})[path] = grid.tolist()

    def run(way: Way, wanted: dict[Path, list[int]]) -> int:
        return sum(len(way(path, grid)) for path, grid in wanted.items())

    comparisons, frames = {}, {}
    for size, wanted in grids.items():
        ways = {name: partial(run, way, wanted) for name, way in {"ours": ours, **rivals()}.items()}
        frames[size] = {name: way() for name, way in ways.items()}
        what = (
            f"extract {frames[size]['ours']} of {sum(len(read_timeline(path)) for path in wanted)} frames, {size}"
        )
        comparisons[what] = turns.in_turns(ways, args.rounds)
    turns.finish(comparisons, args.json, frames=frames)


if __name__ == "__main__":
    main()
