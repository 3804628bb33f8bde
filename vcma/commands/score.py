"""`vcma score`: score a predictions file of any program, and compare it with another one."""

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

_SECTION = "evaluate"  # section of pipeline.yaml with the defaults; the stage `evaluate` uses the same


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
    help=f"Evaluation protocol, or all of the data set's.  [default: {_SECTION}'s]",
)
@click.option("--seed", type=click.IntRange(0), help=f"Random seed of the bootstrap.  [default: {_SECTION}'s]")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write the metrics to this JSON file.")
@click.option(
    "--compare",
    "other",
    type=click.Path(path_type=Path),
    help="Print paired differences from this predictions file.",
)
def score_command(project: Project, file: Path, out: Path | None, other: Path | None, **options: Any) -> None:
    """Score a predictions file (JSON) of any program, with 95 % intervals.

    The ground truth is the chosen data set's; only its annotation files are needed, no stage has to run first. The
    defaults of --split, --protocol and --seed are those of the section `evaluate` of pipeline.yaml.
    """
    chosen = _with_defaults(project, options)
    chosen["split"] = project.evaluated_split(chosen["split"])
    scorer = Scorer.of(read_truth(project, chosen["split"]), **chosen)
    for text in score_file(scorer, file, other, out):
        click.echo(text)
    if out:
        click.echo(f"score: {scorer.scope} -> {out}", err=True)


def _with_defaults(project: Project, options: dict[str, Any]) -> dict[str, Any]:
    """Fill missing options from their section of pipeline.yaml; raises InputError if a value there is invalid."""
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
