"""Render the page templates (Jinja2, all text is escaped) and format numbers for them."""

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
    """Capitalise the first letter of a text and leave the others unchanged."""
    return text[:1].upper() + text[1:]


def percent(value: float | None) -> str:
    """Format a share as a percentage; "unavailable" for None."""
    return "unavailable" if value is None else f"{100 * value:.1f}"


def score_text(value: float | None) -> str:
    """Format a score with two decimals; a dash for None."""
    return "–" if value is None else f"{value:.2f}"
