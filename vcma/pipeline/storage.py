"""Files written all or nothing, and JSON."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from vcma.errors import InputError, RefusedError


class replacing:
    """`with replacing(path) as partial`: write to `partial`; it takes path's place only if all went well.

    ticket and ready as in `write`. What the disk refuses is a RefusedError.
    """

    def __init__(self, path: Path, ticket: str = "", ready: Callable[[], None] = lambda: None):
        self.path, self.ready = Path(path), ready
        self.partial = self.path.with_name(f".{self.path.name}{ticket}.partial")

    def __enter__(self) -> Path:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, self.path) from error
        return self.partial

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if error is None:
                with open(self.partial, "rb+") as file:
                    os.fsync(file.fileno())
                self.ready()
                self.partial.replace(self.path)
                return
        except OSError as late:
            error = late
        finally:
            with suppress(OSError):  # a folder that refuses writing has none, and what it refuses is told below
                self.partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise disk_error(error, self.path) from error


def disk_error(error: OSError, path: Path) -> InputError:
    """The one-line form of a refusal by the operating system."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    odd = error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
    remedy = "name another place" if odd else "free some space or mend the permissions, then run again"
    return RefusedError(f"cannot write: {reason}", path, remedy)


def write_chunks(
    path: Path, chunks: Iterable[bytes], ticket: str = "", ready: Callable[[], None] = lambda: None
) -> None:
    """Write a file all or nothing; ticket and ready as in `write`."""
    with replacing(path, ticket, ready) as partial, open(partial, "wb") as file:
        for chunk in chunks:
            file.write(chunk)


def write_bytes(path: Path, content: bytes) -> None:
    """`write_chunks` of one piece."""
    write_chunks(path, [content])


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, all or nothing."""
    write_bytes(path, (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())


def read_json(path: Path, remedy: str) -> Any:
    """Read a JSON file; raises InputError naming the file and the remedy if it is missing or no JSON."""
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise InputError("no such file", path, remedy) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"not readable as JSON ({error})", path, remedy) from error
