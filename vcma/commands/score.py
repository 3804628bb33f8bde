"""`vcma score`: the metrics of a predictions file that any program has written, and how it differs from another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vcma.errors import InputError
from vcma.evaluation.protocols import PROTOCOLS
from vcma.evaluation.scoring import Scorer, score_file
from vcma.evaluation.truth import read_truth
from vcma.pipeline.cli import examples, with_project
from vcma.pipeline.project import CONFIG, Project

_SECTION = "evaluate"  # of pipeline.yaml; the stage scores VCMA's own predictions by the same values


@click.command(
    "score",
    epilog=examples(
        "vcma score theirs.json --dataset hcstvg --protocol all", "vcma score ours.json --compare theirs.json"
    ),
)
@with_project
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--split", type=click.Choice(["val", "test"]), help=f"Ground-truth split.  [default: {_SECTION}'s]")
@click.option(
    "--protocol",
    type=click.Choice(["default", "all", *PROTOCOLS]),
    help=f"Evaluation protocol, or all that the data set has.  [default: {_SECTION}'s]",
)
@click.option("--seed", type=click.IntRange(0), help=f"Seed of the bootstrap.  [default: {_SECTION}'s]")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write the metrics to this file.")
@click.option("--compare", "other", type=click.Path(path_type=Path), help="Print paired differences to this file.")
def score_command(project: Project, file: Path, out: Path | None, other: Path | None, **options: Any) -> None:
    """Score a predictions file (JSON) of any program, with 95 % intervals.

    The truth is that of the chosen data set; its annotations suffice, no stage need have run. What --split,
    --protocol and --seed do not say is read from the section `evaluate` of pipeline.yaml.
    """
    chosen = _with_defaults(project, options)
    chosen["split"] = project.evaluated_split(chosen["split"])
    scorer = Scorer.of(read_truth(project, chosen["split"]), **chosen)
    for text in score_file(scorer, file, other, out):
        click.echo(text)
    if out:
        click.echo(f"score: {scorer.scope} -> {out}", err=True)


def _with_defaults(project: Project, options: dict[str, Any]) -> dict[str, Any]:
    """The options given, the others from their section of pipeline.yaml; what stands there must be as valid."""
    context, section = click.get_current_context(), project.section(_SECTION)
    types = {param.name: param.type for param in context.command.params}
    values = {}
    for name, given in options.items():
        if given is None and name not in section:
            raise InputError(f"section '{_SECTION}' lacks the key '{name}'", project.root / CONFIG)
        try:
            values[name] = types[name].convert(section[name], None, context) if given is None else given
        except click.BadParameter as error:
            what = f"section '{_SECTION}' has no usable value for '{name}': {error.message}"
            raise InputError(what, project.root / CONFIG) from None
    return values
