"""Readable file names for the report's pages, in which a URL escapes only non-ASCII letters."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST = 50  # characters, of up to four bytes each: a name of 255 bytes has room for a suffix


def readable_name(id: str) -> str:
    """Turn an id into a file name without suffix: all but letters, digits, `_` and inner dots becomes `-`."""
    name = re.sub(r"[^\w.]+", "-", id)[:_LONGEST].strip("-.")
    return name or "unnamed"


def readable_names(ids: Iterable[str]) -> dict[str, str]:
    """Do the same for distinct ids; names that are equal up to case are made unique with numbers."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for id in ids:
        first = name = readable_name(id)
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{first}-{number}"
        taken.add(name.casefold())
        names[id] = name
    return names
