"""Options shared by the conversions: how boxes and times are written, and the report of what was left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from vcma.conversion.conventions import BOXES, Conventions
from vcma.conversion.dropped import Dropped

_OPTIONS = (
    click.option("--boxes", type=click.Choice(BOXES), help="How boxes are written.  [default: the format's]"),
    click.option("--normalised/--pixels", default=None, help="Boxes in shares of the picture, or in pixels."),
    click.option("--times", type=click.Choice(["frames", "seconds"]), help="Unit of frames and spans."),
    click.option("--first-frame", type=click.Choice(["0", "1"]), help="Number of a video's first frame."),
)


def conventions_options(function: Callable) -> Callable:
    """Add the options that `described` takes to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def described(
    usual: Conventions, boxes: str | None, normalised: bool | None, times: str | None, first_frame: str | None
) -> Conventions:
    """Return a format's conventions, overridden by the given options."""
    said: dict[str, Any] = {
        "box": boxes,
        "normalised": normalised,
        "seconds": None if times is None else times == "seconds",
        "first": None if first_frame is None else int(first_frame),
    }
    return replace(usual, **{name: value for name, value in said.items() if value is not None})


def tell(dropped: Dropped) -> None:
    """Report on stderr what a conversion left out."""
    for line in dropped.lines():
        click.echo(line, err=True)
