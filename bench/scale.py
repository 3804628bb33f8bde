"""How time and memory grow: exponents in videos (listing, skipping, pruning), frames, proposals and tubes.

    python bench/scale.py [--videos 1250 2500 5000] [--json FILE]

For each number of videos small proposals artifacts are generated; link_tubes makes their tubes once, then a second
run, which skips all, and a third with every other video removed, which prunes, are timed in processes of their own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from artifacts import proposals

from vcma import artifact, tubes
from vcma.names import file_stem

LINK = dict(alpha=0.5, max_tubes=12, min_score=0.2, max_gap=4.0, max_overlap=0.4, smoothing=1.0)


def write_samples(root: Path, videos: list[str]) -> None:
    text = np.array(videos, object)
    n = len(videos)
    columns = artifact.empty(artifact.SAMPLES) | {"video": text, "video_path": text, "sample": text}
    columns |= {k: np.zeros(n) for k in ("video_fps",)}
    whole = ("video_frames", "video_width", "video_height", "video_bytes", "video_modified")
    columns |= {k: np.zeros(n, np.int64) for k in (*whole, "segment_begin")}
    columns |= {"sample_video": np.arange(n), "segment_end": np.full(n, -1)}
    columns |= {k: np.array(["test"] * n, object) for k in ("split", "sentence", "query_type")}
    artifact.write(artifact.SAMPLES, root / "artifacts/clips/samples.h5", columns, {}, {})


def measured(root: Path, *options: str) -> tuple[float, float]:
    """Seconds and MB of one run of link_tubes."""
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    words = [
        sys.executable,
        "stages/link_tubes.py",
        "--config",
        str(root / "pipeline.yaml"),
        "--jobs",
        "1",
        *options,
    ]
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return time.perf_counter() - begin, float(done.stdout.split()[-1])


def by_videos(counts: list[int]) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for n in counts:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            config = Path("pipeline.yaml").read_text().replace("dataset: demo ", "dataset: clips ", 1)
            (root / "pipeline.yaml").write_text(config)
            videos = [f"video{i:06}" for i in range(n)]
            write_samples(root, videos)
            place = root / "artifacts/clips/proposals"
            first = place / f"{file_stem(videos[0])}.h5"
            artifact.write(artifact.PROPOSALS, first, proposals(4, 3, 8), {}, {})
            for video in videos[1:]:
                shutil.copyfile(first, place / f"{file_stem(video)}.h5")
            for what in ("make", "skip", "prune"):
                if what == "prune":
                    write_samples(root, videos[::2])
                s, mb = measured(root)
                found.setdefault(f"{what}, s", {})[n] = s
                found.setdefault(f"{what}, MB", {})[n] = mb
    return found


def linking() -> dict[str, dict[int, float]]:
    """Seconds of linking over frames, and over regions a frame."""

    def spent(frames: int, regions: int) -> float:
        data, times = proposals(frames, regions, 32), []
        for _ in range(3):
            begin = time.perf_counter()
            tubes.link(data, **LINK)
            times.append(time.perf_counter() - begin)
        return min(times)

    return {
        "link over frames, s": {n: spent(n, 20) for n in (125, 250, 500)},
        "link over regions, s": {n: spent(125, n) for n in (10, 20, 40)},
    }


def main() -> None:
    options = argparse.ArgumentParser(description="How time and memory grow.")
    options.add_argument("--videos", type=int, nargs="+", default=[1250, 2500, 5000])
    options.add_argument("--json", type=Path)
    args = options.parse_args()
    figures = {}
    for name, row in (by_videos(args.videos) | linking()).items():
        exponent = float(np.polyfit(np.log(list(row)), np.log(list(row.values())), 1)[0])
        figures[name] = {"values": row, "exponent": exponent}
        print(f"{name:22} exponent {exponent:5.2f}   " + "  ".join(f"{n}: {v:.2f}" for n, v in row.items()))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
