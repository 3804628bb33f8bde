"""The seal of an artifact: a first line with checksums, which reveals damage before HDF5 opens the file.

HDF5 may loop or crash on a damaged file. A file therefore begins with a block that HDF5 skips (a "user block"): one
line of JSON with the root attributes, the file's size and the SHA-256 of everything after the block, followed by a
CRC-32 of that line, and zeros up to the block's size. A seal detects accidents; it does not protect against malice.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from vcma.errors import InputError

_MAGIC = b"VCMA1 "  # the number is the version of the seal's layout
_TYPES = {
    **dict.fromkeys(("schema", "stage", "doc", "content", "sha256"), str),
    **dict.fromkeys(("params", "inputs"), dict),
    **dict.fromkeys(("block", "size"), int),
}


def block_size(attributes: Mapping[str, Any]) -> int:
    """Return the size of the seal's block for these root attributes, bytes: a power of two, as HDF5 requires."""
    return max(512, 1 << (len(_line(attributes)) + 150).bit_length())


def seal_block(attributes: Mapping[str, Any], block: int, image: bytes) -> bytes:
    """Return the block of `block` bytes that seals `image`, the HDF5 part of a file."""
    rest = {"block": block, "size": block + len(image), "sha256": hashlib.sha256(image).hexdigest()}
    return _line({**attributes, **rest}).ljust(block, b"\0")


def _line(values: Mapping[str, Any]) -> bytes:
    text = json.dumps(values, sort_keys=True).encode()
    return b"%s%s %08x\n" % (_MAGIC, text, zlib.crc32(text))


def read_seal(path: Path, remedy: str) -> dict[str, Any] | None:
    """Return the values of a file's seal: root attributes, block, size and sha256; None if the file has no seal.

    Only the first line is read. Raises InputError if the file is missing or truncated, or the line is damaged.
    """
    with _opened(path, remedy) as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return None
        text, _, checksum = file.readline().rpartition(b" ")
        size = os.fstat(file.fileno()).st_size
    if checksum != b"%08x\n" % zlib.crc32(text):
        raise changed("its first line differs from what was written", path, remedy)
    try:
        seal = json.loads(text)
    except (ValueError, RecursionError):
        seal = None
    # The checksum only detects accidents; a line by another writer may hold anything.
    if not isinstance(seal, dict) or any(not isinstance(seal.get(key), type_) for key, type_ in _TYPES.items()):
        raise InputError("damaged artifact (its first line is not a seal)", path, remedy)
    if size != seal["size"]:
        raise changed(f"it has {size:,} of {seal['size']:,} bytes", path, remedy)
    return seal


def verify(path: Path, seal: Mapping[str, Any], remedy: str) -> None:
    """Raise InputError if the bytes after a file's block do not match its seal."""
    with _opened(path, remedy) as file:
        file.seek(seal["block"])
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != seal["sha256"]:
        raise changed("its bytes differ from what was written", path, remedy)


def changed(how: str, path: Path, remedy: str) -> InputError:
    """Return the error for a checksum that does not match, with a remedy for damage and one for an edit."""
    edited = f"if you edited it by hand, make it valid again: vcma reseal {shlex.quote(str(path))}"
    return InputError(f"damaged or edited: its checksum does not match ({how})", path, f"{edited}; else {remedy}")


@contextmanager
def _opened(path: Path, remedy: str) -> Iterator[BufferedReader]:
    """Open a file for reading bytes; raises InputError if it is missing or cannot be read."""
    try:
        with open(path, "rb") as file:
            yield file
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise InputError("no such artifact", path, remedy) from None
    except OSError as error:
        raise InputError(f"not readable ({error.strerror})", path, remedy) from error
