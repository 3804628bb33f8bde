"""Artifacts written and read beside raw h5py, and how long every stage's --help takes.

    python bench/artifacts.py [--rounds 9] [--json FILE]

Raw h5py stores and reads the same columns, with nothing checked, hashed or replaced.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from vcma import artifact


def proposals(frames: int, regions: int = 20, features: int = 256) -> artifact.Columns:
    random, n = np.random.default_rng(0), frames * regions
    return {
        "frame": np.arange(frames),
        "time": np.arange(frames) / 4,
        "box_offset": artifact.offsets([regions] * frames),
        "box": random.random((n, 4), np.float32),
        "score": random.random(n, np.float32),
        "class_prob": random.random((n, 80), np.float32).astype(np.float16),
        "attribute_prob": random.random((n, 30), np.float32).astype(np.float16),
        "feature": random.random((n, features), np.float32).astype(np.float16),
        "class_name": np.array([f"class {i}" for i in range(80)], object),
        "attribute_name": np.array([f"attribute {i}" for i in range(30)], object),
        "detector": "bench",
        "width": np.int64(640),
        "height": np.int64(480),
    }


def write_raw(path: Path, data: artifact.Columns) -> None:
    with h5py.File(path, "w") as file:
        for name, value in data.items():
            file[name] = value
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def read_raw(path: Path) -> dict:
    with h5py.File(path) as file:
        return {name: column[()] for name, column in file.items()}


def seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def main() -> None:
    options = argparse.ArgumentParser(description="Artifacts beside raw h5py; start-up times.")
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--json", type=Path)
    args = options.parse_args()
    figures: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        ours, raw = Path(folder) / "ours.h5", Path(folder) / "raw.h5"
        for frames in (24, 1000):
            data = proposals(frames)
            for _ in range(args.rounds):
                for name, mine, theirs in (
                    ("write", lambda d=data: artifact.write(artifact.PROPOSALS, ours, d, {}, {}), write_raw),
                    ("read", lambda: artifact.read(artifact.PROPOSALS, ours), None),
                ):
                    row = figures.setdefault(f"{name}, {frames} frames", {"ours": [], "h5py": []})
                    row["ours"].append(seconds(mine))
                    other = (lambda d=data: write_raw(raw, d)) if theirs else (lambda: read_raw(raw))
                    row["h5py"].append(seconds(other))
    for stage in sorted(Path("stages").glob("*.py")):
        command = [sys.executable, str(stage), "--help"]
        times = [
            seconds(lambda c=command: subprocess.run(c, stdout=subprocess.DEVNULL, check=True)) for _ in range(3)
        ]
        figures[f"{stage.stem} --help"] = {"ours": times}
    for name, row in figures.items():
        told = f"{name:28} {1e3 * statistics.median(row['ours']):7.1f} ms"
        if "h5py" in row:
            ratios = [o / h for o, h in zip(row["ours"], row["h5py"], strict=True)]
            told += f", {statistics.median(ratios):.2f} times h5py's [{min(ratios):.2f}, {max(ratios):.2f}]"
        print(told)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
