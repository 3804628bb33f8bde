"""Reading and writing artifacts: the only code of the project that opens HDF5.

This module is all that a script of your own needs: the schemas (`vcma.pipeline.schemas`) stand here under their
names, too, as in `artifact.read(artifact.TUBES, path)`.

HDF5 may loop or crash on a damaged file, so a file begins with a seal, in what HDF5 calls a user block and skips:
one line of JSON with the root attributes and a checksum of the rest, which is checked before HDF5 sees the file.
What has no seal (a file by another writer) is first read by a child process. A seal tells of accidents, it is no
proof against malice.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.pipeline.schemas import (
    FRAMES,
    PREDICTIONS,
    PROPOSALS,
    QUERIES,
    REFERENCES,
    SAMPLES,
    SCHEMAS,
    TRUTH,
    TUBES,
    Column,
    Schema,
)
from vcma.pipeline.storage import write_chunks
from vcma.records.columns import Columns, offsets, rows

__all__ = [
    "FRAMES", "PREDICTIONS", "PROPOSALS", "QUERIES", "REFERENCES", "SAMPLES", "SCHEMAS", "TRUTH", "TUBES", "Column",
    "Columns", "Schema", "attributes", "content_digest", "lengths", "offsets", "read", "rows", "schema_of", "write",
]  # fmt: skip

_FORMAT = {"libver": ("v110", "v110")}
# What h5py raises on damaged files.
_BROKEN = (KeyError, OSError, RuntimeError, TypeError, ValueError, OverflowError, MemoryError)
_DEFLATE_LIMIT = 1032  # no HDF5 filter of ours packs tighter than this: a file that declares more is damaged
_MAGIC = b"VCMA1 "  # the first bytes of a sealed file; another layout of the seal will have another number


def lengths(schema: Schema, data: Columns, where: Path | str) -> dict[str, int]:
    """Length of each axis; raises InputError where columns, types, axes or offsets disagree with the schema."""

    def fail(what: str) -> InputError:
        return InputError(f"not a valid {schema.tag} artifact: {what}", where)

    if set(data) != set(schema.columns):
        missing, extra = set(schema.columns) - set(data), set(data) - set(schema.columns)
        raise fail(f"missing columns {sorted(missing)}, unknown columns {sorted(extra)}")
    sizes: dict[str, int] = {}
    for name, column in schema.columns.items():
        value = np.asarray(data[name])
        if column.dtype != "str" and value.dtype != np.dtype(column.dtype):
            raise fail(f"column {name} is {value.dtype}, not {column.dtype}")
        if value.ndim != len(column.axes):
            raise fail(f"column {name} has {value.ndim} axes, not {len(column.axes)}")
        for axis, length in zip(column.axes, value.shape, strict=True):
            length -= column.offsets is not None
            expected = int(axis) if axis.isdigit() else sizes.setdefault(axis, length)
            if length != expected:
                raise fail(f"column {name} has {length} along '{axis}', other columns have {expected}")
    for name, column in schema.columns.items():
        if column.offsets:
            offset = np.asarray(data[name])
            if len(offset) == 0 or offset[0] != 0 or (np.diff(offset) < 0).any():
                raise fail(f"column {name} does not rise from 0")
            if offset[-1] != sizes[column.offsets]:
                raise fail(f"column {name} ends at {offset[-1]}, '{column.offsets}' has {sizes[column.offsets]}")
        elif (axis := column.unit.removeprefix("row of ")) in sizes and axis != column.unit:
            row = np.asarray(data[name])
            if len(row) and not 0 <= row.min() <= row.max() < sizes[axis]:
                raise fail(f"column {name} names rows {row.min()} to {row.max()}, '{axis}' has {sizes[axis]}")
    for name, column in schema.columns.items():
        if column.unit == "entity":  # counted within its sentence
            count = np.diff(data["entity_offset"])
            if column.axes == ("relation",):
                count = np.repeat(count, np.diff(data["relation_offset"]))
            entity = np.asarray(data[name])
            if (entity >= count).any() or (entity < (-1 if name == "object" else 0)).any():
                raise fail(f"column {name} names an entity that its sentence does not have")
    return sizes


def content_digest(schema: Schema, data: Columns) -> str:
    """SHA-256 over schema and column contents: what an artifact says, whatever wrote it."""
    digest = hashlib.sha256(schema.tag.encode())
    for name, column in schema.columns.items():
        value = np.asarray(data[name])
        digest.update(f"\0{name}\0{value.shape}\0".encode())
        if column.dtype == "str":
            digest.update("\0".join(map(str, value.ravel().tolist())).encode())
        else:
            digest.update(np.ascontiguousarray(value).data)
    return digest.hexdigest()


def write(
    schema: Schema,
    path: Path,
    data: Columns,
    params: Mapping,
    inputs: Mapping[str, str],
    ticket: str = "",
    ready: Callable[[], None] = lambda: None,
) -> str:
    """Write one artifact all or nothing and return its content digest.

    params: the parameters it was made with; inputs: name -> content digest of what it was made from. The same
    arguments give the same bytes. ticket: names the partial file apart from those of another writer of the same
    artifact; ready() is called before the file takes its place, and may raise to prevent that. Raises InputError
    where `data` breaks the schema, RefusedError where the disk refuses.
    """
    import h5py

    lengths(schema, data, path)
    digest = content_digest(schema, data)
    root = {"schema": schema.tag, "stage": schema.stage, "doc": schema.doc, "content": digest}
    made = {"params": params, "inputs": inputs}
    block = max(512, 1 << (len(_seal({**root, **made})) + 150).bit_length())  # HDF5 wants a power of two
    text = h5py.string_dtype("utf-8")
    # In memory first: HDF5 cannot be trusted to survive a disk that refuses in the midst of a file.
    memory = {"driver": "core", "backing_store": False, "block_size": 1 << 20}
    with h5py.File(path.name, "w", userblock_size=block, **memory, **_FORMAT) as file:
        file.attrs.update(root | {key: json.dumps(value, sort_keys=True) for key, value in made.items()})
        for name, column in schema.columns.items():
            value = np.asarray(data[name], dtype=object if column.dtype == "str" else None)
            dataset = file.create_dataset(name, data=value, dtype=text if column.dtype == "str" else None)
            dataset.attrs["unit"] = column.unit
            dataset.attrs["doc"] = column.doc
            for axis, label in enumerate(column.axes):
                dataset.dims[axis].label = label + "+1" if column.offsets else label
        file.flush()
        image = file.id.get_file_image()  # without the user block
    rest = {"block": block, "size": block + len(image), "sha256": hashlib.sha256(image).hexdigest()}
    write_chunks(path, [_seal({**root, **made, **rest}).ljust(block, b"\0"), image], ticket, ready)
    return digest


_SEALED = {
    **dict.fromkeys(("schema", "stage", "doc", "content", "sha256"), str),
    **dict.fromkeys(("params", "inputs"), dict),
    **dict.fromkeys(("block", "size"), int),
}


def _seal(told: Mapping) -> bytes:
    """The first line of a file: JSON and a checksum of that line alone."""
    text = json.dumps(told, sort_keys=True).encode()
    return b"%s%s %08x\n" % (_MAGIC, text, zlib.crc32(text))


def read(schema: Schema, path: Path, columns: Iterable[str] | None = None) -> Columns:
    """Read an artifact, or some of its columns. Numbers come as arrays, text as object arrays of str.

    Raises InputError if the file is missing, damaged, of another schema, or declares impossible sizes. A sealed
    file is always checked as a whole. With all columns the schema is checked as a whole, too, and the content's
    digest where there is no seal.
    """
    remedy = f"make it again: python stages/{schema.stage}.py"
    names = list(schema.columns) if columns is None else list(columns)
    sealed = _admitted(path, remedy, lambda: _read_columns(schema, path, names, remedy))
    data, content = _read_columns(schema, path, names, remedy)
    if columns is None:
        lengths(schema, data, path)
        if not sealed and content != content_digest(schema, data):
            raise InputError(f"damaged {schema.tag} artifact (its content is not what was written)", path, remedy)
    return data


def _read_columns(schema: Schema, path: Path, names: list[str], remedy: str) -> tuple[Columns, str]:
    """Columns, and the digest of all of them that the file tells."""
    with _opened(path, remedy) as file:
        _expect(schema, _attribute(file, "schema"), path, remedy)
        return {name: _read_column(file, name, schema.columns[name]) for name in names}, _attribute(file, "content")


@contextmanager
def _bytes(path: Path, remedy: str) -> Iterator[Any]:
    """A file's bytes; what the operating system refuses is an InputError."""
    try:
        with open(path, "rb") as file:
            yield file
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise InputError("no such artifact", path, remedy) from None
    except OSError as error:
        raise InputError(f"not readable ({error.strerror})", path, remedy) from error


