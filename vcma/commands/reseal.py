"""`vcma reseal`: check an artifact that was edited by hand against its schema, and renew its checksum."""

from __future__ import annotations

from pathlib import Path

import click

from vcma.pipeline import artifact
from vcma.pipeline.cli import examples
from vcma.pipeline.exit_codes import exit_on_error


@click.command("reseal", epilog=examples("vcma reseal artifacts/clips/tubes/1.h5"))
@click.argument("file", type=click.Path(path_type=Path))
def reseal_command(file: Path) -> None:
    """Renew the checksum of an artifact that was edited by hand, for example with h5py.

    The file is checked against its schema; its parameters then contain `edited_by_hand`.
    """
    with exit_on_error():
        schema = artifact.reseal(file)
    click.echo(
        f"reseal: a valid {schema.tag} artifact again -> {file}; {schema.stage} would replace it, "
        f"`dvc commit {schema.stage}` makes `dvc repro` keep it",
        err=True,
    )
