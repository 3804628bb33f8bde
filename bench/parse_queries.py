"""Speed of the sentence parser, compared with SceneGraphParser 0.1.0 on the same sentences.

    python bench/parse_queries.py --annotations val_annotations.json [--rounds 3] [--json FILE]

Both use the same spaCy model and run in alternation in one process; loading is excluded. --more also measures the
scaling with processes, and the peak memory after each of several passes over the sentences, which should not grow.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import turns  # first: it sets the number of threads

# isort: split
from vcma.parsing.parser import MODELS, load_model, parse


def read_texts(path: Path, count: int) -> list[str]:
    """Read the first `count` captions and questions of a VidSTG annotation file."""
    records = json.loads(path.read_text("utf-8"))
    return [q["description"] for r in records for q in r["captions"] + r["questions"]][:count]


def ours(texts: list[str]) -> float:
    """Seconds to parse, without loading the model."""
    load_model()
    return turns.seconds(lambda: list(parse(texts)))


def reference() -> Callable[[list[str]], object] | None:
    """Return a function that parses with SceneGraphParser; None if it is not installed."""
    try:
        import sng_parser
    except ImportError:
        print("skipped SceneGraphParser: not installed")
        return None
    parser = sng_parser.Parser("spacy", model=MODELS[0])
    return lambda texts: [parser.parse(text) for text in texts]


def scaling(texts: list[str], jobs: int) -> float:
    """Sentences per second with `jobs` processes, without start-up and model loading."""
    with ProcessPoolExecutor(jobs) as pool:
        list(pool.map(ours, [texts[:64]] * jobs * 2))
        parts = [texts[i::jobs] for i in range(jobs)]
        return len(texts) / turns.seconds(lambda: list(pool.map(ours, parts)), time.perf_counter)


def memory(texts: list[str], passes: int) -> list[float]:
    """Peak memory of this process in MB after each pass; every pass contains new words, as a corpus would."""
    peaks = []
    for i in range(passes):
        ours([f"{text[:-1]} near thing{i}x{j}." for j, text in enumerate(texts)])
        peaks.append(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1))
    return peaks


def main() -> None:
    options = argparse.ArgumentParser(
        description="Speed of the sentence parser, compared with SceneGraphParser 0.1.0."
    )
    options.add_argument("--annotations", type=Path, required=True, help="VidSTG annotation file")
    options.add_argument("--count", type=int, default=2000, help="number of sentences")
    options.add_argument("--rounds", type=int, default=3, help="repetitions")
    options.add_argument("--more", action="store_true", help="also measure scaling with processes, and memory")
    options.add_argument("--json", type=Path, help="write the results to this file")
    args = options.parse_args()
    texts, theirs, more = read_texts(args.annotations, args.count), reference(), {}
    ways: dict[str, Callable[[], object]] = {"ours": lambda: ours(texts)}
    if theirs is not None:
        ways["SceneGraphParser"] = lambda: theirs(texts)
    spent = turns.in_turns(ways, args.rounds)
    if args.more:
        more["sentences per second of processes"] = {jobs: round(scaling(texts, jobs), 1) for jobs in (1, 2)}
        more["peak memory in MB after each pass"] = memory(texts, 5)
        print(json.dumps(more, indent=1))
    turns.finish({f"parse {len(texts)} sentences": spent}, args.json, **more)


if __name__ == "__main__":
    main()