def _told(path: Path, remedy: str) -> dict[str, Any] | None:
    """What the seal of a file says; None if it has none. Raises InputError if it is damaged or the file cut."""
    with _bytes(path, remedy) as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return None
        text, _, check = file.readline().rpartition(b" ")
        size = os.fstat(file.fileno()).st_size
    if check != b"%08x\n" % zlib.crc32(text):
        raise InputError("damaged artifact (its first line is not what was written)", path, remedy)
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    # The checksum guards from accidents; another writer's line may say anything.
    if not isinstance(told, dict) or any(not isinstance(told.get(key), kind) for key, kind in _SEALED.items()):
        raise InputError("damaged artifact (its first line is no seal)", path, remedy)
    if size != told["size"]:
        raise InputError(f"damaged artifact (it has {size:,} bytes of {told['size']:,})", path, remedy)
    return told


def _admitted(path: Path, remedy: str, action: Callable[[], object]) -> bool:
    """Whether a file is sealed, and so is what was written; if not, a child process survived `action`, a reading.

    Raises InputError if the file is missing, not what was written, or more than HDF5 can bear.
    """
    told = _told(path, remedy)
    if told is None:
        _rehearse(path, remedy, action)
        return False
    with _bytes(path, remedy) as file:
        file.seek(told["block"])
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != told["sha256"]:
        raise InputError("damaged artifact (its bytes are not what was written)", path, remedy)
    return True


