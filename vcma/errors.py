"""The one exception that means "your input, not our bug": the command line prints it and exits with 1."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any


class InputError(Exception):
    """Bad input or a bad artifact: what is wrong, where, and what mends it, in one line."""

    def __init__(self, what: str, where: Path | str | None = None, remedy: str | None = None):
        self.what, self.where, self.remedy = what, where, remedy
        text = f"{where}: {what}" if where is not None else what
        super().__init__(" ".join((f"{text}; {remedy}" if remedy else text).split()))

    def __reduce__(self) -> tuple:
        # Workers hand their errors over as pickles; the default would pass the joined text back as `what`.
        return type(self), (self.what, self.where, self.remedy)


class RefusedError(InputError):
    """The operating system refuses (disk full, no permission): no fault of the item in hand, so the run ends."""


def did_you_mean(name: str, choices: Iterable[Any]) -> str:
    """The start of a remedy for an unknown name: "did you mean '…'? ", empty where no choice is similar."""
    for match in get_close_matches(name, map(str, choices), 1):
        return f"did you mean '{match}'? "
    return ""
