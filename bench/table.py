"""Runs every benchmark there is material for and writes bench/results.md; what is missing is said there.

python bench/table.py [--videos FOLDER]
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from pathlib import Path

RESULTS = Path("bench/results.md")


def commands(videos: list[str]) -> dict[str, list[str]]:
    """Title -> command, of what can be measured here."""
    found = {
        "Artifacts beside raw h5py, and start-up": ["bench/artifacts.py"],
        "Proposals beside the bare model": ["bench/detect_proposals.py"],
        "Linking beside norfair and ByteTrack": ["bench/link_tubes.py", "--seeds", "4"],
        "Growth": ["bench/scale.py"],
    }
    if videos:
        found = {"Frames beside OpenCV, PyAV and decord": ["bench/extract_frames.py", *videos]} | found
    if Path("bench/train_em.py").exists():
        found["Training beside an un-batched loop"] = ["bench/train_em.py"]
    return found


def main() -> None:
    options = argparse.ArgumentParser(description="All benchmarks into one file.")
    options.add_argument("--videos", type=Path, default=Path("data/demo/vidor/video"), help="folder of mp4 files")
    args = options.parse_args()
    videos = sorted(map(str, args.videos.rglob("*.mp4")))[:10]
    machine = (
        f"{os.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}, {platform.system()}"
    )
    parts = [f"# Speed, by `make bench`\n\nMeasured on {machine}, one thread, in turns; ratios are of one run."]
    for title, command in commands(videos).items():
        print(f"bench: {title}", file=sys.stderr)
        json = str(Path("bench") / (Path(command[0]).stem + ".json"))
        done = subprocess.run([sys.executable, *command, "--json", json], capture_output=True, text=True)
        Path(json).unlink(missing_ok=True)
        told = done.stdout if done.returncode == 0 else f"failed: {done.stderr.strip().splitlines()[-1:]}"
        shown = "\n".join(line.rstrip() for line in told.strip().splitlines())
        parts.append(f"## {title}\n\n```\n{shown}\n```")
    RESULTS.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
