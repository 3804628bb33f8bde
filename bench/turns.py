"""What every comparison shares: the ways take turns in one process, and are told as multiples of our time.

`--json` of a script holds {"comparisons": {what: {way: [seconds of each turn]}}} and what else it measured; the way
called "ours" is the pipeline's. Rivals that have no place in the pipeline's environment lie in .bench/packages
(`make bench` puts them there).
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

Seconds = dict[str, list[float]]  # by way, one a turn


def seconds(action: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Seconds of CPU, which a busy machine does not stretch as it does those of time.perf_counter."""
    begin = clock()
    action()
    return clock() - begin


def in_turns(
    ways: Mapping[str, Callable[[], object]],
    rounds: int,
    warm: int = 1,
    clock: Callable[[], float] = time.process_time,
) -> Seconds:
    """Seconds of each way, `rounds` times in turns; as many turns as `warm` come before and do not count."""
    spent = [{name: seconds(way, clock) for name, way in ways.items()} for _ in range(warm + rounds)][warm:]
    return {name: [turn[name] for turn in spent] for name in ways}


def ratios(spent: Seconds, way: str) -> tuple[float, float, float]:
    """Median, least and greatest of a way's time, as a multiple of ours in the same turn."""
    found = [theirs / ours for theirs, ours in zip(spent[way], spent["ours"], strict=True)]
    return statistics.median(found), min(found), max(found)


def told(spent: Seconds) -> tuple[str, str]:
    """Our median time, and the others as multiples of it: 'OpenCV 1.3 [1.2, 1.4]'."""
    ours = statistics.median(spent["ours"])
    found = {way: ratios(spent, way) for way in spent if way != "ours"}
    others = [f"{way} {median:.2f} [{low:.2f}, {high:.2f}]" for way, (median, low, high) in found.items()]
    return f"{ours:.2f} s" if ours >= 1 else f"{ours * 1e3:.3g} ms", ", ".join(others)


def finish(comparisons: Mapping[str, Seconds], output: Path | None, **more: Any) -> None:
    """Print comparisons, and write them and what else was measured to a JSON file, if there is one."""
    for what, spent in comparisons.items():
        print(": ".join([what, ", ".join(told(spent))]))
    if output:
        output.write_text(json.dumps({"comparisons": comparisons, **more}, indent=1) + "\n")
