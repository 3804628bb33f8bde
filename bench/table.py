"""Run all benchmarks and write bench/results.md.

    python bench/table.py [--only NAME ...]

Measurements are stored in .bench/; with --only, just the given benchmarks run again, and the others keep their last
measurements. A script that fails or times out is reported as failed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import turns

RESULTS, KEPT = (turns.ROOT / name for name in ("bench/results.md", ".bench"))
LONGEST = 900  # time limit of a script, s
BESIDE = (
    "torch",
    "opencv-python-headless",
    "av",
    "decord",
    "h5py",
    "norfair",
    "supervision",
    "spacy",
    "SceneGraphParser",
    "dvc",
)


def commands() -> dict[str, list[str]]:
    """Return the scripts with their arguments, in the order of the table."""
    demo = turns.ROOT / "data/demo"
    videos = sorted(demo.rglob("*.mp4"))[:10]
    test_data = os.environ.get("VCMA_TEST_DATA")
    if test_data:  # clips of VidOR itself
        videos += sorted(Path(test_data, "vidstg/videos").glob("*.mp4"))
    return {
        "extract_frames": [str(video) for video in videos],
        "detect_proposals": [],
        "link_tubes": ["--seeds", "8", "--kind", "noisy", "--kind", "chase"],
        "parse_queries": ["--annotations", str(demo / "test_annotations.json"), "--count", "500"],
        "train_em": [],
        "artifacts": [],
        "start_up": [],
        "demo_run": [],
        "scale": [],
    }


def measure(name: str, words: list[str]) -> dict:
    """Run a script; returns its measurements, or {"failed": why}."""
    path = KEPT / f"{name}.json"
    path.unlink(missing_ok=True)
    command = [sys.executable, str(turns.ROOT / f"bench/{name}.py"), *words, "--json", str(path)]
    print(f"bench: {name}", file=sys.stderr, flush=True)
    begin = time.monotonic()
    try:
        done = subprocess.run(command, cwd=turns.ROOT, capture_output=True, text=True, timeout=LONGEST)
        failed = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except subprocess.TimeoutExpired:
        failed = [f"took longer than {LONGEST} s"]
    if failed or not path.exists():
        why = (failed or ["no output written"])[0].replace(f"{turns.ROOT}/", "").replace("|", "/")  # for a table
        path.write_text(json.dumps({"failed": why}))
    print(f"bench: {name}: {time.monotonic() - begin:.0f} s", *failed, file=sys.stderr, flush=True)
    return json.loads(path.read_text())


def machine() -> str:
    """Describe cores, processor, memory and versions, without host names and paths."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = []
    for name in BESIDE:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{name} not installed")
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GB, {system}; {', '.join(versions)}."


def comparison_table(figures: dict[str, dict]) -> str:
    """One row per comparison: our time, and the others' relative to it."""
    lines = ["| what | ours | others, relative to ours: median [minimum, maximum] |", "|---|---|---|"]
    for name, found in figures.items():
        if "failed" in found:
            lines.append(f"| `{name}` | failed | {found['failed']} |")
        for what, spent in found.get("comparisons", {}).items():
            lines.append(f"| {what} | {' | '.join(turns.told(spent))} |")
    return "\n".join(lines)


def growth_table(found: dict[str, dict]) -> str:
    """One row per stage: time and memory by size, with exponents."""
    lines = ["| what | time grows as | memory grows as | sizes |", "|---|---|---|---|"]
    for what, row in found.items():
        powers = [f"n^{p:.2f}" if (p := row.get(f"{of}_exponent")) else "–" for of in ("time", "memory")]
        sizes = "; ".join(f"{n}: {s:.2f} s, {row['MB'][n]:.0f} MB" for n, s in row["seconds"].items())
        lines.append(f"| {what} | {' | '.join(powers)} | {sizes} |")
    return "\n".join(lines)


def start_table(found: dict[str, list[float]]) -> str:
    """One row per command: time of `--help`."""
    lines = ["| `--help` of | median [minimum, maximum] |", "|---|---|"]
    for name, times in found.items():
        lines.append(f"| {name} | {statistics.median(times):.2f} s [{min(times):.2f}, {max(times):.2f}] |")
    return "\n".join(lines)


def stage_table(found: dict[str, dict[str, float]]) -> str:
    """One row per stage of the demo: time, share and memory."""
    lines = ["| stage | seconds | share | peak memory |", "|---|---|---|---|"]
    total = sum(row["seconds"] for row in found.values())
    for stage, row in found.items():
        lines.append(f"| {stage} | {row['seconds']:.1f} | {row['seconds'] / total:.0%} | {row['MB']:.0f} MB |")
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description="Run all benchmarks and write bench/results.md.")
    options.add_argument("--only", nargs="+", choices=list(commands()), help="run only these")
    args = options.parse_args()
    if not (turns.ROOT / "data/demo").exists():
        sys.exit("bench: data/demo not found; run make demo first")
    KEPT.mkdir(exist_ok=True)
    figures = {}
    for name, words in commands().items():
        path = KEPT / f"{name}.json"
        again = args.only is None or name in args.only or not path.exists()
        figures[name] = measure(name, words) if again else json.loads(path.read_text())
    table = comparison_table(figures)
    parts = [
        "# Speed, by `make bench`",
        f"Measured on {machine()} One thread; alternatives run in alternation in one process. Times are CPU"
        " seconds; for artifacts, start-up and growth they are wall-clock seconds, to include disk access.",
        table,
        "Frame extraction: all store the same JPEGs. Linking: a turn is one generated video. Training: the plain"
        " loop computes the same updates with one sentence per step.",
        "## Start-up",
        start_table(figures["start_up"].get("help", {})),
        "## The demo's run",
        "From videos to the report, with one worker; `make demo` uses all cores for the per-video stages.",
        stage_table(figures["demo_run"].get("stages", {})),
        "## Growth",
        "Seconds and peak memory by size, with start-up; exponents are of the growth beyond the smallest size.",
        growth_table({k: v for k, v in figures["scale"].items() if k != "failed"}),
    ]
    RESULTS.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
