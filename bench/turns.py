"""Timing of alternatives: they run in alternation in one process and are reported relative to the pipeline's time.

A script's `--json` file contains {"comparisons": {what: {way: [seconds of each turn]}}} and further measurements;
"ours" is the pipeline. Libraries that are not part of the pipeline's environment are installed in .bench/packages
by `make bench`.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_threads] = "1"  # read when NumPy is imported

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.append(str(ROOT / ".bench/packages"))

Seconds = dict[str, list[float]]  # seconds of each turn, by way


def seconds(action: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Time an action, in CPU seconds by default: unlike wall-clock time, they hardly depend on other processes."""
    begin = clock()
    action()
    return clock() - begin


def in_turns(
    ways: Mapping[str, Callable[[], object]],
    rounds: int,
    warm: int = 1,
    clock: Callable[[], float] = time.process_time,
) -> Seconds:
    """Time all ways in alternation, `rounds` times, after `warm` turns that are not counted."""
    spent = [{name: seconds(way, clock) for name, way in ways.items()} for _ in range(warm + rounds)][warm:]
    return {name: [turn[name] for turn in spent] for name in ways}


def ratios(spent: Seconds, way: str) -> tuple[float, float, float]:
    """Median, minimum and maximum of a way's time relative to ours in the same turn."""
    found = [theirs / ours for theirs, ours in zip(spent[way], spent["ours"], strict=True)]
    return statistics.median(found), min(found), max(found)


def told(spent: Seconds) -> tuple[str, str]:
    """Format our median time, and the others' relative times: 'OpenCV 1.30 [1.20, 1.40]'."""
    ours = statistics.median(spent["ours"])
    found = {way: ratios(spent, way) for way in spent if way != "ours"}
    others = [f"{way} {median:.2f} [{low:.2f}, {high:.2f}]" for way, (median, low, high) in found.items()]
    return f"{ours:.2f} s" if ours >= 1 else f"{ours * 1e3:.3g} ms", ", ".join(others)


def finish(comparisons: Mapping[str, Seconds], output: Path | None, **more: Any) -> None:
    """Print comparisons; write them and further measurements to a JSON file if one is given."""
    for what, spent in comparisons.items():
        print(": ".join([what, ", ".join(told(spent))]))
    if output:
        output.write_text(json.dumps({"comparisons": comparisons, **more}, indent=1) + "\n")
