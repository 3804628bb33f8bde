"""JSON read strictly: a repeated key, or anything behind the value, is an error instead of a silent loss.

Every reader of JSON that other programs write goes through here. JSON Lines (one value a line) is read where it is
plainly that: where the file's suffix says so, or where a list is expected and every line is a value of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

LINES_SUFFIXES = (".jsonl", ".ndjson")


def unique(members: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The members of an object as a dictionary (an `object_pairs_hook`); ValueError if a key occurs twice."""
    members = list(members)
    found = dict(members)
    if len(found) < len(members):
        seen: set[str] = set()
        repeated = next(key for key, _ in members if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key '{repeated}' occurs twice")
    return found


DECODER = json.JSONDecoder(object_pairs_hook=unique)


def loads(content: bytes | str) -> Any:
    """The one JSON value that a file holds; ValueError (or RecursionError) where it is none or more than one."""
    try:
        return json.loads(content, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            raise ValueError(
                f"something follows the value, in line {error.lineno}: keep one value a file"
            ) from None
        raise


def lines(text: str) -> Iterator[tuple[int, Any]]:
    """(line number from 1, value) of JSON Lines, blank lines left out; ValueError names the line that is none."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"line {number} is no JSON ({error})") from error


def is_lines(path: Path) -> bool:
    """Whether a file's suffix says JSON Lines."""
    return path.suffix.lower() in LINES_SUFFIXES


def load_as(top_level: type, path: Path) -> Any:
    """The value of a JSON or JSON Lines file whose top level should be a list or an object.

    Lines make a list of their values, or one object of all their members. Raises OSError, ValueError or
    RecursionError.
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
        raise ValueError("a line is no object")
    return unique(chain.from_iterable(value.items() for value in values))


def _rows(content: bytes) -> list[Any] | None:
    """The values of a text whose every line is one, and none a list; else None."""
    try:
        rows = [value for _, value in lines(content.decode("utf-8-sig"))]
    except ValueError:
        return None
    return rows if rows and not any(isinstance(row, list) for row in rows) else None
