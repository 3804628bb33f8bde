"""Reading and writing artifacts: the only code of the project that opens HDF5.

A script of your own needs only this module: it re-exports the schemas (`vcma.pipeline.schemas`), as in
`artifact.read(artifact.TUBES, path)`.

HDF5 may loop or crash on a damaged file, so every file is checked before HDF5 opens it: for files of this project
the seal is verified (`vcma.pipeline.seal`); a file by another writer is first read in a child process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.pipeline.child_process import try_in_child
from vcma.pipeline.contents import content_digest, lengths, with_defaults
from vcma.pipeline.schemas import (
    EMBEDDINGS,
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
from vcma.pipeline.seal import block_size, changed, read_seal, seal_block, verify
from vcma.pipeline.storage import write_chunks
from vcma.pipeline.values import check_values, clip_to_frame, converted
from vcma.records.columns import Columns, offsets, rows

__all__ = [
    "EMBEDDINGS", "FRAMES", "PREDICTIONS", "PROPOSALS", "QUERIES", "REFERENCES", "SAMPLES", "SCHEMAS", "TRUTH",
    "TUBES", "Column", "Columns", "Schema", "absent_columns", "attributes", "content_digest", "lengths", "offsets",
    "read", "read_foreign", "reseal", "rows", "schema_of", "write",
]  # fmt: skip

_FORMAT = {"libver": ("v110", "v110")}
# Files are built in memory first: HDF5 may crash if the disk fails halfway through a file.
_MEMORY = {"driver": "core", "backing_store": False, "block_size": 1 << 20}
# What h5py raises on damaged files.
_BROKEN = (KeyError, OSError, RuntimeError, TypeError, ValueError, OverflowError, MemoryError)
_DEFLATE_LIMIT = 1032  # maximum compression ratio of deflate; a file that declares more is damaged


# --- writing ---------------------------------------------------------------------------------------------------


def write(
    schema: Schema,
    path: Path,
    data: Columns,
    params: Mapping,
    inputs: Mapping[str, str],
    writer: str = "",
    before_replacing: Callable[[], None] = lambda: None,
) -> str:
    """Write one artifact atomically and return its content digest.

    params: the parameters it was made with; inputs: name -> content digest of each input. The same arguments give
    the same bytes. Missing optional columns are written with their defaults, numbers of another width are converted
    to the schema's types, and boxes are clipped to the frame. writer and before_replacing are as in
    `storage.replacing`. Raises InputError if `data` violates the schema, RefusedError if the file cannot be
    written.
    """
    data = converted(schema, with_defaults(schema, data), path)
    lengths(schema, data, path)
    data = clip_to_frame(schema, data, path)
    check_values(schema, data, path)
    digest = content_digest(schema, data)
    root = {"schema": schema.tag, "stage": schema.stage, "doc": schema.doc, "content": digest}
    origin = {"params": params, "inputs": inputs}
    block = block_size({**root, **origin})
    text = {key: json.dumps(value, sort_keys=True) for key, value in origin.items()}
    image = _hdf5_image(schema, path.name, data, root | text, block)
    write_chunks(path, [seal_block({**root, **origin}, block, image), image], writer, before_replacing)
    return digest


def _hdf5_image(schema: Schema, name: str, data: Columns, attributes: Mapping[str, str], block: int) -> bytes:
    """Return the bytes of an HDF5 file without its user block of `block` bytes."""
    import h5py

    text = h5py.string_dtype("utf-8")
    with h5py.File(name, "w", userblock_size=block, **_MEMORY, **_FORMAT) as file:
        file.attrs.update(attributes)
        for name, column in schema.columns.items():
            value = np.asarray(data[name], dtype=object if column.dtype == "str" else None)
            dataset = file.create_dataset(name, data=value, dtype=text if column.dtype == "str" else None)
            dataset.attrs["unit"] = column.unit
            dataset.attrs["doc"] = column.doc
            for axis, label in enumerate(column.axes):
                dataset.dims[axis].label = label + "+1" if column.offsets else label
        file.flush()
        return file.id.get_file_image()


def reseal(path: Path) -> Schema:
    """Renew the checksum of an artifact that was edited by hand, and return its schema.

    The file's parameters then record the edit (`edited_by_hand`). The old checksum is ignored; everything else is
    checked as in `write`. Raises InputError, and leaves the file unchanged, if it is unreadable or violates its
    schema.
    """
    remedy = "repair it, or restore a copy"

    def contents() -> tuple[Schema, Columns, dict[str, Any]]:
        values = _read_attributes(path, remedy)
        schema = _known_schema(values["schema"], path)
        with _opened(path, remedy) as file:
            if unknown := sorted(set(file) - set(schema.columns)):
                raise InputError(
                    f"has data sets that are not columns of {schema.tag}: {', '.join(unknown)}", path, remedy
                )
        return schema, _read_columns(schema, path, list(schema.columns))[0], values

    if not path.is_file():
        raise InputError("no such artifact", path)
    try_in_child(path, remedy, contents)
    schema, data, values = contents()
    stored = {name: data[name] for name in schema.columns if name in data}
    write(schema, path, stored, values["params"] | {"edited_by_hand": True}, values["inputs"])
    return schema


# --- reading ---------------------------------------------------------------------------------------------------


def read(schema: Schema, path: Path, columns: Iterable[str] | None = None) -> Columns:
    """Read an artifact, or some of its columns: numbers as arrays, text as object arrays of str.

    An optional column that the file lacks is filled with its default. Raises InputError if the file is missing or
    damaged, has another schema or version, or declares impossible sizes. A sealed file is always verified as a
    whole. When all columns are read, the schema is checked, too, and, in a file without a seal, the content digest
    and the values.
    """
    names = list(schema.columns) if columns is None else list(columns)
    sealed = _admit(path, schema.remedy, lambda: _read_columns(schema, path, names))
    stored, content = _read_columns(schema, path, names)
    data = with_defaults(schema, stored)
    if columns is None:
        lengths(schema, data, path)
        if not sealed and content != content_digest(schema, stored):
            raise changed("its content differs from what was written", path, schema.remedy)
        if not sealed:
            check_values(schema, data, path)
    return {name: data[name] for name in names}


def read_foreign(path: Path, names: Sequence[str]) -> np.ndarray:
    """Read a data set of an HDF5 file that is not an artifact: the first of `names` it has, or its only data set.

    Raises InputError if there is no such data set or the file cannot be read.
    """
    remedy = f"store an array under the name '{names[0]}', or only one"

    def read_it() -> np.ndarray:
        import h5py

        with _opened(path, remedy) as file:
            found: dict[str, Any] = {}
            file.visititems(lambda name, item: found.update({name: item} if isinstance(item, h5py.Dataset) else {}))
            name = next((n for n in names if n in found), next(iter(found)) if len(found) == 1 else None)
            if name is None:
                raise InputError(f"has {len(found)} arrays, none of them named '{names[0]}'", path, remedy)
            if found[name].external or found[name].is_virtual:
                raise InputError(f"'{name}' is stored in other files", path, remedy)
            return np.asarray(found[name][()])

    if not path.is_file():
        raise InputError("no such file", path, remedy)
    try_in_child(path, remedy, read_it)
    return read_it()


def attributes(path: Path, schema: Schema | None = None) -> dict[str, Any]:
    """Return the root attributes of an artifact: schema, stage, doc, params, inputs (both parsed) and content.

    Only the first line of a sealed file is read; the rest of the file is not verified. Raises InputError if the
    file is missing or damaged or, if a schema is given, has another schema or version.
    """
    remedy = schema.remedy if schema else "give an artifact of this project"
    values = read_seal(path, remedy)
    if values is None:
        try_in_child(path, remedy, lambda: _read_attributes(path, remedy))
        values = _read_attributes(path, remedy)
    if schema:
        _check_tag(schema, values["schema"], path)
    return values


def schema_of(path: Path) -> Schema:
    """Return the schema that a file declares; raises InputError if it is unknown or of another version."""
    return _known_schema(attributes(path)["schema"], path)


def _known_schema(tag: str, path: Path) -> Schema:
    schema = SCHEMAS.get(tag.partition("/")[0])
    if schema is None:
        names = ", ".join(s.tag for s in SCHEMAS.values())
        raise InputError(f"holds {tag}, which this version does not support (supported: {names})", path)
    _check_tag(schema, tag, path)
    return schema


def absent_columns(schema: Schema, path: Path) -> list[str]:
    """Return the names of the optional columns that a file lacks and `read` fills with defaults."""
    optional = [name for name, column in schema.columns.items() if column.default is not None]

    def absent() -> list[str]:
        with _opened(path, schema.remedy) as file:
            return [name for name in optional if not _has(file, name)]

    _admit(path, schema.remedy, absent)
    return absent()


def _check_tag(schema: Schema, tag: str, path: Path) -> None:
    """Raise InputError if a file's tag differs from the schema's in name or version."""
    if tag == schema.tag:
        return
    what, remedy = f"holds {tag}, not {schema.tag}", schema.remedy
    version = re.fullmatch(rf"{schema.name}/([0-9]{{1,9}})", tag)
    if version and int(version[1]) > schema.version:
        what, remedy = f"{what}: a newer version of vcma wrote it", f"{remedy}, or update vcma"
    raise InputError(what, path, remedy)


def _admit(path: Path, remedy: str, action: Callable[[], object]) -> bool:
    """Check that a file is safe to open, and return whether it is sealed.

    The seal of a sealed file is verified; for any other file, action(), a read, is tried in a child process. Raises
    InputError if the file is missing, its checksum does not match, or HDF5 fails on it.
    """
    seal = read_seal(path, remedy)
    if seal is None:
        try_in_child(path, remedy, action)
        return False
    verify(path, seal, remedy)
    return True


# --- HDF5 ------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path, remedy: str) -> Iterator[Any]:
    """Open an HDF5 file for reading; any error of opening it, or raised while it is open, becomes an InputError."""
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except _BROKEN as error:
        raise InputError(f"not a readable artifact ({error})", path, remedy) from error


def _read_columns(schema: Schema, path: Path, names: list[str]) -> tuple[Columns, str]:
    """Return the requested columns that the file has, and the content digest that it declares.

    For each absent column, the columns that determine its length are returned as well.
    """
    with _opened(path, schema.remedy) as file:
        _check_tag(schema, _attribute(file, "schema"), path)
        absent = {name for name in names if schema.columns[name].default is not None and not _has(file, name)}
        stored = [name for name in names if name not in absent]
        measuring = (schema.measures(axis) for name in sorted(absent) for axis in schema.columns[name].axes)
        wanted = dict.fromkeys((*stored, *filter(None, measuring)))
        return {name: _read_column(file, name, schema.columns[name]) for name in wanted}, _attribute(
            file, "content"
        )


def _has(file: Any, name: str) -> bool:
    """Return whether the file has anything of this name, even a broken link."""
    return bool(file.id.links.exists(name.encode()))


def _read_column(file: Any, name: str, column: Column) -> Any:
    import h5py

    # Links and external storage could point at any of the user's files, so an artifact must contain all its data.
    dataset = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise ValueError(f"column {name} is not a data set stored in this file")
    stored = Path(file.filename).stat().st_size
    if dataset.nbytes > stored * (_DEFLATE_LIMIT if dataset.chunks else 1):
        raise ValueError(f"column {name} declares {dataset.nbytes} bytes, the file has {stored}")
    if dataset.ndim != len(column.axes):
        raise ValueError(f"column {name} has {dataset.ndim} axes, not {len(column.axes)}")
    if column.dtype == "str":
        return np.asarray(dataset.asstr()[()], dtype=object)
    if dataset.dtype != np.dtype(column.dtype):
        raise ValueError(f"column {name} is {dataset.dtype}, not {column.dtype}")
    return np.asarray(dataset[()])


def _read_attributes(path: Path, remedy: str) -> dict[str, Any]:
    with _opened(path, remedy) as file:
        texts = {key: _attribute(file, key) for key in ("schema", "stage", "doc", "content")}
        return texts | {key: json.loads(_attribute(file, key)) for key in ("params", "inputs")}


def _attribute(file: Any, name: str) -> str:
    """Return a root attribute, a string; h5py would allocate memory for whatever shape a damaged file declares."""
    if file.attrs.get_id(name).shape != ():
        raise ValueError(f"attribute {name} is not a single string")
    return str(file.attrs[name])
