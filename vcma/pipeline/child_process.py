"""Try an unsafe read in a child process first: HDF5 may loop or crash on a file without a seal."""

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
WAIT = (
    20  # wall-clock limit as a multiple of the CPU limit: a forked child may wait forever for another thread's lock
)
_MEMORY = 1 << 30  # bytes, in addition to what this process already uses


def try_in_child(path: Path, remedy: str, action: Callable[[], object]) -> None:
    """Run action(), a read of `path`, in a child process with limited time and memory.

    Raises InputError if the action does, or if the child crashes or does not finish. Other errors are ignored here:
    the caller runs the action again and meets them itself.
    """
    size = Path(path).stat().st_size
    try:
        read_end, write_end = os.pipe()
        child = os.fork()
    except OSError as error:
        what = f"cannot start a process to read it: {error.strerror}"
        raise RefusedError(what, path, "free memory, file handles or processes, then run again") from error
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
        raise InputError("damaged: HDF5 crashes or does not finish reading it", path, remedy)
    if refusal:
        what, remedy = json.loads(refusal)
        raise InputError(what, path, remedy)


def _limit_resources(size: int) -> None:
    """Limit this process to the memory and time that reading a file of `size` bytes may take."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is an expected outcome
    seconds = CPU_SECONDS + (size >> 24)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds,) * 2)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(WAIT * seconds)
    with suppress(OSError, ValueError):  # no /proc, or a lower limit is already in force
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY + 16 * size,) * 2)
