"""The page templates (Jinja2, every text escaped) and how they write numbers."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from vcma.pipeline import storage
from vcma.report.palette import tube_colour

TEMPLATES = Path(__file__).parent / "templates"


def write_page(template: str, path: Path, /, **values: Any) -> None:
    """Render a template to a file."""
    storage.write_bytes(path, _environment().get_template(template).render(**values).encode("utf-8", "replace"))


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "colour": tube_colour,
        "score": score_text,
        "capitalize_first": capitalized,
    }
    return environment


def capitalized(text: str) -> str:
    """A text whose first letter is a capital, the others as they are."""
    return text[:1].upper() + text[1:]


def percent(value: float | None) -> str:
    """A share as a percentage; never 0 for what is unavailable."""
    return "unavailable" if value is None else f"{100 * value:.1f}"


def score_text(value: float | None) -> str:
    """A score with two digits."""
    return "–" if value is None else f"{value:.2f}"
