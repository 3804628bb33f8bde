"""File names that people read, which an address needs to escape nothing of but letters of other scripts."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST = 50  # characters, of up to four bytes each: a name of 255 bytes has room for a suffix


def readable_name(id: str) -> str:
    """An id as a file name, without suffix: letters, digits, `_` and inner dots; others become one `-`."""
    name = re.sub(r"[^\w.]+", "-", id)[:_LONGEST].strip("-.")
    return name or "unnamed"


def readable_names(ids: Iterable[str]) -> dict[str, str]:
    """The same for distinct ids, where no two share a name, be it in another case: later ones are numbered."""
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
