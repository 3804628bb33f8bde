"""Check the values of an artifact's columns against the rules of its schema.

All checks are vectorised; together they take a small part of the time of writing (docs/artifacts.md, "Versions").
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from vcma.boxes import area, clip
from vcma.errors import InputError
from vcma.pipeline.schemas import Column, Schema
from vcma.records.columns import Columns

_ROUNDING = 1.0  # px, maximum extent of a box beyond the frame that is clipped without a note
_TOLERANCE = 2e-3  # tolerance of [0, 1] for half floats


def converted(schema: Schema, data: Columns, where: Path | str) -> Columns:
    """Return `data` with numbers of another width (float32 features, int32 frames) converted to the schema's types.

    Raises InputError if a number exceeds the range of its type.
    """
    result = dict(data)
    for name, column in schema.columns.items():
        if name not in data or column.dtype == "str":
            continue
        value, dtype = np.asarray(data[name]), np.dtype(column.dtype)
        if value.dtype != dtype and np.can_cast(value.dtype, dtype, "same_kind"):
            with np.errstate(over="ignore"):
                result[name] = value.astype(dtype)
            lost = np.isinf(result[name]) & np.isfinite(value) if dtype.kind == "f" else result[name] != value
            if lost.any():
                what = f"column {name}: {int(lost.sum()):,} values exceed the range of {dtype}"
                raise InputError(f"not a valid {schema.tag} artifact: {what}", where, "scale them")
    return result


def clip_to_frame(schema: Schema, data: Columns, where: Path | str) -> Columns:
    """Return `data` with boxes clipped to the frame; a note counts those that were a pixel or more beyond it."""
    result = dict(data)
    for name, column in schema.columns.items():
        if column.rule != "box" or not len(data[name]):
            continue
        box = np.asarray(data[name])
        width, height = float(data["width"]), float(data["height"])
        beyond = np.maximum(-box.min(axis=1), np.maximum(box[:, 2] - width, box[:, 3] - height))
        if (beyond > 0).any():
            result[name] = clip(box, width, height)
        if n := int((beyond >= _ROUNDING).sum()):
            click.echo(
                f"note: {where}: {n:,} of {len(box):,} boxes extended beyond the frame, clipped to it", err=True
            )
    return result


def check_values(schema: Schema, data: Columns, where: Path | str) -> None:
    """Raise InputError, with counts, if values violate a rule of the schema or are not finite.

    The columns must have passed `contents.lengths`.
    """
    for name, column in schema.columns.items():
        if name not in data or column.dtype == "str":
            continue
        value = np.asarray(data[name])
        for problem in _problems(schema, data, column, value):
            raise InputError(f"not a valid {schema.tag} artifact: column {name}: {problem}", where)


def _problems(schema: Schema, data: Columns, column: Column, value: np.ndarray) -> Iterator[str]:
    if value.dtype.kind == "f" and (n := _not_finite(value)):
        yield f"{n:,} values are not finite"
    if column.rule and value.size:
        yield from _RULES[column.rule](schema, data, column, value)


def _not_finite(value: np.ndarray) -> int:
    if value.dtype == np.float16:  # test the bits: NumPy's arithmetic on half floats is twenty times slower
        return int(np.count_nonzero((value.view(np.uint16) & 0x7C00) == 0x7C00)) if value.ndim else 0
    return int(value.size - np.count_nonzero(np.isfinite(value)))


def _rising(schema: Schema, data: Columns, column: Column, value: np.ndarray) -> Iterator[str]:
    if n := int((value < 0).sum()):
        yield f"{n:,} values are negative; frame indices start at 0"
    step = np.diff(value)
    groups = next((c for c in schema.columns if schema.columns[c].offsets == column.axes[0]), None)
    if groups:
        start = np.asarray(data[groups])[1:-1]
        step[start[(start > 0) & (start < len(value))] - 1] = 1
    if n := int((step <= 0).sum()):
        row = int((step <= 0).argmax())
        within = f" within a {schema.columns[groups].axes[0]}" if groups else ""
        again = "occurs twice" if step[row] == 0 else f"is followed by {value[row + 1]}"
        yield f"{n:,} values are not ascending{within}, e.g. {value[row]} {again}"


def _filled(schema: Schema, data: Columns, column: Column, value: np.ndarray) -> Iterator[str]:
    if n := int((np.diff(value) == 0).sum()):
        yield f"{n:,} of {len(value) - 1:,} have no {column.offsets}"


def _box(schema: Schema, data: Columns, column: Column, value: np.ndarray) -> Iterator[str]:
    if not (data["width"] > 0 and data["height"] > 0):
        yield f"boxes need the frame's width and height, not {data['width']} x {data['height']}"
    empty = area(value) == 0
    if n := int(empty.sum()):
        row = int(empty.argmax())
        first = ", ".join(f"{v:g}" for v in value[row])
        what = f"{n:,} of {len(value):,} boxes have no area within the frame (x1 < x2, y1 < y2)"
        yield f"{what}, e.g. row {row} [{first}]"


def _probability(schema: Schema, data: Columns, column: Column, value: np.ndarray) -> Iterator[str]:
    low, high = float(value.min()), float(value.max())
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        yield f"values from {low:g} to {high:g}, not in [0, 1]"


_RULES: dict[str, Any] = {"rising": _rising, "filled": _filled, "box": _box, "probability": _probability}
