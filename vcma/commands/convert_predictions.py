"""`vcma convert predictions`: other programs' predictions as ours, and ours as theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from vcma.commands.convert_options import conventions_options, described, tell
from vcma.conversion.dropped import Dropped
from vcma.conversion.predictions import CONVENTIONS, FORMATS, OURS, Companions, Conversion
from vcma.conversion.samples import read_samples
from vcma.conversion.video_facts import VideoLookup
from vcma.errors import InputError
from vcma.pipeline.cli import with_project
from vcma.pipeline.project import Project

_PATH = click.Path(path_type=Path)
_FORMAT = click.Choice(FORMATS)
_SPLIT = click.Choice(["train", "val", "test"])
_OTHER_SPLIT = "choose the --split and --dataset it was made with"


@click.command(
    "predictions",
    epilog="""\b
Examples:
  vcma convert predictions log_stats.json theirs.json --from tubedetr --dataset vidstg
  vcma convert predictions artifacts/vidstg/predictions.json results.json --to stcat
  vcma convert predictions boxes.json ours.json --boxes xywh --times seconds
Then: vcma score theirs.json --dataset vidstg""",
)
@with_project
@click.argument("file", type=_PATH)
@click.argument("out", type=_PATH)
@click.option("--from", "source", type=_FORMAT, default=OURS, show_default=True, help="Format of FILE.")
@click.option("--to", "target", type=_FORMAT, default=OURS, show_default=True, help="Format of OUT.")
@click.option("--split", type=_SPLIT, help="Split of the sentences.  [default: evaluate's]")
@click.option("--spans", type=_PATH, help="Of MOT text: the table sample,begin,end,track.  [default: spans.csv]")
@click.option("--videos", type=_PATH, help="Of COCO results: the file that names their videos.")
@conventions_options
@click.option("--end", type=click.Choice(["exclusive", "inclusive"]), help="Whether a span's end belongs to it.")
def convert_predictions(
    project: Project,
    file: Path,
    out: Path,
    source: str,
    target: str,
    split: str | None,
    spans: Path | None,
    videos: Path | None,
    end: str | None,
    **options: Any,
) -> None:
    """Convert the predictions in FILE to OUT: from another program's format, or to it (--to).

    The options on boxes and times describe the other program's file, where it departs from its format; of two files
    of our own format, FILE.
    """
    table = read_samples(project, project.evaluated_split(split or str(project.section("evaluate").get("split"))))
    if not table.samples:
        raise InputError("has no sentences", table.source or project.data, "choose another --split")
    conversion = Conversion(table, VideoLookup(project).of_sample, Dropped())
    theirs = OURS if source == target == OURS else target if source == OURS else source
    written = described(CONVENTIONS[theirs], **options)
    written = written if end is None else replace(written, inclusive=end == "inclusive")
    reading = written if theirs == source else CONVENTIONS[source]
    writing = written if theirs == target != source else CONVENTIONS[target]
    predictions = conversion.read(file, source, reading, Companions(spans, videos))
    if not len(predictions.sample):
        tell(conversion.dropped)
        raise InputError("has no prediction of this split", file, _OTHER_SPLIT)
    conversion.write(predictions, out, target, writing)
    tell(conversion.dropped)
    done = f"{len(predictions.sample):,} of {len(table.samples):,} sentences of {table.split}"
    click.echo(f"convert: {done}, {len(predictions.box):,} boxes -> {out}", err=True)
