"""How much of a split is scored, and what was left out of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from vcma.records.columns import Columns


class Coverage(NamedTuple):
    """Samples of a split that are scored, and those that were left out: reason -> samples."""

    split: str
    scored: int = 0
    left_out: Mapping[str, int] = {}

    @classmethod
    def of(cls, truth: Columns, split: str) -> Coverage:
        """That of the TRUTH columns of a split."""
        reasons = Counter(reason.partition(":")[0] for reason in truth["skipped_reason"])
        return cls(split, len(truth["sample"]), dict(reasons.most_common()))

    @property
    def share(self) -> str:
        """What a table's head says of a split that is not scored as a whole; empty for one that is."""
        left = sum(self.left_out.values())
        return f"of {self.split} only {self.scored:,} of {self.scored + left:,} samples are scored" if left else ""

    @property
    def reasons(self) -> str:
        """One line: how many samples are not scored and why."""
        listed = ", ".join(f"{n:,} {reason}" for reason, n in self.left_out.items())
        return f"left out of {self.split}: {sum(self.left_out.values()):,}{f' ({listed})' if listed else ''}"
