"""Exceptions for bad input, as opposed to bugs: the command line prints them in one line and exits with 1."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any


class InputError(Exception):
    """Bad input or a bad artifact: what is wrong, where, and the remedy, joined into one line."""

    def __init__(self, what: str, where: Path | str | None = None, remedy: str | None = None):
        self.what, self.where, self.remedy = what, where, remedy
        text = f"{where}: {what}" if where is not None else what
        super().__init__(" ".join((f"{text}; {remedy}" if remedy else text).split()))

    def __reduce__(self) -> tuple:
        # Workers return errors as pickles; by default, unpickling would pass the joined text as `what`.
        return type(self), (self.what, self.where, self.remedy)


class RefusedError(InputError):
    """An error of the machine (disk full, no permission), not of one item: it ends the run instead of a skip."""


def did_you_mean(name: str, choices: Iterable[Any]) -> str:
    """Return the start of a remedy for an unknown name, "did you mean '…'? ", empty if no choice is similar."""
    for match in get_close_matches(name, map(str, choices), 1):
        return f"did you mean '{match}'? "
    return ""