def _rehearse(path: Path, remedy: str, action: Callable[[], object]) -> None:
    """Let a child process do `action` first, in bounded time and memory; raises InputError if it cannot."""
    size = Path(path).stat().st_size
    ear, mouth = os.pipe()
    child = os.fork()
    if not child:
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is an answer here
            resource.setrlimit(resource.RLIMIT_CPU, (_PATIENCE + (size >> 24),) * 2)
            with suppress(OSError, ValueError):  # no /proc, or less is allowed already
                used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
                resource.setrlimit(resource.RLIMIT_AS, (used + _ROOM + 16 * size,) * 2)
            action()
        except InputError as error:
            os.write(mouth, error.what.encode("utf-8", "replace"))
        finally:
            os._exit(0)  # any other error comes again, where it can be told
    os.close(mouth)
    with open(ear, "rb") as said:
        what = said.read().decode()
    if os.waitpid(child, 0)[1]:
        what = "damaged: HDF5 crashes on it or does not come to an end"
    if what:
        raise InputError(what, path, remedy)


_PATIENCE = 3  # s of work for a small file
_ROOM = 1 << 30  # bytes


def _read_column(file: Any, name: str, column: Column) -> Any:
    import h5py

    # A link, or a storage elsewhere, could name any file of the user's: what an artifact holds stands in its file.
    dataset = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise ValueError(f"column {name} is no data set of this file")
    stored = Path(file.filename).stat().st_size
    if dataset.nbytes > stored * (_DEFLATE_LIMIT if dataset.chunks else 1):
        raise ValueError(f"column {name} declares {dataset.nbytes} bytes in a file of {stored}")
    if dataset.ndim != len(column.axes):
        raise ValueError(f"column {name} has {dataset.ndim} axes, not {len(column.axes)}")
    if column.dtype == "str":
        return np.asarray(dataset.asstr()[()], dtype=object)
    if dataset.dtype != np.dtype(column.dtype):
        raise ValueError(f"column {name} is {dataset.dtype}, not {column.dtype}")
    return np.asarray(dataset[()])


def _attribute(file: Any, name: str) -> str:
    """A root attribute, one text; h5py would make room for whatever shape a damaged file declares."""
    if file.attrs.get_id(name).shape != ():
        raise ValueError(f"attribute {name} is not one text")
    return str(file.attrs[name])


@contextmanager
def _opened(path: Path, remedy: str) -> Iterator[Any]:
    """An HDF5 file; what is wrong with it, or found wrong while it is open, is an InputError."""
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except _BROKEN as error:
        raise InputError(f"not a readable artifact ({error})", path, remedy) from error


def _expect(schema: Schema | None, tag: str, path: Path, remedy: str) -> None:
    if schema and tag != schema.tag:
        raise InputError(f"holds {tag}, not {schema.tag}", path, remedy)


def attributes(path: Path, schema: Schema | None = None) -> dict[str, Any]:
    """The root attributes of an artifact: schema, stage, doc, params, inputs (both parsed) and content.

    Of a sealed file its first line alone is read: nothing says that the rest is sound.
    """
    remedy = f"make it again: python stages/{schema.stage}.py" if schema else "name an artifact of this project"
    told = _told(path, remedy)
    if told is None:
        _rehearse(path, remedy, lambda: _read_root(path, remedy))
        told = _read_root(path, remedy)
    _expect(schema, told["schema"], path, remedy)
    return told


def _read_root(path: Path, remedy: str) -> dict[str, Any]:
    with _opened(path, remedy) as file:
        texts = {key: _attribute(file, key) for key in ("schema", "stage", "doc", "content")}
        return texts | {key: json.loads(_attribute(file, key)) for key in ("params", "inputs")}


def schema_of(path: Path) -> Schema:
    """The schema a file says it has; raises InputError if it is none of this version's."""
    tag = attributes(path)["schema"]
    for schema in SCHEMAS.values():
        if schema.tag == tag:
            return schema
    known = ", ".join(s.tag for s in SCHEMAS.values())
    raise InputError(f"holds {tag}, which this version does not know (it knows {known})", path)
