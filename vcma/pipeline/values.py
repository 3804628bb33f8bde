"""The values of an artifact's columns against the rules of its schema: what a writer may get wrong without a word.

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

_ROUNDING = 1.0  # px by which a box may leave the picture without being told
_TOLERANCE = 2e-3  # by which half floats may leave [0, 1]


def converted(schema: Schema, data: Columns, where: Path | str) -> Columns:
    """`data` with numbers of another width (float32 features, int32 frames) in the schema's types.

    Raises InputError where a number is beyond what its type can hold.
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
                what = f"column {name}: {int(lost.sum()):,} values are beyond what {dtype} can hold"
                raise InputError(f"not a valid {schema.tag} artifact: {what}", where, "scale them")
    return result


def cut_to_picture(schema: Schema, data: Columns, where: Path | str) -> Columns:
    """`data` with its boxes cut to the picture; how many reached a pixel or more beyond it is told on stderr."""
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
                f"note: {where}: {n:,} of {len(box):,} boxes reached beyond the picture, cut to it", err=True
            )
    return result


def check_values(schema: Schema, data: Columns, where: Path | str) -> None:
    """Raise InputError, with counts, where a value breaks a rule of the schema or is not finite.

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
    if value.dtype == np.float16:  # by their bits: NumPy's half floats are twenty times slower
        return int(np.count_nonzero((value.view(np.uint16) & 0x7C00) == 0x7C00)) if value.ndim else 0
    return int(value.size - np.count_nonzero(np.isfinite(value)))


def _rising(schema: Schema, data: Columns, column: Column, value: np.ndarray) -> Iterator[str]:
    if n := int((value < 0).sum()):
        yield f"{n:,} values are negative; frames count from 0"
    step = np.diff(value)
    groups = next((c for c in schema.columns if schema.columns[c].offsets == column.axes[0]), None)
    if groups:
        start = np.asarray(data[groups])[1:-1]
        step[start[(start > 0) & (start < len(value))] - 1] = 1
    if n := int((step <= 0).sum()):
        row = int((step <= 0).argmax())
        within = f" within a {schema.columns[groups].axes[0]}" if groups else ""
        again = "comes twice" if step[row] == 0 else f"is followed by {value[row + 1]}"
        yield f"{n:,} values do not rise{within}, e.g. {value[row]} {again}"


def _filled(schema: Schema, data: Columns, column: Column, value: np.ndarray) -> Iterator[str]:
    if n := int((np.diff(value) == 0).sum()):
        yield f"{n:,} of {len(value) - 1:,} have no {column.offsets}"


def _box(schema: Schema, data: Columns, column: Column, value: np.ndarray) -> Iterator[str]:
    if not (data["width"] > 0 and data["height"] > 0):
        yield f"boxes need the picture's width and height, not {data['width']} x {data['height']}"
    empty = area(value) == 0
    if n := int(empty.sum()):
        row = int(empty.argmax())
        first = ", ".join(f"{v:g}" for v in value[row])
        what = f"{n:,} of {len(value):,} boxes have no area in the picture (x1 < x2, y1 < y2)"
        yield f"{what}, e.g. row {row} [{first}]"


def _probability(schema: Schema, data: Columns, column: Column, value: np.ndarray) -> Iterator[str]:
    low, high = float(value.min()), float(value.max())
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        yield f"values from {low:g} to {high:g}, not in [0, 1]"


_RULES: dict[str, Any] = {"rising": _rising, "filled": _filled, "box": _box, "probability": _probability}
