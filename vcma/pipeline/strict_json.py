"""Strict JSON reader: a duplicate key, or anything after the value, is an error instead of a silent loss of data.

All JSON from other programs is read through this module. JSON Lines (one value per line) is accepted if the file's
suffix indicates it, or if a list is expected and every line is a value of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

LINES_SUFFIXES = (".jsonl", ".ndjson")


def unique(members: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's members as a dictionary (an `object_pairs_hook`); ValueError if a key occurs twice."""
    members = list(members)
    found = dict(members)
    if len(found) < len(members):
        seen: set[str] = set()
        repeated = next(key for key, _ in members if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key '{repeated}' occurs twice")
    return found


DECODER = json.JSONDecoder(object_pairs_hook=unique)


def loads(content: bytes | str) -> Any:
    """Parse the only JSON value of a file; ValueError or RecursionError if it is invalid or more values follow."""
    try:
        return json.loads(content, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            raise ValueError(
                f"something follows the value, in line {error.lineno}: keep one value per file"
            ) from None
        raise


def lines(text: str) -> Iterator[tuple[int, Any]]:
    """Yield (line number from 1, value) of JSON Lines, skipping blank lines; ValueError for an invalid line."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"line {number} is not JSON ({error})") from error


def is_lines(path: Path) -> bool:
    """Return whether a file's suffix indicates JSON Lines."""
    return path.suffix.lower() in LINES_SUFFIXES


def load_as(top_level: type, path: Path) -> Any:
    """Read a JSON or JSON Lines file whose top level should be a list or an object (dict).

    The lines of JSON Lines are joined into a list of their values, or into one object of all their members. Raises
    OSError, ValueError or RecursionError.
    """
    content = path.read_bytes()
    if is_lines(path):
        return _joined(top_level, [value for _, value in lines(content.decode("utf-8-sig"))])
    try:
        return loads(content)
    except ValueError as error:
        if top_level is not list or (rows := _rows(content)) is None:
            raise error from None
        return rows


def _joined(top_level: type, values: list[Any]) -> Any:
    if top_level is list:
        return values
    if not all(isinstance(value, dict) for value in values):
        raise ValueError("a line is not an object")
    return unique(chain.from_iterable(value.items() for value in values))


def _rows(content: bytes) -> list[Any] | None:
    """Return the values of a text if each of its lines is a JSON value other than a list, else None."""
    try:
        rows = [value for _, value in lines(content.decode("utf-8-sig"))]
    except ValueError:
        return None
    return rows if rows and not any(isinstance(row, list) for row in rows) else None
