"""Write the page of `vcma ground FOLDER`: all answers with their films, by video."""

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
    """Write index.html and its style sheet to a folder that contains the films.

    answers: in the format of `vcma ground`, grouped by video; skipped: item -> reason; explain(doubts): returns
    doubts in words.
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
