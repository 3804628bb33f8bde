"""Common parts of the results files of TubeDETR and the STCAT family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vcma.conversion.dropped import Dropped
from vcma.errors import InputError

_WANTED = ("predictions", "video_predictions")


def results_block(value: Any, form: str, path: Path, remedy: str, dropped: Dropped) -> dict[str, Any]:
    """Return the object with `predictions` and `video_predictions`: the whole file, or one of its members.

    Of several (one per data set), returns that of the annotation format. Raises InputError if there is none.
    """
    if not isinstance(value, dict):
        raise InputError("is not a JSON object", path, remedy)
    blocks = {name: block for name, block in {"": value, **value}.items() if _holds_predictions(block)}
    if len(blocks) > 1:
        blocks = {name: block for name, block in blocks.items() if form in name}
    if len(blocks) != 1:
        raise InputError("has no predictions and video_predictions", path, remedy)
    (block,) = blocks.values()
    others = [name for name in block if name not in _WANTED]
    dropped.add("members that are not predictions", ", ".join(others[:6]), len(others))
    odd = next((n for n, answer in block["video_predictions"].items() if not isinstance(answer, dict)), None)
    if odd is not None:
        raise InputError(f"video_predictions of {odd} is not an object", path, remedy)
    return block


def _holds_predictions(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), dict) for name in _WANTED)


def span_of(answer: dict[str, Any], number: str, path: Path) -> tuple[float, float]:
    """Return the span of a value of video_predictions; raises InputError."""
    try:
        begin, end = map(float, answer["sted"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"number {number} has no sted [begin, end]", path) from None
    return begin, end


def only_box(boxes: Any, place: str, path: Path) -> list[float]:
    """Return the only box of a list; raises InputError."""
    try:
        (box,) = boxes
        x1, y1, x2, y2 = map(float, box)
    except (TypeError, ValueError):
        raise InputError(f"{place} has no single box [x1, y1, x2, y2]", path) from None
    return [x1, y1, x2, y2]
