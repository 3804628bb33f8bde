"""Check an artifact's columns against its schema: defaults of absent columns, lengths of axes, content digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vcma.errors import InputError
from vcma.pipeline.schemas import Column, Schema
from vcma.records.columns import Columns


def with_defaults(schema: Schema, data: Columns) -> Columns:
    """Return `data` with each missing optional column filled with its default.

    The default is repeated along axes that required columns have; an axis that no required column has gets length
    0.
    """
    size = {
        axis: length
        for name in schema.required
        if name in data
        for axis, length in _axis_lengths(schema.columns[name], data[name])
    }
    filled = dict(data)
    for name, column in schema.columns.items():
        if name not in data and column.default is not None:
            shape = [int(axis) if axis.isdigit() else size.get(axis, 0) for axis in column.axes]
            filled[name] = np.full(shape, column.default, object if column.dtype == "str" else column.dtype)
    return filled


def _axis_lengths(column: Column, value: Any) -> list[tuple[str, int]]:
    """Return (axis, length) for each axis of a column's value; offsets are one longer than their axis."""
    return [(axis, n - bool(column.offsets)) for axis, n in zip(column.axes, np.shape(value), strict=False)]


def lengths(schema: Schema, data: Columns, where: Path | str) -> dict[str, int]:
    """Return the length of each axis; optional columns may be absent.

    Raises InputError if columns, types, axes, offsets or row numbers violate the schema.
    """
    sizes: dict[str, int] = {}
    for find in (_wrong_names, _wrong_shapes, _wrong_offsets_and_rows, _wrong_entities):
        for problem in find(schema, data, sizes):
            raise InputError(f"not a valid {schema.tag} artifact: {problem}", where)
    return sizes


def _wrong_names(schema: Schema, data: Columns, _: dict[str, int]) -> Iterator[str]:
    missing, extra = set(schema.required) - set(data), set(data) - set(schema.columns)
    if missing or extra:
        yield f"missing columns {sorted(missing)}, unknown columns {sorted(extra)}"


def _wrong_shapes(schema: Schema, data: Columns, sizes: dict[str, int]) -> Iterator[str]:
    """Yield problems of types and shapes; fills `sizes` with the length of each axis."""
    for name, column in _present(schema, data):
        value = np.asarray(data[name])
        if column.dtype != "str" and value.dtype != np.dtype(column.dtype):
            yield f"column {name} is {value.dtype}, not {column.dtype}"
        if value.ndim != len(column.axes):
            yield f"column {name} has {value.ndim} axes, not {len(column.axes)}"
        for axis, length in _axis_lengths(column, value):
            expected = int(axis) if axis.isdigit() else sizes.setdefault(axis, length)
            if length != expected:
                yield f"column {name} has length {length} along '{axis}', other columns have {expected}"


def _wrong_offsets_and_rows(schema: Schema, data: Columns, sizes: dict[str, int]) -> Iterator[str]:
    for name, column in _present(schema, data):
        value = np.asarray(data[name])
        axis = column.unit.removeprefix("row of ")
        if column.offsets:
            if len(value) == 0 or value[0] != 0 or (np.diff(value) < 0).any():
                yield f"column {name} does not ascend from 0"
            elif value[-1] != sizes[column.offsets]:
                yield f"column {name} ends at {value[-1]}, '{column.offsets}' has {sizes[column.offsets]}"
        elif axis != column.unit and axis in sizes and len(value):
            low, high = value.min(), value.max()
            if low < 0 or high >= sizes[axis]:
                yield f"column {name} refers to rows {low} to {high}, '{axis}' has {sizes[axis]}"


def _wrong_entities(schema: Schema, data: Columns, _: dict[str, int]) -> Iterator[str]:
    """Yield columns with invalid entity numbers: entities count within their sentence, an action's object is -1."""
    for name, column in _present(schema, data):
        if column.unit == "entity":
            count = np.diff(data["entity_offset"])
            if column.axes == ("relation",):
                count = np.repeat(count, np.diff(data["relation_offset"]))
            entity = np.asarray(data[name])
            if (entity >= count).any() or (entity < (-1 if name == "object" else 0)).any():
                yield f"column {name} refers to an entity that its sentence does not have"


def _present(schema: Schema, data: Columns) -> Iterator[tuple[str, Column]]:
    return ((name, column) for name, column in schema.columns.items() if name in data)


def content_digest(schema: Schema, data: Columns) -> str:
    """Return the SHA-256 of the schema's tag and the columns in `data`; it does not depend on the file format."""
    digest = hashlib.sha256(schema.tag.encode())
    for name, column in _present(schema, data):
        value = np.asarray(data[name])
        digest.update(f"\0{name}\0{value.shape}\0".encode())
        if column.dtype == "str":
            digest.update("\0".join(map(str, value.ravel().tolist())).encode())
        else:
            digest.update(np.ascontiguousarray(value).data)
    return digest.hexdigest()
