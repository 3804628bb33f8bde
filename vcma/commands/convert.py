"""`vcma convert`: predictions and tubes from other programs' files, and predictions as such files."""

from __future__ import annotations

import click

from vcma.commands.convert_predictions import convert_predictions
from vcma.commands.convert_tubes import convert_tubes


@click.group("convert", commands=[convert_predictions, convert_tubes])
def convert_command() -> None:
    """Read other programs' predictions and tubes, or write predictions as theirs.

    What is left out is reported. docs/conversion.md describes the formats.
    """
