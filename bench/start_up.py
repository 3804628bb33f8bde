"""Start-up time: `--help` of every stage and of `vcma`.

python bench/start_up.py [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import turns


def main() -> None:
    options = argparse.ArgumentParser(description="Time of `--help` of every stage and of `vcma`.")
    options.add_argument("--rounds", type=int, default=5, help="repetitions")
    options.add_argument("--json", type=Path, help="write the results to this file")
    args = options.parse_args()
    commands = {path.stem: [str(path)] for path in sorted((turns.ROOT / "stages").glob("*.py"))}
    commands["vcma"] = ["-m", "vcma"]

    def start(words: list[str]) -> None:
        command = [sys.executable, *words, "--help"]
        subprocess.run(command, cwd=turns.ROOT, stdout=subprocess.DEVNULL, check=True)

    ways = {name: lambda w=words: start(w) for name, words in commands.items()}
    spent = turns.in_turns(ways, args.rounds, clock=time.perf_counter)
    for name, times in spent.items():
        print(f"{name} --help: {statistics.median(times):.2f} s")
    if args.json:
        args.json.write_text(json.dumps({"help": spent}, indent=1) + "\n")


if __name__ == "__main__":
    main()
