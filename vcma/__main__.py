"""`vcma` (or `python -m vcma`): what is not a stage."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import click

from vcma.pipeline.cli import epilog
from vcma.pipeline.exit_codes import exit_on_error


class _Command(NamedTuple):
    """A command: its module and name there, its help in the list of commands, and the words of a call of it."""

    module: str
    name: str
    help: str
    example: str


# Imported when asked for: `vcma --help` needs no heavy library.
_COMMANDS = {
    "ablate": _Command(
        "vcma.commands.ablate",
        "ablate_command",
        "Sweep alpha and beta and run every ablation.",
        "--dataset demo --only em --seeds 1",
    ),
    "check": _Command(
        "vcma.commands.check",
        "check_command",
        "Examine a data set and its detector before hours of work.",
        "--dataset vidstg --fix-index",
    ),
    "convert": _Command(
        "vcma.commands.convert",
        "convert_command",
        "Read other programs' predictions and tubes, or write predictions as theirs.",
        "predictions log_stats.json theirs.json --from tubedetr --dataset vidstg",
    ),
    "export": _Command(
        "vcma.commands.export",
        "export_command",
        "Put the trained model into one folder that travels.",
        "my-model --dataset demo",
    ),
    "ground": _Command(
        "vcma.commands.ground",
        "ground_command",
        "Ground sentences in one video of your own.",
        'clip.mp4 --dataset clips_cpu --untrained --query "the man in the black coat turns around"',
    ),
    "import": _Command(
        "vcma.commands.import_model",
        "import_command",
        "Make an exported model that of the chosen data set.",
        "my-model --dataset demo_full --force",
    ),
    "reseal": _Command(
        "vcma.commands.reseal",
        "reseal_command",
        "Make an artifact valid again that was edited by hand.",
        "artifacts/clips/tubes/1.h5",
    ),
    "score": _Command(
        "vcma.commands.score",
        "score_command",
        "Score a predictions file of any program.",
        "theirs.json --dataset hcstvg --protocol all --compare ours.json",
    ),
    "show": _Command(
        "vcma.commands.show",
        "show_command",
        "Explain an artifact or a JSON file: what it holds, and its first rows; or draw it.",
        "artifacts/demo/tubes/1.h5 --png tubes.png",
    ),
    "summary": _Command(
        "vcma.commands.summary",
        "summary_command",
        "Print the metrics beside their reference points, and where the report is.",
        "--dataset demo_full",
    ),
    "train-detector": _Command(
        "vcma.commands.train_detector",
        "train_detector",
        "Train a small Faster R-CNN on boxes.",
        "--coco boxes.json --pictures pictures --config envs/detectors/coco_r50_fpn.yaml --output mine.pth",
    ),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        listed = _COMMANDS[name]
        command = getattr(import_module(listed.module), listed.name)
        command.epilog = epilog(f"vcma {name} {listed.example}")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name].help) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        with exit_on_error():
            return super().invoke(ctx)


@click.group(cls=_LazyGroup, epilog=epilog(), context_settings={"max_content_width": 110})
@click.version_option(package_name="vcma")
def main() -> None:
    """Weakly-supervised spatio-temporal video grounding: what is not a stage of the pipeline."""


if __name__ == "__main__":
    main(prog_name="vcma")
