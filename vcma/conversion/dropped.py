"""Report of what a conversion leaves out, changes or doubts, so that nothing happens silently."""

from __future__ import annotations

from collections.abc import Iterator


class Dropped:
    """Collects reasons, each with the number of items concerned and an example."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[int, str]] = {}
        self._doubted: list[str] = []

    def doubt(self, what: str) -> None:
        """Note something that is kept although it may be wrong."""
        self._doubted.append(what)

    def add(self, reason: str, example: object, count: int = 1) -> None:
        """Note `count` items left out. reason: what and why, e.g. "boxes that are not finite"."""
        self._count("left out", reason, example, count)

    def change(self, what: str, example: object, count: int = 1) -> None:
        """Note `count` items that are used in changed form. what: e.g. "boxes clipped to the frame"."""
        self._count("changed", what, example, count)

    def _count(self, verb: str, what: str, example: object, count: int) -> None:
        if count:
            before, first = self._found.get((verb, what), (0, str(example)))
            self._found[verb, what] = before + count, first

    def lines(self) -> Iterator[str]:
        """Yield one line per reason, in order of first occurrence."""
        for (verb, what), (count, first) in self._found.items():
            yield f"{verb}: {count:,} {what}, e.g. {first}"
        yield from self._doubted
