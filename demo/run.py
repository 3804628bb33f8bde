"""Run `dvc repro` and leave dvc.lock and demo/dvc.lock as the repository has them: empty.

A trained model's bytes, and so their hashes, differ between processors. This machine's locks are kept in
.dvc/tmp/demo, from where the next run restores them. A lock that already holds stages is the user's own, and so are
the locks of any data set but `demo`: DVC updates them in place.
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
# First line of a lock during the run; DVC preserves comments. Found at the start, it means the last run was killed.
MARK = "# Of an unfinished `make demo`: the next one sets this lock aside. Delete this line to keep it.\n"


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)


def take_up() -> list[str]:
    """Replace empty locks by those kept from the last run; return the names of the locks to empty afterwards."""
    names = []
    for name in LOCKS:
        lock = read(ROOT / name)
        if not lock.startswith(MARK):
            if re.search("^stages:", lock, re.M):
                continue
            write(ROOT / name, MARK + (read(KEPT / name) or EMPTY))
        names.append(name)
    return names


def set_aside(names: list[str], finished: bool) -> None:
    """Empty the locks; keep their contents if the run finished, else they may be half-written."""
    for name in names:
        if finished:
            write(KEPT / name, read(ROOT / name).removeprefix(MARK))
        write(ROOT / name, EMPTY)


def repro(guard: int) -> int:
    """Run `dvc repro` and return its exit status; it inherits the descriptor `guard` and is sent the signals."""
    environment = dict(os.environ)
    if not any((folder / ".git").exists() for folder in (ROOT, *ROOT.parents)):
        # Without git DVC needs this setting. It goes to DVC's lowest level of configuration, for this run alone.
        write(KEPT / "config", "[core]\n    no_scm = true\n")
        environment["DVC_SYSTEM_CONFIG_DIR"] = str(KEPT)
    child = subprocess.Popen(["dvc", "repro"], env=environment, pass_fds=[guard])
    signal.signal(signal.SIGINT, lambda *_: None)  # a terminal's Ctrl-C reaches dvc by itself
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: child.send_signal(number))
    status = child.wait()
    return status if status >= 0 else 128 - status


def main() -> None:
    os.chdir(ROOT)
    KEPT.mkdir(parents=True, exist_ok=True)
    with open(KEPT / "guard", "w") as guard:
        try:
            # Held until dvc ends, too, which may outlive this process.
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("error: another `make demo` is running here")
        dataset = yaml.safe_load((ROOT / "pipeline.yaml").read_text())["dataset"]
        names = take_up() if dataset == "demo" else []
        status = 1
        try:
            status = repro(guard.fileno())
        finally:
            set_aside(names, finished=status == 0)
    sys.exit(status)


if __name__ == "__main__":
    main()
