"""What a conversion leaves out or doubts, by reason, so that nothing happens without a word."""

from __future__ import annotations

from collections.abc import Iterator


class Dropped:
    """Reasons, each with how many things it concerned and the first of them."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}
        self._doubted: list[str] = []

    def doubt(self, what: str) -> None:
        """Note something that is kept although it may be wrong."""
        self._doubted.append(what)

    def add(self, reason: str, example: object, count: int = 1) -> None:
        """Note `count` things left out; reason: what they are and why, such as "boxes that are not finite"."""
        if count:
            before, first = self._found.get(reason, (0, str(example)))
            self._found[reason] = before + count, first

    def lines(self) -> Iterator[str]:
        """One line a reason, in the order of their first occurrence."""
        for reason, (count, first) in self._found.items():
            yield f"left out: {count:,} {reason}, e.g. {first}"
        yield from self._doubted
