"""A Dask cluster on this machine: a scheduler and workers in processes of their own."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def local_cluster(
    project: Path, logs: Path, workers: Sequence[dict[str, str]]
) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """The address of a scheduler, and its process with those of the workers, which have these variables each."""
    processes: list[subprocess.Popen] = []

    def begin(*command: str, **variables: str) -> Path:
        log = logs / f"{len(processes)}.log"
        env = os.environ | {"PYTHONPATH": str(project), "OMP_NUM_THREADS": "1"} | variables
        with open(log, "w") as file:
            words = [sys.executable, "-m", "distributed.cli.dask_" + command[0], *command[1:]]
            processes.append(subprocess.Popen(words, env=env, cwd=logs, stdout=file, stderr=file))
        return log

    def wait(log: Path, pattern: str) -> re.Match:
        for _ in range(600):
            if found := re.search(pattern, log.read_text()):
                return found
            time.sleep(0.1)
        raise AssertionError(log.read_text())

    try:
        scheduler = begin("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")
        address = wait(scheduler, r"tcp://127\.0\.0\.1:\d+")[0]
        for variables in workers:
            alone = "--no-nanny", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"
            wait(begin("worker", address, *alone, **variables), "Registered to")
        yield address, processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
