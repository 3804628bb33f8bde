"""Time to write and read artifacts, compared with raw h5py.

    python bench/artifacts.py [--rounds 9] [--json FILE]

Raw h5py stores the same columns without validation, hashing and atomic replacement. Wall-clock time, disk included.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import turns  # first: it sets the number of threads

from vcma.pipeline import schemas
from vcma.records.columns import Columns, offsets

# isort: split
import h5py
import numpy as np

from vcma.pipeline import artifact


def proposals(frames: int, regions: int = 20, features: int = 256) -> Columns:
    random, n = np.random.default_rng(0), frames * regions
    corner = random.random((n, 2), np.float32)
    return {
        "frame": np.arange(frames),
        "time": np.arange(frames) / 4,
        "box_offset": offsets([regions] * frames),
        "box": np.concatenate([corner, corner + 1 + random.random((n, 2), np.float32)], axis=1),
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


def write_raw(path: Path, data: Columns) -> None:
    with h5py.File(path, "w") as file:
        for name, value in data.items():
            file[name] = value
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def read_raw(path: Path) -> dict:
    with h5py.File(path) as file:
        return {name: column[()] for name, column in file.items()}


def main() -> None:
    options = argparse.ArgumentParser(description="Time to write and read artifacts, compared with raw h5py.")
    options.add_argument("--rounds", type=int, default=9, help="repetitions")
    options.add_argument("--json", type=Path, help="write the results to this file")
    args = options.parse_args()
    comparisons: dict[str, turns.Seconds] = {}
    with tempfile.TemporaryDirectory() as folder:
        ours, raw = Path(folder) / "ours.h5", Path(folder) / "raw.h5"
        for frames in (24, 1000):
            data = proposals(frames)
            writers = {
                "ours": lambda d=data: artifact.write(schemas.PROPOSALS, ours, d, {}, {}),
                "raw h5py": lambda d=data: write_raw(raw, d),
            }
            readers = {"ours": lambda: artifact.read(schemas.PROPOSALS, ours), "raw h5py": lambda: read_raw(raw)}
            comparisons[f"write proposals of {frames} frames"] = turns.in_turns(
                writers, args.rounds, clock=time.perf_counter
            )
            comparisons[f"read proposals of {frames} frames"] = turns.in_turns(
                readers, args.rounds, clock=time.perf_counter
            )
    turns.finish(comparisons, args.json)


if __name__ == "__main__":
    main()
