"""`vcma` (or `python -m vcma`): what is not a stage."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from vcma.pipeline.cli import with_project
from vcma.pipeline.exit_codes import exit_on_error
from vcma.pipeline.project import Project

# name -> (module, command), imported when asked for: `vcma --help` needs no heavy library.
_ELSEWHERE = {
    "ablate": ("vcma.commands.ablate", "ablate", "Sweep alpha and beta and run every ablation."),
    "check": ("vcma.commands.check", "check_command", "Examine a data set and its detector before hours of work."),
    "export": ("vcma.commands.transfer", "export_command", "Put the trained model into one folder that travels."),
    "ground": ("vcma.commands.ground", "ground_command", "Ground sentences in one video of your own."),
    "import": ("vcma.commands.transfer", "import_command", "Make an exported model that of the chosen data set."),
    "reseal": ("vcma.commands.reseal", "reseal_command", "Make an artifact valid again that was edited by hand."),
    "score": ("vcma.commands.score", "score_command", "Score a predictions file of any program."),
    "train-detector": ("vcma.commands.train_detector", "train_detector", "Train a small Faster R-CNN on boxes."),
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_ELSEWHERE])

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in _ELSEWHERE:
            module, command, _ = _ELSEWHERE[name]
            return getattr(import_module(module), command)
        return super().get_command(ctx, name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            own = self.commands.get(name)
            rows.append((name, own.get_short_help_str(90) if own else _ELSEWHERE[name][2]))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        with exit_on_error():
            return super().invoke(ctx)


@click.group(cls=_Commands, context_settings={"max_content_width": 110})
@click.version_option(package_name="vcma")
def main() -> None:
    """Weakly-supervised spatio-temporal video grounding: what is not a stage of the pipeline."""


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--rows",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="First rows to print; with --png, of truth: random samples to draw.",
)
@click.option("--png", type=click.Path(path_type=Path), help="Draw the artifact as a contact sheet (.png or .jpg).")
@click.option(
    "--sentence",
    "sample",
    metavar="ID|TEXT",
    help="With --png, of predictions or truth: the sample to draw, by its id or words that only its sentence has.",
)
def show(file: Path, rows: int, png: Path | None, sample: str | None) -> None:
    """Explain an artifact: schema, columns, parameters, inputs and first rows; or draw it."""
    from vcma.commands import show

    if png is None:
        if sample:
            raise click.UsageError("--sentence belongs to --png")
        click.echo(show.describe(file, rows))
    else:
        click.echo(f"{show.draw(file, png, sample, rows)} -> {png}", err=True)


@main.command()
@with_project
def summary(project: Project) -> None:
    """Print the metrics beside their reference points, and where the report is."""
    from vcma.commands import show

    click.echo(show.summary(project))


if __name__ == "__main__":
    main(prog_name="vcma")
