"""Run `dvc repro` and leave dvc.lock and demo/dvc.lock empty, as in the repository.

The bytes of a trained model, and so its hash, differ between processors. This machine's locks are kept in
.dvc/tmp/demo, from where the next run restores them. A lock that already has stages belongs to the user and is
updated in place by DVC, as are the locks of any data set other than `demo`.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / ".dvc" / "tmp" / "demo"
LOCKS = ("dvc.lock", "demo/dvc.lock")
EMPTY = "schema: '2.0'\n"
# First line of a lock during the run; DVC preserves comments. If found at the start, the last run was killed.
MARK = "# From an unfinished `make demo`: the next run replaces this lock. Delete this line to keep it.\n"


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)


def restore_locks() -> list[str]:
    """Restore the locks kept from the last run in place of empty ones; return the names of the locks to empty."""
    names = []
    for name in LOCKS:
        lock = read(ROOT / name)
        if not lock.startswith(MARK):
            if re.search("^stages:", lock, re.M):
                continue
            write(ROOT / name, MARK + (read(KEPT / name) or EMPTY))
        names.append(name)
    return names


def empty_locks(names: list[str], finished: bool) -> None:
    """Empty the locks; keep their contents if the run finished, as they may be incomplete otherwise."""
    for name in names:
        if finished:
            write(KEPT / name, read(ROOT / name).removeprefix(MARK))
        write(ROOT / name, EMPTY)


def repro(guard: int) -> int:
    """Run `dvc repro`, forward signals to it, and return its exit status; it inherits the descriptor `guard`."""
    environment = dict(os.environ)
    if not any((folder / ".git").exists() for folder in (ROOT, *ROOT.parents)):
        # DVC requires this setting without git. It is set in the lowest-priority configuration, for this run only.
        write(KEPT / "config", "[core]\n    no_scm = true\n")
        environment["DVC_SYSTEM_CONFIG_DIR"] = str(KEPT)
    child = subprocess.Popen(["dvc", "repro"], env=environment, pass_fds=[guard])
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C in a terminal reaches dvc directly
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: child.send_signal(number))
    status = child.wait()
    return status if status >= 0 else 128 - status


def main() -> None:
    os.chdir(ROOT)
    KEPT.mkdir(parents=True, exist_ok=True)
    with open(KEPT / "guard", "w") as guard:
        try:
            # dvc inherits the lock, because it may outlive this process.
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("error: another `make demo` is running here")
        dataset = yaml.safe_load((ROOT / "pipeline.yaml").read_text())["dataset"]
        names = restore_locks() if dataset == "demo" else []
        status = 1
        try:
            status = repro(guard.fileno())
        finally:
            empty_locks(names, finished=status == 0)
    sys.exit(status)


if __name__ == "__main__":
    main()
