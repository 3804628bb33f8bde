"""The journal of a per-video stage: what each artifact followed from when it was made."""

from __future__ import annotations

import json
from typing import Any

from vcma.pipeline import storage
from vcma.pipeline.cli import Run


class Ledger:
    """The journal of one stage: one JSON line a finished video, the last one counts. The stage's lock guards it."""

    def __init__(self, run: Run):
        self.path = run.project.artifacts / ".ledger" / f"{run.stage}.jsonl"

    def __enter__(self) -> Ledger:
        before = self.path.read_text("utf-8", errors="replace") if self.path.exists() else ""
        self.entries: dict[str, dict] = {}
        for line in before.splitlines():
            try:
                video, entry = json.loads(line)
                if entry.keys() == _ENTRY and all(isinstance(n, int) for n in entry["counts"].values()):
                    self.entries[video] = entry
            except (ValueError, TypeError, AttributeError, RecursionError):
                continue  # the torn last line of a killed run
        content = "".join(map(_line, self.entries.items()))
        if content != before:
            storage.write_bytes(self.path, content.encode())
        self.file = open(self.path, "a", encoding="utf-8", buffering=1)
        return self

    def entry(self, video: str) -> dict:
        return self.entries.get(video, {})

    def add(self, video: str, entry: dict) -> None:
        self.file.write(_line((video, entry)))

    def __exit__(self, *_: Any) -> None:
        self.file.close()


_ENTRY = {"key", "counts", "size", "modified", "sha256"}


def _line(item: tuple[str, dict]) -> str:
    return json.dumps(item, ensure_ascii=False) + "\n"
