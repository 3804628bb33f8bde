"""Entry point of the command line, `vcma` or `python -m vcma`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from vcma.pipeline.cli import with_exit_codes
from vcma.pipeline.exit_codes import EXIT_CODES, exit_on_error

# name -> (module, command, help); modules are imported on use, so that `vcma --help` needs no heavy library.
_COMMANDS = {
    "ablate": ("vcma.commands.ablate", "ablate_command", "Sweep alpha and beta and run every ablation."),
    "check": ("vcma.commands.check", "check_command", "Check a data set, its detector and the parameters."),
    "convert": (
        "vcma.commands.convert",
        "convert_command",
        "Convert predictions and tubes of other programs.",
    ),
    "export": ("vcma.commands.export", "export_command", "Copy the trained model to a portable folder."),
    "ground": ("vcma.commands.ground", "ground_command", "Ground sentences in a video or a folder of videos."),
    "import": (
        "vcma.commands.import_model",
        "import_command",
        "Install an exported model for the chosen data set.",
    ),
    "reseal": ("vcma.commands.reseal", "reseal_command", "Renew the checksum of an artifact edited by hand."),
    "score": ("vcma.commands.score", "score_command", "Score a predictions file of any program."),
    "show": (
        "vcma.commands.show",
        "show_command",
        "Describe an artifact or a JSON file, or draw it.",
    ),
    "summary": (
        "vcma.commands.summary",
        "summary_command",
        "Print the scores beside those of the baselines.",
    ),
    "train-detector": ("vcma.commands.train_detector", "train_detector", "Train a small Faster R-CNN on boxes."),
}

# Page of the documentation -> its topics, in the README's order.
_PAGES = {
    "install.md": "installation, your own torch and detectron2",
    "data.md": "VidSTG, HC-STVG, your own clips",
    "ground.md": "sentences in your own videos",
    "python.md": "the Python API",
    "detectors.md": "detection backends",
    "encoders.md": "region-text encoders such as CLIP, text features",
    "conversion.md": "other programs' predictions, tubes and masks",
    "configuration.md": "parameters and DVC",
    "experiments.md": "trying and comparing values",
    "clusters.md": "many machines, SLURM",
    "gpu.md": "GPUs",
    "model.md": "derivation, deviations from the paper, glossary",
    "results.md": "results and how to reproduce them",
    "artifacts.md": "every file and column",
    "videos.md": "frame indices, times, damaged videos",
    "commands.md": "every command with an example, exit codes",
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
        with formatter.section("Documentation"):
            formatter.write_dl([(f"docs/{page}", topics) for page, topics in _PAGES.items()])

    def invoke(self, ctx: click.Context) -> Any:
        with exit_on_error():
            return super().invoke(ctx)


@click.group(cls=_LazyGroup, epilog=EXIT_CODES, context_settings={"max_content_width": 110})
@click.version_option(package_name="vcma")
def main() -> None:
    """Weakly-supervised spatio-temporal video grounding.

    The stages of the pipeline are scripts of their own, python stages/NAME.py; dvc repro runs them in order.
    """


if __name__ == "__main__":
    main(prog_name="vcma")
