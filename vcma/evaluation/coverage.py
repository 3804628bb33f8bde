"""Coverage: how much of a split is scored, and why the other samples are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from vcma.records.columns import Columns


class Coverage(NamedTuple):
    """Samples of a split that are scored, and the number left out by reason."""

    split: str
    scored: int = 0
    left_out: Mapping[str, int] = {}

    @classmethod
    def of(cls, truth: Columns, split: str) -> Coverage:
        """Count those of the TRUTH columns of a split."""
        reasons = Counter(reason.partition(":")[0] for reason in truth["skipped_reason"])
        return cls(split, len(truth["sample"]), dict(reasons.most_common()))

    @property
    def share(self) -> str:
        """Note for a table's title if part of the split is not scored; else empty."""
        left = sum(self.left_out.values())
        return f"{self.scored:,} of {self.scored + left:,} samples of {self.split} are scored" if left else ""

    @property
    def reasons(self) -> str:
        """One line: how many samples are not scored, and why."""
        listed = ", ".join(f"{n:,} {reason}" for reason, n in self.left_out.items())
        return f"left out of {self.split}: {sum(self.left_out.values()):,}{f' ({listed})' if listed else ''}"
