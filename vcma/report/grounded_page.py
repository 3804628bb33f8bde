"""The page of `vcma ground` of a folder: every answer with its film, video by video."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from vcma.pipeline import storage
from vcma.report.templating import TEMPLATES, write_page


def write_grounded_page(
    folder: Path,
    name: str,
    answers: Sequence[Mapping[str, Any]],
    skipped: Mapping[str, str],
    explain: Callable[[Sequence[str]], Iterable[str]],
) -> None:
    """Write index.html and its style into a folder that has the films.

    answers: those of one video together, as `vcma ground` writes them; skipped: what was left out, and why;
    explain(doubts): those in words.
    """
    storage.write_bytes(folder / "style.css", (TEMPLATES / "style.css").read_bytes())
    write_page(
        "grounded.html",
        folder / "index.html",
        name=name,
        videos=[(video, list(group)) for video, group in groupby(answers, key=lambda answer: answer["video"])],
        count=len(answers),
        skipped=skipped,
        explain=explain,
    )
