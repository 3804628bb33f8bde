"""JSON format in which predictions are exchanged with other programs:

    {sample id: {"span": [begin, end), "boxes": {frame: [x1, y1, x2, y2]}}}

Spans are half-open, frames are native and counted from 0; `boxes` may cover any frames and is optional. Each line
of a JSON Lines file (.jsonl, .ndjson) is such an object or {"sample": sample id, "span": ..., "boxes": ...}.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vcma.boxes import FAR
from vcma.errors import InputError
from vcma.pipeline import strict_json
from vcma.records.columns import offsets, rows
from vcma.records.predicted_tubes import FRAME_LIMIT, PredictedTubes

REMEDY = 'write {sample id: {"span": [begin, end], "boxes": {frame: [x1, y1, x2, y2]}}}'
_BLANK = re.compile(r"[ \t\r\n]*")


def read_predictions(path: Path) -> PredictedTubes:
    """Read a predictions file; raises InputError that identifies the invalid sample."""
    return _packed(members(path), path)


def members(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield (sample id, unchecked value) for each prediction of a file; raises InputError if it is not JSON."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", path, "give the path of a predictions file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"not readable as JSON ({error})", path, REMEDY) from error
    return (_line_members if strict_json.is_lines(path) else _members)(text, path)


def pack(plain: Mapping[str, Any], where: Path | str = "predictions") -> PredictedTubes:
    """Convert a dictionary in the exchange format to predictions; raises InputError. where: for the error."""
    return _packed(iter(plain.items()), where)


def named_for(predictions: PredictedTubes, samples: Iterable[str], split: str) -> PredictedTubes:
    """Rename predictions to the sample ids of a split.

    Where one annotation file serves two splits, the ids of one of them end in `@split` (`with_unique_ids`). Files
    of other programs have no such suffix, and neither has an index of only one of the two splits.
    """
    of_split, given = set(samples), set(predictions.sample)
    full_name = {name.removesuffix(f"@{split}"): name for name in of_split}

    def name_of(sample: str) -> str:
        wanted = sample if sample in of_split else full_name.get(sample.removesuffix(f"@{split}"), sample)
        return sample if wanted in given else wanted

    return replace(predictions, sample=np.array([*map(name_of, predictions.sample)], dtype=object))


def to_json(predictions: PredictedTubes) -> bytes:
    """Serialise predictions in the exchange format, in their order, coordinates with two decimals."""
    lines = []
    for i, name in enumerate(predictions.sample.tolist()):
        points = rows(predictions.box_offset, i)
        boxes = zip(predictions.box_frame[points].tolist(), predictions.box[points].tolist(), strict=True)
        items = ", ".join(f'"{f}": [{a:.2f}, {b:.2f}, {c:.2f}, {d:.2f}]' for f, (a, b, c, d) in boxes)
        span = predictions.span[i].tolist()
        lines.append(f'{json.dumps(name, ensure_ascii=False)}: {{"span": {span}, "boxes": {{{items}}}}}')
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _members(text: str, path: Path) -> Iterator[tuple[str, Any]]:
    """Iterate over the members of a JSON object, so that only one sample's boxes are Python objects at a time."""
    decode = strict_json.DECODER.raw_decode

    def past(position: int, expected: str) -> int:
        position = _BLANK.match(text, position).end()  # type: ignore[union-attr]
        if text[position : position + 1] not in expected or position >= len(text):
            raise ValueError(f"expected one of {expected} at character {position}")
        return position

    try:
        position = past(0, "{") + 1
        while text[past(position, '",}')] != "}":
            name, position = decode(text, past(position, '"'))
            value, position = decode(text, _BLANK.match(text, past(position, ":") + 1).end())  # type: ignore
            yield name, value
            position = past(position, ",}")
            position += text[position] == ","
        end = _BLANK.match(text, past(position, "}") + 1).end()  # type: ignore[union-attr]
        if end < len(text):
            line = text.count("\n", 0, end) + 1
            raise ValueError(f"text after the object in line {line}: keep one object per file")
    except (ValueError, RecursionError) as error:
        raise InputError(f"not readable as a JSON object ({error})", path, REMEDY) from error


def _line_members(text: str, path: Path) -> Iterator[tuple[str, Any]]:
    """Iterate over the members of the objects of JSON Lines."""
    try:
        for number, value in strict_json.lines(text):
            if not isinstance(value, dict):
                raise ValueError(f"line {number} is not an object")
            if "sample" in value and "span" in value:
                yield str(value.pop("sample")), value
            else:
                yield from value.items()
    except ValueError as error:
        raise InputError(f"not readable as JSON Lines ({error})", path, REMEDY) from error


def _packed(members: Iterator[tuple[str, Any]], where: Path | str) -> PredictedTubes:
    names: dict[str, None] = {}
    spans, frames, boxes = [], [], []
    for name, value in members:
        if name in names:
            raise InputError(f"sample '{name}' occurs twice", where, "keep one of the two")
        try:
            span, frame, box = _unpacked(value)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(f"sample '{name}': {error}", where, REMEDY) from error
        names[name] = None
        spans.append(span)
        frames.append(frame)
        boxes.append(box)
    return PredictedTubes(
        np.array(list(names), dtype=object),
        np.array(spans, np.int64).reshape(-1, 2),
        offsets(len(f) for f in frames),
        np.concatenate([np.zeros(0, np.int64), *frames]),
        np.concatenate([np.zeros((0, 4), np.float32), *boxes]),
    )


def _unpacked(value: Any) -> tuple[tuple[int, int], np.ndarray, np.ndarray]:
    """Return span, frames [n] and boxes [n, 4] of one sample; raises an error that says what is wrong."""
    if not isinstance(value, dict) or "span" not in value:
        raise ValueError("no span")
    if not isinstance(value["span"], list | tuple):
        raise ValueError("span is not [begin, end]")
    begin, end = (_frame(v) for v in value["span"])
    if end < begin:
        raise ValueError(f"span ends before it begins: [{begin}, {end})")
    given = value.get("boxes") or {}
    frame = np.array(list(map(int, given)), np.int64)
    if len(frame) and not 0 <= frame.min() <= frame.max() < FRAME_LIMIT:
        raise ValueError("a frame is not a non-negative integer")
    try:
        box = np.array(list(given.values()), np.float64).reshape(-1, 4)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("a box is not [x1, y1, x2, y2]") from None
    if len(box) != len(frame) or not (np.abs(box) < FAR).all():
        raise ValueError("a box is not [x1, y1, x2, y2] of finite numbers")
    order = np.argsort(frame, kind="stable")
    frame = frame[order]
    if (np.diff(frame) == 0).any():
        raise ValueError("two boxes for one frame")
    return (begin, end), frame, box[order].astype(np.float32)


def _frame(value: Any) -> int:
    number = int(value)
    if number != float(value) or not 0 <= number < FRAME_LIMIT:
        seconds = "; frames are expected, not seconds" if number != float(value) else ""
        raise ValueError(f"frame {value} is not a non-negative integer{seconds}")
    return number
