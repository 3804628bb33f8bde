"""Write files atomically; read JSON and text files, with errors as InputError."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from vcma.errors import InputError, RefusedError
from vcma.pipeline import strict_json


class replacing:
    """Context manager that yields a partial file to write to, which replaces `path` only on success.

    writer: part of the partial file's name, to distinguish concurrent writers of the same file. before_replacing()
    is called after writing and may raise to keep the earlier file. Raises RefusedError if the operating system
    refuses to write.
    """

    def __init__(self, path: Path, writer: str = "", before_replacing: Callable[[], None] = lambda: None):
        self.path, self.before_replacing = Path(path), before_replacing
        self.partial = self.path.with_name(f".{self.path.name}{writer}.partial")

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
                self.before_replacing()
                self.partial.replace(self.path)
                return
        except OSError as refusal:
            error = refusal
        finally:
            with suppress(OSError):  # an unwritable folder has no partial file; its error is raised below
                self.partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise disk_error(error, self.path) from error


def disk_error(error: OSError, path: Path) -> RefusedError:
    """Return the error for an OSError that occurred while `path` was written, with a remedy."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    unusable = error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
    remedy = "choose another path" if unusable else "free some space or correct the permissions, then run again"
    return RefusedError(f"cannot write: {reason}", path, remedy)


def write_chunks(
    path: Path, chunks: Iterable[bytes], writer: str = "", before_replacing: Callable[[], None] = lambda: None
) -> None:
    """Write a file atomically; writer and before_replacing as in `replacing`."""
    with replacing(path, writer, before_replacing) as partial, open(partial, "wb") as file:
        for chunk in chunks:
            file.write(chunk)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    write_chunks(path, [content])


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, atomically."""
    write_bytes(path, (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())


def compact_json(value: Any) -> bytes:
    """Return JSON without any whitespace, for files that programs read."""
    return (json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n").encode()


def read_json(path: Path, remedy: str) -> Any:
    """Read a JSON file; raises InputError with `remedy` if it is missing or is not JSON."""
    try:
        return strict_json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise InputError("no such file", path, remedy) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"not readable as JSON ({error})", path, remedy) from error


def text_lines(path: Path) -> list[str]:
    r"""Read the lines of a UTF-8 text file; only \n and \r\n end a line.

    `str.splitlines` would also split sentences at form feeds, U+0085 and U+2028, so that its line numbers would
    differ from an editor's. Raises InputError if the file cannot be read or is not UTF-8.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
        return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path, "give a text file") from error
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 text ({error.reason} at byte {error.start})"
        raise InputError(what, path, "give a text file in UTF-8") from error
