"""`vcma` (or `python -m vcma`): what is not a stage."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from vcma.pipeline.cli import with_exit_codes
from vcma.pipeline.exit_codes import EXIT_CODES, exit_on_error

# name -> (module, command, help), imported when asked for: `vcma --help` needs no heavy library.
_COMMANDS = {
    "ablate": ("vcma.commands.ablate", "ablate_command", "Sweep alpha and beta and run every ablation."),
    "check": ("vcma.commands.check", "check_command", "Examine a data set and its detector before hours of work."),
    "convert": (
        "vcma.commands.convert",
        "convert_command",
        "Read other programs' predictions and tubes, or write predictions as theirs.",
    ),
    "export": ("vcma.commands.export", "export_command", "Put the trained model into one folder that travels."),
    "ground": ("vcma.commands.ground", "ground_command", "Ground sentences in one video of your own."),
    "import": (
        "vcma.commands.import_model",
        "import_command",
        "Make an exported model that of the chosen data set.",
    ),
    "reseal": ("vcma.commands.reseal", "reseal_command", "Make an artifact valid again that was edited by hand."),
    "score": ("vcma.commands.score", "score_command", "Score a predictions file of any program."),
    "show": (
        "vcma.commands.show",
        "show_command",
        "Explain an artifact or a JSON file: what it holds, and its first rows; or draw it.",
    ),
    "summary": (
        "vcma.commands.summary",
        "summary_command",
        "Print the metrics beside their reference points, and where the report is.",
    ),
    "train-detector": ("vcma.commands.train_detector", "train_detector", "Train a small Faster R-CNN on boxes."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, command, _ = _COMMANDS[name]
        return with_exit_codes(getattr(import_module(module), command))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][2]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        with exit_on_error():
            return super().invoke(ctx)


@click.group(cls=_LazyGroup, epilog=EXIT_CODES, context_settings={"max_content_width": 110})
@click.version_option(package_name="vcma")
def main() -> None:
    """Weakly-supervised spatio-temporal video grounding: what is not a stage of the pipeline."""


if __name__ == "__main__":
    main(prog_name="vcma")
