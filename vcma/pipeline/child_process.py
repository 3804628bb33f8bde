"""A dangerous read, tried first in a child process: HDF5 may loop or crash on a file that has no seal."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vcma.errors import InputError, RefusedError

CPU_SECONDS = 3  # for a small file
WAIT = 20  # times as long by the clock: a child that waits for a lock which no thread of its own holds never ends
_MEMORY = 1 << 30  # bytes, beside what this process uses already


def try_in_child(path: Path, remedy: str, action: Callable[[], object]) -> None:
    """Run action(), a read of `path`, in a child process, in bounded time and memory.

    Raises InputError where the action does, and where the child crashes or does not end. Any other error is left
    for the caller to meet, who runs the action again.
    """
    size = Path(path).stat().st_size
    try:
        read_end, write_end = os.pipe()
        child = os.fork()
    except OSError as error:
        what = f"cannot start a process that reads it: {error.strerror}"
        raise RefusedError(what, path, "free memory, files or processes, then run again") from error
    if not child:
        try:
            _limit_resources(size)
            action()
        except InputError as error:
            text = json.dumps([error.what, error.remedy], ensure_ascii=False)
            os.write(write_end, text.encode("utf-8", "replace"))
        finally:
            os._exit(0)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        refusal = pipe.read()
    if os.waitpid(child, 0)[1]:
        raise InputError("damaged: HDF5 crashes on it or does not come to an end", path, remedy)
    if refusal:
        what, remedy = json.loads(refusal)
        raise InputError(what, path, remedy)


def _limit_resources(size: int) -> None:
    """Bound this process by the memory and time that reading a file of `size` bytes may take."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is an expected outcome
    seconds = CPU_SECONDS + (size >> 24)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds,) * 2)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(WAIT * seconds)
    with suppress(OSError, ValueError):  # no /proc, or less is allowed already
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY + 16 * size,) * 2)
