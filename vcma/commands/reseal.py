"""`vcma reseal`: an artifact that was edited by hand, checked against its schema anew and made valid again."""

from __future__ import annotations

from pathlib import Path

import click

from vcma.pipeline import artifact
from vcma.pipeline.cli import examples
from vcma.pipeline.exit_codes import exit_on_error


@click.command("reseal", epilog=examples("vcma reseal artifacts/clips/tubes/1.h5"))
@click.argument("file", type=click.Path(path_type=Path))
def reseal_command(file: Path) -> None:
    """Make an artifact valid again that was edited by hand, with h5py, say.

    It is checked against its schema as when it is written; its parameters then say `edited_by_hand`.
    """
    with exit_on_error():
        schema = artifact.reseal(file)
    click.echo(
        f"reseal: a valid {schema.tag} artifact again -> {file}; {schema.stage} would replace it, "
        f"`dvc commit {schema.stage}` lets `dvc repro` keep it",
        err=True,
    )
